/* A client of the tests' own: raw bytes out, raw bytes in. */
#ifndef MR_TESTS_EXCHANGE_H
#define MR_TESTS_EXCHANGE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_MAX (1 << 20)

static inline int dial(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

static inline void say(int fd, const char *text, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, text, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return; /* the other end may well have hung up by now; the answer tells */
        text += sent;
        n -= (size_t)sent;
    }
}

/* Reads until the other end closes, `enough` is seen, or 5 s pass. */
static inline size_t hear(int fd, char *out, const char *enough)
{
    size_t n = 0;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    out[0] = '\0';
    while (n < ANSWER_MAX - 1 && poll(&p, 1, 5000) > 0) {
        ssize_t got = recv(fd, out + n, ANSWER_MAX - 1 - n, 0);
        if (got <= 0)
            break;
        n += (size_t)got;
        out[n] = '\0';
        if (enough && strstr(out, enough))
            break;
    }
    return n;
}

/* One request on a connection of its own; the answer is in a buffer that lives until the next call. */
static inline const char *exchange(int port, const char *text, size_t n)
{
    static char answer[ANSWER_MAX];
    int fd = dial(port);
    say(fd, text, n);
    hear(fd, answer, NULL);
    close(fd);
    return answer;
}

static inline int status_of(const char *answer)
{
    return strncmp(answer, "HTTP/1.1 ", 9) == 0 ? atoi(answer + 9) : 0;
}

static inline int count_of(const char *text, const char *what)
{
    int n = 0;
    for (const char *p = text; (p = strstr(p, what)); p += strlen(what))
        n++;
    return n;
}

#endif
