#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h needs what is above. */
#include <cmocka.h>

#include "event/schema.h"

static struct mr_schema *parse(const char *text)
{
    struct mr_schema *s;
    struct mr_error err;
    if (mr_schema_parse(mr_span_of(text), &s, &err) != MR_OK) {
        fail_msg("%s: %s", text, err.text);
    }
    return s;
}

static void refuses(const char *text, const char *why)
{
    struct mr_schema *s = (void *)1;
    struct mr_error err = {0};
    assert_int_equal(mr_schema_parse(mr_span_of(text), &s, &err), MR_FAIL);
    assert_null(s);
    assert_int_equal(err.class, MR_CLASS_REJECT);
    if (!strstr(err.text, why)) {
        fail_msg("\"%s\" does not say \"%s\"", err.text, why);
    }
}

static enum mr_schema_kind kind_of_field(const struct mr_schema *s, const char *name)
{
    const struct mr_schema_child *field = mr_schema_field(s, s->root, name);
    assert_non_null(field);
    return s->nodes[field->node].kind;
}

static void test_every_type(void **state)
{
    (void)state;
    struct mr_schema *s = parse(
        "{\"type\":\"record\",\"name\":\"R\",\"namespace\":\"a.b\",\"fields\":["
        "{\"name\":\"n\",\"type\":\"null\"},{\"name\":\"b\",\"type\":\"boolean\"},{\"name\":\"i\",\"type\":"
        "\"int\"},"
        "{\"name\":\"l\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-micros\"}},"
        "{\"name\":\"f\",\"type\":\"float\"},{\"name\":\"d\",\"type\":\"double\"},{\"name\":\"y\",\"type\":"
        "\"bytes\"},"
        "{\"name\":\"s\",\"type\":{\"type\":{\"type\":\"string\"}},\"default\":\"x\"},"
        "{\"name\":\"x\",\"type\":{\"type\":\"fixed\",\"name\":\"X\",\"size\":7}},"
        "{\"name\":\"e\",\"type\":{\"type\":\"enum\",\"name\":\"c.E\",\"symbols\":[\"A\",\"B\",\"C\"]}},"
        "{\"name\":\"a\",\"type\":{\"type\":\"array\",\"items\":\"X\"}},"
        "{\"name\":\"m\",\"type\":{\"type\":\"map\",\"values\":[\"null\",\"c.E\"]}},"
        "{\"name\":\"r\",\"type\":[\"null\",\"R\",\"a.b.X\"]}]}");
    assert_string_equal(s->nodes[s->root].name, "R");
    assert_int_equal(s->nodes[s->root].n_children, 13);
    assert_int_equal(kind_of_field(s, "l"), MR_SCHEMA_LONG);
    assert_int_equal(kind_of_field(s, "s"), MR_SCHEMA_STRING);
    assert_int_equal(kind_of_field(s, "r"), MR_SCHEMA_UNION);
    assert_string_equal(json_string_value(mr_schema_field(s, s->root, "s")->fallback), "x");
    assert_null(mr_schema_field(s, s->root, "n")->fallback);
    assert_int_equal(s->nodes[mr_schema_field(s, s->root, "x")->node].size, 7);
    assert_int_equal(s->nodes[mr_schema_field(s, s->root, "e")->node].size, 3);
    assert_string_equal(s->nodes[mr_schema_field(s, s->root, "e")->node].name, "E");
    const struct mr_schema_node *branches = &s->nodes[mr_schema_field(s, s->root, "r")->node];
    assert_int_equal(mr_schema_child_at(s, branches, 1)->node, s->root);
    assert_null(mr_schema_field(s, s->root, "zz"));
    mr_schema_free(&s);
    assert_null(s);
}

static void test_what_is_no_schema(void **state)
{
    (void)state;
    refuses("", "not JSON");
    refuses("{\"type\":", "not JSON");
    refuses("17", "a type is missing");
    refuses("{}", "a type is missing");
    refuses("\"text\"", "unknown type text");
    refuses("{\"type\":\"record\",\"name\":\"R\"}", "without fields");
    refuses("{\"type\":\"record\",\"fields\":[]}", "without a name");
    refuses("{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"type\":\"int\"}]}", "field without a name");
    refuses("{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":\"int\"},"
            "{\"name\":\"a\",\"type\":\"int\"}]}",
            "field without a name of its own a");
    refuses("{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\"}]}", "a type is missing");
    refuses("{\"type\":\"fixed\",\"name\":\"F\"}", "without a size");
    refuses("{\"type\":\"fixed\",\"name\":\"F\",\"size\":-1}", "without a size");
    refuses("{\"type\":\"fixed\",\"name\":\"F\",\"size\":99999999999}", "without a size");
    refuses("{\"type\":\"enum\",\"name\":\"E\"}", "without symbols");
    refuses("{\"type\":\"array\"}", "a type is missing");
    refuses("{\"type\":\"map\",\"values\":5}", "a type is missing");
    refuses("[\"null\",[\"int\"]]", "a union in a union");
    refuses("[{\"type\":\"fixed\",\"name\":\"F\",\"size\":1},{\"type\":\"fixed\",\"name\":\"F\",\"size\":2}]",
            "declared twice: F");
    refuses("{\"type\":\"record\",\"name\":\"R\",\"type\":\"record\",\"fields\":[]}", "not JSON");
}

static void test_ceilings(void **state)
{
    (void)state;
    size_t size = MR_SCHEMA_TEXT_MAX + 2;
    char *text = malloc(size);
    assert_non_null(text);
    memset(text, ' ', size);
    text[size - 1] = '\0';
    refuses(text, "is over");

    size_t at = 0;
    for (int i = 0; i < MR_SCHEMA_DEPTH_MAX; i++) {
        at += (size_t)snprintf(text + at, size - at, "{\"type\":\"array\",\"items\":");
    }
    snprintf(text + at, size - at, "\"int\"");
    for (int i = 0; i < MR_SCHEMA_DEPTH_MAX; i++) {
        strcat(text, "}");
    }
    refuses(text, "nested too deep");

    at = (size_t)snprintf(
        text, size, "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"f\",\"type\":\"int\"}");
    for (int i = 0; i < MR_SCHEMA_NODES_MAX; i++) {
        at += (size_t)snprintf(text + at, size - at, ",{\"name\":\"f%d\",\"type\":\"int\"}", i);
    }
    snprintf(text + at, size - at, "]}");
    refuses(text, "too many fields");

    at = (size_t)snprintf(text, size, "[\"int\"");
    for (int i = 0; i < MR_SCHEMA_NODES_MAX / 2; i++) {
        at += (size_t)snprintf(text + at, size - at, ",{\"type\":\"array\",\"items\":\"int\"}");
    }
    snprintf(text + at, size - at, "]");
    refuses(text, "too many");

    memset(text, 'x', 600);
    snprintf(text + 600, size - 600, "%s", "");
    char *named = malloc(1000);
    assert_non_null(named);
    snprintf(named, 1000, "{\"type\":\"fixed\",\"size\":1,\"name\":\"%.600s\"}", text);
    refuses(named, "too long");
    free(named);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_type),
        cmocka_unit_test(test_what_is_no_schema),
        cmocka_unit_test(test_ceilings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
