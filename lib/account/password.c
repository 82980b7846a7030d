#include <sodium.h>

#include "account/account.h"

_Static_assert(MR_ACCOUNT_HASH_SIZE == crypto_pwhash_STRBYTES, "libsodium's size of a hash");

/* OWASP's floor for argon2id is 19 MiB and 2 passes; these are libsodium's "interactive" limits: 64 MiB, 2.
 */
#define PASSES       crypto_pwhash_OPSLIMIT_INTERACTIVE
#define MEMORY_BYTES crypto_pwhash_MEMLIMIT_INTERACTIVE

enum mr_status mr_account_hash(struct mr_span password, char out[MR_ACCOUNT_HASH_SIZE], struct mr_error *err)
{
    if (sodium_init() < 0)
        return mr_error_set(err, MR_CLASS_FATAL, 0, "start libsodium: no source of randomness");
    if (crypto_pwhash_str_alg(out, password.p, password.len, PASSES, MEMORY_BYTES,
                              crypto_pwhash_ALG_ARGON2ID13) != 0)
        return mr_error_set(err, MR_CLASS_RETRY, 0, "hash a password: no memory for argon2id's %zu bytes",
                            (size_t)MEMORY_BYTES);
    return MR_OK;
}

bool mr_account_verify(struct mr_span password, const char *hash)
{
    return sodium_init() >= 0 && crypto_pwhash_str_verify(hash, password.p, password.len) == 0;
}

bool mr_account_verify_nobody(struct mr_span password)
{
    /* The same work as a verification, thrown away; the salt does not matter. */
    static const unsigned char salt[crypto_pwhash_SALTBYTES] = "millrace, nobody";
    unsigned char key[32];
    if (sodium_init() >= 0 && crypto_pwhash(key, sizeof(key), password.p, password.len, salt, PASSES,
                                            MEMORY_BYTES, crypto_pwhash_ALG_ARGON2ID13) == 0)
        sodium_memzero(key, sizeof(key));
    return false;
}
