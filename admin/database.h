/* One connection to the database for the life of a command. */
#ifndef MR_ADMIN_DATABASE_H
#define MR_ADMIN_DATABASE_H

#include "admin/command.h"
#include "db/db.h"

struct mr_admin_db {
    struct mr_db_pool *pool;
    struct mr_db *db;
};

enum mr_status mr_admin_db_open(const struct mr_admin *a, struct mr_admin_db *out, struct mr_error *err);
void mr_admin_db_close(struct mr_admin_db *d);

#endif
