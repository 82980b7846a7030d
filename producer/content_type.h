/* Content types as clients declare them (RFC 9110, 8.3.1) and the list of those that are taken. */
#ifndef MR_UPLOAD_CONTENT_TYPE_H
#define MR_UPLOAD_CONTENT_TYPE_H

#include <stdbool.h>

#define MR_CONTENT_TYPE_MAX 255

/* type/subtype, with or without parameters, printable ASCII. */
bool mr_content_type_valid(const char *type);
/* `allowed` is a comma-separated list of types; "image/" with a star behind it takes all of its kind. */
bool mr_content_type_taken(const char *allowed, const char *type);

#endif
