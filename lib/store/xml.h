/* Reading the store's XML answers with libxml2: no network, no DTD, no entities of its own, bounded by what
 * the transport lets in. Namespaces are ignored (S3's is fixed; MinIO leaves it out in errors). One owner. */
#ifndef MR_STORE_XML_H
#define MR_STORE_XML_H

#include <libxml/tree.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/span.h"

/* NULL when the bytes are not well-formed or bring a DTD; the caller frees with xmlFreeDoc(). */
xmlDoc *mr_xml_read(struct mr_span bytes);

bool mr_xml_is(const xmlNode *node, const char *name);
/* The first child element of that name after `after` (NULL: from the start); NULL at the end. */
xmlNode *mr_xml_child(const xmlNode *parent, const char *name, const xmlNode *after);
/* Text of a child element, cut to size; "" and false when there is none. */
bool mr_xml_text(const xmlNode *parent, const char *name, char *out, size_t size);
bool mr_xml_i64(const xmlNode *parent, const char *name, int64_t *out);
bool mr_xml_true(const xmlNode *parent, const char *name);

#endif
