# shellcheck shell=bash
# ./dev lint and ./dev fmt: what a reviewer should not have to look for.

lint_c_files() {
    git -C "$root" ls-files --cached --others --exclude-standard '*.c' '*.h'
}

lint_shell_files() {
    git -C "$root" ls-files --cached --others --exclude-standard '*.sh' |
        grep -vE '^tools/dev/[a-z]+\.sh$' || true
    echo dev
    echo .ci/run
    # Executables without an ending.
    git -C "$root" ls-files --cached --others --exclude-standard tools bench | while read -r file; do
        [[ $file != *.* && -f $root/$file ]] && head -n 1 "$root/$file" | grep -qE '^#!.*\b(ba)?sh$' && echo "$file"
    done || true
}

# Each prints what is wrong; lint_run counts.
lint_format() {
    [[ -e $root/.clang-format ]] || return 0
    (cd "$root" && lint_c_files | xargs --no-run-if-empty clang-format --dry-run -Werror)
}

# The pieces of ./dev are checked where they are sourced, so that names of one are known in the other.
lint_shell() {
    (cd "$root" && lint_shell_files | sort -u | xargs --no-run-if-empty shellcheck --external-sources --check-sourced)
}

lint_topics() {
    python3 -m json.tool "$root/broker-config/topics.json" >/dev/null
}

# lint_generated FILE FLAG: a page that a program prints must be what it prints today.
lint_generated() {
    local file=$root/$1 flag=$2 program fresh
    program=$(program_bin_dir)/mr-admin
    [[ -x $program ]] || return 0
    fresh=$("$program" "$flag" 2>/dev/null) || return 0
    if [[ $fresh != "$(cat "$file" 2>/dev/null)" ]]; then
        echo "$1 is stale: build/bin/mr-admin $flag > $1"
        return 1
    fi
}

lint_tidy() {
    local dir
    setup_ensure build
    build_preset asan
    dir=$(build_dir_of asan)
    (cd "$root" && git ls-files '*.c' | xargs --no-run-if-empty -P "$(nproc)" -n 4 clang-tidy --quiet -p "$dir")
}

lint_failed=()

lint_run() {
    local what=$1
    shift
    if ! "$@" >&2; then
        lint_failed+=("$what")
    fi
}

verb_lint() {
    local tidy=''
    case ${1:-} in
    '') ;;
    --tidy) tidy=yes ;;
    *) usage_error "lint has no option '$1'" ;;
    esac
    setup_ensure build tests
    lint_run formatting lint_format
    lint_run 'shell scripts' lint_shell
    lint_run topics lint_topics
    lint_run 'docs/configuration.md' lint_generated docs/configuration.md --settings-markdown
    lint_run 'docs/metrics.md' lint_generated docs/metrics.md --metrics-markdown
    [[ -z $tidy ]] || lint_run clang-tidy lint_tidy
    ((${#lint_failed[@]} == 0)) || die "lint: ${lint_failed[*]}"
    say "lint: nothing to say"
}

verb_fmt() {
    [[ -e $root/.clang-format ]] || die "there is no .clang-format"
    setup_ensure tests
    (cd "$root" && lint_c_files | xargs --no-run-if-empty clang-format -i)
}
