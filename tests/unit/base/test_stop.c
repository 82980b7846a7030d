#include "base/stop.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/child.h"
#include "support/cmocka.h"

static struct child result;

static void check(bool ok)
{
    if (!ok)
        abort();
}

static bool readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

static void not_stopped_at_first(void *ctx)
{
    (void)ctx;
    mr_stop_install();
    check(!mr_stop_requested());
    check(!readable(mr_stop_fd()));
    int64_t before = mr_mono_ms();
    check(!mr_stop_wait(30));
    check(mr_mono_ms() - before >= 30);
    check(!mr_stop_wait(0));
}

static void stopped_by_signal(void *ctx)
{
    mr_stop_install();
    raise(*(int *)ctx);
    check(mr_stop_requested());
    for (int i = 0; i < 3; i++) { /* stays readable */
        check(readable(mr_stop_fd()));
        check(mr_stop_wait(-1));
        check(mr_stop_wait(1000));
    }
}

static void *wait_for_stop(void *ctx)
{
    if (mr_stop_wait(-1))
        atomic_fetch_add((atomic_int *)ctx, 1);
    return NULL;
}

static void wakes_every_waiter(void *ctx)
{
    (void)ctx;
    atomic_int woken = 0;
    pthread_t threads[5];
    mr_stop_install();
    for (int i = 0; i < 5; i++)
        pthread_create(&threads[i], NULL, wait_for_stop, &woken);
    mr_sleep_ms(20);
    mr_stop_request();
    for (int i = 0; i < 5; i++)
        pthread_join(threads[i], NULL);
    check(atomic_load(&woken) == 5);
}

static void requested_before_install(void *ctx)
{
    (void)ctx;
    mr_stop_request();
    mr_stop_request();
    check(mr_stop_wait(-1));
    mr_stop_install();
    check(mr_stop_requested());
}

static void writes_to_a_closed_pipe(void *ctx)
{
    (void)ctx;
    int fds[2];
    mr_stop_install();
    check(pipe(fds) == 0);
    close(fds[0]);
    check(write(fds[1], "x", 1) == -1);
}

static void lives(void (*fn)(void *), void *ctx)
{
    child_run(fn, ctx, &result);
    assert_int_equal(result.signal, 0);
    assert_int_equal(result.exit_status, 0);
}

static void waiting_without_a_stop(void **state)
{
    (void)state;
    lives(not_stopped_at_first, NULL);
}

static void signals_stop(void **state)
{
    (void)state;
    int term = SIGTERM, interrupt = SIGINT;
    lives(stopped_by_signal, &term);
    lives(stopped_by_signal, &interrupt);
}

static void all_waiters_wake(void **state)
{
    (void)state;
    lives(wakes_every_waiter, NULL);
}

static void a_request_before_install_counts(void **state)
{
    (void)state;
    lives(requested_before_install, NULL);
}

static void sigpipe_is_ignored(void **state)
{
    (void)state;
    lives(writes_to_a_closed_pipe, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waiting_without_a_stop), cmocka_unit_test(signals_stop),
        cmocka_unit_test(all_waiters_wake),       cmocka_unit_test(a_request_before_install_counts),
        cmocka_unit_test(sigpipe_is_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
