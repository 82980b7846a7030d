/* PostgreSQL counts microseconds from 2000-01-01 UTC (src/include/datatype/timestamp.h). */
#ifndef MR_DB_EPOCH_H
#define MR_DB_EPOCH_H

#include <stdint.h>

#define MR_DB_EPOCH_US INT64_C(946684800000000)

#endif
