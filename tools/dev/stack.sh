# shellcheck shell=bash
# ./dev up, down, scale: the whole stack, or parts of it by name.

stack_load() {
    mkdir -p "$run_dir/state"
    run_dir=$(cd "$run_dir" && pwd -P)
    ports_load
    programs_load
}

# One at a time per run folder. The lock goes with this process (and the ones it waits for).
stack_lock() {
    mkdir -p "$run_dir"
    exec 5>"$run_dir/.lock"
    flock -w 180 5 || die "another ./dev holds $run_dir/.lock"
}

# For what goes on after ./dev up in the same process and calls ./dev itself.
stack_unlock() {
    exec 5>&-
}

# --- names ---

is_server() { [[ " ${servers[*]} " == *" $1 "* ]]; }

# stack_resolve NAME…: prints the processes that the names mean: a server, a program (all its replicas), one replica
# (mr-metadata.2; mr-metadata.1 is the first), each with or without "mr-".
stack_resolve() {
    local name program
    for name in "$@"; do
        if is_server "$name"; then
            echo "$name"
            continue
        fi
        program=$(program_named "${name%%.*}")
        case $name in
        *.1) echo "$program" ;;
        *.*) echo "$program.${name#*.}" ;;
        *) program_processes "$program" ;;
        esac
    done
}

program_named() {
    local program
    for program in "${programs[@]}"; do
        if [[ $1 == "$program" || mr-$1 == "$program" ]]; then
            echo "$program"
            return
        fi
    done
    usage_error "nothing here is called '$1' (there are: ${servers[*]} ${programs[*]})"
}

# --- up ---

# shellcheck disable=SC2120 # demo and bench call it without names
verb_up() {
    local names resolved
    stack_lock
    stack_load
    if (($#)); then
        resolved=$(stack_resolve "$@")
        mapfile -t names <<<"$resolved"
        stack_start "${names[@]}"
    else
        stack_up
    fi
}

stack_up() {
    local started=$SECONDS
    setup_ensure build stack tests
    if [[ ${DEV_BUILD:-yes} == no ]]; then
        stack_start_servers "${servers[@]}"
    else
        stack_start_servers_and_build
    fi
    stack_apply
    mapfile -t processes < <(program_processes)
    stack_start_programs "${processes[@]}"
    stack_table
    say
    say "Up in $((SECONDS - started)) s. Settings: $run_dir/env    Logs: ./dev logs NAME    Stop: ./dev down"
}

# Servers need a few seconds, most of it waiting; the compiler uses them.
stack_start_servers_and_build() {
    local build_failed=''
    stack_launch_servers "${servers[@]}"
    (build_preset "${DEV_PRESET:-release}") || build_failed=yes
    stack_await_launched
    [[ -z $build_failed ]] || die "the servers are up, but the programs could not be built"
}

stack_start() {
    local name wanted_servers=() wanted_programs=()
    for name in "$@"; do
        if is_server "$name"; then wanted_servers+=("$name"); else wanted_programs+=("$name"); fi
    done
    stack_start_servers "${wanted_servers[@]}"
    stack_start_programs "${wanted_programs[@]}"
}

stack_start_servers() {
    stack_launch_servers "$@"
    stack_await_launched
}

launched_names=() launched_pids=()

stack_launch_servers() {
    local name port
    secrets_ensure
    for name in "$@"; do
        # shellcheck disable=SC2086
        stack_choose_ports "$name" ${server_ports[$name]}
    done
    # Programs' ports too: NGINX and the store's hook name them.
    while read -r name; do
        # shellcheck disable=SC2046
        stack_choose_ports "$name" $(program_ports "$name")
    done < <(program_processes)
    # Of servers that were not asked for, the last known ports go into the settings.
    for name in "${servers[@]}"; do
        for port in ${server_ports[$name]}; do
            [[ -n ${ports[$port]:-} ]] || port_choose "$port"
        done
    done
    environment_write
    for name in "$@"; do
        stack_launch "$name" stack_start_server "$name"
    done
}

# stack_choose_ports PROCESS PORT…: those of a running process are what they are.
stack_choose_ports() {
    local process=$1 port
    shift
    process_is_running "$process" && return
    process_sweep "$process"
    for port in "$@"; do
        port_ensure "$port"
    done
}

# stack_launch NAME COMMAND…: runs it aside; stack_await_launched tells how all of them went.
stack_launch() {
    launched_names+=("$1")
    shift
    ("$@") &
    launched_pids+=($!)
}

stack_await_launched() {
    local index failed=()
    for index in "${!launched_pids[@]}"; do
        wait "${launched_pids[index]}" || failed+=("${launched_names[index]}")
    done
    launched_names=() launched_pids=()
    if ((${#failed[@]})); then
        die "did not start: ${failed[*]}"
    fi
}

stack_start_server() {
    local name=$1
    if [[ $name == minio ]]; then
        minio_follow_hook
    fi
    if process_is_running "$name"; then
        [[ $name != nginx ]] || nginx_reload
        return
    fi
    stack_say_starting "$name"
    "server_${name}_start"
    process_await "$name" 120 "server_${name}_ready"
    if declare -F "server_${name}_after" >/dev/null && ! "server_${name}_after"; then
        show_tail "$run_dir/$name.log"
        die "$name: could not be prepared; its log is $run_dir/$name.log"
    fi
}

stack_say_starting() {
    if [[ -e $run_dir/$1.pid ]]; then
        say "$1: had died, restarted"
    fi
}

# The store is told at its start whom to notify.
minio_follow_hook() {
    if process_is_running minio && [[ $(minio_hook) != "$(<"$run_dir/state/minio.hook")" ]]; then
        say "minio: mr-upload has another port now, restarting it"
        process_stop minio TERM 10
    fi
}

# --- what programs need in the servers ---

stack_apply() {
    local admin step
    admin=$(program_bin_dir)/mr-admin
    if [[ ! -x $admin ]]; then
        warn "there is no $admin: tables, schemas and topics are not applied"
        return
    fi
    environment_arguments
    for step in migrate 'schemas apply' 'topics apply'; do
        stack_launch "mr-admin $step" stack_apply_step "$admin" "$step"
    done
    stack_await_launched
}

stack_apply_step() {
    local admin=$1 step=$2 log=$run_dir/mr-admin.${2%% *}.log words
    read -ra words <<<"$step"
    [[ $step != 'topics apply' ]] || words+=(--profile local)
    if ! env "${environment[@]}" "$admin" "${words[@]}" >"$log" 2>&1 </dev/null; then
        show_tail "$log"
        die "mr-admin $step failed; its output is $log"
    fi
}

# --- programs ---

stack_start_programs() {
    local process missing=()
    for process in "$@"; do
        if ! program_is_built "$process"; then
            missing+=("$process")
            continue
        fi
        # shellcheck disable=SC2046
        stack_choose_ports "$process" $(program_ports "$process")
    done
    environment_write
    for process in "$@"; do
        program_is_built "$process" || continue
        stack_launch "$process" stack_start_program "$process"
    done
    stack_await_launched
    stack_nginx_follow
    if ((${#missing[@]})); then
        warn "not built, not started: ${missing[*]}"
    fi
}

stack_start_program() {
    if [[ ${DEV_BUILD:-yes} != no ]] && program_is_outdated "$1"; then
        say "$1: was built anew, restarted"
        process_stop "$1" TERM "$stack_patience"
    fi
    process_is_running "$1" && return
    stack_say_starting "$1"
    program_start "$1"
    process_await "$1" 120 program_ready "$1"
}

# Upstreams change with replicas and with ports that had to move.
stack_nginx_follow() {
    process_is_running nginx || return 0
    local before=''
    before=$(cat "$run_dir/nginx/nginx.conf")
    nginx_render
    if [[ $before != "$(<"$run_dir/nginx/nginx.conf")" ]]; then
        kill -s HUP "$(process_pid nginx)"
    fi
}

# --- down ---

verb_down() {
    local names=() resolved signal='' wipe='' argument
    for argument in "$@"; do
        case $argument in
        --kill) signal=KILL ;;
        --wipe) wipe=yes ;;
        -*) usage_error "down has no option '$argument'" ;;
        *) names+=("$argument") ;;
        esac
    done
    [[ -d $run_dir ]] || return 0
    stack_lock
    stack_load
    if ((${#names[@]})); then
        [[ -z $wipe ]] || usage_error "--wipe removes the data of the whole stack, it takes no names"
        resolved=$(stack_resolve "${names[@]}")
        mapfile -t names <<<"$resolved"
        stack_stop "$signal" "${names[@]}"
    else
        stack_down "$signal"
        [[ -z $wipe ]] || stack_wipe
    fi
}

# Everything that has a pid file, so that replicas of an earlier scale are stopped too. Programs first, while what they
# drain to is still there.
stack_down() {
    local signal=$1 name ours=() theirs=()
    for name in "$run_dir"/*.pid; do
        [[ -e $name ]] || continue
        name=$(basename "$name" .pid)
        if is_server "$name"; then theirs+=("$name"); else ours+=("$name"); fi
    done
    stack_stop "$signal" "${ours[@]}"
    stack_stop "$signal" "${theirs[@]}"
    say "down: $((${#ours[@]} + ${#theirs[@]})) processes stopped"
}

# Seconds that a process has to end by itself: above the sum of what the programs allow themselves to drain, flush and
# commit, and the same as in docker-compose.yml.
stack_patience=40

# stack_stop SIGNAL NAME…: all at the same time; an empty signal is each one's own way of stopping.
stack_stop() {
    local signal=$1 name
    shift
    for name in "$@"; do
        process_stop "$name" "${signal:-${server_stop_signal[$name]:-TERM}}" "$stack_patience" &
    done
    wait
}

stack_wipe() {
    local elsewhere
    mapfile -t elsewhere < <(postgres_elsewhere)
    rm -rf "${elsewhere[@]}" "$run_dir"
    say "down: $run_dir is removed"
}

# --- scale ---

verb_scale() {
    local argument program count
    (($#)) || usage_error "scale wants PROGRAM=N"
    stack_lock
    stack_load
    for argument in "$@"; do
        [[ $argument =~ ^([a-z-]+)=([0-9]+)$ ]] || usage_error "scale wants PROGRAM=N, not '$argument'"
        count=${BASH_REMATCH[2]}
        program=$(program_named "${BASH_REMATCH[1]}")
        ((count >= 1)) || usage_error "scale: at least 1 (./dev down $program stops it)"
        stack_scale "$program" "$count"
    done
}

stack_scale() {
    local program=$1 count=$2 number surplus=() wanted
    [[ -e $run_dir/env ]] || die "nothing is up in $run_dir; ./dev up first"
    for ((number = count + 1; number <= ${program_replicas[$program]}; number++)); do
        surplus+=("$(program_process "$program" "$number")")
    done
    # shellcheck disable=SC2004 # the names of programs are no arithmetic
    program_replicas[$program]=$count
    program_replicas_save
    # NGINX first: nothing new is sent to those that are about to drain.
    stack_nginx_follow_ports
    stack_stop '' "${surplus[@]}"
    mapfile -t wanted < <(program_processes "$program")
    stack_start_programs "${wanted[@]}"
    environment_write
    say "scale: $program runs $count times"
}

# Replicas that are new need ports before NGINX can be told about them.
stack_nginx_follow_ports() {
    local process
    while read -r process; do
        # shellcheck disable=SC2046
        stack_choose_ports "$process" $(program_ports "$process")
    done < <(program_processes)
    stack_nginx_follow
}

# --- the table ---

stack_table() {
    local name address
    {
        printf 'NAME\tADDRESS\tPID\tLOG\n'
        for name in "${servers[@]}"; do
            address=$(server_address "$name")
            [[ $name != nginx ]] || address=http://$address
            stack_row "$name" "$address"
        done
        while read -r name; do
            stack_row "$name" "$(program_address "$name")"
        done < <(program_processes)
    } | column -t -s $'\t'
}

stack_row() {
    printf '%s\t%s\t%s\t%s\n' "$1" "$2" "$(process_pid "$1" || echo '-')" "$run_dir/$1.log"
}
