# shellcheck shell=bash
# Ports are chosen once, kept in $run_dir/ports (lines name=port), and moved only when somebody else sits on one.
# $cache_dir/ports/<port> names the run folder that chose a port, so that two stacks that start at the same moment do not
# choose the same one before either listens.

declare -A ports=()

# Below the range that outgoing connections take theirs from (32768 and up), so that a stopped server's port stays free.
port_first=20000
port_last=31999

declare -A port_defaults=(
    [nginx]=8480 [kafka]=8492 [kafka.controller]=8493 [registry]=8481 [postgres]=8432 [redis]=8479 [minio]=8490
    [mr-upload]=8401 [mr-api]=8402
    [mr-upload.metrics]=8451 [mr-api.metrics]=8452 [mr-metadata.metrics]=8453
)

ports_load() {
    local name port
    ports=()
    [[ -e $run_dir/ports ]] || return 0
    while IFS='=' read -r name port; do
        ports[$name]=$port
    done <"$run_dir/ports"
}

ports_save() {
    local name
    for name in "${!ports[@]}"; do
        echo "$name=${ports[$name]}"
    done | sort >"$run_dir/ports.new"
    mv "$run_dir/ports.new" "$run_dir/ports"
}

# True when some socket of this machine is bound to the port. /proc is read because ss is not everywhere. States 01, 02,
# 03, 08 and 0A belong to a process; the others are connections on their way out, which keep no server from listening.
port_is_taken() {
    local hex
    printf -v hex ':%04X' "$1"
    # tcp6 is not there without IPv6.
    { cat /proc/net/tcp /proc/net/tcp6 2>/dev/null || true; } |
        awk -v hex="$hex" '$2 ~ hex "$" && $4 ~ /^(01|02|03|08|0A)$/ { found = 1 } END { exit !found }'
}

# True when another run folder that still exists has chosen the port.
port_is_promised() {
    local holder
    holder=$(cat "$cache_dir/ports/$1" 2>/dev/null) || return 1
    [[ $holder != "$run_dir" ]] && grep -qs "=$1\$" "$holder/ports"
}

port_is_free() {
    ! port_is_taken "$1" && ! port_is_promised "$1"
}

# port_ensure NAME: makes ${ports[NAME]} a port that can be listened on. The caller's server must not be running.
port_ensure() {
    local name=$1 remembered=${ports[$1]:-}
    if [[ -n $remembered ]] && port_wait_free "$remembered"; then
        port_promise "$name" "$remembered"
        return
    fi
    port_choose "$name"
    if [[ -n $remembered ]]; then
        say "$name: port $remembered is taken by somebody else, using ${ports[$name]}"
    fi
}

# The children of a killed server hold its port for a moment.
port_wait_free() {
    local _
    for _ in {1..20}; do
        port_is_free "$1" && return
        sleep 0.1
    done
    return 1
}

port_choose() {
    local name=$1 port=${port_defaults[$1]:-0}
    mkdir -p "$cache_dir/ports"
    {
        flock 7
        if ((port == 0)) || ! port_is_free "$port"; then
            port=$((port_first + RANDOM % (port_last - port_first)))
            until port_is_free "$port"; do
                port=$((port < port_last ? port + 1 : port_first))
            done
        fi
        port_promise "$name" "$port"
    } 7>"$cache_dir/ports/lock"
}

port_promise() {
    mkdir -p "$cache_dir/ports"
    echo "$run_dir" >"$cache_dir/ports/$2"
    ports[$1]=$2
    ports_save
}
