#include "metrics/metrics.h"

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "metrics/process.h"

#define LABEL_VALUES_MAX 200
#define OTHER            "other"
#define BUCKETS          15
#define NS_PER_S         1e9

enum kind { COUNTER, GAUGE, HISTOGRAM };

static const struct {
    double upper;
    const char *text;
} buckets[BUCKETS] = {{.001, "0.001"}, {.0025, "0.0025"}, {.005, "0.005"}, {.01, "0.01"}, {.025, "0.025"},
                      {.05, "0.05"},   {.1, "0.1"},       {.25, "0.25"},   {.5, "0.5"},   {1, "1"},
                      {2.5, "2.5"},    {5, "5"},          {10, "10"},      {30, "30"},    {60, "60"}};

static const struct {
    enum kind kind;
    const char *name, *label, *prose;
} table[MR_METRIC_COUNT] = {
#define MR_METRIC(kind, id, name, label, prose) {kind, name, label, prose},
#include "metrics/metrics.def"
#undef MR_METRIC
};

struct series {
    char *label; /* NULL for the one without */
    atomic_bool touched;
    _Atomic int64_t value;                /* COUNTER, GAUGE; the sum in nanoseconds of a HISTOGRAM */
    _Atomic uint64_t counts[BUCKETS + 1]; /* not cumulative; the last one is above every bucket */
};

static struct metric {
    struct series plain;
    pthread_mutex_t lock; /* guards labelled[0..n) */
    struct series **labelled;
    size_t n;
} metrics[MR_METRIC_COUNT] = {
#define MR_METRIC(kind, id, name, label, prose) {.lock = PTHREAD_MUTEX_INITIALIZER},
#include "metrics/metrics.def"
#undef MR_METRIC
};

static struct series *find(struct metric *m, const char *label)
{
    for (size_t i = 0; i < m->n; i++) {
        if (strcmp(m->labelled[i]->label, label) == 0)
            return m->labelled[i];
    }
    return NULL;
}

static struct series *add_series(struct metric *m, const char *label)
{
    struct series *s = calloc(1, sizeof(*s));
    struct series **grown = realloc(m->labelled, (m->n + 1) * sizeof(*grown));
    if (grown)
        m->labelled = grown;
    if (s)
        s->label = strdup(label);
    if (!grown || !s || !s->label) {
        free(s ? s->label : NULL);
        free(s);
        return NULL;
    }
    m->labelled[m->n++] = s;
    return s;
}

/* The series to update, with the metric's lock held when it has a label. NULL without memory: an update is
 * then lost, which harms less than ending the program. */
static struct series *hold(enum mr_metric id, const char *label)
{
    struct metric *m = &metrics[id];
    if (!*table[id].label)
        return &m->plain;
    if (!label)
        label = "";
    pthread_mutex_lock(&m->lock);
    struct series *s = find(m, label);
    if (!s && m->n < LABEL_VALUES_MAX)
        s = add_series(m, label);
    else if (!s && !(s = find(m, OTHER)))
        s = add_series(m, OTHER);
    if (!s)
        pthread_mutex_unlock(&m->lock);
    return s;
}

static void let_go(enum mr_metric id, struct series *s)
{
    atomic_store_explicit(&s->touched, true, memory_order_relaxed);
    if (*table[id].label)
        pthread_mutex_unlock(&metrics[id].lock);
}

void mr_metric_add(enum mr_metric m, const char *label, int64_t n)
{
    struct series *s = hold(m, label);
    if (!s)
        return;
    atomic_fetch_add_explicit(&s->value, n, memory_order_relaxed);
    let_go(m, s);
}

void mr_metric_set(enum mr_metric m, const char *label, int64_t v)
{
    struct series *s = hold(m, label);
    if (!s)
        return;
    atomic_store_explicit(&s->value, v, memory_order_relaxed);
    let_go(m, s);
}

void mr_metric_observe(enum mr_metric m, const char *label, double seconds)
{
    if (!isfinite(seconds))
        return;
    if (seconds < 0)
        seconds = 0; /* the wall clocks of two machines differ */
    struct series *s = hold(m, label);
    if (!s)
        return;
    size_t bucket = 0;
    while (bucket < BUCKETS && seconds > buckets[bucket].upper)
        bucket++;
    atomic_fetch_add_explicit(&s->counts[bucket], 1, memory_order_relaxed);
    double ns = seconds * NS_PER_S;
    atomic_fetch_add_explicit(&s->value, ns < 9e18 ? (int64_t)(ns + 0.5) : 0, memory_order_relaxed);
    let_go(m, s);
}

void mr_metric_forget(enum mr_metric id, const char *label)
{
    struct metric *m = &metrics[id];
    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < m->n; i++) {
        struct series *s = m->labelled[i];
        if (strcmp(s->label, label) != 0)
            continue;
        m->labelled[i] = m->labelled[--m->n];
        free(s->label);
        free(s);
        break;
    }
    pthread_mutex_unlock(&m->lock);
}

/* Text format 0.0.4: in a label's value backslash, quote and line feed are escaped. */
static enum mr_status put_label(struct mr_buf *out, const char *name, const char *value)
{
    enum mr_status status = mr_buf_printf(out, "%s=\"", name);
    for (; *value && status == MR_OK; value++) {
        if (*value == '\\' || *value == '"')
            status = mr_buf_printf(out, "\\%c", *value);
        else
            status = *value == '\n' ? mr_buf_puts(out, "\\n") : mr_buf_add(out, value, 1);
    }
    return status == MR_OK ? mr_buf_puts(out, "\"") : status;
}

/* "name_suffix{label="value",le="0.1"} ", ready for the number. */
static enum mr_status put_name(struct mr_buf *out, enum mr_metric m, const char *suffix,
                               const struct series *s, const char *le)
{
    enum mr_status status = mr_buf_printf(out, "%s%s%s", table[m].name, suffix, s->label || le ? "{" : "");
    if (status == MR_OK && s->label)
        status = put_label(out, table[m].label, s->label);
    if (status == MR_OK && le)
        status = mr_buf_printf(out, "%sle=\"%s\"", s->label ? "," : "", le);
    return status == MR_OK ? mr_buf_puts(out, s->label || le ? "} " : " ") : status;
}

static enum mr_status put_seconds(struct mr_buf *out, int64_t ns)
{
    char fraction[16];
    snprintf(fraction, sizeof(fraction), ".%09" PRId64, ns % (int64_t)NS_PER_S);
    size_t n = strlen(fraction);
    while (fraction[n - 1] == '0')
        fraction[--n] = '\0';
    if (n == 1)
        fraction[0] = '\0';
    return mr_buf_printf(out, "%" PRId64 "%s\n", ns / (int64_t)NS_PER_S, fraction);
}

static enum mr_status put_histogram(struct mr_buf *out, enum mr_metric m, struct series *s)
{
    uint64_t total = 0;
    for (size_t i = 0; i <= BUCKETS; i++) {
        total += atomic_load_explicit(&s->counts[i], memory_order_relaxed);
        if (put_name(out, m, "_bucket", s, i < BUCKETS ? buckets[i].text : "+Inf") != MR_OK ||
            mr_buf_printf(out, "%" PRIu64 "\n", total) != MR_OK)
            return MR_FAIL;
    }
    if (put_name(out, m, "_sum", s, NULL) != MR_OK ||
        put_seconds(out, atomic_load_explicit(&s->value, memory_order_relaxed)) != MR_OK ||
        put_name(out, m, "_count", s, NULL) != MR_OK)
        return MR_FAIL;
    return mr_buf_printf(out, "%" PRIu64 "\n", total);
}

static enum mr_status put_series(struct mr_buf *out, enum mr_metric m, struct series *s)
{
    if (table[m].kind == HISTOGRAM)
        return put_histogram(out, m, s);
    if (put_name(out, m, "", s, NULL) != MR_OK)
        return MR_FAIL;
    return mr_buf_printf(out, "%" PRId64 "\n", atomic_load_explicit(&s->value, memory_order_relaxed));
}

static const char *kind_name(enum kind kind)
{
    return kind == COUNTER ? "counter" : kind == GAUGE ? "gauge" : "histogram";
}

/* Called with the lock held when the metric has a label. */
static enum mr_status put_metric(struct mr_buf *out, enum mr_metric id)
{
    struct metric *m = &metrics[id];
    bool plain = atomic_load_explicit(&m->plain.touched, memory_order_relaxed);
    if (!plain && m->n == 0)
        return MR_OK;
    enum mr_status status = mr_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", table[id].name,
                                          table[id].prose, table[id].name, kind_name(table[id].kind));
    if (status == MR_OK && plain)
        status = put_series(out, id, &m->plain);
    for (size_t i = 0; i < m->n && status == MR_OK; i++)
        status = put_series(out, id, m->labelled[i]);
    return status;
}

enum mr_status mr_metrics_text(struct mr_buf *out)
{
    for (int i = 0; i < MR_METRIC_COUNT; i++) {
        pthread_mutex_lock(&metrics[i].lock);
        enum mr_status status = put_metric(out, (enum mr_metric)i);
        pthread_mutex_unlock(&metrics[i].lock);
        if (status != MR_OK)
            return status;
    }
    return mr_metrics_process_text(out);
}

void mr_metrics_markdown(FILE *out)
{
    fputs(
        "# Metrics\n\nMade from `lib/metrics/metrics.def` by `./dev docs`; edit it there. Every program also "
        "has `process_*`.\n\n"
        "| metric | kind | label | meaning |\n|---|---|---|---|\n",
        out);
    for (int i = 0; i < MR_METRIC_COUNT; i++) {
        const char *label = table[i].label;
        fprintf(out, "| `%s` | %s | %s%s%s | ", table[i].name, kind_name(table[i].kind), *label ? "`" : "",
                label, *label ? "`" : "");
        for (const char *p = table[i].prose; *p; p++)
            fprintf(out, *p == '<' || *p == '|' ? "\\%c" : "%c", *p);
        fputs(" |\n", out);
    }
}
