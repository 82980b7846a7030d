/* Tables and hex dumps: what of the log reaches a terminal. */
#include <stdlib.h>
#include <string.h>

#include "admin/letter_view.h"
#include "admin/table.h"
#include "support/cmocka.h"

static char *text;
static size_t size;

static FILE *open_text(void)
{
    free(text);
    text = NULL;
    return open_memstream(&text, &size);
}

static void rows(struct mr_table *t)
{
    static const char *const columns[] = {"first_name", "n", "rest"};
    mr_table_init(t, columns, 3);
    mr_table_row(t);
    mr_table_text(t, "Zo\xc3\xab");
    mr_table_int(t, 5);
    mr_table_text(t, "a\033[31mb");
    mr_table_row(t);
    mr_table_bytes(t, "\xff\x00x", 3);
    mr_table_int(t, 1234);
    mr_table_null(t);
}

static void columns_line_up_and_controls_do_not_reach_the_terminal(void **state)
{
    (void)state;
    struct mr_table t;
    rows(&t);
    FILE *f = open_text();
    mr_table_print(&t, f);
    fclose(f);
    assert_string_equal(text, "FIRST NAME     N  REST\n"
                              "Zo\xc3\xab            5  a?[31mb\n"
                              "\\xff\\x00x   1234  -\n");
    mr_table_free(&t);
}

static void json_has_the_columns_as_names(void **state)
{
    (void)state;
    struct mr_table t;
    rows(&t);
    FILE *f = open_text();
    mr_table_show(&t, f, 1);
    fclose(f);
    json_t *list = json_loads(text, 0, NULL);
    assert_int_equal(json_array_size(list), 2);
    json_t *row = json_array_get(list, 0);
    assert_string_equal(json_string_value(json_object_get(row, "first_name")), "Zo\xc3\xab");
    assert_int_equal(json_integer_value(json_object_get(row, "n")), 5);
    assert_string_equal(json_string_value(json_object_get(row, "rest")), "a\033[31mb");
    assert_true(json_is_null(json_object_get(json_array_get(list, 1), "rest")));
    json_decref(list);
    mr_table_free(&t);
}

static void a_table_without_rows_has_its_headings(void **state)
{
    (void)state;
    static const char *const columns[] = {"only"};
    struct mr_table t;
    mr_table_init(&t, columns, 1);
    FILE *f = open_text();
    mr_table_print(&t, f);
    fclose(f);
    assert_string_equal(text, "ONLY\n");
    mr_table_free(&t);
}

static void a_dump_shows_bytes_and_stops_at_its_ceiling(void **state)
{
    (void)state;
    FILE *f = open_text();
    mr_hex_dump("Hello\033, \x7f\xff....more", 18, 16, f);
    fclose(f);
    assert_string_equal(text,
                        "  00000000  48 65 6c 6c 6f 1b 2c 20 7f ff 2e 2e 2e 2e 6d 6f  |Hello., ......mo|\n"
                        "  … 2 bytes more\n");
    f = open_text();
    mr_hex_dump("ab", 2, 16, f);
    fclose(f);
    assert_string_equal(text, "  00000000  61 62                                            |ab|\n");
    free(text);
    text = NULL;
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(columns_line_up_and_controls_do_not_reach_the_terminal),
        cmocka_unit_test(json_has_the_columns_as_names),
        cmocka_unit_test(a_table_without_rows_has_its_headings),
        cmocka_unit_test(a_dump_shows_bytes_and_stops_at_its_ceiling),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
