/* schemas apply, check. */
#ifndef MR_ADMIN_SCHEMAS_H
#define MR_ADMIN_SCHEMAS_H

#include "admin/command.h"

int mr_schemas_apply(struct mr_admin *a, struct mr_error *err);
int mr_schemas_check(struct mr_admin *a, struct mr_error *err);

#endif
