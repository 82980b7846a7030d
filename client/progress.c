#include "client/progress.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "client/visible.h"

#define DRAW_MS       100
#define LINE_MS       5000
#define RATE_WINDOW_S 3.0

struct mr_progress {
    struct mr_ui *ui;
    const char *doing;
    atomic_llong files, files_expected;
    atomic_llong bytes, bytes_expected;
    atomic_llong skipped;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stop;
    double rate; /* moving average, owned by the thread */
    int64_t rate_bytes, rate_us;
};

static int terminal_columns(void)
{
    struct winsize w;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0)
        return w.ws_col;
    return 80;
}

static void fill_bar(char *bar, int width, double part)
{
    int full = (int)(part * width);
    for (int i = 0; i < width; i++)
        bar[i] = i < full ? '=' : i == full ? '>' : ' ';
    bar[width] = '\0';
}

void mr_progress_format(const struct mr_progress_state *s, int columns, char *out, size_t size)
{
    char done[MR_SIZE_TEXT], all[MR_SIZE_TEXT], rate[MR_SIZE_TEXT], left[MR_SIZE_TEXT] = "-:--";
    char text[160];
    char bar[41];
    double part = s->bytes_expected > 0 ? (double)s->bytes / (double)s->bytes_expected : 0;
    part = part < 0 ? 0 : part > 1 ? 1 : part;
    if (s->bytes_per_second > 1)
        mr_duration_text((int64_t)((double)(s->bytes_expected - s->bytes) / s->bytes_per_second), left);
    int n = snprintf(text, sizeof(text), "%3d%% %s of %s  %s/s  ETA %s  %lld/%lld files", (int)(part * 100),
                     mr_size_text(s->bytes, done), mr_size_text(s->bytes_expected, all),
                     mr_size_text((int64_t)s->bytes_per_second, rate), left, (long long)s->files,
                     (long long)s->files_expected);
    /* One column stays free: a full last column wraps on some terminals. */
    int width = columns - n - 4;
    width = width > 40 ? 40 : width;
    if (width >= 5) {
        fill_bar(bar, width, part);
        snprintf(out, size, "[%s] %s", bar, text);
    } else {
        snprintf(out, size, "%.*s", columns > 1 ? columns - 1 : 0, text);
    }
}

static struct mr_progress_state state_of(struct mr_progress *p)
{
    return (struct mr_progress_state){p->doing,
                                      atomic_load(&p->files),
                                      atomic_load(&p->files_expected),
                                      atomic_load(&p->bytes) + atomic_load(&p->skipped),
                                      atomic_load(&p->bytes_expected),
                                      p->rate};
}

static void measure(struct mr_progress *p)
{
    int64_t now = mr_mono_us();
    int64_t bytes = atomic_load(&p->bytes);
    double seconds = (double)(now - p->rate_us) / 1e6;
    double current = (double)(bytes - p->rate_bytes) / seconds;
    double weight = seconds / (seconds + RATE_WINDOW_S);
    p->rate = p->rate < 1 ? current : p->rate * (1 - weight) + current * weight;
    p->rate_us = now;
    p->rate_bytes = bytes;
}

static void show(struct mr_progress *p)
{
    struct mr_progress_state s = state_of(p);
    char line[256];
    if (mr_ui_has_bar(p->ui)) {
        mr_progress_format(&s, terminal_columns(), line, sizeof(line));
        mr_ui_bar(p->ui, line);
        return;
    }
    char done[MR_SIZE_TEXT], all[MR_SIZE_TEXT], rate[MR_SIZE_TEXT];
    mr_ui_note(p->ui, "%s: %s of %s, %lld of %lld files, %s/s", s.doing, mr_size_text(s.bytes, done),
               mr_size_text(s.bytes_expected, all), (long long)s.files, (long long)s.files_expected,
               mr_size_text((int64_t)s.bytes_per_second, rate));
}

static void *draw(void *arg)
{
    struct mr_progress *p = arg;
    int64_t interval = mr_ui_has_bar(p->ui) ? DRAW_MS : LINE_MS;
    pthread_mutex_lock(&p->lock);
    while (!p->stop) {
        int64_t until = mr_mono_us() + interval * 1000;
        struct timespec t = {until / 1000000, until % 1000000 * 1000};
        while (!p->stop && pthread_cond_timedwait(&p->wake, &p->lock, &t) == 0)
            continue;
        if (p->stop)
            break;
        measure(p);
        show(p);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

struct mr_progress *mr_progress_start(struct mr_ui *ui, const char *doing)
{
    struct mr_progress *p = calloc(1, sizeof(*p));
    if (!p)
        abort();
    p->ui = ui;
    p->doing = doing;
    p->rate_us = mr_mono_us();
    pthread_mutex_init(&p->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&p->wake, &attr);
    pthread_condattr_destroy(&attr);
    if (pthread_create(&p->thread, NULL, draw, p) != 0)
        abort();
    return p;
}

void mr_progress_stop(struct mr_progress **p)
{
    pthread_mutex_lock(&(*p)->lock);
    (*p)->stop = true;
    pthread_cond_signal(&(*p)->wake);
    pthread_mutex_unlock(&(*p)->lock);
    pthread_join((*p)->thread, NULL);
    mr_ui_bar((*p)->ui, NULL);
    pthread_cond_destroy(&(*p)->wake);
    pthread_mutex_destroy(&(*p)->lock);
    free(*p);
    *p = NULL;
}

void mr_progress_expect(struct mr_progress *p, int64_t files, int64_t bytes)
{
    atomic_fetch_add(&p->files_expected, files);
    atomic_fetch_add(&p->bytes_expected, bytes);
}

void mr_progress_moved(struct mr_progress *p, int64_t bytes)
{
    atomic_fetch_add(&p->bytes, bytes);
}

void mr_progress_skipped(struct mr_progress *p, int64_t bytes)
{
    atomic_fetch_add(&p->skipped, bytes);
}

void mr_progress_file_done(struct mr_progress *p)
{
    atomic_fetch_add(&p->files, 1);
}
