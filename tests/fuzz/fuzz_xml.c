/* The store's answers. The first byte is the operation, the second chooses the status; then the bodies of its
 * answers, split at NULs (the last one is given again and again). The linker puts __wrap_mr_store_call_xml()
 * between the parsing and the transport. */
#include "store/fault.h"
#include "store/request.h"
#include "store/xml.h"
#include "target.h"

#define CALLS_MAX 64

static struct mr_span bodies;
static struct mr_span body;
static int calls;

static const long statuses[] = {200, 200, 200, 400, 403, 404, 429, 500};

static long status_now;

enum mr_status __wrap_mr_store_call_xml(struct mr_store *s, const struct mr_store_call *call,
                                        const char *root, xmlDoc **doc, struct mr_error *err);

/* As mr_store_call_xml() does behind its transport. */
enum mr_status __wrap_mr_store_call_xml(struct mr_store *s, const struct mr_store_call *call,
                                        const char *root, xmlDoc **doc, struct mr_error *err)
{
    (void)s;
    *doc = NULL;
    if (bodies.len > 0)
        body = take_until(&bodies, '\0');
    else
        must(++calls < CALLS_MAX, "a store that says the same again is not asked without end");
    if (mr_store_fault(call->operation, call->key, status_now, body, err) != MR_OK)
        return MR_FAIL;
    *doc = mr_xml_read(body);
    if (*doc && mr_xml_is(xmlDocGetRootElement(*doc), root))
        return MR_OK;
    xmlFreeDoc(*doc);
    *doc = NULL;
    return mr_error_set(err, MR_CLASS_RETRY, 200, "the answer is not a <%s>", root);
}

static bool on_upload(void *ctx, const char *key, const char *id, int64_t at)
{
    (void)at;
    *(size_t *)ctx += strlen(key) + strlen(id);
    return true;
}

static bool on_object(void *ctx, const char *key, int64_t size, int64_t at)
{
    (void)size, (void)at;
    *(size_t *)ctx += strlen(key);
    return true;
}

static void try_parts(struct mr_store *s, struct mr_error *err)
{
    struct mr_part *parts;
    struct mr_object object;
    int n;
    if (mr_store_list_parts(s, "key", "id", &parts, &n, err) != MR_OK) {
        must(parts == NULL && n == 0, "no parts when listing failed");
        return;
    }
    for (int i = 0; i < n; i++) {
        must(parts[i].number >= 1 && parts[i].number <= MR_PARTS_MAX && parts[i].size >= 0,
             "a part is in range");
        must(i == 0 || parts[i].number > parts[i - 1].number, "parts are in order");
    }
    if (mr_store_complete_upload(s, "key", "id", parts, n, &object, err) == MR_OK)
        must(object.parts == n && object.size >= 0, "an object is what its parts are");
    free(parts);
}

static void try_composite(struct mr_span text)
{
    struct mr_object object;
    char *copy = text_of(text);
    mr_store_composite(copy, &object);
    must(!object.has_checksum || (object.parts >= 1 && object.parts <= MR_PARTS_MAX),
         "a checksum is of parts");
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct mr_store store;
    struct mr_error err = {0};
    struct mr_buf id;
    size_t seen = 0;
    bodies = (struct mr_span){(const char *)data, size};
    char operation = (char)take_byte(&bodies);
    status_now = statuses[take_byte(&bodies) % (sizeof statuses / sizeof statuses[0])];
    body = (struct mr_span){NULL, 0};
    calls = 0;
    mr_buf_init(&id, 4096);
    switch (operation) {
    case 'c':
        if (mr_store_create_upload(&store, "key", "text/plain", &id, &err) == MR_OK)
            must(id.len > 0, "an upload has an id");
        break;
    case 'p':
        try_parts(&store, &err);
        break;
    case 'u':
        mr_store_list_uploads(&store, "", on_upload, &seen, &err);
        break;
    case 'o':
        mr_store_list(&store, "", on_object, &seen, &err);
        break;
    case 'x':
        try_composite(bodies);
        break;
    default:
        mr_store_fault("operation", "key", status_now, bodies, &err);
    }
    mr_buf_free(&id);
    return 0;
}
