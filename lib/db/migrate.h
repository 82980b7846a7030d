/* Migrations: db/migrations/NNNN_name.sql, applied in order, each in a transaction of its own, under an
 * advisory lock so that any number of replicas may start at once. Table `schema_migrations(number, name,
 * sha256, applied_at)` remembers; a file that changed after it was applied is FATAL by name, so is a gap or a
 * number the database has and the folder has not. */
#ifndef MR_DB_MIGRATE_H
#define MR_DB_MIGRATE_H

#include "db/db.h"

/* *applied: how many were new. */
enum mr_status mr_db_migrate(struct mr_db *db, const char *folder, int *applied, struct mr_error *err);

/* MR_OK when the database has the migrations up to `number`; what daemons ask at start. It may be ahead:
 * while a release rolls out, replicas of the one before start on tables that are migrated already, so a
 * migration may take away only what the release before it has stopped using. FATAL when it is behind. */
enum mr_status mr_db_migrated(struct mr_db *db, int number, struct mr_error *err);

#endif
