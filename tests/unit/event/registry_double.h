/* A registry that answers what a test tells it: an HTTP server on a thread, one connection at a time. */
#ifndef MR_TEST_REGISTRY_DOUBLE_H
#define MR_TEST_REGISTRY_DOUBLE_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct registry_double {
    int fd;
    char url[64];
    pthread_t thread;
    atomic_int requests;
    pthread_mutex_t lock; /* what follows */
    int status;
    char body[8192];
    char last[256]; /* request line */
};

static inline void registry_answers(struct registry_double *d, int status, const char *body)
{
    pthread_mutex_lock(&d->lock);
    d->status = status;
    snprintf(d->body, sizeof d->body, "%s", body);
    pthread_mutex_unlock(&d->lock);
}

/* Reads one request with its body; false at the end of the connection. */
static inline int registry_read_request(int fd, char *buffer, size_t size)
{
    size_t have = 0;
    for (;;) {
        ssize_t n = recv(fd, buffer + have, size - 1 - have, 0);
        if (n <= 0) {
            return 0;
        }
        have += (size_t)n;
        buffer[have] = '\0';
        const char *end = strstr(buffer, "\r\n\r\n");
        if (!end) {
            continue;
        }
        const char *length = strcasestr(buffer, "content-length:");
        size_t body = length && length < end ? (size_t)strtoul(length + 15, NULL, 10) : 0;
        if (have >= (size_t)(end - buffer) + 4 + body) {
            return 1;
        }
    }
}

static inline void registry_serve(struct registry_double *d, int fd)
{
    static char request[65536];
    char reply[9000];
    while (registry_read_request(fd, request, sizeof request)) {
        atomic_fetch_add(&d->requests, 1);
        pthread_mutex_lock(&d->lock);
        snprintf(d->last, sizeof d->last, "%.*s", (int)strcspn(request, "\r"), request);
        int n = snprintf(reply, sizeof reply,
                         "HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                         d->status, strlen(d->body), d->body);
        pthread_mutex_unlock(&d->lock);
        if (send(fd, reply, (size_t)n, MSG_NOSIGNAL) < 0) {
            return;
        }
    }
}

static inline void *registry_main(void *arg)
{
    struct registry_double *d = arg;
    for (;;) {
        int fd = accept(d->fd, NULL, NULL);
        if (fd < 0) {
            return NULL;
        }
        registry_serve(d, fd);
        close(fd);
    }
}

static inline void registry_start(struct registry_double *d)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    memset(d, 0, sizeof *d);
    pthread_mutex_init(&d->lock, NULL);
    d->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(d->fd >= 0);
    assert_int_equal(bind(d->fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(d->fd, 8), 0);
    assert_int_equal(getsockname(d->fd, (struct sockaddr *)&at, &size), 0);
    snprintf(d->url, sizeof d->url, "http://127.0.0.1:%d/base/", ntohs(at.sin_port));
    assert_int_equal(pthread_create(&d->thread, NULL, registry_main, d), 0);
}

static inline void registry_stop(struct registry_double *d)
{
    shutdown(d->fd, SHUT_RDWR);
    pthread_join(d->thread, NULL);
    close(d->fd);
    pthread_mutex_destroy(&d->lock);
}

#endif
