/* Servers, paths, content types, exit codes: what the client makes of what it is told. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/account.h"
#include "client/content_type.h"
#include "client/exit_code.h"
#include "client/remote.h"
#include "client/temporary_folder.h"
#include "support/cmocka.h"

static struct mr_error err;

static void check_url(const char *in, const char *out)
{
    char *got = mr_server_url(in, &err);
    if (out)
        assert_string_equal(got, out);
    else
        assert_null(got);
    free(got);
}

static void servers(void **state)
{
    (void)state;
    check_url("http://127.0.0.1:8080", "http://127.0.0.1:8080");
    check_url("https://files.example.com/", "https://files.example.com");
    check_url("https://files.example.com/millrace//", "https://files.example.com/millrace");
    check_url("files.example.com", NULL);
    check_url("ftp://files.example.com", NULL);
    check_url("file:///etc/passwd", NULL);
    check_url("http://", NULL);
    check_url("http:///x", NULL);
    check_url("http://user:password@host", NULL);
    check_url("http://host/?x", NULL);
    check_url("http://host/#x", NULL);
    check_url("http://host\r\nX: y", NULL);
}

static void check_path(const char *in, const char *out)
{
    char *got = mr_remote_path(in, &err);
    if (out)
        assert_string_equal(got, out);
    else
        assert_null(got);
    free(got);
}

static void paths(void **state)
{
    (void)state;
    check_path("/", "/");
    check_path("//", "/");
    check_path("/a/b/", "/a/b");
    check_path("/caf\x65\xcc\x81", "/caf\xc3\xa9"); /* NFD becomes NFC */
    check_path("a/b", NULL);
    check_path("", NULL);
    check_path("/\xff", NULL);
    char *joined = mr_remote_join("/", "A\xcc\x8a", &err);
    assert_string_equal(joined, "/\xc3\x85");
    free(joined);
    joined = mr_remote_join("/a", "b", &err);
    assert_string_equal(joined, "/a/b");
    free(joined);
    assert_null(mr_remote_join("/a", "\xe9", &err));
    assert_string_equal(mr_last_segment("/a/b"), "b");
    assert_string_equal(mr_last_segment("b"), "b");
}

static void content_types(void **state)
{
    (void)state;
    assert_string_equal(mr_content_type("a.JPG"), "image/jpeg");
    assert_string_equal(mr_content_type("x.tar.gz"), "application/gzip");
    assert_string_equal(mr_content_type("folder.pdf/x"), "application/octet-stream");
    assert_string_equal(mr_content_type(".pdf"), "application/octet-stream");
    assert_string_equal(mr_content_type("pdf"), "application/octet-stream");
    assert_string_equal(mr_content_type("x.pdf/.html"), "application/octet-stream");
}

static int exit_of(enum mr_error_class class, int code)
{
    mr_error_set(&err, class, code, "x");
    return (int)mr_exit_of(&err);
}

static void exit_codes(void **state)
{
    (void)state;
    assert_int_equal(exit_of(MR_CLASS_REJECT, 400), 1);
    assert_int_equal(exit_of(MR_CLASS_REJECT, 413), 1);
    assert_int_equal(exit_of(MR_CLASS_REJECT, EINVAL), 2);
    assert_int_equal(exit_of(MR_CLASS_REJECT, 401), 3);
    assert_int_equal(exit_of(MR_CLASS_REJECT, 403), 3);
    assert_int_equal(exit_of(MR_CLASS_REJECT, EACCES), 3);
    assert_int_equal(exit_of(MR_CLASS_REJECT, 404), 4);
    assert_int_equal(exit_of(MR_CLASS_REJECT, ENOENT), 4);
    assert_int_equal(exit_of(MR_CLASS_REJECT, 409), 5);
    assert_int_equal(exit_of(MR_CLASS_REJECT, EEXIST), 5);
    assert_int_equal(exit_of(MR_CLASS_RETRY, 0), 6);
    assert_int_equal(exit_of(MR_CLASS_RETRY, 429), 6);
    assert_int_equal(exit_of(MR_CLASS_RETRY, 503), 6);
    assert_int_equal(exit_of(MR_CLASS_FATAL, 0), 6);
    assert_int_equal(exit_of(MR_CLASS_REJECT, ECANCELED), 130);
}

static void a_login_is_kept_and_private(void **state)
{
    struct stat st;
    struct mr_account saved = {(char *)"http://h", (char *)"t", (char *)"a@b", (char *)"id"}, loaded;
    bool was;
    unsetenv("MILLRACE_TOKEN");
    setenv("XDG_CONFIG_HOME", *state, 1);
    assert_int_equal(mr_account_load(&loaded, &err), MR_FAIL);
    assert_int_equal(err.code, 401);
    assert_int_equal(mr_account_save(&saved, &err), MR_OK);
    assert_int_equal(mr_account_load(&loaded, &err), MR_OK);
    assert_string_equal(loaded.url, "http://h");
    assert_string_equal(loaded.token, "t");
    assert_string_equal(loaded.email, "a@b");
    assert_string_equal(loaded.user_id, "id");
    mr_account_free(&loaded);
    assert_int_equal(stat("millrace/credentials.json", &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(mr_account_forget(&was, &err), MR_OK);
    assert_true(was);
    assert_int_equal(mr_account_forget(&was, &err), MR_OK);
    assert_false(was);
}

static void the_environment_stands_in_for_a_login(void **state)
{
    struct mr_account a;
    (void)state;
    setenv("MILLRACE_TOKEN", "secret", 1);
    unsetenv("MILLRACE_URL");
    assert_int_equal(mr_account_load(&a, &err), MR_FAIL);
    setenv("MILLRACE_URL", "http://h/", 1);
    assert_int_equal(mr_account_load(&a, &err), MR_OK);
    assert_string_equal(a.url, "http://h");
    assert_string_equal(a.token, "secret");
    mr_account_free(&a);
    setenv("MILLRACE_TOKEN", "a\r\nX-Evil: 1", 1);
    assert_int_equal(mr_account_load(&a, &err), MR_FAIL);
    unsetenv("MILLRACE_TOKEN");
    unsetenv("MILLRACE_URL");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(servers),
        cmocka_unit_test(paths),
        cmocka_unit_test(content_types),
        cmocka_unit_test(exit_codes),
        cmocka_unit_test_setup_teardown(a_login_is_kept_and_private, temporary_folder_make,
                                        temporary_folder_remove),
        cmocka_unit_test(the_environment_stands_in_for_a_login),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
