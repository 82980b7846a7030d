/* A private PostgreSQL in a temporary folder, reached by a Unix socket only. Needs the server's programs
 * (/usr/lib/postgresql/<version>/bin); as root it runs as the user `postgres`, which the server insists on.
 */
#ifndef MR_TEST_CLUSTER_H
#define MR_TEST_CLUSTER_H

struct cluster;

/* Fails the test when it cannot be started, with the server's own words. */
struct cluster *cluster_start(void);
void cluster_stop(struct cluster **c);

/* For outages: the server goes at once, and comes back on the same socket with the same data. */
void cluster_kill(struct cluster *c);
void cluster_revive(struct cluster *c);

/* A connection string of its superuser; lives as long as c. */
const char *cluster_dsn(const struct cluster *c);

/* Runs SQL over a connection of its own; fails the test when that fails. */
void cluster_run(const struct cluster *c, const char *sql);

#endif
