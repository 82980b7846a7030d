#include "api/cursor.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define TEXT_MAX ((MR_CURSOR_MAX + 1) * 4 / 3 + 4)

json_t *mr_cursor_json(char list, const char *position)
{
    char plain[MR_CURSOR_MAX + 2], text[TEXT_MAX];
    int len = snprintf(plain, sizeof(plain), "%c%s", list, position);
    if (len < 0 || (size_t)len >= sizeof(plain))
        return NULL;
    sodium_bin2base64(text, sizeof(text), (const unsigned char *)plain, (size_t)len,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    return json_string(text);
}

bool mr_cursor_read(const char *text, char list, char *position)
{
    unsigned char plain[MR_CURSOR_MAX + 1];
    size_t len = 0;
    if (sodium_base642bin(plain, sizeof(plain), text, strlen(text), NULL, &len, NULL,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0)
        return false;
    if (len < 1 || plain[0] != (unsigned char)list)
        return false;
    memcpy(position, plain + 1, len - 1);
    position[len - 1] = '\0';
    for (size_t i = 0; i + 1 < len; i++) {
        bool last = i + 2 == len;
        if ((unsigned char)position[i] < 0x20 && !(last && position[i] == '\x01'))
            return false;
    }
    json_t *utf8 = json_stringn(position, len - 1); /* jansson takes nothing else */
    json_decref(utf8);
    return utf8 != NULL;
}
