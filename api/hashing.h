/* argon2id takes 64 MiB and a core for some 100 ms: so only so many hashes run at once, few more may wait a
 * moment, and the rest is turned away. Any thread may call. */
#ifndef MR_API_HASHING_H
#define MR_API_HASHING_H

#include "base/error.h"
#include "base/span.h"
#include "http/server.h"

struct mr_hashing;

enum mr_status mr_hashing_open(int at_once, struct mr_hashing **out, struct mr_error *err);
void mr_hashing_close(struct mr_hashing **hashing);

/* Takes a place; false when there is none within a second, and then the reply is a 429 with Retry-After. */
bool mr_hashing_enter(struct mr_hashing *hashing, struct mr_http_reply *rp);
void mr_hashing_leave(struct mr_hashing *hashing);

#endif
