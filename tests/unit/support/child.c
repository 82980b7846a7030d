#include "support/child.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/cmocka.h"

static void read_back(int fd, char *out)
{
    ssize_t n = pread(fd, out, CHILD_TEXT_MAX - 1, 0);
    assert_true(n >= 0);
    out[n] = '\0';
    close(fd);
}

void child_run(void (*fn)(void *ctx), void *ctx, struct child *result)
{
    int out = memfd_create("stdout", MFD_CLOEXEC);
    int err = memfd_create("stderr", MFD_CLOEXEC);
    int status;
    assert_true(out >= 0 && err >= 0);
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(out, STDOUT_FILENO);
        dup2(err, STDERR_FILENO);
        setenv("CMOCKA_TEST_ABORT", "1", 1); /* a failed assertion must not go on with the parent's tests */
        fn(ctx);
        exit(0); /* and not _exit(): coverage is written by an exit handler */
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    result->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    result->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    read_back(out, result->out);
    read_back(err, result->err);
}
