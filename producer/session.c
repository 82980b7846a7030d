#include "producer/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_PREFIX "files/"

/* A crash of the database may forget what is written so; nothing depends on it (docs/upload.md). */
#define ASYNC_COMMIT "WITH quick AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true)) "

static const char *const state_names[] = {"open",      "completing", "assembled",
                                          "published", "aborted",    "expired"};

const char *mr_session_state_name(enum mr_session_state state)
{
    return state_names[state];
}

static enum mr_session_state state_of(const char *name)
{
    for (size_t i = 0; i < sizeof state_names / sizeof state_names[0]; i++) {
        if (strcmp(name, state_names[i]) == 0)
            return (enum mr_session_state)i;
    }
    abort(); /* the table's check constraint knows the same names */
}

void mr_session_read(const PGresult *r, int row, struct mr_session *out)
{
    out->upload_id = mr_db_uuid(r, row, 0);
    out->file_id = mr_db_uuid(r, row, 1);
    out->owner_id = mr_db_uuid(r, row, 2);
    out->user_id = mr_db_uuid(r, row, 3);
    snprintf(out->path, sizeof out->path, "%s", mr_db_text(r, row, 4));
    out->size = mr_db_i64(r, row, 5);
    snprintf(out->content_type, sizeof out->content_type, "%s", mr_db_text(r, row, 6));
    out->part_size = mr_db_i64(r, row, 7);
    out->part_count = (int)mr_db_i64(r, row, 8);
    snprintf(out->s3_key, sizeof out->s3_key, "%s", mr_db_text(r, row, 9));
    snprintf(out->s3_upload_id, sizeof out->s3_upload_id, "%s", mr_db_text(r, row, 10));
    out->state = state_of(mr_db_text(r, row, 11));
    out->overdue = mr_db_bool(r, row, 12);
    out->expires_at_us = mr_db_time(r, row, 13);
    out->version = mr_db_i64(r, row, 14);
    out->event_id = mr_db_uuid(r, row, 15);
    out->lease_id = mr_db_uuid(r, row, 16);
}

void mr_session_key(struct mr_uuid file_id, struct mr_uuid upload_id, char *out, size_t size)
{
    char file[MR_UUID_TEXT_SIZE], upload[MR_UUID_TEXT_SIZE];
    snprintf(out, size, KEY_PREFIX "%s/%s", mr_uuid_format(file_id, file), mr_uuid_format(upload_id, upload));
}

bool mr_session_of_key(const char *key, struct mr_uuid *upload_id)
{
    const size_t id = MR_UUID_TEXT_SIZE - 1, prefix = strlen(KEY_PREFIX);
    struct mr_uuid file_id;
    return strlen(key) == prefix + id + 1 + id && strncmp(key, KEY_PREFIX, prefix) == 0 &&
           key[prefix + id] == '/' && mr_uuid_parse((struct mr_span){key + prefix, id}, &file_id) &&
           mr_uuid_parse((struct mr_span){key + prefix + id + 1, id}, upload_id);
}

static enum mr_status one(struct mr_db *db, const char *sql, const struct mr_db_args *args, bool *found,
                          struct mr_session *out, struct mr_error *err)
{
    PGresult *r = NULL;
    if (mr_db_query(db, sql, args, &r, err) != MR_OK)
        return MR_FAIL;
    *found = PQntuples(r) == 1;
    if (*found)
        mr_session_read(r, 0, out);
    PQclear(r);
    return MR_OK;
}

enum mr_status mr_session_load(struct mr_db *db, struct mr_uuid upload_id, struct mr_uuid user_id,
                               bool *found, struct mr_session *out, struct mr_error *err)
{
    struct mr_db_args args;
    mr_db_args_init(&args);
    mr_db_arg_uuid(&args, upload_id);
    mr_db_arg_uuid(&args, user_id);
    mr_db_arg_bool(&args, mr_uuid_is_nil(user_id));
    return one(db,
               "SELECT " MR_SESSION_COLUMNS " FROM upload_sessions s "
               "WHERE s.upload_id = $1 AND (s.user_id = $2 OR $3)",
               &args, found, out, err);
}

enum mr_status mr_session_touch(struct mr_db *db, struct mr_uuid upload_id, struct mr_uuid user_id,
                                bool *found, struct mr_session *out, struct mr_error *err)
{
    struct mr_db_args args;
    mr_db_args_init(&args);
    mr_db_arg_uuid(&args, upload_id);
    mr_db_arg_uuid(&args, user_id);
    return one(db,
               ASYNC_COMMIT "UPDATE upload_sessions s SET touched_at = now() FROM quick "
                            "WHERE s.upload_id = $1 AND s.user_id = $2 AND s.state = 'open' "
                            "AND s.s3_upload_id <> '' AND s.expires_at > now() RETURNING " MR_SESSION_COLUMNS,
               &args, found, out, err);
}

enum mr_status mr_session_lease(struct mr_db *db, struct mr_uuid upload_id, struct mr_uuid user_id,
                                int64_t lease_ms, bool *leased, struct mr_session *out, struct mr_error *err)
{
    struct mr_db_args args;
    mr_db_args_init(&args);
    mr_db_arg_uuid(&args, upload_id);
    mr_db_arg_uuid(&args, user_id);
    mr_db_arg_bool(&args, mr_uuid_is_nil(user_id));
    mr_db_arg_i64(&args, lease_ms);
    return one(db,
               ASYNC_COMMIT
               "UPDATE upload_sessions s SET state = 'completing', touched_at = now(), "
               "lease_until = now() + $4 * interval '1 millisecond', lease_id = gen_random_uuid() FROM quick "
               "WHERE s.upload_id = $1 AND (s.user_id = $2 OR $3) AND s.s3_upload_id <> '' AND "
               "((s.state = 'open' AND s.expires_at > now()) OR (s.state = 'completing' AND "
               "s.lease_until <= now())) "
               "RETURNING " MR_SESSION_COLUMNS,
               &args, leased, out, err);
}

static enum mr_status change(struct mr_db *db, const char *sql, const struct mr_session *s, bool *changed,
                             struct mr_error *err)
{
    struct mr_db_args args;
    PGresult *r = NULL;
    mr_db_args_init(&args);
    mr_db_arg_uuid(&args, s->upload_id);
    mr_db_arg_uuid(&args, s->lease_id);
    if (mr_db_query(db, sql, &args, &r, err) != MR_OK)
        return MR_FAIL;
    if (changed)
        *changed = PQntuples(r) == 1;
    PQclear(r);
    return MR_OK;
}

enum mr_status mr_session_reopen(struct mr_db *db, const struct mr_session *s, bool *changed,
                                 struct mr_error *err)
{
    return change(db,
                  "UPDATE upload_sessions SET state = 'open', lease_until = NULL "
                  "WHERE upload_id = $1 AND lease_id = $2 AND state = 'completing' RETURNING 1",
                  s, changed, err);
}

enum mr_status mr_session_unlease(struct mr_db *db, const struct mr_session *s, struct mr_error *err)
{
    return change(db,
                  "UPDATE upload_sessions SET lease_until = now() "
                  "WHERE upload_id = $1 AND lease_id = $2 AND state = 'completing' RETURNING 1",
                  s, NULL, err);
}
