#include "store/fault.h"

#include <string.h>

#include "store/store.h"
#include "store/xml.h"

static bool among(const char *code, const char *const *list)
{
    for (; *list; list++) {
        if (strcmp(code, *list) == 0)
            return true;
    }
    return false;
}

static enum mr_error_class class_of(long status, const char *code)
{
    static const char *const passing[] = {"InternalError",
                                          "SlowDown",
                                          "SlowDownRead",
                                          "SlowDownWrite",
                                          "ServiceUnavailable",
                                          "RequestTimeout",
                                          "OperationAborted",
                                          "RequestTimeTooSkewed",
                                          "XMinioServerNotInitialized",
                                          NULL};
    static const char *const credentials[] = {"SignatureDoesNotMatch", "InvalidAccessKeyId", "AccessDenied",
                                              "", NULL};
    if (status >= 500 || status == 429 || among(code, passing))
        return MR_CLASS_RETRY;
    if (status == 403 && among(code, credentials))
        return MR_CLASS_FATAL;
    return MR_CLASS_REJECT;
}

/* An error in the body of a 200 says what the status could not any more. */
static int code_of(long status, const char *code)
{
    return status / 100 == 2 && strncmp(code, "NoSuch", 6) == 0 ? 404 : (int)status;
}

enum mr_status mr_store_fault(const char *operation, const char *key, long status, struct mr_span body,
                              struct mr_error *err)
{
    char code[64] = "", message[256] = "";
    bool is_error = status / 100 != 2;
    /* Long listings are not parsed twice only to see that they are no error. */
    xmlDoc *doc = body.len > 0 && memmem(body.p, body.len, "<Error", 6) ? mr_xml_read(body) : NULL;
    if (doc && mr_xml_is(xmlDocGetRootElement(doc), "Error")) {
        is_error = true;
        mr_xml_text(xmlDocGetRootElement(doc), "Code", code, sizeof code);
        mr_xml_text(xmlDocGetRootElement(doc), "Message", message, sizeof message);
    }
    xmlFreeDoc(doc);
    if (!is_error)
        return MR_OK;
    return mr_error_set(err, class_of(status, code), code_of(status, code),
                        "%s %s: the store answered %ld %s%s%s", operation, key ? key : "bucket", status, code,
                        message[0] ? ": " : "", message);
}

bool mr_store_said(const struct mr_error *err, const char *code)
{
    return err->class == MR_CLASS_REJECT && strstr(err->text, code) != NULL;
}
