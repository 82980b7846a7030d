/* Type OIDs of PostgreSQL's catalog (pg_type.dat); they never change. */
#ifndef MR_DB_OID_H
#define MR_DB_OID_H

enum {
    MR_OID_BOOL = 16,
    MR_OID_BYTEA = 17,
    MR_OID_INT8 = 20,
    MR_OID_INT4 = 23,
    MR_OID_TEXT = 25,
    MR_OID_JSON = 114,
    MR_OID_TIMESTAMPTZ = 1184,
    MR_OID_UUID = 2950,
    MR_OID_BOOL_ARRAY = 1000,
    MR_OID_BYTEA_ARRAY = 1001,
    MR_OID_INT8_ARRAY = 1016,
    MR_OID_INT4_ARRAY = 1007,
    MR_OID_TEXT_ARRAY = 1009,
    MR_OID_JSON_ARRAY = 199,
    MR_OID_TIMESTAMPTZ_ARRAY = 1185,
    MR_OID_UUID_ARRAY = 2951,
};

#endif
