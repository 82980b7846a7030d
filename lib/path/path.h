/* Paths of the namespace: absolute UTF-8 in NFC, at most 1,024 bytes, segments of 1 to 255 bytes, no "." or
 * ".." segment, no control character (U+0000-001F, U+007F-009F), no trailing slash; case-sensitive. Any
 * thread. */
#ifndef MR_PATH_PATH_H
#define MR_PATH_PATH_H

#include "base/error.h"
#include "base/span.h"

#define MR_PATH_MAX    1024
#define MR_SEGMENT_MAX 255

/* REJECT with a text that says which rule and where. An NFD path is refused, not normalised: what a client
 * names is what is stored. */
enum mr_status mr_path_check(struct mr_span path, struct mr_error *err);

/* As mr_path_check, but "/" is taken too: a folder to list. */
enum mr_status mr_folder_check(struct mr_span path, struct mr_error *err);

#endif
