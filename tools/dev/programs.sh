# shellcheck shell=bash
# Our own programs. Replica 1 of a program is the process <program>, further ones are <program>.2, <program>.3 …

programs=()
declare -A program_replicas=() program_kind=()

programs_load() {
    local program replicas kind count
    programs=()
    while read -r program replicas kind; do
        programs+=("$program")
        program_kind[$program]=$kind
        program_replicas[$program]=$replicas
    done < <(grep -vE '^(#|$)' "$tools_dir/programs")
    if [[ -e $run_dir/state/replicas ]]; then
        while IFS='=' read -r program count; do
            [[ -z ${program_kind[$program]:-} ]] || program_replicas[$program]=$count
        done <"$run_dir/state/replicas"
    fi
}

program_replicas_save() {
    local program
    mkdir -p "$run_dir/state"
    for program in "${programs[@]}"; do
        echo "$program=${program_replicas[$program]}"
    done >"$run_dir/state/replicas"
}

# Prints the processes of all programs, or of one.
program_processes() {
    local program number
    for program in "${@:-${programs[@]}}"; do
        for ((number = 1; number <= program_replicas[$program]; number++)); do
            program_process "$program" "$number"
        done
    done
}

program_process() {
    if (($2 == 1)); then echo "$1"; else echo "$1.$2"; fi
}

# Prints the port names of a process.
program_ports() {
    [[ ${program_kind[${1%%.*}]} != http ]] || echo "$1"
    echo "$1.metrics"
}

program_bin_dir() {
    local preset=${DEV_PRESET:-release}
    echo "$(build_dir_of "$preset")/bin"
}

program_is_built() {
    [[ -x $(program_bin_dir)/${1%%.*} ]]
}

# True when the process runs another file than the one that was built last.
program_is_outdated() {
    local pid
    pid=$(process_pid "$1") || return 1
    [[ ! /proc/$pid/exe -ef $(program_bin_dir)/${1%%.*} ]]
}

program_start() {
    local process=$1 program=${1%%.*} settings
    mapfile -t settings < <(
        echo "MR_METRICS_LISTEN=127.0.0.1:${ports[$process.metrics]}"
        [[ ${program_kind[$program]} != http ]] || echo "MR_LISTEN=127.0.0.1:${ports[$process]}"
        echo "MR_JWT_KEY_FILE=$run_dir/secrets/jwt.key"
        echo "MR_HOOK_TOKEN_FILE=$run_dir/secrets/hook.token"
        echo MR_REGISTRATION=open
        echo MR_SCAN_REQUIRED=false
        environment_file "$run_dir/extra.env"
        environment_file "$run_dir/extra.$program.env"
        [[ $process == "$program" ]] || environment_file "$run_dir/extra.$process.env"
    )
    environment_arguments
    process_start "$process" env "${environment[@]}" "${settings[@]}" "$(program_bin_dir)/$program"
}

program_ready() {
    curl -fs --max-time 2 -o /dev/null "http://127.0.0.1:${ports[$1.metrics]}/readyz"
}

program_address() {
    local process=$1
    if [[ ${program_kind[${process%%.*}]} == http ]]; then
        echo "127.0.0.1:${ports[$process]}"
    else
        echo "metrics 127.0.0.1:${ports[$process.metrics]}"
    fi
}
