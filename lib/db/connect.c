#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "db/connection.h"
#include "metrics/metrics.h"

#define CONNECT_TIMEOUT_MS 3000

static char *options_of(const PQconninfoOption *parsed)
{
    for (; parsed->keyword; parsed++) {
        if (strcmp(parsed->keyword, "options") == 0 && parsed->val)
            return parsed->val;
    }
    return "";
}

enum mr_status mr_db_settings_make(const char *dsn, const char *application_name, int statement_timeout_ms,
                                   struct mr_db_settings *out, struct mr_error *err)
{
    char *why = NULL;
    *out = (struct mr_db_settings){0};
    PQconninfoOption *parsed = PQconninfoParse(dsn, &why);
    PQfreemem(why); /* it quotes the DSN */
    if (!parsed)
        return mr_error_set(err, MR_CLASS_FATAL, 0, "pg.dsn is neither a libpq connection string nor a URI");
    int n =
        asprintf(&out->options,
                 "%s -c timezone=UTC -c statement_timeout=%d -c idle_in_transaction_session_timeout=60000",
                 options_of(parsed), statement_timeout_ms);
    PQconninfoFree(parsed);
    if (n < 0)
        out->options = NULL;
    out->dsn = strdup(dsn);
    out->application_name = strdup(application_name);
    if (out->options && out->dsn && out->application_name)
        return MR_OK;
    mr_db_settings_free(out);
    return mr_error_set(err, MR_CLASS_RETRY, ENOMEM, "open the database pool: out of memory");
}

void mr_db_settings_free(struct mr_db_settings *s)
{
    free(s->dsn);
    free(s->application_name);
    free(s->options);
    *s = (struct mr_db_settings){0};
}

static PGconn *start(const struct mr_db_settings *s)
{
    /* Of repeated keywords the last counts: the DSN may change what is above it, not what is below. A peer
     * that vanished without a word is noticed within a minute. */
    const struct {
        const char *keyword, *value;
    } params[] = {{"keepalives_idle", "20"},
                  {"keepalives_interval", "10"},
                  {"keepalives_count", "3"},
                  {"tcp_user_timeout", "30000"},
                  {"gssencmode", "disable"},
                  {"dbname", s->dsn},
                  {"application_name", s->application_name},
                  {"client_encoding", "UTF8"},
                  {"options", s->options}};
    enum { N = sizeof(params) / sizeof(params[0]) };
    const char *keywords[N + 1] = {NULL}, *values[N + 1] = {NULL};
    for (int i = 0; i < N; i++) {
        keywords[i] = params[i].keyword;
        values[i] = params[i].value;
    }
    return PQconnectStartParams(keywords, values, 1);
}

/* Not PQconnectdb(): only between start and poll can the verbosity be set that shows the SQLSTATE of a
 * refusal. */
static bool finish(PGconn *conn)
{
    int64_t end = mr_mono_ms() + CONNECT_TIMEOUT_MS;
    PostgresPollingStatusType state = PGRES_POLLING_WRITING;
    while (state == PGRES_POLLING_WRITING || state == PGRES_POLLING_READING) {
        struct pollfd fd = {.fd = PQsocket(conn),
                            .events = state == PGRES_POLLING_READING ? POLLIN : POLLOUT};
        int64_t left = end - mr_mono_ms();
        if (left <= 0)
            return false;
        int rc = poll(&fd, 1, (int)left);
        if (rc < 0 && errno == EINTR)
            continue;
        if (rc <= 0)
            return false;
        state = PQconnectPoll(conn);
    }
    return state == PGRES_POLLING_OK;
}

/* "FATAL:  28P01: password …" → 28P01; the severity is translated, the SQLSTATE is not. */
static const char *sqlstate_in(const char *message, char out[6])
{
    static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    for (const char *p = message; (p = strstr(p, ":  ")); p += 3) {
        if (strspn(p + 3, alphabet) == 5 && p[8] == ':') {
            memcpy(out, p + 3, 5);
            out[5] = '\0';
            return out;
        }
    }
    return NULL;
}

static void connect_failed(PGconn *conn, struct mr_error *err)
{
    char state[6];
    const char *message = PQerrorMessage(conn);
    const char *found = sqlstate_in(message, state);
    if (PQstatus(conn) != CONNECTION_BAD)
        message = "no answer within 3 s"; /* libpq has not given up: finish() has */
    enum mr_error_class class = mr_db_class(found);
    mr_error_set(err, class, found ? mr_sqlstate(found) : 0, "connect to PostgreSQL: %.*s",
                 (int)strcspn(message, "\n"), message);
}

/* Notices ("table exists, skipping") would otherwise be printed on stderr by libpq, outside the log. */
static void on_notice(void *ctx, const char *message)
{
    (void)ctx;
    char line[512];
    snprintf(line, sizeof(line), "%.*s", (int)strcspn(message, "\n"), message);
    mr_log(MR_LOG_DEBUG, "notice from PostgreSQL", mr_log_str("notice", line));
}

struct mr_db *mr_db_connect(const struct mr_db_settings *s, struct mr_error *err)
{
    struct mr_db *db = calloc(1, sizeof(*db));
    PGconn *conn = start(s);
    if (!db || !conn) {
        mr_error_set(err, MR_CLASS_RETRY, ENOMEM, "connect to PostgreSQL: out of memory");
        goto fail;
    }
    PQsetErrorVerbosity(conn, PQERRORS_VERBOSE);
    PQsetNoticeProcessor(conn, on_notice, NULL);
    if (PQstatus(conn) == CONNECTION_BAD || !finish(conn)) {
        connect_failed(conn, err);
        goto fail;
    }
    PQsetErrorVerbosity(conn, PQERRORS_DEFAULT);
    db->conn = conn;
    mr_metric_add(MR_M_db_connections, NULL, 1);
    return db;
fail:
    PQfinish(conn);
    free(db);
    return NULL;
}

void mr_db_disconnect(struct mr_db *db)
{
    PQfinish(db->conn);
    free(db->prepared.slots);
    free(db);
    mr_metric_add(MR_M_db_connections, NULL, -1);
}

/* A server that goes says why and closes, so an idle socket becomes readable; what else may come unasked
 * (notices, changed parameters) is read and does not hurt. */
bool mr_db_alive(struct mr_db *db)
{
    for (int i = 0; i < 8; i++) {
        struct pollfd fd = {.fd = PQsocket(db->conn), .events = POLLIN};
        if (fd.fd < 0 || PQstatus(db->conn) != CONNECTION_OK)
            return false;
        if (poll(&fd, 1, 0) <= 0)
            return true;
        if (!PQconsumeInput(db->conn) || (fd.revents & (POLLERR | POLLHUP)))
            return false;
        PQisBusy(db->conn); /* makes libpq look at what it read */
    }
    return false;
}
