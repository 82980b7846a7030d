# shellcheck shell=bash
# ./dev test: unit tests under sanitizers, then pytest against a stack that is made for this run and removed after it.

# Folders of tests/ that run in this order when nothing is chosen; the latter ones need a stack.
test_suites_alone=(unit compose dev)
test_suites_on_stack=(integration fault)

test_results=''
test_run_dir=''

verb_test() {
    local full='' expression='' chosen=() argument
    while (($#)); do
        argument=$1
        shift
        case $argument in
        --full) full=1 ;;
        -k)
            (($#)) || usage_error "-k wants an expression"
            expression=$1
            shift
            ;;
        -*) usage_error "test has no option '$argument'" ;;
        *) chosen+=("$(test_path "$argument")") ;;
        esac
    done
    test_all "$full" "$expression" "${chosen[@]}"
}

# A suite's name, or a path below tests/ as pytest takes it.
test_path() {
    local path=${1#tests/}
    [[ -e $root/tests/${path%%::*} ]] || usage_error "there is no tests/${path%%::*}"
    echo "$path"
}

test_all() {
    local full=$1 expression=$2 path suite
    shift 2
    (($#)) || set -- "${test_suites_alone[@]}" "${test_suites_on_stack[@]}"
    test_results=$(mktemp -d)
    trap test_finish EXIT
    # Without these a signal would skip the above.
    trap 'exit 130' INT
    trap 'exit 143' TERM
    [[ -z $full ]] || export MR_TEST_FULL=1
    setup_ensure build stack tests
    for path in "$@"; do
        suite=${path%%/*}
        [[ -e $root/tests/$suite ]] || continue
        heading "== $path"
        case $suite in
        unit) test_unit "$expression" ;;
        dev | compose) test_built "$path" "$expression" ;;
        *) test_on_stack "$path" "$expression" ;;
        esac
    done
}

# test_note_failure NAME TEXT: something that is no test went wrong; it counts as one that failed.
test_note_failure() {
    say "$1: $2"
    printf '<testsuite tests="1" failures="1"><testcase name="%s"><failure/></testcase></testsuite>\n' "$1" \
        >"$test_results/$1.xml"
}

# --- unit ---

test_unit() {
    local expression=$1
    test_ctest asan "$expression" -LE tsan-only
    if grep -rqw tsan "$root/tests/unit" --include=CMakeLists.txt; then
        test_ctest tsan "$expression" -L tsan
    fi
}

test_ctest() {
    local preset=$1 expression=$2 dir
    shift 2
    dir=$(build_dir_of "$preset")
    if ! (build_preset "$preset"); then
        test_note_failure "build-$preset" "the $preset build failed"
        return
    fi
    [[ -z $expression ]] || set -- "$@" -R "$expression"
    (cd "$root" && ctest --test-dir "$dir" --output-on-failure --no-tests=ignore -j "$(nproc)" --timeout 300 \
        --output-junit "$test_results/unit-$preset.xml" "$@") || true
}

# --- pytest ---

# test_pytest PATH EXPRESSION [KEY=value…]
test_pytest() {
    local path=$1 expression=$2 name=${1//[^a-zA-Z0-9_]/-} status=0 arguments=()
    shift 2
    [[ -z $expression ]] || arguments=(-k "$expression")
    (cd "$root" && env "$@" PYTHONDONTWRITEBYTECODE=1 "$deps_dir/venv/bin/python" -m pytest -p no:cacheprovider -ra -q \
        --timeout 900 --junitxml "$test_results/$name.xml" "${arguments[@]}" "tests/$path") || status=$?
    # 0 passed, 1 some failed (both are counted from the results), 5 nothing was chosen.
    case $status in
    0 | 1 | 5) ;;
    *) test_note_failure "pytest-$name" "pytest ended with status $status" ;;
    esac
}

# For tests that look at the programs or start them themselves.
test_built() {
    if ! (build_preset release); then
        test_note_failure build-release "the release build failed"
        return
    fi
    test_pytest "$@"
}

test_on_stack() {
    local path=$1 expression=$2
    test_stack_up || return 0
    # Tests that restart things want the programs as they are now.
    test_pytest "$path" "$expression" MR_RUN_DIR="$test_run_dir" MR_DEPS_DIR="$deps_dir" DEV_BUILD=no
}

# The stack of this run, started when the first suite needs it.
test_stack_up() {
    [[ -z $test_run_dir ]] || return 0
    test_run_dir=$(mktemp -d "${TMPDIR:-/tmp}/mr-test.XXXXXX")
    if ! MR_RUN_DIR=$test_run_dir "$root/dev" up </dev/null >&2; then
        test_note_failure stack "the stack did not come up"
        return 1
    fi
}

# --- the end ---

# Always the last to print, whatever happened.
test_finish() {
    local status=$? passed failed
    trap '' INT TERM
    read -r passed failed < <(python3 "$tools_dir/count-results.py" "$test_results")
    ((status == 0)) || failed=$((failed + 1))
    test_stack_down "$failed"
    rm -rf "$test_results"
    echo "$passed passed, $failed failed"
    trap - EXIT
    ((failed == 0 && passed > 0)) || exit 1
    exit 0
}

# The data goes; the logs stay when they are of use.
test_stack_down() {
    local failed=$1
    [[ -n $test_run_dir ]] || return 0
    if ((failed == 0)); then
        MR_RUN_DIR=$test_run_dir "$root/dev" down --wipe </dev/null >&2 || true
        return
    fi
    MR_RUN_DIR=$test_run_dir "$root/dev" down </dev/null >&2 || true
    rm -rf "$test_run_dir"/{kafka/data,minio,postgres/data,registry}
    say "the logs of this run are in $test_run_dir"
}
