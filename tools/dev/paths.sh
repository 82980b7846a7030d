# shellcheck shell=bash disable=SC2034
# Where everything is. $root is the checkout, set by ./dev.

tools_dir=$root/tools/dev
deps_dir=${MR_DEPS_DIR:-$root/.deps}
cache_dir=${XDG_CACHE_HOME:-$HOME/.cache}/millrace
build_dir=$root/build

run_dir=${MR_RUN_DIR:-$root/.run}
[[ $run_dir == /* ]] || run_dir=$PWD/$run_dir
[[ $deps_dir == /* ]] || deps_dir=$PWD/$deps_dir
# Programs read these from .run/env and from what ./dev gives them, never from each other.
unset MR_RUN_DIR

as_root() {
    if [[ $EUID -eq 0 ]]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "this needs root: $*"
    fi
}
