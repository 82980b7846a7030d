#include "stream/broker_log.h"

#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

#define QUIET_MS  60000
#define KINDS_MAX 64

struct kind {
    char name[48];
    int64_t said_ms;
    int64_t unsaid;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct kind kinds[KINDS_MAX];
static size_t n_kinds;

static struct kind *find_kind(const char *name)
{
    for (size_t i = 0; i < n_kinds; i++) {
        if (strcmp(kinds[i].name, name) == 0) {
            return &kinds[i];
        }
    }
    struct kind *k = &kinds[n_kinds < KINDS_MAX ? n_kinds++ : KINDS_MAX - 1];
    *k = (struct kind){.said_ms = INT64_MIN / 2};
    snprintf(k->name, sizeof k->name, "%s", name);
    return k;
}

/* True when it may be said now; *unsaid is how often it was not since it last was. */
static bool may_say(const char *name, int64_t *unsaid)
{
    int64_t now = mr_mono_ms();
    pthread_mutex_lock(&lock);
    struct kind *k = find_kind(name);
    bool may = now - k->said_ms >= QUIET_MS;
    *unsaid = k->unsaid;
    k->unsaid = may ? 0 : k->unsaid + 1;
    k->said_ms = may ? now : k->said_ms;
    pthread_mutex_unlock(&lock);
    return may;
}

void mr_broker_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    char name[48];
    int64_t unsaid;
    /* syslog's levels: 3 is an error, 4 a warning, 5 a notice. */
    enum mr_log_level ours = level <= 3 ? MR_LOG_ERROR : level <= 5 ? MR_LOG_WARN : MR_LOG_DEBUG;
    snprintf(name, sizeof name, "%s/%s", rk ? rd_kafka_name(rk) : "", facility);
    if (may_say(name, &unsaid)) {
        mr_log(ours, "librdkafka", mr_log_str("facility", facility), mr_log_str("text", text),
               mr_log_int("unsaid", unsaid));
    }
}

void mr_broker_log_error(const char *what, int kind, const char *text)
{
    char name[48];
    int64_t unsaid;
    snprintf(name, sizeof name, "%s %d", what, kind);
    if (may_say(name, &unsaid)) {
        mr_log(MR_LOG_WARN, what, mr_log_str("error", rd_kafka_err2name((rd_kafka_resp_err_t)kind)),
               mr_log_str("text", text), mr_log_int("unsaid", unsaid));
    }
}
