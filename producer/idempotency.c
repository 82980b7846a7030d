#include "producer/idempotency.h"

#include <string.h>

bool mr_idempotency_key_valid(const char *key)
{
    size_t len = 0;
    for (; key[len]; len++) {
        if (len == MR_IDEMPOTENCY_KEY_MAX || key[len] < 0x20 || key[len] > 0x7e)
            return false;
    }
    return len > 0;
}

static void arguments(struct mr_db_args *args, const struct mr_upload *up,
                      const struct mr_reservation *wanted)
{
    mr_db_args_init(args);
    mr_db_arg_uuid(args, wanted->user_id);
    mr_db_arg_text(args, wanted->idempotency_key);
    mr_db_arg_bytes(args, wanted->request_hash, MR_SHA256_SIZE);
    mr_db_arg_i64(args, up->cfg->upload_lease);
}

static enum mr_reserved judge(const PGresult *r, const struct mr_reservation *wanted,
                              struct mr_uuid *upload_id)
{
    struct mr_span hash = mr_db_span(r, 0, 0);
    if (hash.len != MR_SHA256_SIZE || memcmp(hash.p, wanted->request_hash, MR_SHA256_SIZE) != 0)
        return MR_RESERVE_OTHER_BODY;
    if (mr_db_null(r, 0, 1))
        return MR_RESERVE_BUSY;
    *upload_id = mr_db_uuid(r, 0, 1);
    return MR_RESERVE_REPLAY;
}

enum mr_status mr_idempotency_claim(const struct mr_upload *up, struct mr_db *db,
                                    const struct mr_reservation *wanted, enum mr_reserved *result,
                                    struct mr_uuid *upload_id, struct mr_error *err)
{
    struct mr_db_args args;
    PGresult *r = NULL;
    arguments(&args, up, wanted);
    if (mr_db_query(
            db,
            "INSERT INTO idempotency_keys AS k (user_id, key, request_hash) VALUES ($1, $2, $3) "
            "ON CONFLICT (user_id, key) DO UPDATE SET request_hash = $3, upload_id = NULL, "
            "created_at = now() WHERE k.created_at < now() - interval '24 hours' OR (k.upload_id IS NULL AND "
            "k.created_at < now() - $4 * interval '1 millisecond') RETURNING 1",
            &args, &r, err) != MR_OK)
        return MR_FAIL;
    bool ours = PQntuples(r) == 1;
    PQclear(r);
    *result = MR_RESERVED;
    if (ours)
        return MR_OK;
    args.n = 2;
    if (mr_db_query(db,
                    "SELECT request_hash, upload_id FROM idempotency_keys WHERE user_id = $1 AND key = $2",
                    &args, &r, err) != MR_OK)
        return MR_FAIL;
    *result = PQntuples(r) == 1 ? judge(r, wanted, upload_id) : MR_RESERVE_BUSY;
    PQclear(r);
    return MR_OK;
}

enum mr_status mr_idempotency_sweep(const struct mr_upload *up, struct mr_db *db, struct mr_error *err)
{
    struct mr_db_args args;
    mr_db_args_init(&args);
    mr_db_arg_i64(&args, up->cfg->upload_lease);
    return mr_db_query(db,
                       "DELETE FROM idempotency_keys WHERE created_at < now() - interval '24 hours' OR "
                       "(upload_id IS NULL AND created_at < now() - $1 * interval '1 millisecond')",
                       &args, NULL, err);
}
