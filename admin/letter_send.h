/* Sends dead letters to retry.<worker>: key and value untouched, the headers without what the failure had
 * added, and with where the record was first read, so that the worker takes it as it took the first. */
#ifndef MR_ADMIN_LETTER_SEND_H
#define MR_ADMIN_LETTER_SEND_H

#include "admin/letters.h"

struct mr_letter_sender;

/* REJECT when there is no retry.<worker>. */
enum mr_status mr_letter_sender_open(const char *brokers, const char *worker, const struct mr_cluster *c,
                                     struct mr_letter_sender **out, struct mr_error *err);
void mr_letter_sender_close(struct mr_letter_sender **s);

/* Why it cannot be sent; NULL when it can. */
const char *mr_letter_unsendable(const struct mr_dead_letter *l);

/* MR_OK when every in-sync replica has all of them. */
enum mr_status mr_letter_send(struct mr_letter_sender *s, const struct mr_dead_letter *letters, size_t n,
                              struct mr_error *err);

#endif
