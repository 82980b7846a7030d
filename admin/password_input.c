#include "admin/password_input.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static enum mr_status read_line(FILE *f, const char *what, char out[MR_PASSWORD_INPUT_SIZE],
                                struct mr_error *err)
{
    setvbuf(f, NULL, _IONBF, 0); /* leaves no copy behind */
    if (!fgets(out, MR_PASSWORD_INPUT_SIZE, f))
        return mr_error_set(err, MR_CLASS_REJECT, 0, "read the password from %s: nothing there", what);
    size_t n = strlen(out);
    if (n == MR_PASSWORD_INPUT_SIZE - 1 && out[n - 1] != '\n')
        return mr_error_set(err, MR_CLASS_REJECT, 0, "read the password from %s: too long", what);
    out[strcspn(out, "\r\n")] = '\0';
    return MR_OK;
}

static enum mr_status ask(FILE *terminal, const char *prompt, char out[MR_PASSWORD_INPUT_SIZE],
                          struct mr_error *err)
{
    struct termios before, silent;
    int fd = fileno(terminal);
    if (tcgetattr(fd, &before) != 0)
        return mr_error_set(err, MR_CLASS_REJECT, errno, "ask for the password: %s", strerror(errno));
    silent = before;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    fputs(prompt, stderr);
    tcsetattr(fd, TCSAFLUSH, &silent);
    enum mr_status status = read_line(terminal, "the terminal", out, err);
    tcsetattr(fd, TCSAFLUSH, &before);
    fputc('\n', stderr);
    return status;
}

static enum mr_status ask_twice(char out[MR_PASSWORD_INPUT_SIZE], struct mr_error *err)
{
    char again[MR_PASSWORD_INPUT_SIZE];
    FILE *terminal = fopen("/dev/tty", "r+e");
    if (!terminal)
        return mr_error_set(err, MR_CLASS_REJECT, errno,
                            "there is no terminal to ask on; use --password-file");
    enum mr_status status = ask(terminal, "Password: ", out, err);
    if (status == MR_OK)
        status = ask(terminal, "Once more: ", again, err);
    if (status == MR_OK && strcmp(out, again) != 0)
        status = mr_error_set(err, MR_CLASS_REJECT, 0, "these are two different passwords");
    explicit_bzero(again, sizeof(again));
    fclose(terminal);
    return status;
}

enum mr_status mr_password_input(const char *file, char out[MR_PASSWORD_INPUT_SIZE], struct mr_error *err)
{
    if (!file)
        return ask_twice(out, err);
    bool standard = strcmp(file, "-") == 0;
    FILE *f = standard ? stdin : fopen(file, "re");
    if (!f)
        return mr_error_set(err, MR_CLASS_REJECT, errno, "open %s: %s", file, strerror(errno));
    enum mr_status status = read_line(f, file, out, err);
    if (!standard)
        fclose(f);
    return status;
}
