#include "store/xml.h"

#include <errno.h>
#include <libxml/parser.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

xmlDoc *mr_xml_read(struct mr_span bytes)
{
    /* While it works the store keeps the connection alive with blanks, which may stand before the
     * declaration. */
    while (bytes.len > 0 && (*bytes.p == ' ' || *bytes.p == '\n' || *bytes.p == '\r' || *bytes.p == '\t')) {
        bytes.p++;
        bytes.len--;
    }
    if (bytes.len == 0 || bytes.len > INT_MAX)
        return NULL;
    int options = XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOCDATA;
    xmlDoc *doc = xmlReadMemory(bytes.p, (int)bytes.len, NULL, NULL, options);
    if (doc && (doc->intSubset || !xmlDocGetRootElement(doc))) {
        xmlFreeDoc(doc);
        return NULL;
    }
    return doc;
}

bool mr_xml_is(const xmlNode *node, const char *name)
{
    return node && node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, name) == 0;
}

xmlNode *mr_xml_child(const xmlNode *parent, const char *name, const xmlNode *after)
{
    for (xmlNode *n = after ? after->next : parent->children; n; n = n->next) {
        if (mr_xml_is(n, name))
            return n;
    }
    return NULL;
}

bool mr_xml_text(const xmlNode *parent, const char *name, char *out, size_t size)
{
    out[0] = '\0';
    const xmlNode *child = mr_xml_child(parent, name, NULL);
    if (!child)
        return false;
    xmlChar *text = xmlNodeGetContent(child);
    if (!text)
        return false;
    size_t len = strlen((const char *)text);
    if (len >= size)
        len = size - 1;
    memcpy(out, text, len);
    out[len] = '\0';
    xmlFree(text);
    return true;
}

bool mr_xml_i64(const xmlNode *parent, const char *name, int64_t *out)
{
    char text[32], *end;
    if (!mr_xml_text(parent, name, text, sizeof text) || text[0] == '\0')
        return false;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    if (errno != 0 || *end != '\0')
        return false;
    *out = v;
    return true;
}

bool mr_xml_true(const xmlNode *parent, const char *name)
{
    char text[8];
    return mr_xml_text(parent, name, text, sizeof text) && strcmp(text, "true") == 0;
}
