/* user add, invite, disable, enable, list. */
#ifndef MR_ADMIN_USER_H
#define MR_ADMIN_USER_H

#include "admin/command.h"

int mr_user_add(struct mr_admin *a, struct mr_error *err);
int mr_user_invite(struct mr_admin *a, struct mr_error *err);
int mr_user_disable(struct mr_admin *a, struct mr_error *err);
int mr_user_enable(struct mr_admin *a, struct mr_error *err);
int mr_user_list(struct mr_admin *a, struct mr_error *err);

#endif
