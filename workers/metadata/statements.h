/* The statements of mr_metadata_apply(); docs/metadata.md says why each is as it is. */
#ifndef MR_METADATA_STATEMENTS_H
#define MR_METADATA_STATEMENTS_H

/* clang-format off */

/* Small tables and missing statistics must not lead to a plan that reads whole tables once they have grown: plans are
 * made once per connection, for index lookups in the order given. (Without jit=off the price put on other plans would
 * start the compiler.) */
#define MR_SQL_BEGIN                                                    \
    "begin; set local enable_seqscan = off; "                           \
    "set local enable_hashjoin = off; set local enable_mergejoin = off; " \
    "set local plan_cache_mode = force_generic_plan; set local jit = off; "

/* A verdict and an upload of one file may come to different replicas at once. Whoever comes second sees the first
 * because both lock the row of `files`; while there is no such row, because of this lock: shared by those who may
 * insert it, exclusive for those who report on a file that is not there. */
#define MR_SQL_INSERTS_LOCK    "7301870274155113811"
#define MR_SQL_BEGIN_SHARED    MR_SQL_BEGIN "select pg_advisory_xact_lock_shared(" MR_SQL_INSERTS_LOCK ")"
#define MR_SQL_BEGIN_EXCLUSIVE MR_SQL_BEGIN "select pg_advisory_xact_lock(" MR_SQL_INSERTS_LOCK ")"

#define MR_SQL_LOCK                                                     \
    "select file_id, version, coalesce(deleted_version, 0) from files " \
    "where file_id = any($1) order by file_id for no key update"

#define MR_SQL_PURGED "select file_id from purged_files where file_id = any($1)"

#define MR_SQL_VERSIONS                                                 \
    "insert into file_versions (file_id, version, event_id, user_id, "  \
        "s3_key, s3_etag, size, content_type, content_hash, created_at) " \
    "select * from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) "    \
    "on conflict (file_id, version) do nothing"

/* $11: scan.required. next_version is the APIs', but after a restore of the database it may be behind the log. */
#define MR_SQL_FILES                                                    \
    "insert into files as f (file_id, user_id, path, size, content_type, content_hash, " \
        "version, next_version, s3_key, status, verdict, change_seq, created_at, updated_at) " \
    "select u.file_id, u.user_id, u.path, u.size, u.content_type, u.content_hash, " \
        "u.version, u.version + 1, u.s3_key, "                          \
        "case when s.verdict = 'INFECTED' then 'QUARANTINED' "          \
             "when s.verdict is null and $11 then 'PENDING' else 'AVAILABLE' end, " \
        "s.verdict, 1, u.created_at, u.updated_at "                     \
    "from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) "             \
        "as u (file_id, user_id, path, size, content_type, content_hash, " \
              "version, s3_key, created_at, updated_at) "               \
        "left join file_stages s "                                      \
            "on s.file_id = u.file_id and s.version = u.version and s.stage = 'SCAN' " \
    "on conflict (file_id) do update set "                              \
        "size = excluded.size, content_type = excluded.content_type, "  \
        "content_hash = excluded.content_hash, version = excluded.version, " \
        "next_version = greatest(f.next_version, excluded.next_version), " \
        "s3_key = excluded.s3_key, status = excluded.status, verdict = excluded.verdict, " \
        "change_seq = f.change_seq + 1, updated_at = greatest(f.updated_at, excluded.updated_at), " \
        "deleted_at = null "                                            \
    "where excluded.version > f.version and excluded.version > coalesce(f.deleted_version, 0)"

/* The total order of reports, as a list of columns of the row `t`. Known outcomes all differ in rank. */
#define MR_SQL_REPORT(t)                                                \
    t ".updated_at, " t ".attempt, "                                    \
    "array_position(array['RUNNING', 'RETRYING', 'FAILED', 'DEAD', 'SKIPPED', 'OK'], " t ".outcome), " \
    t ".started_at, coalesce(" t ".finished_at, '-infinity'), "         \
    "coalesce(" t ".next_retry_at, '-infinity'), " t ".event_id, "      \
    "coalesce('=' || " t ".reason, '') collate \"C\", "                 \
    "coalesce('=' || " t ".engine, '') collate \"C\", " t ".attributes"

/* The total order of verdicts: of two of one instant the worse one. */
#define MR_SQL_VERDICT(t)                                               \
    "coalesce(" t ".verdict_at, '-infinity'), "                         \
    "coalesce(" t ".verdict = 'INFECTED', false), coalesce(" t ".verdict, '') collate \"C\""

#define MR_SQL_VERDICT_IS_NEWER                                         \
    "(" MR_SQL_VERDICT("excluded") ") > (" MR_SQL_VERDICT("t") ")"

#define MR_SQL_STAGES                                                   \
    "insert into file_stages as t (file_id, version, stage, event_id, outcome, verdict, verdict_at, " \
        "reason, engine, attempt, next_retry_at, started_at, finished_at, attributes, updated_at) " \
    "select distinct on (u.file_id, u.version, u.stage collate \"C\") " \
        "u.file_id, u.version, u.stage, u.event_id, u.outcome, u.verdict, " \
        "case when u.verdict is not null then u.updated_at end, "       \
        "u.reason, u.engine, u.attempt, u.next_retry_at, u.started_at, u.finished_at, " \
        "u.attributes, u.updated_at "                                   \
    "from ("                                                            \
        "select file_id, version, stage, event_id, outcome, verdict, reason, engine, attempt, " \
            "next_retry_at, started_at, finished_at, attributes::jsonb as attributes, " \
            "coalesce(finished_at, started_at) as updated_at "          \
        "from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) " \
            "as e (file_id, version, stage, event_id, outcome, verdict, reason, engine, attempt, " \
                  "next_retry_at, started_at, finished_at, attributes)) u " \
    "order by u.file_id, u.version, u.stage collate \"C\", row(" MR_SQL_REPORT("u") ") desc " \
    "on conflict (file_id, version, stage) do update set "              \
        "event_id = excluded.event_id, outcome = excluded.outcome, "    \
        "reason = excluded.reason, engine = excluded.engine, attempt = excluded.attempt, " \
        "next_retry_at = excluded.next_retry_at, started_at = excluded.started_at, " \
        "finished_at = excluded.finished_at, attributes = excluded.attributes, " \
        "updated_at = excluded.updated_at, "                            \
        "verdict = case when " MR_SQL_VERDICT_IS_NEWER " then excluded.verdict else t.verdict end, " \
        "verdict_at = case when " MR_SQL_VERDICT_IS_NEWER " then excluded.verdict_at else t.verdict_at end " \
    "where row(" MR_SQL_REPORT("excluded") ") > row(" MR_SQL_REPORT("t") ")"

/* Verdicts of reports that were not the newest, but newer than the verdict that the row had. */
#define MR_SQL_VERDICTS                                                 \
    "update file_stages t set verdict = v.verdict, verdict_at = v.verdict_at "  \
    "from ("                                                            \
        "select distinct on (u.file_id, u.version, u.stage collate \"C\") u.* " \
        "from unnest($1, $2, $3, $4, $5) as u (file_id, version, stage, verdict, verdict_at) " \
        "order by u.file_id, u.version, u.stage collate \"C\", row(" MR_SQL_VERDICT("u") ") desc) v " \
    "where t.file_id = v.file_id and t.version = v.version and t.stage = v.stage " \
        "and row(" MR_SQL_VERDICT("v") ") > row(" MR_SQL_VERDICT("t") ")"

/* A deleted file stays DELETED; its verdict is kept for the day it comes back. */
#define MR_SQL_SCANNED                                                  \
    "update files f set verdict = s.verdict, "                          \
        "status = case when f.deleted_at is not null then f.status "    \
                      "when s.verdict = 'INFECTED' then 'QUARANTINED' else 'AVAILABLE' end, " \
        "change_seq = f.change_seq + 1, updated_at = greatest(f.updated_at, s.verdict_at) " \
    "from file_stages s "                                               \
    "where f.file_id = any($1) and s.file_id = f.file_id and s.version = f.version "  \
        "and s.stage = 'SCAN' and s.verdict is not null and f.verdict is distinct from s.verdict"

/* clang-format on */

#endif
