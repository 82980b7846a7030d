#include "stream/internal.h"

#include "metrics/metrics.h"

#define METRICS_MS 250
#define LAG_MS     5000

void mr_report_part(struct mr_part *part)
{
    if (part->done > 0) {
        mr_metric_add(MR_M_records, part->topic, part->done);
        part->done = 0;
    }
}

/* From the watermarks that came with the last fetch, which costs no request. */
static void report_lag(struct mr_consumer *c, const struct mr_part *part)
{
    int64_t low;
    int64_t high;
    char label[300];
    int64_t mark = mr_offset_map_mark(&part->map);
    if (mark < 0 || rd_kafka_get_watermark_offsets(c->rk, part->topic, part->partition, &low, &high) ||
        high < 0) {
        return;
    }
    snprintf(label, sizeof label, "%s/%d", part->topic, part->partition);
    mr_metric_set(MR_M_consumer_lag, label, high > mark ? high - mark : 0);
}

void mr_report(struct mr_consumer *c, int64_t now_ms)
{
    if (now_ms < c->next_metrics_ms) {
        return;
    }
    bool lag_due = now_ms >= c->next_lag_ms;
    c->next_metrics_ms = now_ms + METRICS_MS;
    c->next_lag_ms = lag_due ? now_ms + LAG_MS : c->next_lag_ms;
    for (size_t i = 0; i < c->n_parts; i++) {
        mr_report_part(c->parts[i]);
        if (lag_due) {
            report_lag(c, c->parts[i]);
        }
    }
    mr_metric_set(MR_M_inflight_records, NULL, (int64_t)c->inflight);
    mr_metric_set(MR_M_inflight_bytes, NULL, c->inflight_bytes);
    atomic_store(&c->inflight_now, (long long)c->inflight);
}
