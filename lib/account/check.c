/* What may be an address, a name, a password. */
#include <stdint.h>

#include "account/account.h"

/* Length of the UTF-8 sequence at p (RFC 3629), 0 when it is not one. */
static size_t sequence(const unsigned char *p, size_t left)
{
    if (p[0] < 0x80)
        return 1;
    size_t n = p[0] >= 0xc2 && p[0] <= 0xdf   ? 2
               : (p[0] & 0xf0) == 0xe0        ? 3
               : p[0] >= 0xf0 && p[0] <= 0xf4 ? 4
                                              : 0;
    if (n == 0 || n > left)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    bool overlong = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90);
    bool surrogate = p[0] == 0xed && p[1] > 0x9f;
    bool beyond = p[0] == 0xf4 && p[1] > 0x8f;
    return overlong || surrogate || beyond ? 0 : n;
}

static enum mr_status check_text(struct mr_span s, const char *what, size_t max, struct mr_error *err)
{
    if (s.len > max)
        return mr_error_set(err, MR_CLASS_REJECT, 0, "%s is longer than %zu bytes", what, max);
    for (size_t i = 0, n; i < s.len; i += n) {
        unsigned char c = (unsigned char)s.p[i];
        n = sequence((const unsigned char *)s.p + i, s.len - i);
        if (n == 0)
            return mr_error_set(err, MR_CLASS_REJECT, 0, "%s is not UTF-8", what);
        if (c < 0x20 || c == 0x7f)
            return mr_error_set(err, MR_CLASS_REJECT, 0, "%s has a control character", what);
    }
    return MR_OK;
}

enum mr_status mr_account_check_email(struct mr_span email, struct mr_error *err)
{
    if (check_text(email, "the e-mail address", MR_ACCOUNT_EMAIL_MAX, err) != MR_OK)
        return MR_FAIL;
    size_t ats = 0, at = 0;
    for (size_t i = 0; i < email.len; i++) {
        if (email.p[i] == ' ')
            return mr_error_set(err, MR_CLASS_REJECT, 0, "the e-mail address has a space");
        if (email.p[i] == '@') {
            ats++;
            at = i;
        }
    }
    if (ats != 1 || at == 0 || at + 1 == email.len)
        return mr_error_set(err, MR_CLASS_REJECT, 0, "the e-mail address is not name@domain");
    return MR_OK;
}

enum mr_status mr_account_check_name(struct mr_span name, struct mr_error *err)
{
    return check_text(name, "the name", MR_ACCOUNT_NAME_MAX, err);
}

enum mr_status mr_account_check_password(struct mr_span password, struct mr_error *err)
{
    if (password.len < MR_ACCOUNT_PASSWORD_MIN || password.len > MR_ACCOUNT_PASSWORD_MAX)
        return mr_error_set(err, MR_CLASS_REJECT, 0, "a password has %d to %d bytes", MR_ACCOUNT_PASSWORD_MIN,
                            MR_ACCOUNT_PASSWORD_MAX);
    return MR_OK;
}
