/* A configuration file. Loading keeps the strings of a configuration for the life of the process, so a long
 * run of this target grows by about the size of what it read. */
#include <sys/mman.h>
#include <unistd.h>

#include "base/config_table.h"
#include "target.h"

#define TEXT_MAX 2048

static int file_of_config(void)
{
    static int fd = -1;
    if (fd < 0) {
        char path[64];
        fd = memfd_create("config", 0);
        must(fd >= 0, "there is a file in memory");
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        clearenv();
        setenv("MR_CONFIG", path, 1);
    }
    return fd;
}

static void check(const struct mr_config *cfg)
{
    for (size_t i = 0; i < mr_settings_count; i++) {
        const struct mr_setting *s = &mr_settings[i];
        const void *field = (const char *)cfg + s->offset;
        if (s->type == MR_SETTING_INT || s->type == MR_SETTING_BYTES || s->type == MR_SETTING_MS)
            must(*(const int64_t *)field >= s->low && *(const int64_t *)field <= s->high,
                 "a number is in its range");
        else if (s->type != MR_SETTING_BOOL)
            must(*(const char *const *)field != NULL, "a string is never NULL");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *argv[] = {(char[]){"fuzz"}, NULL};
    struct mr_config cfg;
    struct mr_error err = {0};
    int fd = file_of_config();
    if (size > TEXT_MAX || ftruncate(fd, 0) != 0 || pwrite(fd, data, size, 0) != (ssize_t)size)
        return 0;
    if (mr_config_load(&cfg, MR_P_ALL, "fuzz", "", 1, argv, NULL, NULL, &err) == MR_OK)
        check(&cfg);
    else
        must(err.class == MR_CLASS_FATAL && err.text[0], "a refusal says why");
    return 0;
}
