#include "client/progress.h"

#include <string.h>

#include "support/cmocka.h"

static void a_line_fits_the_terminal(void **state)
{
    char line[256];
    (void)state;
    struct mr_progress_state states[] = {
        {"uploading", 0, 0, 0, 0, 0},
        {"uploading", 3, 2000, 512 << 20, 1 << 30, 55e6},
        {"uploading", 9, 9, 10, 5, 1e12},    /* a file that grew after it was counted */
        {"uploading", 0, 1, -5, 1 << 20, 3}, /* taken back after a failed try */
        {"uploading", INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, 1e18},
    };
    for (size_t i = 0; i < CASES(states); i++)
        for (int columns = 1; columns < 200; columns++) {
            mr_progress_format(&states[i], columns, line, sizeof(line));
            assert_true(strlen(line) < (size_t)(columns > 1 ? columns : 2));
        }
}

static void it_says_what_is_asked_for(void **state)
{
    char line[256];
    (void)state;
    struct mr_progress_state s = {"uploading", 3, 2000, 512 << 20, 1 << 30, 50 << 20};
    mr_progress_format(&s, 120, line, sizeof(line));
    assert_non_null(strstr(line, " 50% 512 MiB of 1.0 GiB"));
    assert_non_null(strstr(line, "50.0 MiB/s"));
    assert_non_null(strstr(line, "ETA 0:10"));
    assert_non_null(strstr(line, "3/2000 files"));
    assert_non_null(strstr(line, "[===================="));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_fits_the_terminal),
        cmocka_unit_test(it_says_what_is_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
