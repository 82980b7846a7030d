/* Accounts: what is refused, hashes, and the rows on a real PostgreSQL. */
#include <string.h>

#include "account/account.h"
#include "db/migrate.h"
#include "support/cluster.h"
#include "support/cmocka.h"

static struct cluster *cluster;
static struct mr_db_pool *pool;
static struct mr_db *db;
static struct mr_error err;

static int start(void **state)
{
    (void)state;
    int applied;
    cluster = cluster_start();
    assert_int_equal(mr_db_pool_open(cluster_dsn(cluster), "test", 1, 0, &pool, &err), MR_OK);
    db = mr_db_acquire(pool, 5000, &err);
    assert_non_null(db);
    assert_int_equal(mr_db_migrate(db, MR_SOURCE_DIR "/db/migrations", &applied, &err), MR_OK);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    mr_db_release(&db);
    mr_db_pool_close(&pool);
    cluster_stop(&cluster);
    return 0;
}

static void addresses(void **state)
{
    (void)state;
    const char *const good[] = {"a@b", "zo\xc3\xab@example.test", "a+b.c@d.e"};
    const char *const bad[] = {"",
                               "a",
                               "@",
                               "a@",
                               "@b",
                               "a@b@c",
                               "a b@c",
                               "a@b\n",
                               "\xff@b",
                               "a\x7f@b",
                               "\xed\xa0\x80@b",
                               "\xc0\x80@b",
                               "\xf4\x90\x80\x80@b",
                               "\xe2\x82@b"};
    for (size_t i = 0; i < CASES(good); i++)
        assert_int_equal(mr_account_check_email(mr_span_of(good[i]), &err), MR_OK);
    for (size_t i = 0; i < CASES(bad); i++) {
        if (mr_account_check_email(mr_span_of(bad[i]), &err) == MR_OK)
            fail_msg("taken: `%s`", bad[i]);
        assert_int_equal(err.class, MR_CLASS_REJECT);
    }
    char long_one[MR_ACCOUNT_EMAIL_MAX + 2];
    memset(long_one, 'a', sizeof(long_one));
    long_one[1] = '@';
    assert_int_equal(mr_account_check_email((struct mr_span){long_one, MR_ACCOUNT_EMAIL_MAX}, &err), MR_OK);
    assert_int_equal(mr_account_check_email((struct mr_span){long_one, MR_ACCOUNT_EMAIL_MAX + 1}, &err),
                     MR_FAIL);
}

static void passwords_and_hashes(void **state)
{
    (void)state;
    char first[MR_ACCOUNT_HASH_SIZE], second[MR_ACCOUNT_HASH_SIZE];
    struct mr_span password = mr_span_of("correct horse");
    assert_int_equal(mr_account_check_password(mr_span_of("1234567"), &err), MR_FAIL);
    assert_int_equal(mr_account_check_password(mr_span_of("12345678"), &err), MR_OK);
    assert_int_equal(mr_account_hash(password, first, &err), MR_OK);
    assert_int_equal(mr_account_hash(password, second, &err), MR_OK);
    assert_string_not_equal(first, second);
    assert_memory_equal(first, "$argon2id$v=19$m=65536,t=2,p=1$", 31);
    assert_true(mr_account_verify(password, first));
    assert_true(mr_account_verify(password, second));
    assert_false(mr_account_verify(mr_span_of("correct hors"), first));
    assert_false(mr_account_verify(password, "not a hash"));
    assert_false(mr_account_verify_nobody(password));
}

static void an_address_has_one_account(void **state)
{
    (void)state;
    struct mr_uuid first, second;
    struct mr_span name = mr_span_of("N");
    assert_int_equal(mr_account_create(db, mr_span_of("One@example.test"), name, "hash", &first, &err),
                     MR_OK);
    assert_int_equal(mr_account_create(db, mr_span_of("one@EXAMPLE.test"), name, "hash", &second, &err),
                     MR_FAIL);
    assert_int_equal(err.class, MR_CLASS_REJECT);
    assert_int_equal(err.code, mr_sqlstate("23505"));
    assert_int_equal(mr_account_create(db, mr_span_of("two@example.test"), name, "hash", &second, &err),
                     MR_OK);
    assert_false(mr_uuid_eq(first, second));
}

static void an_invitation_is_used_once_in_time_and_by_whom_it_names(void **state)
{
    (void)state;
    char open[MR_INVITE_TOKEN_SIZE], named[MR_INVITE_TOKEN_SIZE], late[MR_INVITE_TOKEN_SIZE];
    struct mr_uuid user;
    const struct mr_span anybody = {NULL, 0}, guest = mr_span_of("guest@example.test");
    assert_int_equal(mr_account_create(db, guest, mr_span_of(""), "hash", &user, &err), MR_OK);
    assert_int_equal(mr_account_invite(db, anybody, 60000, open, &err), MR_OK);
    assert_int_equal(mr_account_invite(db, mr_span_of("Guest@example.test"), 60000, named, &err), MR_OK);
    assert_int_equal(mr_account_invite(db, anybody, -1, late, &err), MR_OK);
    assert_int_equal(strlen(open), MR_INVITE_TOKEN_SIZE - 1);
    assert_string_not_equal(open, named);
    assert_int_equal(mr_account_redeem(db, mr_span_of(open), guest, user, &err), MR_OK);
    assert_int_equal(mr_account_redeem(db, mr_span_of(open), guest, user, &err), MR_FAIL);
    assert_int_equal(err.class, MR_CLASS_REJECT);
    assert_int_equal(mr_account_redeem(db, mr_span_of(named), mr_span_of("other@example.test"), user, &err),
                     MR_FAIL);
    assert_int_equal(mr_account_redeem(db, mr_span_of(named), guest, user, &err), MR_OK);
    assert_int_equal(mr_account_redeem(db, mr_span_of(late), guest, user, &err), MR_FAIL);
    assert_int_equal(mr_account_redeem(db, mr_span_of("guessed"), guest, user, &err), MR_FAIL);
}

static void only_an_enabled_account_is_enabled(void **state)
{
    (void)state;
    struct mr_uuid user;
    bool enabled = false;
    const struct mr_span email = mr_span_of("enabled@example.test");
    assert_int_equal(mr_account_create(db, email, mr_span_of(""), "hash", &user, &err), MR_OK);
    assert_int_equal(mr_account_enabled(db, user, &enabled, &err), MR_OK);
    assert_true(enabled);
    assert_int_equal(mr_account_enabled(db, mr_uuid_v7(), &enabled, &err), MR_OK);
    assert_false(enabled);
    assert_int_equal(
        mr_db_exec(db, "UPDATE users SET disabled_at = now() WHERE email LIKE 'enabled@%'", &err), MR_OK);
    enabled = true;
    assert_int_equal(mr_account_enabled(db, user, &enabled, &err), MR_OK);
    assert_false(enabled);
}

/* Neither an account made twice at once nor a refused invitation may spoil the transaction it happens in. */
static void a_refusal_leaves_the_transaction_usable(void **state)
{
    (void)state;
    struct mr_uuid user, second;
    const struct mr_span email = mr_span_of("within@example.test");
    assert_int_equal(mr_db_begin(db, &err), MR_OK);
    assert_int_equal(mr_account_create(db, email, mr_span_of(""), "hash", &user, &err), MR_OK);
    assert_int_equal(mr_account_create(db, email, mr_span_of(""), "hash", &second, &err), MR_FAIL);
    assert_int_equal(mr_account_redeem(db, mr_span_of("guessed"), email, user, &err), MR_FAIL);
    assert_int_equal(err.class, MR_CLASS_REJECT);
    assert_int_equal(mr_db_commit(db, &err), MR_OK);
    bool enabled = false;
    assert_int_equal(mr_account_enabled(db, user, &enabled, &err), MR_OK);
    assert_true(enabled);
}

static void names(void **state)
{
    (void)state;
    char longest[MR_ACCOUNT_NAME_MAX + 2];
    memset(longest, 'n', sizeof longest);
    assert_int_equal(mr_account_check_name(mr_span_of(""), &err), MR_OK);
    assert_int_equal(mr_account_check_name(mr_span_of("Zo\xc3\xab van den Berg"), &err), MR_OK);
    assert_int_equal(mr_account_check_name((struct mr_span){longest, MR_ACCOUNT_NAME_MAX}, &err), MR_OK);
    assert_int_equal(mr_account_check_name((struct mr_span){longest, MR_ACCOUNT_NAME_MAX + 1}, &err),
                     MR_FAIL);
    assert_int_equal(err.class, MR_CLASS_REJECT);
    assert_int_equal(mr_account_check_name(mr_span_of("a\x07"), &err), MR_FAIL);
    assert_int_equal(mr_account_check_name(mr_span_of("a\xff"), &err), MR_FAIL);
    assert_int_equal(mr_account_check_name((struct mr_span){"a\0b", 3}, &err), MR_FAIL);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(only_an_enabled_account_is_enabled),
        cmocka_unit_test(a_refusal_leaves_the_transaction_usable),
        cmocka_unit_test(names),
        cmocka_unit_test(addresses),
        cmocka_unit_test(passwords_and_hashes),
        cmocka_unit_test(an_address_has_one_account),
        cmocka_unit_test(an_invitation_is_used_once_in_time_and_by_whom_it_names),
    };
    return cmocka_run_group_tests(cases, start, stop);
}
