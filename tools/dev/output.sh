# shellcheck shell=bash
# What ./dev says. Progress goes to standard error, results to standard output.

if [[ -t 2 && -z ${NO_COLOR:-} ]]; then
    colour_bold=$'\e[1m' colour_red=$'\e[31m' colour_yellow=$'\e[33m' colour_off=$'\e[0m'
else
    colour_bold='' colour_red='' colour_yellow='' colour_off=''
fi

say() { printf '%s\n' "$*" >&2; }
heading() { printf '%s%s%s\n' "$colour_bold" "$*" "$colour_off" >&2; }
warn() { printf '%swarning:%s %s\n' "$colour_yellow" "$colour_off" "$*" >&2; }

die() {
    printf '%serror:%s %s\n' "$colour_red" "$colour_off" "$*" >&2
    exit 1
}

# The command line itself is wrong.
usage_error() {
    printf '%serror:%s %s\n' "$colour_red" "$colour_off" "$*" >&2
    say "./dev help tells what there is."
    exit 2
}

# show_tail FILE: the end of a log, indented, for an error message.
show_tail() {
    [[ -s $1 ]] || return 0
    say "the last lines of $1:"
    tail -n 20 "$1" | sed 's/^/    /' >&2
}
