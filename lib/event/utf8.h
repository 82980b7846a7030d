/* UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing past U+10FFFF. Any thread may call. */
#ifndef MR_EVENT_UTF8_H
#define MR_EVENT_UTF8_H

#include <stdbool.h>
#include <stddef.h>

bool mr_utf8_valid(const void *p, size_t n);

#endif
