#include "admin/migrate.h"

#include <stdio.h>

#include "admin/database.h"
#include "db/migrate.h"

int mr_admin_migrate(struct mr_admin *a, struct mr_error *err)
{
    struct mr_admin_db d;
    int applied = 0;
    if (mr_admin_db_open(a, &d, err) != MR_OK)
        return MR_ADMIN_FAIL;
    enum mr_status status = mr_db_migrate(d.db, a->cfg.migrations_dir, &applied, err);
    mr_admin_db_close(&d);
    if (status != MR_OK)
        return MR_ADMIN_FAIL;
    printf("%d migration%s applied\n", applied, applied == 1 ? "" : "s");
    return MR_ADMIN_OK;
}
