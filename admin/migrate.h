/* mr-admin migrate. */
#ifndef MR_ADMIN_MIGRATE_H
#define MR_ADMIN_MIGRATE_H

#include "admin/command.h"

int mr_admin_migrate(struct mr_admin *a, struct mr_error *err);

#endif
