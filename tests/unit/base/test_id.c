#include "base/id.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "support/cmocka.h"

static struct mr_uuid uuid(const char *text)
{
    struct mr_uuid id;
    assert_true(mr_uuid_parse(mr_span_of(text), &id));
    return id;
}

static void assert_v5(const char *space, const char *name, const char *expected)
{
    char text[MR_UUID_TEXT_SIZE];
    assert_string_equal(mr_uuid_format(mr_uuid_v5(uuid(space), mr_span_of(name)), text), expected);
}

/* RFC 9562 appendix A.4, and what PostgreSQL's uuid-ossp gives for the other namespaces. */
static void v5_vectors(void **state)
{
    (void)state;
    assert_v5("6ba7b810-9dad-11d1-80b4-00c04fd430c8", "www.example.com",
              "2ed6657d-e927-568b-95e1-2665a8aea6a2");
    assert_v5("6ba7b810-9dad-11d1-80b4-00c04fd430c8", "python.org", "886313e1-3b8a-5372-9b90-0c9aee199e5d");
    assert_v5("6ba7b811-9dad-11d1-80b4-00c04fd430c8", "http://python.org/",
              "4c565f0d-3f5a-5890-b41b-20cf47701c5e");
}

/* The namespace is part of every stored event id: it never changes. */
static void event_ids_never_change(void **state)
{
    (void)state;
    char text[MR_UUID_TEXT_SIZE];
    assert_string_equal(mr_uuid_format(mr_uuid_millrace, text), "6d0f3a52-9c41-4e8b-a71d-2b85e064f319");
    struct mr_uuid upload = uuid("01890a5d-ac96-774b-bcce-b302099a8057");
    struct mr_uuid event = mr_event_id_of_upload(upload);
    assert_true(mr_uuid_eq(event, mr_event_id_of_upload(upload)));
    assert_true(
        mr_uuid_eq(event, mr_uuid_v5(mr_uuid_millrace,
                                     mr_span_of("FileUploaded:01890a5d-ac96-774b-bcce-b302099a8057"))));
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct mr_uuid));
}

static void v7_has_time_and_version(void **state)
{
    (void)state;
    int64_t before = mr_wall_us() / 1000;
    struct mr_uuid id = mr_uuid_v7();
    int64_t after = mr_wall_us() / 1000;
    int64_t ms = 0;
    for (int i = 0; i < 6; i++)
        ms = ms << 8 | id.b[i];
    assert_in_range(ms, before, after + 1);
    assert_int_equal(id.b[6] >> 4, 7);
    assert_int_equal(id.b[8] >> 6, 2);
}

static void v7_only_grows(void **state)
{
    (void)state;
    struct mr_uuid last = mr_uuid_v7();
    for (int i = 0; i < 100000; i++) {
        struct mr_uuid next = mr_uuid_v7();
        assert_true(compare(&last, &next) < 0);
        last = next;
    }
}

enum { THREADS = 4, EACH = 20000 };

static void *make_many(void *ctx)
{
    struct mr_uuid *ids = ctx;
    for (int i = 0; i < EACH; i++)
        ids[i] = mr_uuid_v7();
    return NULL;
}

/* Unique across threads already by their time part, and growing within each thread. */
static void v7_across_threads(void **state)
{
    (void)state;
    static struct mr_uuid ids[THREADS * EACH];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, make_many, ids + i * EACH), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 1; i < THREADS * EACH; i++) {
        if (i % EACH != 0)
            assert_true(compare(&ids[i - 1], &ids[i]) < 0);
    }
    qsort(ids, CASES(ids), sizeof(ids[0]), compare);
    for (size_t i = 1; i < CASES(ids); i++)
        assert_true(memcmp(ids[i - 1].b, ids[i].b, 8) != 0);
}

static void text_both_ways(void **state)
{
    (void)state;
    char text[MR_UUID_TEXT_SIZE];
    assert_string_equal(mr_uuid_format(uuid("2ED6657D-E927-568B-95E1-2665A8AEA6A2"), text),
                        "2ed6657d-e927-568b-95e1-2665a8aea6a2");
    assert_true(mr_uuid_is_nil(uuid("00000000-0000-0000-0000-000000000000")));
    assert_false(mr_uuid_is_nil(mr_uuid_millrace));
}

static void other_texts_are_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "2ed6657d",
        "2ed6657de927568b95e12665a8aea6a2",
        "{2ed6657d-e927-568b-95e1-2665a8aea6a2}",
        "2ed6657d-e927-568b-95e1-2665a8aea6a",
        "2ed6657d-e927-568b-95e1-2665a8aea6a22",
        "2ed6657d_e927-568b-95e1-2665a8aea6a2",
        "2ed6657-de927-568b-95e1-2665a8aea6a2",
        "2ed6657d-e927-568b-95e1-2665a8aea6ag",
        "2ed6657d-e927-568b-95e1-2665a8aea6a\xc3",
    };
    for (size_t i = 0; i < CASES(cases); i++) {
        struct mr_uuid id = {{1}};
        assert_false(mr_uuid_parse(mr_span_of(cases[i]), &id));
        assert_int_equal(id.b[0], 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(v5_vectors),
        cmocka_unit_test(event_ids_never_change),
        cmocka_unit_test(v7_has_time_and_version),
        cmocka_unit_test(v7_only_grows),
        cmocka_unit_test(v7_across_threads),
        cmocka_unit_test(text_both_ways),
        cmocka_unit_test(other_texts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
