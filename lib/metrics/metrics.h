/* Prometheus metrics: one table (metrics.def) gives name, kind, label, unit and prose; /metrics and
 * docs/metrics.md come from it. Updates are lock-free without a label and take a short lock with one; any
 * thread may call. A metric has at most one label, and at most 200 values of it (later ones count as
 * "other"). */
#ifndef MR_METRICS_METRICS_H
#define MR_METRICS_METRICS_H

#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"

enum mr_metric {
#define MR_METRIC(kind, id, name, label, prose) MR_M_##id,
#include "metrics/metrics.def"
#undef MR_METRIC
    MR_METRIC_COUNT
};

/* COUNTER, or a GAUGE up and down; label NULL when it has none. */
void mr_metric_add(enum mr_metric m, const char *label, int64_t n);
void mr_metric_set(enum mr_metric m, const char *label, int64_t v);    /* GAUGE */
void mr_metric_observe(enum mr_metric m, const char *label, double s); /* HISTOGRAM, seconds */
/* Drops one label's value, so that a gauge of what is gone (a partition moved elsewhere) does not stand. */
void mr_metric_forget(enum mr_metric m, const char *label);

/* Prometheus text format 0.0.4 of everything that was touched, plus process_* (RSS, CPU, fds, start time). */
enum mr_status mr_metrics_text(struct mr_buf *out);
void mr_metrics_markdown(FILE *out);

#endif
