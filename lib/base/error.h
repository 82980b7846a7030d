/* What went wrong, and whose fault it is.
 *
 * Every function that can fail returns `enum mr_status` (or a pointer / NULL) and fills the caller's
 * `struct mr_error`. The text says what was being done, to what, and what the system said; the class says
 * what a caller can do about it. All functions are safe from any thread; an mr_error belongs to its caller.
 */
#ifndef MR_BASE_ERROR_H
#define MR_BASE_ERROR_H

#include <stdarg.h>

enum mr_status { MR_OK = 0, MR_FAIL = -1 };

enum mr_error_class {
    MR_CLASS_NONE = 0,
    MR_CLASS_RETRY,  /* may succeed later unchanged: a dependency is away, slow, or the record is unlucky */
    MR_CLASS_REJECT, /* this input can never succeed: cannot decode, violates a constraint, too large */
    MR_CLASS_FATAL,  /* the program is misconfigured: say one clear line and exit non-zero */
};

/* `code` is the failing party's own number: an HTTP status, an errno, an rd_kafka_resp_err_t, or a packed
 * SQLSTATE (db/db.h mr_sqlstate()). 0 when there is none. */
struct mr_error {
    enum mr_error_class class;
    int code;
    char text[512];
};

/* Fills *err (which may be NULL) and returns MR_FAIL, so that `return mr_error_set(...)` reads well. */
enum mr_status mr_error_set(struct mr_error *err, enum mr_error_class class, int code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Puts "<formatted>: " before the text that is there; class and code stay. Returns MR_FAIL. */
enum mr_status mr_error_prefix(struct mr_error *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

void mr_error_clear(struct mr_error *err);

/* "retry", "reject", "fatal", "none"; for logs and dead-letter headers. */
const char *mr_error_class_name(enum mr_error_class class);

#endif
