#include "base/stop.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"

static atomic_bool requested;
static atomic_int event = -1;

/* Made on first use by whoever comes first, a signal handler too: only system calls and lock-free atomics. */
int mr_stop_fd(void)
{
    int fd = atomic_load(&event);
    if (fd >= 0)
        return fd;
    int made = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (made < 0)
        abort(); /* out of descriptors before the program began: it could never be stopped */
    int none = -1;
    if (atomic_compare_exchange_strong(&event, &none, made))
        return made;
    close(made);
    return none;
}

void mr_stop_request(void)
{
    int saved = errno;
    atomic_store(&requested, true);
    uint64_t one = 1;
    ssize_t ignored = write(mr_stop_fd(), &one, sizeof(one));
    (void)ignored; /* the counter is full only when it has long been readable */
    errno = saved;
}

static void on_signal(int signal_number)
{
    (void)signal_number;
    mr_stop_request();
}

void mr_stop_install(void)
{
    mr_stop_fd();
    struct sigaction stop = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&stop.sa_mask);
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGINT, &stop, NULL);
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigemptyset(&ignore.sa_mask);
    sigaction(SIGPIPE, &ignore, NULL);
}

bool mr_stop_requested(void)
{
    return atomic_load(&requested);
}

bool mr_stop_wait(int64_t timeout_ms)
{
    int64_t end = timeout_ms < 0 ? INT64_MAX : mr_mono_ms() + timeout_ms;
    struct pollfd fd = {.fd = mr_stop_fd(), .events = POLLIN};
    while (!mr_stop_requested()) {
        int64_t left = end == INT64_MAX ? -1 : end - mr_mono_ms();
        if (end != INT64_MAX && left <= 0)
            return false;
        poll(&fd, 1, left > 3600000 ? 3600000 : (int)left);
    }
    return true;
}
