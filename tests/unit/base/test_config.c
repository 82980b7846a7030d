#include "base/config.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/child.h"
#include "support/cmocka.h"

extern char **environ;

static char folder[64];
static char path[128];
static struct mr_error err;
static struct mr_config cfg;

/* Every test starts without a variable of ours and with an empty folder of its own. */
static int set_up(void **state)
{
    (void)state;
    char *names[256];
    size_t n = 0;
    for (char **e = environ; *e && n < CASES(names); e++) {
        if (strncmp(*e, "MR_", 3) == 0)
            names[n++] = strndup(*e, strcspn(*e, "="));
    }
    for (size_t i = 0; i < n; i++) {
        unsetenv(names[i]);
        free(names[i]);
    }
    strcpy(folder, "/tmp/mr-config.XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/file", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    rmdir(folder);
    return 0;
}

static void write_file(const char *text, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, n), n);
    close(fd);
}

/* Loads as mr-upload with the arguments given, up to NULL. */
static enum mr_status load(const char *first, ...)
{
    char *argv[16] = {"mr-upload"};
    int argc = 1;
    va_list args;
    va_start(args, first);
    for (const char *a = first; a; a = va_arg(args, const char *))
        argv[argc++] = (char *)(uintptr_t)a;
    va_end(args);
    mr_error_clear(&err);
    return mr_config_load(&cfg, MR_P_UPLOAD, "mr-upload", "takes uploads", argc, argv, NULL, NULL, &err);
}

static void assert_refused(enum mr_status status, const char *text)
{
    assert_int_equal(status, MR_FAIL);
    assert_int_equal(err.class, MR_CLASS_FATAL);
    assert_string_equal(err.text, text);
}

static void defaults_are_the_tables(void **state)
{
    (void)state;
    assert_int_equal(load(NULL), MR_OK);
    assert_string_equal(cfg.listen, "127.0.0.1:8080");
    assert_string_equal(cfg.instance_id, "");
    assert_int_equal(cfg.http_threads, 16);
    assert_int_equal(cfg.http_body_max, 2 << 20);
    assert_int_equal(cfg.upload_max_size, INT64_C(1) << 40);
    assert_int_equal(cfg.url_put_ttl, 15 * 60 * 1000);
    assert_int_equal(cfg.jwt_ttl, 12 * 3600 * 1000);
    assert_int_equal(cfg.relay_interval, 500);
    assert_true(cfg.scan_required);
}

static void flag_beats_environment_beats_file(void **state)
{
    (void)state;
    const char text[] =
        "brokers = file:1\n[s3]\nbucket = from-file\nregion = from-file\n[http]\nthreads=3 ; comment\n";
    write_file(text, strlen(text));
    setenv("MR_CONFIG", path, 1);
    setenv("MR_S3_REGION", "from-env", 1);
    setenv("MR_BROKERS", "env:1", 1);
    assert_int_equal(load("--brokers=flag:1", "--s3-public-endpoint", "http://flag", NULL), MR_OK);
    assert_string_equal(cfg.s3_bucket, "from-file");
    assert_string_equal(cfg.s3_region, "from-env");
    assert_string_equal(cfg.brokers, "flag:1");
    assert_string_equal(cfg.s3_public_endpoint, "http://flag");
    assert_int_equal(cfg.http_threads, 3);
}

static void the_file_may_be_named_by_flag(void **state)
{
    (void)state;
    const char text[] = "# flat\nhttp.threads = 5\ns3.bucket=b\n";
    write_file(text, strlen(text));
    setenv("MR_CONFIG", "/nowhere", 1);
    assert_int_equal(load("--config", path, NULL), MR_OK);
    assert_int_equal(cfg.http_threads, 5);
    assert_string_equal(cfg.s3_bucket, "b");
}

static void file_lines_may_be_long(void **state)
{
    (void)state;
    char text[3000] = "pg.dsn = host=h ";
    size_t n = strlen(text);
    memset(text + n, 'x', 2000);
    strcpy(text + n + 2000, "\nbrokers = b\n");
    write_file(text, strlen(text));
    assert_int_equal(load("--config", path, NULL), MR_OK);
    assert_int_equal(strlen(cfg.pg_dsn), 2007);
    assert_string_equal(cfg.brokers, "b");
}

static void refused_file(const char *content, const char *expected)
{
    char text[256];
    write_file(content, strlen(content));
    snprintf(text, sizeof(text), expected, path);
    assert_refused(load("--config", path, NULL), text);
}

static void what_a_file_may_not_hold(void **state)
{
    (void)state;
    refused_file("[s3]\nendpont = x\n", "unknown setting s3.endpont in %s; did you mean s3.endpoint?");
    refused_file("zebra = x\n", "unknown setting zebra in %s");
    refused_file("consumer.threads = 3\n",
                 "consumer.threads in %s is a setting that this program does not read");
    refused_file("brokers = a\nbrokers = b\n",
                 "brokers is given twice: by brokers in %1$s and by brokers in %1$s");
    refused_file("brokers = a\n  continued\n", "%s, line 2: not `name = value` or [section]");
    refused_file("[s3\n", "%s, line 1: not `name = value` or [section]");
    refused_file("http.threads = many\n",
                 "http.threads (http.threads in %s): \"many\" is not a whole number");
    assert_refused(load("--config", "/nowhere/at/all", NULL),
                   "open configuration file /nowhere/at/all: No such file or directory");
}

static void unknown_flags_are_refused(void **state)
{
    (void)state;
    assert_refused(load("--http-thread", "3", NULL),
                   "unknown flag --http-thread; did you mean --http-threads?");
    assert_refused(load("--xyzzy-plugh-plover", "3", NULL), "unknown flag --xyzzy-plugh-plover");
    assert_refused(load("-v", NULL), "unknown flag -v");
    assert_refused(load("--brokers-file", "/x", NULL), "unknown flag --brokers-file");
    assert_refused(load("--consumer-threads", "3", NULL),
                   "--consumer-threads is a setting that this program does not read");
    assert_refused(load("--http-threads", NULL), "--http-threads needs a value");
    assert_refused(load("--http-threads", "3", "--http-threads=4", NULL),
                   "http.threads is given twice: by --http-threads and by --http-threads");
    assert_refused(load("word", NULL), "unexpected argument word");
}

static void unknown_variables_are_refused(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"MR_S3_ENPOINT", "unknown environment variable MR_S3_ENPOINT; did you mean MR_S3_ENDPOINT?"},
        {"MR_METRIC_LISTEN",
         "unknown environment variable MR_METRIC_LISTEN; did you mean MR_METRICS_LISTEN?"},
        {"MR_CRASHAT", "unknown environment variable MR_CRASHAT; did you mean MR_CRASH_AT?"},
        {"MR_BROKERS_FILE", "unknown environment variable MR_BROKERS_FILE"},
        {"MR_FLUX_CAPACITOR", "unknown environment variable MR_FLUX_CAPACITOR"},
        {"MR_", "unknown environment variable MR_"},
    };
    for (size_t i = 0; i < CASES(cases); i++) {
        setenv(cases[i][0], "x", 1);
        assert_int_equal(load(NULL), MR_FAIL);
        assert_memory_equal(err.text, cases[i][1], strlen(cases[i][1]));
        unsetenv(cases[i][0]);
    }
}

static void variables_of_others_are_fine(void **state)
{
    (void)state;
    static const char *const names[] = {
        "MR_API_URL",        "MR_RUN_DIR",       "MR_CRASH_AT",  "MR_DEPS_DIR",       "MR_TEST_X",
        "MR_METRICS_UPLOAD", "MR_METRICS_API_2", "MR_REDIS_URL", "MR_REDIS_URL_FILE", "MR_INSTANCE_ID"};
    for (size_t i = 0; i < CASES(names); i++)
        setenv(names[i], "not a value of anything", 1);
    setenv("MRX", "1", 1);
    assert_int_equal(load(NULL), MR_OK);
    unsetenv("MRX");
}

static void assert_bad_value(const char *flag, const char *value, const char *expected)
{
    assert_refused(load(flag, value, NULL), expected);
}

static void values_are_checked(void **state)
{
    (void)state;
    assert_bad_value("--http-threads", "0", "http.threads (--http-threads): 0 is out of range, 1 to 256");
    assert_bad_value("--http-threads", "257", "http.threads (--http-threads): 257 is out of range, 1 to 256");
    assert_bad_value("--http-threads", "4x", "http.threads (--http-threads): \"4x\" is not a whole number");
    assert_bad_value("--http-threads", "", "http.threads (--http-threads): \"\" is not a whole number");
    assert_bad_value("--http-threads", "+4", "http.threads (--http-threads): \"+4\" is not a whole number");
    assert_bad_value("--http-threads", "-4", "http.threads (--http-threads): -4 is out of range, 1 to 256");
    assert_bad_value("--http-threads", "99999999999999999999",
                     "http.threads (--http-threads): \"99999999999999999999\" is not a whole number");
    assert_bad_value(
        "--http-body-max", "1KB",
        "http.body_max (--http-body-max): \"1KB\" is not a number of bytes (KiB, MiB, GiB, TiB)");
    assert_bad_value("--http-body-max", "1GiB",
                     "http.body_max (--http-body-max): 1GiB is out of range, 1KiB to 64MiB");
    assert_bad_value(
        "--upload-max-size", "9223372036854775807TiB",
        "upload.max_size (--upload-max-size): \"9223372036854775807TiB\" is not a number of bytes "
        "(KiB, MiB, GiB, TiB)");
    assert_bad_value("--upload-ttl", "1 d",
                     "upload.ttl (--upload-ttl): \"1 d\" is not a time (ms, s, min, h, d)");
    assert_bad_value("--upload-ttl", "31d", "upload.ttl (--upload-ttl): 31d is out of range, 1s to 30d");
    assert_bad_value("--log-level", "loud",
                     "log.level (--log-level): \"loud\" is not one of debug|info|warn|error");
    assert_bad_value("--log-level", "inf",
                     "log.level (--log-level): \"inf\" is not one of debug|info|warn|error");
    assert_bad_value("--log-level", "", "log.level (--log-level): \"\" is not one of debug|info|warn|error");
}

static void a_bool_is_true_or_false(void **state)
{
    (void)state;
    char *argv[] = {"mr-api", "--scan-required", "false"};
    assert_int_equal(mr_config_load(&cfg, MR_P_API, "mr-api", "", 3, argv, NULL, NULL, &err), MR_OK);
    assert_false(cfg.scan_required);
    argv[2] = "yes";
    assert_refused(mr_config_load(&cfg, MR_P_API, "mr-api", "", 3, argv, NULL, NULL, &err),
                   "scan.required (--scan-required): \"yes\" is not true or false");
}

static void units_multiply(void **state)
{
    (void)state;
    assert_int_equal(load("--http-body-max", "4096", "--upload-max-size", "3GiB", "--upload-ttl", "2d",
                          "--relay-interval", "50ms", "--sweep-idle", "90s", "--url-put-ttl", "1h",
                          "--upload-lease", "1500", NULL),
                     MR_OK);
    assert_int_equal(cfg.http_body_max, 4096);
    assert_int_equal(cfg.upload_max_size, INT64_C(3) << 30);
    assert_int_equal(cfg.upload_ttl, 2 * 86400000);
    assert_int_equal(cfg.relay_interval, 50);
    assert_int_equal(cfg.sweep_idle, 90000);
    assert_int_equal(cfg.url_put_ttl, 3600000);
    assert_int_equal(cfg.upload_lease, 1500);
}

static void secrets_come_from_files(void **state)
{
    (void)state;
    write_file("s3cr3t \n", 8);
    setenv("MR_S3_SECRET_KEY_FILE", path, 1);
    assert_int_equal(load("--jwt-key-file", path, NULL), MR_OK);
    assert_string_equal(cfg.s3_secret_key, "s3cr3t ");
    assert_string_equal(cfg.jwt_key, "s3cr3t ");
    write_file("dos\r\n", 5);
    assert_int_equal(load(NULL), MR_OK);
    assert_string_equal(cfg.s3_secret_key, "dos");
    write_file("", 0);
    assert_int_equal(load(NULL), MR_OK);
    assert_string_equal(cfg.s3_secret_key, "");
}

static void a_secret_file_may_be_named_in_the_file(void **state)
{
    (void)state;
    char text[256];
    snprintf(text, sizeof(text), "[s3]\nsecret_key_file = %s\n", path);
    write_file(text, strlen(text));
    assert_int_equal(load("--config", path, NULL), MR_OK); /* the file names itself, which will do */
    assert_memory_equal(cfg.s3_secret_key, "[s3]\nsecret_key_file", 20);
}

static void refused_secret(const char *what)
{
    char text[256];
    snprintf(text, sizeof(text), "MR_S3_SECRET_KEY_FILE: secret file %s: %s", getenv("MR_S3_SECRET_KEY_FILE"),
             what);
    assert_refused(load(NULL), text);
}

static void what_a_secret_file_may_not_be(void **state)
{
    (void)state;
    static char big[65537];
    memset(big, 'x', sizeof(big));
    setenv("MR_S3_SECRET_KEY_FILE", path, 1);
    refused_secret("No such file or directory");
    write_file(big, sizeof(big));
    refused_secret("larger than 64 KiB");
    write_file(big, sizeof(big) - 1);
    assert_int_equal(load(NULL), MR_OK);
    assert_int_equal(strlen(cfg.s3_secret_key), 65536);
    write_file("a\0b", 3);
    refused_secret("contains a NUL byte");
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    refused_secret("not a regular file"); /* and does not wait for a writer */
    setenv("MR_S3_SECRET_KEY_FILE", folder, 1);
    refused_secret("not a regular file");
    setenv("MR_S3_SECRET_KEY_FILE", "", 1);
    refused_secret("No such file or directory");
}

static void a_secret_is_given_once_per_level(void **state)
{
    (void)state;
    write_file("file", 4);
    setenv("MR_S3_SECRET_KEY", "value", 1);
    assert_int_equal(load("--s3-secret-key-file", path, NULL), MR_OK);
    assert_string_equal(cfg.s3_secret_key, "file");
    setenv("MR_S3_SECRET_KEY_FILE", path, 1);
    assert_int_equal(load(NULL), MR_FAIL);
    assert_non_null(strstr(err.text, "s3.secret_key is given twice"));
    assert_null(strstr(err.text, "value"));
}

static void other_arguments_are_handed_back(void **state)
{
    (void)state;
    char *argv[] = {"mr-admin", "dlq", "--brokers", "b:1", "list", "-", "--", "--brokers", "x"};
    char **rest;
    int n;
    assert_int_equal(mr_config_load(&cfg, MR_P_ADMIN, "mr-admin", "", 9, argv, &rest, &n, &err), MR_OK);
    assert_string_equal(cfg.brokers, "b:1");
    assert_int_equal(n, 5);
    assert_ptr_equal(rest[0], argv[1]);
    assert_ptr_equal(rest[1], argv[4]);
    assert_string_equal(rest[2], "-");
    assert_string_equal(rest[3], "--brokers");
    assert_string_equal(rest[4], "x");
}

static void an_error_needs_no_listener(void **state)
{
    (void)state;
    char *argv[] = {"mr-api", "--nothing"};
    assert_int_equal(mr_config_load(&cfg, MR_P_API, "mr-api", "", 2, argv, NULL, NULL, NULL), MR_FAIL);
}

static struct child result;

static void load_printing(void *ctx)
{
    char *argv[] = {"mr-upload", ctx};
    mr_config_load(&cfg, MR_P_UPLOAD, "mr-upload", "takes uploads", 2, argv, NULL, NULL, &err);
    abort(); /* it should have exited */
}

static void help_lists_what_the_program_reads(void **state)
{
    (void)state;
    setenv("MR_S3_SECRET_KEY", "hunter2", 1);
    child_run(load_printing, "--help", &result);
    assert_int_equal(result.exit_status, 0);
    assert_memory_equal(result.out, "mr-upload: takes uploads\n", 25);
    assert_non_null(strstr(result.out, "\nuploads:\n"));
    assert_non_null(strstr(result.out, "  --http-threads VALUE\n"));
    assert_non_null(strstr(result.out, "default 16; 1 to 256; MR_HTTP_THREADS\n"));
    assert_non_null(strstr(result.out, "--s3-secret-key-file, MR_S3_SECRET_KEY_FILE\n"));
    assert_null(strstr(result.out, "consumer"));
    assert_null(strstr(result.out, "hunter2"));
}

static void version_is_printed(void **state)
{
    (void)state;
    child_run(load_printing, "--version", &result);
    assert_int_equal(result.exit_status, 0);
    assert_string_equal(result.out, "mr-upload " MR_VERSION "\n");
}

static void markdown_has_every_setting(void **state)
{
    (void)state;
    child_run(load_printing, "--settings-markdown", &result);
    assert_int_equal(result.exit_status, 0);
#define MR_SETTING(type, field, name, fallback, low, high, programs, prose)                                  \
    assert_non_null(strstr(result.out, "| `" name "` | `MR_"));
#include "base/settings.def"
#undef MR_SETTING
    assert_non_null(strstr(result.out, "| debug\\|info\\|warn\\|error | all |"));
    assert_non_null(strstr(result.out, "\n## The consumer\n"));
    /* Programs to come have bits already; nobody can run them. */
    assert_null(strstr(result.out, "mr-thumbnail"));
    assert_null(strstr(result.out, "mr-scan"));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(defaults_are_the_tables),
        CASE(flag_beats_environment_beats_file),
        CASE(the_file_may_be_named_by_flag),
        CASE(file_lines_may_be_long),
        CASE(what_a_file_may_not_hold),
        CASE(unknown_flags_are_refused),
        CASE(unknown_variables_are_refused),
        CASE(variables_of_others_are_fine),
        CASE(values_are_checked),
        CASE(a_bool_is_true_or_false),
        CASE(units_multiply),
        CASE(secrets_come_from_files),
        CASE(a_secret_file_may_be_named_in_the_file),
        CASE(what_a_secret_file_may_not_be),
        CASE(a_secret_is_given_once_per_level),
        CASE(other_arguments_are_handed_back),
        CASE(an_error_needs_no_listener),
        CASE(help_lists_what_the_program_reads),
        CASE(version_is_printed),
        CASE(markdown_has_every_setting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
