/* What is remembered between runs: of uploads and of downloads. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "client/download_state.h"
#include "client/temporary_folder.h"
#include "client/upload_state.h"
#include "support/cmocka.h"

#define SESSION "0190a000-0000-7000-8000-000000000001"

static struct mr_error err;
static const struct mr_upload_place place = {".", "http://127.0.0.1:8080", "user", "/a/ü.txt"};

static struct stat file_of(const char *text)
{
    struct stat st;
    FILE *f = fopen("local", "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    assert_int_equal(stat("local", &st), 0);
    return st;
}

static void save_session(const struct stat *st)
{
    struct mr_upload_state *s = mr_upload_state_open(&place, &err);
    assert_non_null(s);
    assert_int_equal(mr_upload_state_save(s, SESSION, "/home/\xff/local", st, &err), MR_OK);
    mr_upload_state_close(&s, true);
    assert_null(s);
}

static void an_upload_is_found_again(void **state)
{
    (void)state;
    struct stat st = file_of("one");
    save_session(&st);
    struct mr_upload_state *s = mr_upload_state_open(&place, &err);
    assert_string_equal(mr_upload_state_session(s, &st), SESSION);
    assert_null(mr_upload_state_stale(s, &st));
    mr_upload_state_close(&s, false);
    s = mr_upload_state_open(&place, &err);
    assert_null(mr_upload_state_session(s, &st));
    assert_null(mr_upload_state_stale(s, &st));
    mr_upload_state_close(&s, false);
}

static void another_content_is_another_upload(void **state)
{
    (void)state;
    struct stat st = file_of("one");
    save_session(&st);
    struct stat changes[4] = {st, st, st, st};
    changes[0].st_size++;
    changes[1].st_mtim.tv_nsec ^= 1;
    changes[2].st_ino++;
    changes[3].st_dev++;
    for (size_t i = 0; i < CASES(changes); i++) {
        struct mr_upload_state *s = mr_upload_state_open(&place, &err);
        assert_null(mr_upload_state_session(s, &changes[i]));
        assert_string_equal(mr_upload_state_stale(s, &changes[i]), SESSION);
        mr_upload_state_close(&s, true);
    }
}

static void places_do_not_mix(void **state)
{
    (void)state;
    struct stat st = file_of("one");
    save_session(&st);
    struct mr_upload_place others[3] = {place, place, place};
    others[0].server = "http://127.0.0.1:8081";
    others[1].user_id = "another";
    others[2].remote = "/a/u.txt";
    for (size_t i = 0; i < CASES(others); i++) {
        struct mr_upload_state *s = mr_upload_state_open(&others[i], &err);
        assert_null(mr_upload_state_session(s, &st));
        mr_upload_state_close(&s, false);
    }
}

static void only_one_process_at_a_time(void **state)
{
    (void)state;
    struct mr_upload_state *s = mr_upload_state_open(&place, &err);
    assert_non_null(s);
    assert_null(mr_upload_state_open(&place, &err));
    assert_int_equal(err.code, 409);
    mr_upload_state_close(&s, false);
}

static void count_saved(void *ctx, const struct mr_upload_saved *saved)
{
    assert_string_equal(saved->upload_id, SESSION);
    assert_string_equal(saved->remote, place.remote);
    assert_string_equal(saved->local, "/home/\\xff/local");
    ++*(int *)ctx;
}

/* Whatever else lies there, cut or not ours, is passed over. */
static void damaged_state_counts_as_none(void **state)
{
    static const char *const damages[] = {
        "", "{", "null", "[]", "{\"upload_id\":7}", "{\"upload_id\":\"../x\"}", "\xff\xff"};
    int n = 0;
    (void)state;
    struct stat st = file_of("one");
    save_session(&st);
    assert_int_equal(mr_upload_state_each(".", count_saved, &n, &err), MR_OK);
    assert_int_equal(n, 1);
    for (size_t i = 0; i < CASES(damages); i++) {
        assert_int_equal(system("rm -f -- ????????????????????????????????????????????????????????????????"),
                         0);
        save_session(&st);
        assert_int_equal(system("ls | grep -E '^[0-9a-f]{64}$' > name"), 0);
        char name[80] = "";
        FILE *f = fopen("name", "r");
        assert_int_equal(fscanf(f, "%79s", name), 1);
        fclose(f);
        f = fopen(name, "w");
        fputs(damages[i], f);
        fclose(f);
        struct mr_upload_state *s = mr_upload_state_open(&place, &err);
        assert_non_null(s);
        assert_null(mr_upload_state_session(s, &st));
        assert_null(mr_upload_state_stale(s, &st));
        mr_upload_state_close(&s, true);
        n = 0;
        assert_int_equal(mr_upload_state_each(".", count_saved, &n, &err), MR_OK);
        assert_int_equal(n, 0);
    }
}

/* --- downloads --- */

static struct mr_download_place download_place(int folder)
{
    assert_true(mkdir("state", 0700) == 0 || errno == EEXIST);
    return (struct mr_download_place){"state", "http://127.0.0.1:8080", "file", 3, 4, folder, "x", false};
}

static const uint8_t hash_2[MR_SHA256_SIZE] = {2}, hash_4[MR_SHA256_SIZE] = {4};

static void parts_are_remembered(void **state)
{
    uint8_t got[MR_SHA256_SIZE];
    int fd;
    (void)state;
    int folder = open(".", O_RDONLY | O_DIRECTORY);
    struct mr_download_place p = download_place(folder);
    struct mr_download_state *s = mr_download_state_open(&p, &fd, &err);
    assert_non_null(s);
    assert_string_equal(mr_download_state_file(s), "x.part");
    assert_int_equal(mr_download_state_add(s, 4, hash_4, &err), MR_OK);
    assert_int_equal(mr_download_state_add(s, 2, hash_2, &err), MR_OK);
    close(fd);
    mr_download_state_close(&s, MR_DOWNLOAD_KEEP);

    s = mr_download_state_open(&p, &fd, &err);
    assert_false(mr_download_state_has(s, 1, got));
    assert_true(mr_download_state_has(s, 2, got));
    assert_memory_equal(got, hash_2, sizeof(got));
    assert_false(mr_download_state_has(s, 3, got));
    assert_true(mr_download_state_has(s, 4, got));
    close(fd);
    mr_download_state_close(&s, MR_DOWNLOAD_DROP);
    assert_int_equal(access("x.part", F_OK), -1);

    s = mr_download_state_open(&p, &fd, &err);
    assert_false(mr_download_state_has(s, 2, got));
    close(fd);
    mr_download_state_close(&s, MR_DOWNLOAD_DROP);
    close(folder);
}

/* The unfinished file was replaced by another one: nothing in it is ours, and it is not touched. */
static void a_strangers_part_file_is_left_alone(void **state)
{
    uint8_t got[MR_SHA256_SIZE];
    struct stat st;
    int fd;
    (void)state;
    int folder = open(".", O_RDONLY | O_DIRECTORY);
    struct mr_download_place p = download_place(folder);
    struct mr_download_state *s = mr_download_state_open(&p, &fd, &err);
    assert_int_equal(mr_download_state_add(s, 2, hash_2, &err), MR_OK);
    mr_download_state_close(&s,
                            MR_DOWNLOAD_KEEP); /* fd stays open: the inode must not be used again at once */
    assert_int_equal(unlink("x.part"), 0);
    assert_int_equal(system("echo precious > x.part"), 0);
    int second;
    s = mr_download_state_open(&p, &second, &err);
    assert_non_null(s);
    assert_string_not_equal(mr_download_state_file(s), "x.part");
    assert_false(mr_download_state_has(s, 2, got));
    close(second);
    close(fd);
    mr_download_state_close(&s, MR_DOWNLOAD_DROP);
    assert_int_equal(stat("x.part", &st), 0);
    assert_int_equal(st.st_size, 9);
    close(folder);
}

static void a_cut_line_does_not_count(void **state)
{
    uint8_t got[MR_SHA256_SIZE];
    int fd;
    (void)state;
    int folder = open(".", O_RDONLY | O_DIRECTORY);
    struct mr_download_place p = download_place(folder);
    struct mr_download_state *s = mr_download_state_open(&p, &fd, &err);
    assert_int_equal(mr_download_state_add(s, 1, hash_2, &err), MR_OK);
    assert_int_equal(mr_download_state_add(s, 2, hash_2, &err), MR_OK);
    close(fd);
    mr_download_state_close(&s, MR_DOWNLOAD_KEEP);
    assert_int_equal(
        system("truncate -s -1 state/*; printf 'part 99 00\\npart -1 00\\npart 3 zz\\n' >> state/*"), 0);
    s = mr_download_state_open(&p, &fd, &err);
    assert_true(mr_download_state_has(s, 1, got));
    assert_false(mr_download_state_has(s, 3, got));
    close(fd);
    mr_download_state_close(&s, MR_DOWNLOAD_DROP);
    close(folder);
}

#define WITH_FOLDER(test)                                                                                    \
    cmocka_unit_test_setup_teardown(test, temporary_folder_make, temporary_folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(an_upload_is_found_again),
        WITH_FOLDER(another_content_is_another_upload),
        WITH_FOLDER(places_do_not_mix),
        WITH_FOLDER(only_one_process_at_a_time),
        WITH_FOLDER(damaged_state_counts_as_none),
        WITH_FOLDER(parts_are_remembered),
        WITH_FOLDER(a_strangers_part_file_is_left_alone),
        WITH_FOLDER(a_cut_line_does_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
