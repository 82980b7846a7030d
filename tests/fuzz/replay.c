/* main() of a target without libFuzzer: feeds it every file of the folders it is given, whole and cut short
 * at 32 places. Each input lies in an allocation of exactly its size. */
#include <dirent.h>
#include <sys/stat.h>

#include "target.h"

#define CUTS     32
#define FILE_MAX (1 << 20)

static void feed(const uint8_t *bytes, size_t n)
{
    uint8_t *copy = malloc(n > 0 ? n : 1);
    if (!copy)
        abort();
    memcpy(copy, bytes, n);
    LLVMFuzzerTestOneInput(copy, n);
    free(copy);
}

static void replay(const char *path)
{
    static uint8_t bytes[FILE_MAX];
    FILE *f = fopen(path, "re");
    if (!f) {
        perror(path);
        exit(1);
    }
    size_t n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    /* Printed before, so that the last line names the file that failed. */
    printf("%s: %zu bytes\n", path, n);
    fflush(stdout);
    feed(bytes, n);
    for (size_t cut = 0; n > 0 && cut < CUTS; cut++)
        feed(bytes, n * cut / CUTS);
}

static int replay_folder(const char *folder)
{
    struct dirent **entries;
    int files = 0, n = scandir(folder, &entries, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        char path[4096];
        struct stat st;
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        if (stat(path, &st) == 0 && S_ISREG(st.st_mode)) {
            replay(path);
            files++;
        }
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
    return files;
}

int main(int argc, char **argv)
{
    int files = 0;
    for (int i = 1; i < argc; i++)
        files += replay_folder(argv[i]);
    if (files == 0)
        fprintf(stderr, "no corpus\n");
    return files > 0 ? 0 : 1;
}
