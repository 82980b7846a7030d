#include "client/download_part.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/exit_code.h"

/* Refusals (another URL is asked for after each) before a part counts as failed. */
#define REFUSALS_MAX 3

struct incoming {
    const struct mr_download_part *part;
    int64_t got;
    struct mr_sha256 *sha;
    int error; /* errno of a failed write */
};

static bool take_bytes(void *ctx, const void *p, size_t n)
{
    struct incoming *in = ctx;
    const char *from = p;
    if (in->got + (int64_t)n > in->part->size)
        return false;
    mr_sha256_update(in->sha, p, n);
    while (n > 0) {
        ssize_t done = pwrite(in->part->fd, from, n, in->part->offset + in->got);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0) {
            in->error = errno;
            return false;
        }
        from += done;
        n -= (size_t)done;
        in->got += done;
    }
    return true;
}

static void moved(void *ctx, int64_t bytes)
{
    const struct mr_download_part *part = ((struct incoming *)ctx)->part;
    part->moved(part->moved_ctx, bytes);
}

static enum mr_status check_answer(const struct incoming *in, long status, struct mr_error *err)
{
    bool again = status >= 500 || status == 429;
    if (status / 100 != 2)
        return mr_error_set(err, again ? MR_CLASS_RETRY : MR_CLASS_REJECT, (int)status,
                            "the object store answered %ld", status);
    if (in->part->ranged && status != 206)
        return mr_error_set(err, MR_CLASS_REJECT, EPROTO, "the object store does not know ranges");
    if (in->got != in->part->size)
        return mr_error_set(err, MR_CLASS_RETRY, 0, "the object store sent %" PRId64 " bytes of %" PRId64,
                            in->got, in->part->size);
    return MR_OK;
}

/* One request. *retry_after_ms as the store said. */
static enum mr_status fetch(struct mr_web *web, const char *url, struct incoming *in, int64_t *retry_after_ms,
                            struct mr_error *err)
{
    char range[64];
    const struct mr_download_part *part = in->part;
    snprintf(range, sizeof(range), "bytes=%" PRId64 "-%" PRId64, part->offset, part->offset + part->size - 1);
    struct mr_web_header header = {"Range", range};
    struct mr_web_request rq = {.method = "GET",
                                .url = url,
                                .headers = &header,
                                .n_headers = part->ranged,
                                .body_size = -1,
                                .sink = take_bytes,
                                .moved = moved,
                                .ctx = in};
    struct mr_web_reply reply;
    if (mr_web_do(web, &rq, &reply, err) != MR_OK)
        return in->error ? mr_error_set(err, MR_CLASS_REJECT, in->error, "writing: %s", strerror(in->error))
                         : MR_FAIL;
    *retry_after_ms = reply.retry_after_ms;
    enum mr_status status = check_answer(in, reply.status, err);
    mr_web_reply_free(&reply);
    return status;
}

enum mr_status mr_download_part(const struct mr_api *api, const struct mr_download_part *part,
                                uint8_t sha256[MR_SHA256_SIZE], struct mr_error *err)
{
    struct mr_web_tries tries = {0};
    enum mr_status status = MR_FAIL;
    for (int refusals = 0; refusals < REFUSALS_MAX;) {
        int64_t retry_after_ms = 0;
        char *url = mr_download_url_get(part->url, api, refusals, err);
        if (!url)
            return MR_FAIL;
        struct incoming in = {.part = part, .sha = mr_sha256_start()};
        status = fetch(api->web, url, &in, &retry_after_ms, err);
        mr_sha256_finish(&in.sha, sha256);
        free(url);
        if (status == MR_OK)
            return MR_OK;
        if (err->code == 403)
            refusals++; /* the URL has expired */
        else if (err->class != MR_CLASS_RETRY || !mr_web_again(api->web, &tries, retry_after_ms))
            return MR_FAIL;
    }
    return status;
}
