#include "support/cluster.h"

#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <grp.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/cmocka.h"

#define READY_MS 60000

struct cluster {
    char folder[32]; /* short: a socket's path has at most 107 bytes */
    char data[64];
    char dsn[128];
    char bin[256];
    pid_t pid;
};

static void die(const struct cluster *c, const char *what)
{
    char command[128];
    print_error("%s\n", what);
    snprintf(command, sizeof(command), "tail -n 30 %s/log >&2", c->folder);
    if (system(command) != 0)
        print_error("and it left no log\n");
    fail();
}

/* The newest version that is installed. */
static void find_programs(struct cluster *c)
{
    glob_t found;
    if (glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &found) != 0 || found.gl_pathc == 0)
        fail_msg("PostgreSQL's server programs are not installed");
    const char *newest = found.gl_pathv[found.gl_pathc - 1];
    snprintf(c->bin, sizeof(c->bin), "%.*s", (int)(strrchr(newest, '/') - newest), newest);
    globfree(&found);
}

static const struct passwd *owner(void)
{
    const struct passwd *pw = geteuid() == 0 ? getpwnam("postgres") : NULL;
    if (geteuid() == 0 && !pw)
        fail_msg("there is no user postgres to run the server as");
    return pw;
}

/* Starts <bin>/<argv[0]> as the cluster's owner with its output in the log. */
static pid_t start(const struct cluster *c, char *const argv[])
{
    const struct passwd *pw = owner();
    char program[300], log[64];
    snprintf(program, sizeof(program), "%s/%s", c->bin, argv[0]);
    snprintf(log, sizeof(log), "%s/log", c->folder);
    pid_t parent = getpid();
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid > 0)
        return pid;
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0666);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    if (pw &&
        (initgroups(pw->pw_name, pw->pw_gid) != 0 || setgid(pw->pw_gid) != 0 || setuid(pw->pw_uid) != 0))
        _exit(126);
    prctl(PR_SET_PDEATHSIG, SIGQUIT); /* a test that crashes leaves no server behind */
    if (getppid() != parent || chdir("/") != 0)
        _exit(126);
    setpgid(0, 0); /* Ctrl-C is for the test, which then stops the server */
    execv(program, argv);
    _exit(127);
}

static void make_data(struct cluster *c)
{
    char *argv[] = {"initdb", "-D", c->data, "-U",         "postgres",  "-A",
                    "trust",  "-E", "UTF8",  "--locale=C", "--no-sync", NULL};
    int status;
    pid_t pid = start(c, argv);
    if (waitpid(pid, &status, 0) != pid || status != 0)
        die(c, "initdb failed");
}

void cluster_revive(struct cluster *c)
{
    char *argv[] = {"postgres",
                    "-D",
                    c->data,
                    "-k",
                    c->folder,
                    "-c",
                    "listen_addresses=",
                    "-c",
                    "fsync=off",
                    "-c",
                    "synchronous_commit=off",
                    "-c",
                    "full_page_writes=off",
                    "-c",
                    "shared_buffers=16MB",
                    "-c",
                    "max_connections=50",
                    "-c",
                    "wal_level=logical",
                    "-c",
                    "log_statement=none",
                    NULL};
    c->pid = start(c, argv);
    int64_t end = mr_mono_ms() + READY_MS;
    while (PQping(c->dsn) != PQPING_OK) {
        if (waitpid(c->pid, NULL, WNOHANG) == c->pid || mr_mono_ms() > end) {
            c->pid = 0;
            die(c, "the server did not start");
        }
        mr_sleep_ms(20);
    }
}

struct cluster *cluster_start(void)
{
    struct cluster *c = calloc(1, sizeof(*c));
    assert_non_null(c);
    strcpy(c->folder, "/tmp/mr-pg.XXXXXX");
    assert_non_null(mkdtemp(c->folder));
    const struct passwd *pw = owner();
    if (pw)
        assert_int_equal(chown(c->folder, pw->pw_uid, pw->pw_gid), 0);
    snprintf(c->data, sizeof(c->data), "%s/data", c->folder);
    snprintf(c->dsn, sizeof(c->dsn), "host=%s user=postgres dbname=postgres", c->folder);
    find_programs(c);
    make_data(c);
    cluster_revive(c);
    return c;
}

static void end(struct cluster *c, int signal_number)
{
    if (c->pid > 0) {
        kill(c->pid, signal_number);
        waitpid(c->pid, NULL, 0);
    }
    c->pid = 0;
}

void cluster_kill(struct cluster *c)
{
    end(c, SIGQUIT);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *place)
{
    (void)st;
    (void)kind;
    (void)place;
    return remove(path);
}

void cluster_stop(struct cluster **c)
{
    if (!*c)
        return;
    end(*c, SIGQUIT);
    nftw((*c)->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(*c);
    *c = NULL;
}

const char *cluster_dsn(const struct cluster *c)
{
    return c->dsn;
}

static void ignore_notice(void *ctx, const char *message)
{
    (void)ctx;
    (void)message;
}

void cluster_run(const struct cluster *c, const char *sql)
{
    PGconn *conn = PQconnectdb(c->dsn);
    PQsetNoticeProcessor(conn, ignore_notice, NULL);
    PGresult *r = PQexec(conn, sql);
    bool ok = PQresultStatus(r) == PGRES_COMMAND_OK || PQresultStatus(r) == PGRES_TUPLES_OK;
    if (!ok)
        print_error("%s: %s\n", sql, PQerrorMessage(conn));
    PQclear(r);
    PQfinish(conn);
    assert_true(ok);
}
