# shellcheck shell=bash
# ./dev fuzz: the targets of tests/fuzz under libFuzzer, one after another, each for so many seconds on one core.

fuzz_seconds=120

fuzz_targets() {
    find "$root/tests/fuzz" -name 'fuzz_*.c' -printf '%f\n' | sed 's/^fuzz_//; s/\.c$//' | sort
}

# verb_fuzz [TARGET] [SECONDS]
verb_fuzz() {
    local targets=() seconds=$fuzz_seconds target failed=()
    mapfile -t targets < <(fuzz_targets)
    if [[ ${1:-} == [a-z]* ]]; then
        [[ " ${targets[*]} " == *" $1 "* ]] || usage_error "no target called '$1' (there are: ${targets[*]})"
        targets=("$1")
        shift
    fi
    if (($#)); then
        [[ $# == 1 && $1 =~ ^[1-9][0-9]*$ ]] || usage_error "fuzz wants [TARGET] [SECONDS], not '$*'"
        seconds=$1
    fi
    setup_ensure build
    build_preset fuzz
    for target in "${targets[@]}"; do
        fuzz_run "$target" "$seconds" || failed+=("$target")
    done
    ((${#failed[@]} == 0)) || die "fuzz: ${failed[*]}"
}

# fuzz_run TARGET SECONDS: goes on from what earlier runs found; the seeds in git are only read.
fuzz_run() {
    local target=$1 seconds=$2 dir log found crashes
    dir=$(build_dir_of fuzz)
    log=$dir/fuzz-$target.log found=$dir/found/$target crashes=$dir/crashes/
    mkdir -p "$found" "$crashes"
    say "fuzz: $target for $seconds s"
    if ! "$dir/bin/fuzz_$target" -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=3072 \
        -artifact_prefix="$crashes$target-" "$found" "$root/tests/fuzz/corpus/$target" >"$log" 2>&1 </dev/null; then
        show_tail "$log"
        say "fuzz: $target failed; the input is in $crashes, the whole output is $log"
        return 1
    fi
    say "fuzz: $target: $(sed -n 's/^Done //p' "$log")"
}
