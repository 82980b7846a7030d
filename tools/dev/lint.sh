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
    if ! "$(program_bin_dir)/mr-admin" "$2" | cmp -s - "$root/$1"; then
        echo "$1 is stale: ./dev docs writes it"
        return 1
    fi
}

# Pages that programs print from their own tables, and the flag for each.
lint_generated_pages=(
    'docs/configuration.md --settings-markdown'
    'docs/metrics.md --metrics-markdown'
)

# docs/decisions/README.md from the pages' first lines: "# 0018: Title".
lint_decisions() {
    local page title
    printf '# Decisions\n\nWhy things are as they are, one page each; made by ./dev docs.\n\n'
    for page in "$root"/docs/decisions/[0-9]*.md; do
        read -r title <"$page"
        printf -- '- [%s](%s)\n' "${title#\# }" "${page##*/}"
    done
}

lint_decisions_index() {
    if ! lint_decisions | cmp -s - "$root/docs/decisions/README.md"; then
        echo "docs/decisions/README.md is stale: ./dev docs writes it"
        return 1
    fi
}

lint_links() {
    python3 "$tools_dir/check-links.py" "$root"
}

verb_docs() {
    local page flag fresh
    setup_ensure build
    build_preset "${DEV_PRESET:-release}"
    for page in "${lint_generated_pages[@]}"; do
        read -r page flag <<<"$page"
        fresh=$(mktemp "$root/$page.XXXXXX")
        if ! "$(program_bin_dir)/mr-admin" "$flag" >"$fresh"; then
            rm -f "$fresh"
            die "mr-admin does not print $page"
        fi
        chmod 644 "$fresh"
        mv "$fresh" "$root/$page"
    done
    lint_decisions >"$root/docs/decisions/README.md"
    say "docs: ${lint_generated_pages[*]%% *} docs/decisions/README.md"
}

lint_tidy() {
    local dir
    setup_ensure build
    build_preset asan
    dir=$(build_dir_of asan)
    (cd "$root" && git ls-files -- '*.c' ':!tests' ':!bench' | xargs --no-run-if-empty -P "$(nproc)" -n 4 clang-tidy --quiet -p "$dir")
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
    local tidy='' page flag
    case ${1:-} in
    '') ;;
    --tidy) tidy=yes ;;
    *) usage_error "lint has no option '$1'" ;;
    esac
    setup_ensure build tests
    build_preset "${DEV_PRESET:-release}"
    lint_run formatting lint_format
    lint_run 'shell scripts' lint_shell
    lint_run topics lint_topics
    for page in "${lint_generated_pages[@]}"; do
        read -r page flag <<<"$page"
        lint_run "$page" lint_generated "$page" "$flag"
    done
    lint_run docs/decisions/README.md lint_decisions_index
    lint_run links lint_links
    [[ -z $tidy ]] || lint_run clang-tidy lint_tidy
    ((${#lint_failed[@]} == 0)) || die "lint: ${lint_failed[*]}"
    say "lint: nothing to say"
}

verb_fmt() {
    [[ -e $root/.clang-format ]] || die "there is no .clang-format"
    setup_ensure tests
    (cd "$root" && lint_c_files | xargs --no-run-if-empty clang-format -i)
}
