/* dlq list, show, replay, drop: what to do about dead letters. */
#ifndef MR_ADMIN_DLQ_H
#define MR_ADMIN_DLQ_H

#include "admin/command.h"

int mr_dlq_list(struct mr_admin *a, struct mr_error *err);
int mr_dlq_show(struct mr_admin *a, struct mr_error *err);
int mr_dlq_replay(struct mr_admin *a, struct mr_error *err);
int mr_dlq_drop(struct mr_admin *a, struct mr_error *err);

#endif
