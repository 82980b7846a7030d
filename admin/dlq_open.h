/* What every dlq command needs. */
#ifndef MR_ADMIN_DLQ_OPEN_H
#define MR_ADMIN_DLQ_OPEN_H

#include "admin/broker.h"
#include "admin/database.h"

/* The topics with their watermarks, and the database; close all three, also after MR_FAIL. */
enum mr_status mr_dlq_open(const struct mr_admin *a, struct mr_admin_db *d, struct mr_broker **broker,
                           struct mr_cluster *c, struct mr_error *err);

#endif
