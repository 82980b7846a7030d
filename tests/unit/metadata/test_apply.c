/* What a batch comes to in PostgreSQL, whatever the order and however often it is applied. */
#include <libpq-fe.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "db/migrate.h"
#include "support/cluster.h"
#include "support/cmocka.h"
#include "workers/metadata/apply.h"

#define T0 INT64_C(1780000000000000)

static struct cluster *cluster;
static struct mr_db_pool *pool;
static struct mr_db *db;
static const struct mr_metadata_rules open_rules = {.scan_required = false};
static const struct mr_metadata_rules strict_rules = {.scan_required = true};

static int start(void **state)
{
    (void)state;
    struct mr_error err;
    int applied;
    cluster = cluster_start();
    assert_int_equal(mr_db_pool_open(cluster_dsn(cluster), "test", 3, 0, &pool, &err), MR_OK);
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

static int wipe(void **state)
{
    (void)state;
    cluster_run(cluster, "truncate files, file_versions, file_stages, purged_files");
    return 0;
}

/* --- events --- */

static struct mr_uuid id_of(uint8_t kind, uint8_t n)
{
    struct mr_uuid id = {{0}};
    id.b[0] = kind;
    id.b[15] = n;
    return id;
}

static struct mr_span text_of(const char *s)
{
    return s ? mr_span_of(s) : (struct mr_span){NULL, 0};
}

static struct mr_metadata_item upload(uint8_t file, int64_t version)
{
    struct mr_metadata_item item = {.kind = MR_METADATA_UPLOADED, .file_id = id_of(1, file)};
    static const char *const paths[] = {"/a", "/b", "/c", "/d", "/e", "/f"};
    static const char *const keys[] = {"", "objects/1", "objects/2", "objects/3", "objects/4", "objects/5"};
    item.uploaded = (struct mr_file_uploaded){
        .event_id = id_of((uint8_t)(2 + version), file),
        .occurred_at_us = T0 + version * 1000000,
        .file_id = item.file_id,
        .version = version,
        .owner_id = id_of(9, 1),
        .user_id = id_of(9, 2),
        .path = text_of(paths[file]),
        .size = 100 * version,
        .content_type = text_of("text/plain"),
        .s3_bucket = text_of("millrace"),
        .s3_key = text_of(keys[version]),
        .s3_etag = text_of("etag"),
        .origin = text_of("UPLOAD"),
    };
    memset(item.uploaded.content_hash, (int)version, MR_SHA256_SIZE);
    return item;
}

static struct mr_metadata_item report(uint8_t file, int64_t version, const char *stage, const char *outcome,
                                      const char *verdict, int64_t at_s)
{
    struct mr_metadata_item item = {.kind = MR_METADATA_PROCESSED, .file_id = id_of(1, file)};
    item.processed = (struct mr_file_processed){
        .event_id = id_of((uint8_t)(2 + version), file),
        .file_id = item.file_id,
        .version = version,
        .s3_key = text_of("objects/1"),
        .stage = text_of(stage),
        .outcome = text_of(outcome),
        .verdict = text_of(verdict),
        .attempt = 1,
        .started_at_us = T0 + at_s * 1000000,
        .finished_at_us = strcmp(outcome, "RUNNING") == 0 ? 0 : T0 + at_s * 1000000 + 500000,
    };
    return item;
}

static void apply_with(const struct mr_metadata_rules *rules, struct mr_metadata_item *items, size_t n)
{
    struct mr_metadata_item *list[64];
    struct mr_error err;
    assert_true(n <= 64);
    for (size_t i = 0; i < n; i++)
        list[i] = &items[i];
    if (mr_metadata_apply(db, rules, list, n, &err) != MR_OK)
        fail_msg("apply: %s", err.text);
}

static void apply(struct mr_metadata_item *items, size_t n)
{
    apply_with(&open_rules, items, n);
}

static void apply_one(struct mr_metadata_item item)
{
    apply(&item, 1);
}

/* --- looking at the tables --- */

/* The one value of the first row as text; lives until the next call. */
static const char *look(const char *sql)
{
    static char text[65536];
    PGconn *conn = PQconnectdb(cluster_dsn(cluster));
    PGresult *res = PQexec(conn, sql);
    if (PQresultStatus(res) != PGRES_TUPLES_OK || PQntuples(res) != 1)
        fail_msg("%s: %s (%d rows)", sql, PQresultErrorMessage(res), PQntuples(res));
    snprintf(text, sizeof(text), "%s", PQgetvalue(res, 0, 0));
    PQclear(res);
    PQfinish(conn);
    return text;
}

static const char *file_state(void)
{
    return look("select concat_ws('|', version, size, s3_key, status, coalesce(verdict, '-'), change_seq) "
                "from files");
}

#define EVERYTHING                                                                                           \
    "select concat_ws(E'\\n', (select string_agg(concat(f.xmin, f), E'\\n' order by file_id) from files "    \
    "f), "                                                                                                   \
    "(select string_agg(concat(v.xmin, v), E'\\n' order by file_id, version) from file_versions v), "        \
    "(select string_agg(concat(s.xmin, s), E'\\n' order by file_id, version, stage) from file_stages s))"

static void upload_makes_rows(void **state)
{
    (void)state;
    apply_one(upload(1, 1));
    assert_string_equal(file_state(), "1|100|objects/1|AVAILABLE|-|1");
    assert_string_equal(
        look("select concat_ws('|', path, next_version, content_type, encode(content_hash, 'hex'), "
             "created_at = updated_at, deleted_at is null) from files"),
        "/b|2|text/plain|0101010101010101010101010101010101010101010101010101010101010101|t|t");
    assert_string_equal(
        look("select concat_ws('|', version, s3_key, s3_etag, size, user_id) from file_versions"),
        "1|objects/1|etag|100|09000000-0000-0000-0000-000000000002");
}

static void reservation_keeps_what_the_apis_own(void **state)
{
    (void)state;
    cluster_run(
        cluster,
        "insert into files (file_id, user_id, path, next_version, change_seq, created_at) values "
        "('01000000-0000-0000-0000-000000000001', '09000000-0000-0000-0000-000000000007', '/renamed', "
        "5, 3, '2020-01-01')");
    apply_one(upload(1, 2));
    assert_string_equal(file_state(), "2|200|objects/2|AVAILABLE|-|4");
    assert_string_equal(
        look("select concat_ws('|', path, next_version, created_at < '2020-01-02', user_id) from files"),
        "/renamed|5|t|09000000-0000-0000-0000-000000000007");
}

static void replay_changes_no_row(void **state)
{
    (void)state;
    struct mr_metadata_item items[] = {upload(1, 1), upload(1, 2), upload(2, 1),
                                       report(1, 2, "SCAN", "OK", "CLEAN", 5),
                                       report(2, 1, "THUMBNAIL", "FAILED", NULL, 6)};
    apply(items, 5);
    char *before = strdup(look(EVERYTHING));
    apply(items, 5);
    for (size_t i = 0; i < 5; i++)
        apply(&items[i], 1);
    assert_string_equal(look(EVERYTHING), before);
    free(before);
}

static void highest_version_wins(void **state)
{
    (void)state;
    struct mr_metadata_item items[] = {upload(1, 2), upload(1, 3), upload(1, 1), upload(1, 3)};
    apply(items, 4);
    assert_string_equal(file_state(), "3|300|objects/3|AVAILABLE|-|1");
    assert_string_equal(look("select string_agg(version::text, ',' order by version) from file_versions"),
                        "1,2,3");
}

static void late_old_event_adds_its_version_only(void **state)
{
    (void)state;
    apply_one(upload(1, 3));
    apply_one(upload(1, 2));
    assert_string_equal(file_state(), "3|300|objects/3|AVAILABLE|-|1");
    assert_string_equal(look("select string_agg(version::text, ',' order by version) from file_versions"),
                        "2,3");
}

static void deleted_version_stays_deleted_and_a_higher_one_undeletes(void **state)
{
    (void)state;
    apply_one(upload(1, 1));
    cluster_run(cluster, "update files set deleted_at = now(), deleted_version = 2, status = 'DELETED'");
    apply_one(upload(1, 2));
    assert_string_equal(file_state(), "1|100|objects/1|DELETED|-|1");
    apply_one(report(1, 1, "SCAN", "OK", "CLEAN", 4));
    assert_string_equal(file_state(), "1|100|objects/1|DELETED|CLEAN|2");
    apply_one(upload(1, 3));
    assert_string_equal(file_state(), "3|300|objects/3|AVAILABLE|-|3");
    assert_string_equal(look("select deleted_at is null from files"), "t");
}

static void status_follows_the_scan_of_the_current_version(void **state)
{
    (void)state;
    struct mr_metadata_item first = upload(1, 1), second = upload(1, 2);
    struct mr_metadata_item running = report(1, 1, "SCAN", "RUNNING", NULL, 2);
    struct mr_metadata_item clean = report(1, 1, "SCAN", "OK", "CLEAN", 3);
    struct mr_metadata_item infected = report(1, 2, "SCAN", "OK", "INFECTED", 9);
    apply_with(&strict_rules, &first, 1);
    apply_with(&strict_rules, &running, 1);
    assert_string_equal(file_state(), "1|100|objects/1|PENDING|-|1");
    apply_with(&strict_rules, &clean, 1);
    assert_string_equal(file_state(), "1|100|objects/1|AVAILABLE|CLEAN|2");
    apply_with(&strict_rules, &infected, 1);
    assert_string_equal(file_state(), "1|100|objects/1|AVAILABLE|CLEAN|2");
    apply_with(&strict_rules, &second, 1);
    assert_string_equal(file_state(), "2|200|objects/2|QUARANTINED|INFECTED|3");
}

static void verdict_and_upload_in_one_batch(void **state)
{
    (void)state;
    struct mr_metadata_item items[] = {report(1, 1, "SCAN", "OK", "INFECTED", 3), upload(1, 1)};
    apply(items, 2);
    assert_string_equal(file_state(), "1|100|objects/1|QUARANTINED|INFECTED|1");
}

static void another_scan_under_way_does_not_lift_a_quarantine(void **state)
{
    (void)state;
    apply_one(upload(1, 1));
    apply_one(report(1, 1, "SCAN", "OK", "INFECTED", 3));
    apply_one(report(1, 1, "SCAN", "RUNNING", NULL, 8));
    assert_string_equal(file_state(), "1|100|objects/1|QUARANTINED|INFECTED|2");
    assert_string_equal(look("select concat_ws('|', outcome, verdict) from file_stages"), "RUNNING|INFECTED");
    apply_one(report(1, 1, "SCAN", "OK", "CLEAN", 9));
    assert_string_equal(file_state(), "1|100|objects/1|AVAILABLE|CLEAN|3");
}

static void of_two_verdicts_of_one_instant_the_worse_one_stands(void **state)
{
    (void)state;
    struct mr_metadata_item partial = report(1, 1, "SCAN", "OK", "PARTIAL", 3);
    struct mr_metadata_item infected = report(1, 1, "SCAN", "OK", "INFECTED", 3);
    struct mr_metadata_item both[] = {infected, partial};
    apply_one(upload(1, 1));
    apply(both, 2);
    assert_string_equal(file_state(), "1|100|objects/1|QUARANTINED|INFECTED|2");
    wipe(state);
    apply_one(upload(1, 1));
    apply_one(infected);
    apply_one(partial);
    assert_string_equal(file_state(), "1|100|objects/1|QUARANTINED|INFECTED|2");
}

static void unknown_stage_is_kept_and_attributes_too(void **state)
{
    (void)state;
    struct mr_metadata_item item = report(1, 1, "TRANSCRIBE", "OK", NULL, 3);
    item.processed.attributes[0] = (struct mr_attribute){text_of("a \"b\"\\\n"), text_of("\xc3\xa9")};
    item.processed.attributes[1] = (struct mr_attribute){text_of("n"), text_of("")};
    item.processed.n_attributes = 2;
    item.processed.reason = text_of("why");
    apply_one(item);
    assert_string_equal(look("select concat_ws('|', stage, outcome, reason, attributes) from file_stages"),
                        "TRANSCRIBE|OK|why|{\"n\": \"\", \"a \\\"b\\\"\\\\\\n\": \"\xc3\xa9\"}");
}

static void taken_path_is_rejected(void **state)
{
    (void)state;
    struct mr_error err;
    struct mr_metadata_item item = upload(1, 1), *list[] = {&item};
    apply_one(upload(2, 1));
    item.uploaded.path = text_of("/c");
    assert_int_equal(mr_metadata_apply(db, &open_rules, list, 1, &err), MR_FAIL);
    assert_int_equal(err.class, MR_CLASS_REJECT);
    assert_int_equal(err.code, mr_sqlstate("23505"));
    assert_string_equal(look("select count(*) from file_versions"), "1");
}

/* --- purges --- */

static void purge_forgets_and_stays(void **state)
{
    (void)state;
    struct mr_error err;
    apply_one(upload(1, 1));
    apply_one(report(1, 1, "THUMBNAIL", "OK", NULL, 3));
    apply_one(upload(2, 1));
    cluster_run(cluster, "delete from files where path = '/b'");
    assert_int_equal(mr_metadata_purge(db, id_of(1, 1), &err), MR_OK);
    struct mr_metadata_item again[] = {upload(1, 1), report(1, 1, "SCAN", "OK", "CLEAN", 3), upload(2, 2)};
    apply(again, 3);
    assert_string_equal(look("select string_agg(path || version, ',') from files"), "/c2");
    assert_string_equal(look("select count(*) from file_versions"), "2");
    assert_string_equal(look("select count(*) from file_stages"), "0");
}

static void purge_of_a_listed_file_is_refused(void **state)
{
    (void)state;
    struct mr_error err;
    apply_one(upload(1, 1));
    char *before = strdup(look(EVERYTHING));
    assert_int_equal(mr_metadata_purge(db, id_of(1, 1), &err), MR_OK);
    assert_string_equal(look(EVERYTHING), before);
    assert_string_equal(look("select count(*) from purged_files"), "0");
    free(before);
}

static void purge_of_a_reservation_leaves_it_usable(void **state)
{
    (void)state;
    struct mr_error err;
    cluster_run(cluster,
                "insert into files (file_id, user_id, path) values "
                "('01000000-0000-0000-0000-000000000001', '09000000-0000-0000-0000-000000000001', '/b')");
    assert_int_equal(mr_metadata_purge(db, id_of(1, 1), &err), MR_OK);
    apply_one(upload(1, 1));
    assert_string_equal(file_state(), "1|100|objects/1|AVAILABLE|-|1");
}

/* --- any order --- */

static unsigned seed;

static unsigned roll(unsigned n)
{
    seed = seed * 1103515245u + 12345u;
    return (seed >> 16) % n;
}

#define FILES    4
#define VERSIONS 4
#define REPORTS  30
#define EVENTS   (FILES * VERSIONS + REPORTS)

static void make_events(struct mr_metadata_item *events)
{
    static const char *const stages[] = {"SCAN", "SCAN", "THUMBNAIL"};
    static const char *const outcomes[] = {"RUNNING", "RETRYING", "OK", "SKIPPED", "FAILED", "DEAD"};
    static const char *const verdicts[] = {NULL, "CLEAN", "INFECTED", "ERROR"};
    size_t n = 0;
    for (uint8_t f = 0; f < FILES; f++) {
        for (int64_t v = 1; v <= VERSIONS; v++)
            events[n++] = upload(f, v);
    }
    while (n < EVENTS) {
        /* Few times and attempts, so that there are ties at every level of the order. */
        struct mr_metadata_item r = report((uint8_t)roll(FILES), 1 + roll(VERSIONS), stages[roll(3)],
                                           outcomes[roll(6)], verdicts[roll(4)], roll(3));
        r.processed.attempt = (int32_t)(1 + roll(2));
        r.processed.reason = text_of(roll(2) ? "x" : NULL);
        if (roll(2)) {
            r.processed.attributes[0] = (struct mr_attribute){text_of("k"), text_of(roll(2) ? "1" : "2")};
            r.processed.n_attributes = 1;
        }
        events[n++] = r;
    }
}

static void apply_in_some_order(const struct mr_metadata_item *events)
{
    struct mr_metadata_item order[EVENTS + 16];
    memcpy(order, events, EVENTS * sizeof(*order));
    for (size_t i = 0; i < 16; i++)
        order[EVENTS + i] = events[roll(EVENTS)]; /* some come twice */
    for (size_t i = EVENTS + 15; i > 0; i--) {
        size_t k = roll((unsigned)i + 1);
        struct mr_metadata_item swap = order[i];
        order[i] = order[k];
        order[k] = swap;
    }
    for (size_t at = 0; at < EVENTS + 16;) {
        size_t n = 1 + roll(20);
        n = at + n > EVENTS + 16 ? EVENTS + 16 - at : n;
        apply(order + at, n);
        at += n;
    }
}

/* What of the rows does not say how they came about. */
#define OUTCOME                                                                                              \
    "select concat_ws(E'\\n', (select string_agg(concat_ws('|', file_id, user_id, size, content_type, "      \
    "version, "                                                                                              \
    "next_version, s3_key, status, coalesce(verdict, '-'), content_hash), E'\\n' order by file_id) from "    \
    "files), "                                                                                               \
    "(select string_agg(v::text, E'\\n' order by file_id, version) from file_versions v), "                  \
    "(select string_agg(s::text, E'\\n' order by file_id, version, stage) from file_stages s))"

static void any_order_ends_in_the_same_rows(void **state)
{
    for (unsigned s = 1; s <= 6; s++) {
        struct mr_metadata_item events[EVENTS];
        char *expected = NULL;
        seed = s;
        make_events(events);
        for (int permutation = 0; permutation < 12; permutation++) {
            wipe(state);
            if (permutation > 0)
                apply_in_some_order(events);
            for (size_t i = 0; permutation == 0 && i < EVENTS; i++)
                apply(&events[i], 1);
            const char *got = look(OUTCOME);
            if (!expected)
                expected = strdup(got);
            if (strcmp(got, expected) != 0)
                fail_msg("seed %u, permutation %d:\n%s\n--- not ---\n%s", s, permutation, got, expected);
        }
        free(expected);
    }
}

/* --- two replicas --- */

#define RACES 200

struct racer {
    struct mr_db *db;
    pthread_barrier_t *start;
    bool uploads;
    struct mr_error err;
    enum mr_status status;
};

static struct mr_uuid racing_id(int n)
{
    return id_of((uint8_t)(20 + n / 250), (uint8_t)(n % 250));
}

static void *race(void *arg)
{
    struct racer *r = arg;
    r->status = MR_OK;
    for (int n = 0; n < RACES; n++) {
        struct mr_metadata_item item = r->uploads ? upload(1, 1) : report(1, 1, "SCAN", "OK", "INFECTED", 3);
        struct mr_metadata_item *list[] = {&item};
        item.file_id = racing_id(n);
        if (r->uploads) {
            item.uploaded.file_id = item.file_id;
            item.uploaded.owner_id = item.file_id;
        } else {
            item.processed.file_id = item.file_id;
        }
        pthread_barrier_wait(r->start);
        if (r->status == MR_OK)
            r->status = mr_metadata_apply(r->db, &open_rules, list, 1, &r->err);
    }
    return NULL;
}

static void run_race(void)
{
    pthread_barrier_t barrier;
    pthread_t thread;
    struct mr_error err;
    struct racer mine = {.db = db, .start = &barrier, .uploads = true};
    struct racer theirs = {.db = mr_db_acquire(pool, 5000, &err), .start = &barrier};
    assert_non_null(theirs.db);
    pthread_barrier_init(&barrier, NULL, 2);
    assert_int_equal(pthread_create(&thread, NULL, race, &theirs), 0);
    race(&mine);
    pthread_join(thread, NULL);
    pthread_barrier_destroy(&barrier);
    mr_db_release(&theirs.db);
    if (mine.status != MR_OK || theirs.status != MR_OK)
        fail_msg("%s", mine.status != MR_OK ? mine.err.text : theirs.err.text);
    assert_string_equal(
        look("select string_agg(distinct status || '/' || verdict || '/' || count, ',') from "
             "(select status, coalesce(verdict, '-') as verdict, count(*) over () from files) f"),
        "QUARANTINED/INFECTED/200");
}

/* Neither has a row of `files` to lock when it starts. */
static void verdict_and_upload_at_the_same_moment(void **state)
{
    (void)state;
    run_race();
}

static void verdict_and_upload_of_a_reservation_at_the_same_moment(void **state)
{
    (void)state;
    for (int n = 0; n < RACES; n++) {
        char sql[256], id[MR_UUID_TEXT_SIZE];
        mr_uuid_format(racing_id(n), id);
        snprintf(sql, sizeof(sql), "insert into files (file_id, user_id, path) values ('%s', '%s', '/b')", id,
                 id);
        struct mr_error err;
        assert_int_equal(mr_db_exec(db, sql, &err), MR_OK);
    }
    run_race();
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test_setup(upload_makes_rows, wipe),
        cmocka_unit_test_setup(reservation_keeps_what_the_apis_own, wipe),
        cmocka_unit_test_setup(replay_changes_no_row, wipe),
        cmocka_unit_test_setup(highest_version_wins, wipe),
        cmocka_unit_test_setup(late_old_event_adds_its_version_only, wipe),
        cmocka_unit_test_setup(deleted_version_stays_deleted_and_a_higher_one_undeletes, wipe),
        cmocka_unit_test_setup(status_follows_the_scan_of_the_current_version, wipe),
        cmocka_unit_test_setup(verdict_and_upload_in_one_batch, wipe),
        cmocka_unit_test_setup(another_scan_under_way_does_not_lift_a_quarantine, wipe),
        cmocka_unit_test_setup(of_two_verdicts_of_one_instant_the_worse_one_stands, wipe),
        cmocka_unit_test_setup(unknown_stage_is_kept_and_attributes_too, wipe),
        cmocka_unit_test_setup(taken_path_is_rejected, wipe),
        cmocka_unit_test_setup(purge_forgets_and_stays, wipe),
        cmocka_unit_test_setup(purge_of_a_listed_file_is_refused, wipe),
        cmocka_unit_test_setup(purge_of_a_reservation_leaves_it_usable, wipe),
        cmocka_unit_test_setup(any_order_ends_in_the_same_rows, wipe),
        cmocka_unit_test_setup(verdict_and_upload_at_the_same_moment, wipe),
        cmocka_unit_test_setup(verdict_and_upload_of_a_reservation_at_the_same_moment, wipe),
    };
    return cmocka_run_group_tests(cases, start, stop);
}
