/* cmocka.h with what it needs before it. */
#ifndef MR_TEST_CMOCKA_H
#define MR_TEST_CMOCKA_H

/* clang-format would sort these; cmocka.h has to come last. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define CASES(list) (sizeof(list) / sizeof((list)[0]))

#endif
