/* Prepared statements by the hash of their text, as the files of lib/db see them; not for callers. */
#ifndef MR_DB_STATEMENT_H
#define MR_DB_STATEMENT_H

#include "db/db.h"

/* Past this many the text of statements is evidently made at run time: they are not kept any more. */
#define MR_DB_PREPARED_MAX 512
#define MR_DB_NAME_SIZE    20

/* Over the text and the parameters' types: the same text with other types is another statement. Never 0. */
uint64_t mr_db_statement_hash(const char *sql, const struct mr_db_args *args);
void mr_db_statement_name(uint64_t hash, char name[MR_DB_NAME_SIZE]);

bool mr_db_succeeded(const PGresult *r);

/* The statement is gone, or its plan does not fit the tables any more. */
bool mr_db_statement_stale(const PGresult *r);

#endif
