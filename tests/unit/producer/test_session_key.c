#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "producer/idempotency.h"
#include "producer/session.h"

#define A "01890a5d-ac96-774b-bcce-b302099a8057"
#define B "01890a5d-ac96-774b-bcce-b302099a8058"

static void keys_there_and_back(void **state)
{
    (void)state;
    struct mr_uuid file_id, upload_id, got;
    char key[128];
    assert_true(mr_uuid_parse(mr_span_of(A), &file_id));
    assert_true(mr_uuid_parse(mr_span_of(B), &upload_id));
    mr_session_key(file_id, upload_id, key, sizeof key);
    assert_string_equal(key, "files/" A "/" B);
    assert_true(mr_session_of_key(key, &got));
    assert_true(mr_uuid_eq(got, upload_id));
    static const char *const foreign[] = {"",
                                          "files/",
                                          "files/" A,
                                          "files/" A "/",
                                          "files/" A "/" B "x",
                                          "file/" A "/" B,
                                          "thumbs/" A "/" B,
                                          "files/" A "-" B,
                                          "files/x" A "/" B};
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++)
        assert_false(mr_session_of_key(foreign[i], &got));
}

static void states_have_names(void **state)
{
    (void)state;
    assert_string_equal(mr_session_state_name(MR_SESSION_OPEN), "open");
    assert_string_equal(mr_session_state_name(MR_SESSION_EXPIRED), "expired");
}

static void idempotency_keys(void **state)
{
    (void)state;
    char key[MR_IDEMPOTENCY_KEY_MAX + 2];
    memset(key, 'k', sizeof key);
    key[MR_IDEMPOTENCY_KEY_MAX] = '\0';
    assert_true(mr_idempotency_key_valid(key));
    key[MR_IDEMPOTENCY_KEY_MAX] = 'k';
    key[MR_IDEMPOTENCY_KEY_MAX + 1] = '\0';
    assert_false(mr_idempotency_key_valid(key));
    assert_true(mr_idempotency_key_valid("a b~"));
    assert_false(mr_idempotency_key_valid(""));
    assert_false(mr_idempotency_key_valid("tab\t"));
    assert_false(mr_idempotency_key_valid("caf\xc3\xa9"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_there_and_back),
        cmocka_unit_test(states_have_names),
        cmocka_unit_test(idempotency_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
