# shellcheck shell=bash
# How the demo talks.

bold='' plain=''
if [[ -t 1 ]]; then bold=$'\e[1m' plain=$'\e[0m'; fi

title() { printf '\n%s%s%s\n' "$bold" "$1" "$plain"; }

say() { printf '  %s\n' "$1"; }

fail() {
    printf 'demo: %s\n' "$1" >&2
    exit 1
}

now_ms() { date +%s%3N; }

seconds_since() {
    local ms=$(($(now_ms) - $1))
    printf '%d.%d' $((ms / 1000)) $((ms % 1000 / 100))
}

# A path as one would type it: relative where that is shorter, quoted where it has to be.
quoted() {
    local path=$1
    [[ $path != "$PWD"/* ]] || path=./${path#"$PWD"/}
    printf '%q' "$path"
}
