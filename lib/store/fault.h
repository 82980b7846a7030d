/* What an answer of the store means (S3 API, "Error responses"). */
#ifndef MR_STORE_FAULT_H
#define MR_STORE_FAULT_H

#include "base/error.h"
#include "base/span.h"

/* MR_OK for a 2xx whose body is no <Error>; else class and code as store.h says, with S3's Code in the text.
 */
enum mr_status mr_store_fault(const char *operation, const char *key, long status, struct mr_span body,
                              struct mr_error *err);

#endif
