/* What the store answers, hostile answers too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "store/fault.h"
#include "store/request.h"
#include "store/xml.h"

static struct mr_error fault_of(long status, const char *body)
{
    struct mr_error err;
    mr_error_clear(&err);
    mr_store_fault("complete upload", "files/1", status, mr_span_of(body), &err);
    return err;
}

static void a_plain_success_is_none(void **state)
{
    (void)state;
    assert_int_equal(fault_of(200, "<Result/>").class, MR_CLASS_NONE);
    assert_int_equal(fault_of(204, "").class, MR_CLASS_NONE);
}

static void a_200_may_carry_an_error(void **state)
{
    (void)state;
    struct mr_error err =
        fault_of(200, "  \n<?xml version=\"1.0\"?>\n<Error><Code>InternalError</Code></Error>");
    assert_int_equal(err.class, MR_CLASS_RETRY);
    err = fault_of(200, "<Error><Code>NoSuchUpload</Code><Message>gone</Message></Error>");
    assert_int_equal(err.class, MR_CLASS_REJECT);
    assert_int_equal(err.code, 404);
    assert_true(mr_store_said(&err, "NoSuchUpload"));
    assert_false(mr_store_said(&err, "NoSuchKey"));
}

static void statuses_have_classes(void **state)
{
    (void)state;
    static const struct {
        long status;
        const char *body;
        enum mr_error_class class;
    } cases[] = {
        {500, "", MR_CLASS_RETRY},
        {503, "<Error><Code>SlowDown</Code></Error>", MR_CLASS_RETRY},
        {429, "", MR_CLASS_RETRY},
        {400, "<Error><Code>RequestTimeout</Code></Error>", MR_CLASS_RETRY},
        {400, "<Error><Code>InvalidPart</Code></Error>", MR_CLASS_REJECT},
        {404, "<Error><Code>NoSuchUpload</Code></Error>", MR_CLASS_REJECT},
        {404, "", MR_CLASS_REJECT},
        {403, "", MR_CLASS_FATAL},
        {403, "<Error><Code>SignatureDoesNotMatch</Code></Error>", MR_CLASS_FATAL},
        {403, "<Error><Code>InvalidAccessKeyId</Code></Error>", MR_CLASS_FATAL},
        {403, "<Error><Code>RequestTimeTooSkewed</Code></Error>", MR_CLASS_RETRY},
        {403, "<Error><Code>InvalidObjectState</Code></Error>", MR_CLASS_REJECT},
        {301, "", MR_CLASS_REJECT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mr_error err = fault_of(cases[i].status, cases[i].body);
        assert_int_equal(err.class, cases[i].class);
        assert_int_equal(err.code, (int)cases[i].status);
    }
}

static void hostile_xml_is_refused(void **state)
{
    (void)state;
    static const char *const hostile[] = {
        "",
        "   ",
        "no xml",
        "<a>",
        "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>",
        "<!DOCTYPE a SYSTEM \"http://127.0.0.1:1/a.dtd\"><a/>",
        "<!DOCTYPE l [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">"
        "<!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;\"><!ENTITY d \"&c;&c;&c;&c;&c;&c;&c;&c;\">]><l>&d;</l>",
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><a>\xff\xfe</a>",
    };
    for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++)
        assert_null(mr_xml_read(mr_span_of(hostile[i])));
    struct mr_buf deep; /* libxml2's own limit of depth holds: XML_PARSE_HUGE is not given */
    mr_buf_init(&deep, 1 << 20);
    for (int i = 0; i < 20000; i++)
        assert_int_equal(mr_buf_puts(&deep, "<a>"), MR_OK);
    assert_null(mr_xml_read(mr_buf_span(&deep)));
    mr_buf_free(&deep);
}

static void children_are_read(void **state)
{
    (void)state;
    xmlDoc *doc =
        mr_xml_read(mr_span_of("<R xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><N>12</N><T>true</T>"
                               "<E>&quot;abc&quot;</E><P>1</P><Q/><P>2</P><Bad>12x</Bad></R>"));
    assert_non_null(doc);
    const xmlNode *root = xmlDocGetRootElement(doc);
    int64_t n = 0;
    char text[8];
    assert_true(mr_xml_is(root, "R"));
    assert_true(mr_xml_i64(root, "N", &n));
    assert_int_equal(n, 12);
    assert_true(mr_xml_true(root, "T"));
    assert_true(mr_xml_text(root, "E", text, sizeof text));
    assert_string_equal(text, "\"abc\"");
    assert_true(mr_xml_text(root, "E", text, 3)); /* cut, not overrun */
    assert_string_equal(text, "\"a");
    assert_false(mr_xml_i64(root, "Bad", &n));
    assert_false(mr_xml_i64(root, "Q", &n));
    assert_false(mr_xml_text(root, "None", text, sizeof text));
    int seen = 0;
    for (const xmlNode *p = NULL; (p = mr_xml_child(root, "P", p));)
        seen++;
    assert_int_equal(seen, 2);
    xmlFreeDoc(doc);
}

static void composite_checksums(void **state)
{
    (void)state;
    struct mr_object o = {0};
    mr_store_composite("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=-3", &o);
    assert_true(o.has_checksum);
    assert_int_equal(o.parts, 3);
    assert_int_equal(o.checksum[0], 0xe3);
    static const char *const wrong[] = {"",
                                        "-",
                                        "-3",
                                        "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
                                        "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=-0",
                                        "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=-3x",
                                        "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=-10001",
                                        "AAAA-1"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        mr_store_composite(wrong[i], &o);
        assert_false(o.has_checksum);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_success_is_none), cmocka_unit_test(a_200_may_carry_an_error),
        cmocka_unit_test(statuses_have_classes),   cmocka_unit_test(hostile_xml_is_refused),
        cmocka_unit_test(children_are_read),       cmocka_unit_test(composite_checksums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
