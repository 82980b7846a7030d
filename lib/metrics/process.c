#include "metrics/process.h"

#include <dirent.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

static void read_memory(long long *virtual_bytes, long long *resident_bytes)
{
    long long pages = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f && fscanf(f, "%lld %lld", &pages, &resident) != 2)
        pages = resident = 0;
    if (f)
        fclose(f);
    *virtual_bytes = pages * sysconf(_SC_PAGESIZE);
    *resident_bytes = resident * sysconf(_SC_PAGESIZE);
}

static int count_descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    if (!d)
        return 0;
    int n = 0;
    while (readdir(d))
        n++;
    closedir(d);
    return n - 3; /* ".", ".." and the one of this look */
}

static double started_at;

/* Field 22 of /proc/self/stat is in ticks since boot; the second field may hold spaces and brackets. */
static void read_start(void)
{
    char text[1024];
    unsigned long long ticks = 0;
    FILE *f = fopen("/proc/self/stat", "re");
    size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
    if (f)
        fclose(f);
    text[n] = '\0';
    char *field = strrchr(text, ')');
    for (int i = 2; field && i < 22; i++)
        field = strchr(field + 1, ' ');
    if (!field || sscanf(field, "%llu", &ticks) != 1)
        return;
    struct timespec up;
    clock_gettime(CLOCK_BOOTTIME, &up);
    double since_boot = (double)ticks / (double)sysconf(_SC_CLK_TCK);
    started_at = (double)mr_wall_us() / 1e6 - ((double)up.tv_sec + (double)up.tv_nsec / 1e9) + since_boot;
}

static enum mr_status put(struct mr_buf *out, const char *name, const char *kind, const char *help,
                          double value)
{
    return mr_buf_printf(out, "# HELP process_%s %s\n# TYPE process_%s %s\nprocess_%s %.15g\n", name, help,
                         name, kind, name, value);
}

enum mr_status mr_metrics_process_text(struct mr_buf *out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT; /* the start does not move when the wall clock does */
    pthread_once(&once, read_start);
    struct rusage used;
    struct rlimit files;
    long long virtual_bytes, resident_bytes;
    getrusage(RUSAGE_SELF, &used);
    getrlimit(RLIMIT_NOFILE, &files);
    read_memory(&virtual_bytes, &resident_bytes);
    int64_t cpu_us = (int64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000 +
                     used.ru_utime.tv_usec + used.ru_stime.tv_usec;
    if (put(out, "cpu_seconds_total", "counter", "CPU time used, user and system.", (double)cpu_us / 1e6) !=
            MR_OK ||
        put(out, "open_fds", "gauge", "Open file descriptors.", count_descriptors()) != MR_OK ||
        put(out, "max_fds", "gauge", "File descriptors allowed.", (double)files.rlim_cur) != MR_OK ||
        put(out, "virtual_memory_bytes", "gauge", "Address space.", (double)virtual_bytes) != MR_OK ||
        put(out, "resident_memory_bytes", "gauge", "Memory held.", (double)resident_bytes) != MR_OK)
        return MR_FAIL;
    return put(out, "start_time_seconds", "gauge", "Start of the process, seconds since the epoch.",
               started_at);
}
