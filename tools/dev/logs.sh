# shellcheck shell=bash
# ./dev logs [NAME…] [-f]

verb_logs() {
    local argument follow=() names=() name resolved files=()
    for argument in "$@"; do
        case $argument in
        -f | --follow) follow=(-F) ;;
        -*) usage_error "logs has no option '$argument'" ;;
        *) names+=("$argument") ;;
        esac
    done
    [[ -d $run_dir ]] || die "nothing has run in $run_dir yet"
    stack_load
    if ((${#names[@]})); then
        resolved=$(stack_resolve "${names[@]}") # its own line: a name it refuses ends the command
        while read -r name; do
            files+=("$run_dir/$name.log")
        done <<<"$resolved"
    else
        files=("$run_dir"/*.log)
    fi
    exec tail -n 50 "${follow[@]}" -- "${files[@]}"
}
