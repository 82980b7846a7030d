#include "client/target.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "client/temporary_folder.h"
#include "support/cmocka.h"

static struct mr_error err;

static int open_root(void)
{
    int root = mr_target_root("out/deeper/root", &err);
    assert_true(root >= 0);
    return root;
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void check_refused(const char *relative)
{
    const char *name;
    int root = open_root();
    mr_error_clear(&err);
    assert_int_equal(mr_target_folder(root, relative, &name, &err), -1);
    assert_true(err.text[0] != '\0');
    close(root);
}

static void folders_are_made_on_the_way(void **state)
{
    const char *name = NULL;
    (void)state;
    int root = open_root();
    for (int twice = 0; twice < 2; twice++) {
        int folder = mr_target_folder(root, "a/b c/ü.txt", &name, &err);
        assert_true(folder >= 0);
        assert_string_equal(name, "ü.txt");
        close(folder);
    }
    assert_int_equal(access("out/deeper/root/a/b c", F_OK), 0);
    close(root);
}

static void names_cannot_leave_the_root(void **state)
{
    char longer[NAME_MAX + 3];
    (void)state;
    memset(longer, 'x', sizeof(longer));
    longer[sizeof(longer) - 1] = '\0';
    const char *hostile[] = {"",    "/etc/passwd", "../x", "a/../x", "a/../../x", "..",  ".",
                             "./x", "a/./x",       "a//x", "a/",     "a/..",      longer};
    for (size_t i = 0; i < CASES(hostile); i++)
        check_refused(hostile[i]);
    assert_int_equal(access("out/deeper/x", F_OK), -1);
}

static void links_are_not_followed(void **state)
{
    (void)state;
    close(open_root());
    assert_int_equal(mkdir("elsewhere", 0700), 0);
    assert_int_equal(symlink("../../../elsewhere", "out/deeper/root/link"), 0);
    check_refused("link/x");
    assert_int_equal(err.code, EEXIST);
    assert_int_equal(access("elsewhere/x", F_OK), -1);
    write_file("out/deeper/root/file", "");
    check_refused("file/x");
}

static void a_file_that_is_there_stays_unless_asked(void **state)
{
    char text[8] = "";
    (void)state;
    int root = open_root();
    write_file("out/deeper/root/x.part", "new");
    write_file("out/deeper/root/x", "old");
    assert_int_equal(mr_target_rename(root, "x.part", "x", false, &err), MR_FAIL);
    assert_int_equal(err.code, EEXIST);
    assert_int_equal(mr_target_rename(root, "x.part", "x", true, &err), MR_OK);
    FILE *f = fopen("out/deeper/root/x", "r");
    assert_non_null(f);
    assert_int_equal(fread(text, 1, 7, f), 3);
    assert_string_equal(text, "new");
    fclose(f);
    close(root);
}

/* A link in the place of the file is replaced itself, not what it points to. */
static void a_link_is_replaced_not_written_through(void **state)
{
    struct stat st;
    (void)state;
    int root = open_root();
    write_file("precious", "precious");
    assert_int_equal(symlink("../../../precious", "out/deeper/root/y"), 0);
    write_file("out/deeper/root/y.part", "new");
    assert_int_equal(mr_target_rename(root, "y.part", "y", false, &err), MR_FAIL);
    assert_int_equal(mr_target_rename(root, "y.part", "y", true, &err), MR_OK);
    assert_int_equal(lstat("out/deeper/root/y", &st), 0);
    assert_true(S_ISREG(st.st_mode));
    assert_int_equal(stat("precious", &st), 0);
    assert_int_equal(st.st_size, 8);
    close(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(folders_are_made_on_the_way, temporary_folder_make,
                                        temporary_folder_remove),
        cmocka_unit_test_setup_teardown(names_cannot_leave_the_root, temporary_folder_make,
                                        temporary_folder_remove),
        cmocka_unit_test_setup_teardown(links_are_not_followed, temporary_folder_make,
                                        temporary_folder_remove),
        cmocka_unit_test_setup_teardown(a_file_that_is_there_stays_unless_asked, temporary_folder_make,
                                        temporary_folder_remove),
        cmocka_unit_test_setup_teardown(a_link_is_replaced_not_written_through, temporary_folder_make,
                                        temporary_folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
