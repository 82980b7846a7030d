# shellcheck shell=bash
# Starting and stopping what belongs to a run folder: <name>.pid holds the process id, <name>.log what it printed, and
# state/<name>.birth when the process was born, so that a later process with the same id is never taken for ours.

# process_birth PID: the start time of a process in clock ticks since boot; fails when there is none (or a zombie).
process_birth() {
    local stat fields
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
    # The name in parentheses may hold anything; the state comes first after it, the start time 19 fields later.
    read -ra fields <<<"${stat##*) }"
    [[ ${fields[0]} == [ZX] ]] && return 1
    echo "${fields[19]}"
}

# process_pid NAME: prints the id when NAME runs and is ours.
process_pid() {
    local pid birth
    { read -r pid <"$run_dir/$1.pid" && read -r birth <"$run_dir/state/$1.birth"; } 2>/dev/null || return 1
    [[ $(process_birth "$pid") == "$birth" ]] && echo "$pid"
}

process_is_running() {
    process_pid "$1" >/dev/null
}

# True when NAME was started, not stopped, and is gone.
process_has_died() {
    [[ -e $run_dir/$1.pid ]] && ! process_is_running "$1"
}

# process_sweep NAME: kills what a dead NAME left behind: NGINX's workers, PostgreSQL's backends. They are in the session
# that NAME was started in, and have a working directory of this run folder; anything else is not ours.
process_sweep() {
    local session member directory home
    home=$(readlink -f "$run_dir/postgres")
    { read -r session <"$run_dir/$1.pid"; } 2>/dev/null || return 0
    for member in $(pgrep --session "$session" || true); do
        directory=$(readlink "/proc/$member/cwd" || true)
        case $directory/ in
        "$run_dir"/* | "$home"/*) kill -s KILL "$member" 2>/dev/null || true ;;
        esac
    done
}

# process_start NAME COMMAND…: in a session of its own, with nothing of ours open.
process_start() {
    local name=$1 pid log=$run_dir/$1.log
    shift
    mkdir -p "$run_dir/state"
    (
        cd "$run_dir"
        process_close_descriptors
        exec setsid "$@"
    ) </dev/null >>"$log" 2>&1 &
    pid=$!
    process_birth "$pid" >"$run_dir/state/$name.birth" || die "$name ended at once; see $log"
    echo "$pid" >"$run_dir/$name.pid.new"
    mv "$run_dir/$name.pid.new" "$run_dir/$name.pid"
}

process_close_descriptors() {
    local descriptor
    for descriptor in /proc/"$BASHPID"/fd/*; do
        descriptor=${descriptor##*/}
        ((descriptor > 2)) && eval "exec $descriptor>&-"
    done
    return 0
}

# process_await NAME SECONDS CHECK…: until the check succeeds. Says what went wrong when it does not, or NAME ends first.
process_await() {
    local name=$1 seconds=$2 deadline
    shift 2
    deadline=$((SECONDS + seconds))
    until "$@" >/dev/null 2>&1; do
        if ! process_is_running "$name"; then
            show_tail "$run_dir/$name.log"
            warn "$name ended before it was ready; its log is $run_dir/$name.log"
            return 1
        fi
        if ((SECONDS >= deadline)); then
            show_tail "$run_dir/$name.log"
            warn "$name was not ready within $seconds s; its log is $run_dir/$name.log"
            return 1
        fi
        sleep 0.1
    done
}

# process_stop NAME SIGNAL SECONDS: sends SIGNAL, waits, and in the end kills. Nothing happens when it does not run.
process_stop() {
    local name=$1 signal=$2 seconds=$3 pid
    if pid=$(process_pid "$name"); then
        kill -s "$signal" "$pid" 2>/dev/null || true
        if ! process_await_end "$name" "$seconds"; then
            warn "$name did not stop within $seconds s, killing it"
            kill -s KILL "$pid" 2>/dev/null || true
            process_await_end "$name" 5 || warn "$name (process $pid) does not end"
        fi
    fi
    process_sweep "$name"
    rm -f "$run_dir/$name.pid" "$run_dir/state/$name.birth"
}

process_await_end() {
    local name=$1 tenths=$(($2 * 20))
    while process_is_running "$name"; do
        ((tenths-- > 0)) || return 1
        sleep 0.05
    done
}
