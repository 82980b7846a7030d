/* A password from a file's first line, or asked for on the terminal without showing it. */
#ifndef MR_ADMIN_PASSWORD_INPUT_H
#define MR_ADMIN_PASSWORD_INPUT_H

#include "base/error.h"

#define MR_PASSWORD_INPUT_SIZE 2048

/* file: "-" is standard input, NULL asks twice on the terminal. The caller wipes `out`. */
enum mr_status mr_password_input(const char *file, char out[MR_PASSWORD_INPUT_SIZE], struct mr_error *err);

#endif
