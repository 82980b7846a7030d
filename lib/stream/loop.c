#include "stream/internal.h"

#include <poll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/stop.h"

#define HEADS_MS 100

static bool read_mail(struct mr_consumer *c)
{
    struct mr_mail mail;
    if (!mr_mailbox_take(&c->mailbox, &mail)) {
        return false;
    }
    for (struct mr_task *task = mail.tasks, *next; task; task = next) {
        next = task->next;
        mr_dispatch_finished(c, task);
    }
    for (struct mr_item *item = mail.told, *next; item; item = next) {
        next = item->next;
        mr_failure_told(c, item);
    }
    for (struct mr_item *item = mail.sent, *next; item; item = next) {
        next = item->next;
        mr_failure_sent(c, item);
    }
    if (mail.probed) {
        mr_world_probed(c, &mail.probe);
    }
    return true;
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* What is due by the clock; returns when the next thing is. */
static int64_t tick(struct mr_consumer *c, int64_t now_ms)
{
    int64_t next_ms = mr_lanes_wake(&c->lanes, now_ms);
    next_ms = sooner(next_ms, mr_dispatch_rescue(c));
    mr_world_tick(c, now_ms);
    if (c->world.broken && !c->world.probing) {
        next_ms = sooner(next_ms, c->world.next_probe_ms);
    }
    if (now_ms >= c->next_commit_ms && c->commits_out == 0) {
        c->next_commit_ms = now_ms + c->commit_ms;
        mr_commit_send(c, false);
    }
    if (now_ms >= c->next_heads_ms) {
        c->next_heads_ms = now_ms + HEADS_MS;
        mr_failure_heads(c, now_ms);
    }
    mr_report(c, now_ms);
    next_ms = sooner(next_ms, c->commits_out == 0 ? c->next_commit_ms : INT64_MAX);
    next_ms = sooner(next_ms, c->lanes.n_parked > 0 ? c->next_heads_ms : INT64_MAX);
    return sooner(next_ms, c->next_metrics_ms);
}

static void sleep_until_news(struct mr_consumer *c, int64_t timeout_ms)
{
    uint64_t count;
    /* Once we are stopping, the stop's descriptor stays readable and says nothing new. */
    struct pollfd fds[2] = {{.fd = c->mailbox.fd, .events = POLLIN},
                            {.fd = c->stopping ? -1 : mr_stop_fd(), .events = POLLIN}};
    if (poll(fds, 2, (int)timeout_ms) > 0 && fds[0].revents) {
        ssize_t n = read(c->mailbox.fd, &count, sizeof count);
        (void)n; /* it only says that there is something to look for */
    }
}

void mr_loop_turn(struct mr_consumer *c, int64_t timeout_ms)
{
    c->now_ms = mr_mono_ms();
    bool busy = read_mail(c);
    int64_t next_ms = tick(c, c->now_ms);
    busy |= mr_intake(c);
    busy |= mr_dispatch(c);
    busy |= mr_commit_answers(c);
    if (!busy) {
        int64_t left = sooner(timeout_ms, next_ms - c->now_ms);
        sleep_until_news(c, left > 0 ? left : 0);
    }
}
