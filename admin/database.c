#include "admin/database.h"

#include <stddef.h>

#define ACQUIRE_MS 10000

enum mr_status mr_admin_db_open(const struct mr_admin *a, struct mr_admin_db *out, struct mr_error *err)
{
    *out = (struct mr_admin_db){0};
    /* No statement timeout: a migration may take long. */
    if (mr_db_pool_open(a->cfg.pg_dsn, "mr-admin", 1, 0, &out->pool, err) != MR_OK)
        return MR_FAIL;
    out->db = mr_db_acquire(out->pool, ACQUIRE_MS, err);
    if (out->db)
        return MR_OK;
    mr_admin_db_close(out);
    return MR_FAIL;
}

void mr_admin_db_close(struct mr_admin_db *d)
{
    if (d->db)
        mr_db_release(&d->db);
    if (d->pool)
        mr_db_pool_close(&d->pool);
}
