/* JSON bodies, and the table of fields they are read by. */
#include "base/digest.h"
#include "http/fields.h"
#include "http/internal.h"
#include "target.h"

static void try_fields(json_t *json)
{
    struct mr_http_reply rp = {0};
    const char *name = NULL;
    int64_t number = 0;
    struct mr_uuid id;
    uint8_t hash[MR_SHA256_SIZE];
    json_t *array = NULL;
    bool has_number = false;
    const struct mr_field fields[] = {
        {"name", MR_FIELD_JSON_STRING, true, 1, 255, &name, NULL},
        {"number", MR_FIELD_JSON_INT, false, 1, 1000, &number, &has_number},
        {"id", MR_FIELD_JSON_UUID, false, 0, 0, &id, NULL},
        {"hash", MR_FIELD_JSON_SHA256, false, 0, 0, hash, NULL},
        {"array", MR_FIELD_JSON_ARRAY, false, 1, 16, &array, NULL},
    };
    if (mr_http_fields(&rp, json, "body", fields, sizeof fields / sizeof fields[0])) {
        must(rp.status == 0, "no problem with what is taken");
        must(name && name[0] && strlen(name) <= 255, "a required string is there and in bounds");
        must(!has_number || (number >= 1 && number <= 1000), "a number is in bounds");
        must(!array || (json_array_size(array) >= 1 && json_array_size(array) <= 16),
             "an array is in bounds");
    } else {
        must(rp.status == 400, "what is refused is a problem of the client");
        mr_http_reply_seal(&rp);
        must(rp.body_len > 0, "a problem can be sent");
    }
    mr_http_reply_reset(&rp);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *why = NULL;
    char room[128];
    json_t *json = mr_http_json_load((struct mr_span){(const char *)data, size}, &why, room, sizeof room);
    if (!json) {
        must(why && why[0], "a refusal says why");
        return 0;
    }
    char *text = json_dumps(json, JSON_COMPACT);
    must(text != NULL, "JSON that was read can be written");
    json_t *again = mr_http_json_load(mr_span_of(text), &why, room, sizeof room);
    must(again && json_equal(json, again), "load(dump(json)) == json");
    try_fields(json);
    json_decref(again);
    free(text);
    json_decref(json);
    return 0;
}
