#include "base/config_table.h"

#include <ctype.h>
#include <string.h>

const struct mr_setting mr_settings[] = {
#define MR_SETTING(type, field, name, fallback, low, high, programs, prose)                                  \
    {MR_SETTING_##type, offsetof(struct mr_config, field), name, fallback, low, high, programs, prose,       \
     __LINE__},
#include "base/settings.def"
#undef MR_SETTING
};
const size_t mr_settings_count = sizeof(mr_settings) / sizeof(mr_settings[0]);

static const struct {
    const char *title;
    int line;
} groups[] = {
#define MR_SETTING(...)
#define MR_SETTING_GROUP(title) {title, __LINE__},
#include "base/settings.def"
#undef MR_SETTING
};

const char *mr_setting_group(const struct mr_setting *s)
{
    const char *title = "";
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]) && groups[i].line < s->line; i++)
        title = groups[i].title;
    return title;
}

const char *mr_setting_env(const struct mr_setting *s, char *out)
{
    char *o = out + strlen(strcpy(out, "MR_"));
    for (const char *p = s->name; *p; p++)
        *o++ = *p == '.' ? '_' : (char)toupper((unsigned char)*p);
    *o = '\0';
    return out;
}

const char *mr_setting_flag(const struct mr_setting *s, char *out)
{
    char *o = out + strlen(strcpy(out, "--"));
    for (const char *p = s->name; *p; p++)
        *o++ = *p == '.' || *p == '_' ? '-' : *p;
    *o = '\0';
    return out;
}
