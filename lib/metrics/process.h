/* The process_* metrics that Prometheus' own client libraries have, read from /proc (Linux, proc(5)). */
#ifndef MR_METRICS_PROCESS_H
#define MR_METRICS_PROCESS_H

#include "base/buf.h"

enum mr_status mr_metrics_process_text(struct mr_buf *out);

#endif
