#include "client/upload_session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/parts.h"
#include "client/exit_code.h"
#include "client/part_hash.h"

/* Refusals (another URL is asked for after each) before a part counts as failed. */
#define REFUSALS_MAX     3
#define PART_HEADERS_MAX 16

static json_t *post(const struct mr_api *api, const char *path, json_t *body, const char *key, long *status,
                    struct mr_error *err)
{
    json_t *out = mr_api_call(
        api,
        &(struct mr_api_call){
            .method = "POST", .path = path, .body = body, .idempotency_key = key, .status = status},
        err);
    json_decref(body);
    return out;
}

static enum mr_status protocol_error(struct mr_error *err, const char *what)
{
    return mr_error_set(err, MR_CLASS_REJECT, EPROTO,
                        "the server's answer to %s is not what this mr understands", what);
}

static json_t *hash_json(const uint8_t sha256[MR_SHA256_SIZE])
{
    char hex[MR_SHA256_HEX_SIZE];
    return json_string(mr_hex(sha256, MR_SHA256_SIZE, hex));
}

enum mr_status mr_session_begin(const struct mr_api *api, const struct mr_session_file *file,
                                const uint8_t only_part[MR_SHA256_SIZE], char upload_id[MR_UUID_TEXT_SIZE],
                                json_t **target, struct mr_error *err)
{
    char key[MR_UUID_TEXT_SIZE];
    json_t *body = json_pack("{s:s, s:I, s:s}", "path", file->remote, "size", (json_int_t)file->size,
                             "content_type", file->content_type);
    if (only_part)
        json_object_set_new(body, "parts", json_pack("[{s:o}]", "sha256", hash_json(only_part)));
    json_t *answer = post(api, "/upload/initiate", body, mr_uuid_format(mr_uuid_v7(), key), NULL, err);
    if (!answer)
        return MR_FAIL;
    const char *id = NULL;
    int64_t parts = 0;
    struct mr_uuid parsed;
    enum mr_status status = MR_FAIL;
    *target = NULL;
    if (mr_json_text(answer, "upload_id", &id, err) == MR_OK &&
        mr_json_int(answer, "part_count", &parts, err) == MR_OK) {
        if (!mr_uuid_parse(mr_span_of(id), &parsed) || parts != mr_part_count(file->size)) {
            protocol_error(err, "initiate");
        } else {
            mr_uuid_format(parsed, upload_id);
            *target = json_incref(json_array_get(json_object_get(answer, "parts"), 0));
            status = MR_OK;
        }
    }
    json_decref(answer);
    return status;
}

static enum mr_session_state state_of(const char *name)
{
    if (strcmp(name, "open") == 0)
        return MR_SESSION_OPEN;
    return strcmp(name, "aborted") == 0 || strcmp(name, "expired") == 0 ? MR_SESSION_GONE : MR_SESSION_DONE;
}

/* A part without a hash is as good as none: nobody can tell what is in it. */
static void mark_arrived(const json_t *answer, struct mr_session_arrived *arrived, int parts)
{
    size_t i;
    json_t *part;
    memset(arrived, 0, sizeof(*arrived) * (size_t)parts);
    json_array_foreach(json_object_get(answer, "parts"), i, part)
    {
        json_int_t number = json_integer_value(json_object_get(part, "part_number"));
        const char *hex = json_string_value(json_object_get(part, "sha256"));
        if (number >= 1 && number <= parts && hex)
            arrived[number - 1].is =
                mr_unhex(mr_span_of(hex), arrived[number - 1].sha256, sizeof(arrived->sha256));
    }
}

enum mr_status mr_session_look(const struct mr_api *api, const char *upload_id, int64_t size,
                               enum mr_session_state *state, char **type, struct mr_session_arrived *arrived,
                               int parts, struct mr_error *err)
{
    *state = MR_SESSION_GONE;
    *type = NULL;
    json_t *answer = mr_api_get(api, err, "/upload/%s", upload_id);
    if (!answer)
        return err->code == 404 || err->code == 410 ? MR_OK : MR_FAIL;
    const char *name = NULL;
    int64_t its_size = 0;
    enum mr_status status = mr_json_text(answer, "state", &name, err);
    if (status == MR_OK)
        status = mr_json_int(answer, "size", &its_size, err);
    if (status == MR_OK && its_size == size) {
        *state = state_of(name);
        mark_arrived(answer, arrived, parts);
        const char *its_type = json_string_value(json_object_get(answer, "content_type"));
        *type = its_type ? strdup(its_type) : NULL;
    }
    json_decref(answer);
    return status;
}

static json_t *ask_target(const struct mr_api *api, const char *upload_id, const struct mr_session_part *part,
                          struct mr_error *err)
{
    json_t *body = json_pack("{s:s, s:[{s:i, s:o}]}", "upload_id", upload_id, "parts", "part_number",
                             part->number, "sha256", hash_json(part->sha256));
    json_t *answer = post(api, "/upload/chunk", body, NULL, NULL, err);
    if (!answer)
        return NULL;
    json_t *target = json_incref(json_array_get(json_object_get(answer, "parts"), 0));
    json_decref(answer);
    if (!target)
        protocol_error(err, "chunk");
    return target;
}

static bool read_part(void *ctx, int64_t offset, void *buf, size_t n)
{
    const struct mr_session_part *part = ctx;
    return mr_read_range(part->fd, part->offset + offset, buf, n);
}

static void part_moved(void *ctx, int64_t bytes)
{
    const struct mr_session_part *part = ctx;
    if (part->moved)
        part->moved(part->moved_ctx, bytes);
}

/* Headers of the target; the length is libcurl's to say. False when there are more than any server needs. */
static bool target_headers(const json_t *target, struct mr_web_header *out, size_t *n)
{
    const char *name;
    json_t *value;
    *n = 0;
    json_object_foreach(json_object_get(target, "headers"), name, value)
    {
        const char *text = json_string_value(value);
        if (strcasecmp(name, "content-length") == 0 || strcasecmp(name, "host") == 0)
            continue;
        if (*n == PART_HEADERS_MAX || !text || strpbrk(name, "\r\n:") || strpbrk(text, "\r\n"))
            return false;
        out[(*n)++] = (struct mr_web_header){name, text};
    }
    return true;
}

static enum mr_status put(const struct mr_api *api, const struct mr_session_part *part, const json_t *target,
                          struct mr_web_reply *reply, struct mr_error *err)
{
    struct mr_web_header headers[PART_HEADERS_MAX];
    size_t n = 0;
    const char *url = json_string_value(json_object_get(target, "url"));
    if (!url || !target_headers(target, headers, &n))
        return protocol_error(err, "chunk");
    struct mr_session_part copy = *part;
    struct mr_web_request rq = {.method = "PUT",
                                .url = url,
                                .headers = headers,
                                .n_headers = n,
                                .body_size = part->size,
                                .body = part->bytes,
                                .source = read_part,
                                .moved = part_moved,
                                .ctx = &copy};
    return mr_web_do(api->web, &rq, reply, err);
}

/* S3 says why in <Code>…</Code>; proxies in front of it say nothing useful. */
static void store_error(const struct mr_web_reply *reply, struct mr_error *err)
{
    char code[64] = "";
    const char *at = reply->body.data ? strstr(reply->body.data, "<Code>") : NULL;
    if (at)
        sscanf(at, "<Code>%63[A-Za-z0-9]", code);
    bool again = reply->status >= 500 || reply->status == 429 || reply->status == 408;
    mr_error_set(err, again ? MR_CLASS_RETRY : MR_CLASS_REJECT, (int)reply->status,
                 "the object store answered %ld%s%s", reply->status, code[0] ? " " : "", code);
}

enum mr_status mr_session_send(const struct mr_api *api, const char *upload_id,
                               const struct mr_session_part *part, json_t *target, struct mr_error *err)
{
    struct mr_web_tries tries = {0};
    enum mr_status status = MR_FAIL;
    for (int refusals = 0; refusals < REFUSALS_MAX;) {
        struct mr_web_reply reply = {0};
        if (!target && !(target = ask_target(api, upload_id, part, err)))
            break;
        if (put(api, part, target, &reply, err) == MR_OK) {
            if (reply.status == 200) {
                mr_web_reply_free(&reply);
                status = MR_OK;
                break;
            }
            store_error(&reply, err);
            mr_web_reply_free(&reply);
        }
        if (err->class == MR_CLASS_RETRY) {
            if (!mr_web_again(api->web, &tries, reply.retry_after_ms))
                break;
        } else if (err->code == 403 || err->code == 400) {
            /* The URL has expired, or the bytes were damaged on their way: both are worth another URL. */
            refusals++;
            json_decref(target);
            target = NULL;
        } else {
            break;
        }
    }
    json_decref(target);
    return status;
}

json_t *mr_session_complete(const struct mr_api *api, const char *upload_id, bool wait, bool *published,
                            struct mr_error *err)
{
    long status = 0;
    json_t *body = json_pack("{s:s}", "upload_id", upload_id);
    json_t *answer =
        post(api, wait ? "/upload/complete?wait=metadata" : "/upload/complete", body, NULL, &status, err);
    *published = status == 200;
    return answer;
}

enum mr_status mr_session_abort(const struct mr_api *api, const char *upload_id, struct mr_error *err)
{
    char path[16 + MR_UUID_TEXT_SIZE];
    snprintf(path, sizeof(path), "/upload/%s", upload_id);
    json_t *answer = mr_api_call(api, &(struct mr_api_call){.method = "DELETE", .path = path}, err);
    bool over = answer || err->code == 404 || err->code == 410;
    json_decref(answer);
    return over ? MR_OK : MR_FAIL;
}
