# shellcheck shell=bash
# ./dev setup: everything a machine with nothing but git still lacks.

# Groups: build (compile the programs), stack (run the servers), tests (run the tests and the readiness checks), tsan
# (compile for ThreadSanitizer), fuzz (compile for libFuzzer).
setup_groups=(build stack tests tsan fuzz)

setup_packages() {
    case $1 in
    build) printf '%s\n' "${packages_build[@]}" ;;
    stack) printf '%s\n' "${packages_stack[@]}" ;;
    tests) printf '%s\n' "${packages_tests[@]}" ;;
    fuzz) printf '%s\n' "${packages_fuzz[@]}" ;;
    esac
    packages_by_command "$1"
}

setup_deps() {
    case $1 in
    build) setup_librdkafka ;;
    stack)
        dep_ensure kafka
        dep_ensure registry
        packages_ensure_go
        dep_ensure minio
        ;;
    tests) dep_ensure venv "$root/tests/requirements.txt" ;;
    tsan) setup_librdkafka_tsan ;;
    esac
}

# A system's own librdkafka is used where it is new enough; CMake looks for it in the same order.
setup_librdkafka() {
    local version
    version=$(pkg-config --modversion rdkafka 2>/dev/null || echo 0)
    if ! version_at_least "$version" "$LIBRDKAFKA_MINIMUM"; then
        dep_ensure librdkafka
    fi
}

# In a folder that has the layout of .deps, for CMake to be pointed at.
setup_librdkafka_tsan() {
    dep_ensure librdkafka-tsan "$tools_dir/deps/librdkafka.sh"
    mkdir -p "$deps_dir/tsan"
    ln -sfn ../librdkafka-tsan "$deps_dir/tsan/librdkafka"
}

setup_key() {
    cat "$tools_dir/versions.sh" "$tools_dir/packages.sh" "$tools_dir/setup.sh" "$tools_dir"/deps/*.sh \
        "$root/tests/requirements.txt" | sha256sum | cut -c 1-16
}

# True when the last set-up was made from the same lists and what it linked is still there.
setup_is_done() {
    local group=$1 key=$2 link
    [[ $(cat "$deps_dir/.set-up-$group" 2>/dev/null) == "$key" ]] || return 1
    for link in "$deps_dir"/*; do
        [[ ! -L $link || -e $link/.complete ]] || return 1
    done
}

# setup_ensure GROUP…
setup_ensure() {
    local key group
    key=$(setup_key)
    mkdir -p "$deps_dir"
    for group in "$@"; do
        setup_is_done "$group" "$key" || setup_group "$group" "$key"
    done
}

setup_group() {
    local group=$1 key=$2 packages
    (
        flock 8
        setup_is_done "$group" "$key" && exit 0
        mapfile -t packages < <(setup_packages "$group")
        packages_ensure "${packages[@]}"
        setup_deps "$group"
        echo "$key" >"$deps_dir/.set-up-$group.new"
        mv "$deps_dir/.set-up-$group.new" "$deps_dir/.set-up-$group"
    ) 8>"$deps_dir/.lock"
}

verb_setup() {
    local groups=("$@") group
    ((${#groups[@]})) || groups=("${setup_groups[@]}")
    for group in "${groups[@]}"; do
        [[ " ${setup_groups[*]} " == *" $group "* ]] || usage_error "no set-up called '$group' (there are: ${setup_groups[*]})"
    done
    setup_ensure "${groups[@]}"
    say "setup: everything is there"
}
