# shellcheck shell=bash
# ./dev build: CMake's presets, each in its own folder.

build_presets=(release asan tsan coverage fuzz)

build_dir_of() {
    if [[ $1 == release ]]; then echo "$build_dir"; else echo "$build_dir-$1"; fi
}

# build_preset PRESET: configures when the presets changed (CMake itself notices when its own files do), then compiles.
build_preset() {
    local preset=$1 dir log deps=$deps_dir
    dir=$(build_dir_of "$preset")
    if [[ $preset == tsan ]]; then
        setup_ensure tsan
        deps=$deps_dir/tsan
    fi
    [[ $preset != fuzz ]] || setup_ensure fuzz
    log=$dir/build.log
    mkdir -p "$dir"
    (
        flock 6
        if [[ ! -e $dir/build.ninja || $root/CMakePresets.json -nt $dir/build.ninja ]]; then
            say "build: configuring $preset"
            if ! (cd "$root" && cmake --preset "$preset" -DMR_DEPS_DIR="$deps") >"$log" 2>&1 </dev/null 6>&-; then
                show_tail "$log"
                die "build: CMake could not configure $preset; the whole output is $log"
            fi
        fi
        build_compile "$preset" "$dir" "$log"
    ) 6>"$dir/.lock"
}

# Everything that compiles is compiled, so that one broken program does not keep the others from being tried.
build_compile() {
    local preset=$1 dir=$2 log=$3
    if [[ -t 2 ]]; then
        ninja -k 0 -C "$dir" >&2 6>&- || die "build: $preset does not compile"
    elif ! ninja -k 0 -C "$dir" >"$log" 2>&1 </dev/null 6>&-; then
        grep -E -A 3 'error:|Error|FAILED|undefined reference' "$log" | head -n 30 >&2 || true
        die "build: $preset does not compile; the whole output is $log"
    fi
}

verb_build() {
    local preset=${1:-release}
    [[ " ${build_presets[*]} " == *" $preset "* ]] || usage_error "no preset called '$preset' (there are: ${build_presets[*]})"
    setup_ensure build
    build_preset "$preset"
    say "build: $preset is in $(build_dir_of "$preset")"
}
