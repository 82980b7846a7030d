# shellcheck shell=bash
# Things that are not Debian packages. Each is made by tools/dev/deps/NAME.sh into a folder of the user's cache that is
# named after everything that went into it, and the checkout's .deps/NAME is a link to that folder: a second checkout is
# ready in seconds, and two set-ups at the same time never see half of anything.

# dep_key NAME [FILE…]: changes when the recipe, the pinned versions it reads or the given files change.
dep_key() {
    local name=$1 variables
    shift
    set -- "$tools_dir/deps/$name.sh" "$@"
    variables=$(grep -ohE '\$\{?[A-Z]+_[A-Z_]+' "$@" | tr -d '{$' | sort -u)
    {
        cat "$@"
        grep -wF "$variables" "$tools_dir/versions.sh" || true
        uname -m
    } | sha256sum | cut -c 1-16
}

# dep_ensure NAME [FILE…]: the FILEs are read by the recipe and are part of its key.
dep_ensure() {
    local name=$1 key target
    key=$(dep_key "$@")
    target=$cache_dir/$name-$key
    if [[ ! -e $target/.complete ]]; then
        dep_make "$name" "$target"
    fi
    dep_link "$target" "$deps_dir/$name"
}

dep_make() {
    local name=$1 target=$2 log=$2.log partial=$2.partial
    mkdir -p "$cache_dir"
    (
        flock 9
        # Another checkout may have made it while this one waited for the lock.
        [[ -e $target/.complete ]] && exit 0
        say "setup: making $name (log: $log)"
        rm -rf "$partial" "$target"
        mkdir -p "$partial"
        # Recipes write to $partial; the second argument is where the result will be.
        if ! "$tools_dir/deps/$name.sh" "$partial" "$target" >"$log" 2>&1 </dev/null 9>&-; then
            show_tail "$log"
            die "could not make $name; the whole log is $log"
        fi
        touch "$partial/.complete"
        mv -T "$partial" "$target"
    ) 9>"$cache_dir/$name.lock"
}

dep_link() {
    local target=$1 link=$2
    [[ $(readlink "$link" 2>/dev/null) == "$target" ]] && return
    mkdir -p "$(dirname "$link")"
    ln -sfn "$target" "$link.$$"
    mv -T "$link.$$" "$link"
}
