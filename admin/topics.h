/* topics apply, check, describe. */
#ifndef MR_ADMIN_TOPICS_H
#define MR_ADMIN_TOPICS_H

#include "admin/command.h"

int mr_topics_apply(struct mr_admin *a, struct mr_error *err);
int mr_topics_check(struct mr_admin *a, struct mr_error *err);
int mr_topics_describe(struct mr_admin *a, struct mr_error *err);

#endif
