/* One dead letter as people read it: where it was, why it is here, its headers, the event or its bytes. */
#ifndef MR_ADMIN_LETTER_VIEW_H
#define MR_ADMIN_LETTER_VIEW_H

#include <stdio.h>

#include "admin/command.h"
#include "admin/letters.h"

/* JSON with --json. Decodes with the registry when it answers, else shows bytes. */
void mr_letter_view(const struct mr_admin *a, const struct mr_dead_letter *l, enum mr_letter_state state,
                    FILE *out);

/* "00000010  48 65 6c …  |Hel…|" lines, at most max bytes. */
void mr_hex_dump(const char *p, size_t n, size_t max, FILE *out);

#endif
