/* What a handler asks of its request. */
#include <string.h>

#include "base/clock.h"
#include "http/internal.h"

const char *mr_http_path_param(const struct mr_http_request *rq, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < rq->n_params; i++) {
        if (rq->params[i].name_len == len && memcmp(rq->params[i].name, name, len) == 0)
            return rq->params[i].value;
    }
    return "";
}

const char *mr_http_query(const struct mr_http_request *rq, const char *name)
{
    return mr_http_pairs_get(&rq->query, name, false);
}

const char *mr_http_header(const struct mr_http_request *rq, const char *name)
{
    return mr_http_pairs_get(&rq->headers, name, true);
}

const char *mr_http_form(const struct mr_http_request *rq, const char *name)
{
    return mr_http_pairs_get(&rq->form, name, false);
}

struct mr_span mr_http_body(const struct mr_http_request *rq)
{
    return mr_buf_span(&rq->body);
}

json_t *mr_http_json(const struct mr_http_request *rq)
{
    return rq->json;
}

struct mr_uuid mr_http_user(const struct mr_http_request *rq)
{
    return rq->user;
}

const char *mr_http_client_address(const struct mr_http_request *rq)
{
    return rq->address;
}

void mr_http_again(struct mr_http_request *rq, int64_t delay_ms, void *state, void (*free_state)(void *))
{
    rq->again = true;
    rq->again_ms = delay_ms > 0 ? delay_ms : 0;
    rq->state = state;
    rq->free_state = free_state;
}

void *mr_http_state(const struct mr_http_request *rq)
{
    return rq->state;
}

int64_t mr_http_age_ms(const struct mr_http_request *rq)
{
    return (mr_mono_us() - rq->whole_us) / 1000;
}
