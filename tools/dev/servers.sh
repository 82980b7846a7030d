# shellcheck shell=bash
# The real servers: how each is prepared, started, asked whether it is ready, and told to stop. A server NAME has the
# functions server_NAME_start (runs process_start, after whatever preparation) and server_NAME_ready (quick, silent,
# speaks the server's own protocol), and may have server_NAME_after (once it is ready).

servers=(kafka registry postgres redis minio nginx)

declare -A server_ports=(
    [kafka]='kafka kafka.controller' [registry]=registry [postgres]=postgres [redis]=redis [minio]=minio [nginx]=nginx
)
declare -A server_stop_signal=([postgres]=INT [nginx]=TERM)

server_address() {
    echo "127.0.0.1:${ports[$1]}"
}

server_python() {
    "$deps_dir/venv/bin/python" "$@"
}

# --- kafka ---

server_kafka_start() {
    local home=$run_dir/kafka
    mkdir -p "$home"
    export kafka_port=${ports[kafka]} kafka_controller_port=${ports[kafka.controller]} kafka_data=$home/data
    envsubst <"$tools_dir/templates/kafka.properties" >"$home/server.properties"
    cp "$tools_dir/templates/kafka-log4j.properties" "$home/log4j.properties"
    if [[ ! -e $home/data/meta.properties ]]; then
        kafka_format "$home"
    fi
    process_start kafka java -Xmx512m -Xms128m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Djava.awt.headless=true \
        -Dlog4j.configuration="file:$home/log4j.properties" -cp "$deps_dir/kafka/lib/*" \
        kafka.Kafka "$home/server.properties"
}

kafka_format() {
    local home=$1 cluster_id
    cluster_id=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n' | cut -c 1-22)
    rm -rf "$home/data"
    if ! java -Xmx128m -XX:TieredStopAtLevel=1 -Dlog4j.configuration="file:$home/log4j.properties" \
        -cp "$deps_dir/kafka/lib/*" kafka.tools.StorageTool format --cluster-id "$cluster_id" \
        --config "$home/server.properties" >>"$run_dir/kafka.log" 2>&1; then
        show_tail "$run_dir/kafka.log"
        die "kafka: could not format its data folder; the log is $run_dir/kafka.log"
    fi
}

server_kafka_ready() {
    server_python "$tools_dir/ready-kafka.py" "$(server_address kafka)"
}

# --- schema registry ---

server_registry_start() {
    local home=$run_dir/registry jar
    mkdir -p "$home"
    jar=$(find "$deps_dir/registry/" -name '*-runner.jar' | head -n 1)
    process_start registry env QUARKUS_HTTP_HOST=127.0.0.1 QUARKUS_HTTP_PORT="${ports[registry]}" \
        REGISTRY_DATASOURCE_URL="jdbc:h2:file:$home/db;WRITE_DELAY=0;DB_CLOSE_ON_EXIT=FALSE" \
        java -Xmx256m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Djava.awt.headless=true -jar "$jar"
}

server_registry_ready() {
    curl -fs --max-time 2 -o /dev/null "http://$(server_address registry)/apis/ccompat/v6/subjects"
}

# --- postgres ---

postgres_bin() {
    local candidate
    for candidate in $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -Vr); do
        [[ -x $candidate/initdb ]] && echo "$candidate" && return
    done
    dirname "$(command -v initdb)"
}

# PostgreSQL refuses to run as root.
postgres_run() {
    if [[ $EUID -eq 0 ]]; then
        setpriv --reuid=postgres --regid=postgres --init-groups "$@"
    else
        "$@"
    fi
}

# The folder of the cluster. When the postgres user cannot reach the run folder (a checkout in /root), it is elsewhere,
# and the run folder has a link to it.
postgres_home() {
    local home=$run_dir/postgres
    if [[ ! -e $home ]]; then
        [[ $EUID -ne 0 ]] || chmod o+x "$run_dir"
        if postgres_run test -x "$run_dir"; then
            mkdir "$home"
        else
            ln -sfn "$(mktemp -d /var/tmp/millrace-postgres.XXXXXX)" "$home"
        fi
        postgres_own "$home/"
    fi
    readlink -f "$home"
}

postgres_own() {
    chmod 700 "$1"
    [[ $EUID -ne 0 ]] || chown postgres "$1"
}

# A socket's path has at most 107 bytes, and run folders may be deep.
postgres_socket_dir() {
    local home=$1 link=$run_dir/postgres-socket
    if ((${#home} < 80)); then
        echo "$home"
        return
    fi
    if [[ ! -e $link ]]; then
        ln -sfn "$(mktemp -d /tmp/millrace-socket.XXXXXX)" "$link"
        postgres_own "$link/"
    fi
    readlink -f "$link"
}

# What of PostgreSQL is not in the run folder itself.
postgres_elsewhere() {
    local link
    for link in "$run_dir/postgres" "$run_dir/postgres-socket"; do
        if [[ -L $link ]]; then
            readlink -f "$link"
        fi
    done
}

server_postgres_start() {
    local home bin socket_dir
    home=$(postgres_home)
    bin=$(postgres_bin)
    socket_dir=$(postgres_socket_dir "$home")
    [[ -d $home/data ]] || postgres_init "$home" "$bin"
    postgres_forget_dead "$home"
    process_start postgres "${postgres_command[@]}" "$bin/postgres" -D "$home/data" \
        -c listen_addresses=127.0.0.1 -c port="${ports[postgres]}" -c unix_socket_directories="$socket_dir" \
        -c wal_level=logical -c max_connections=200 -c shared_buffers=256MB -c max_wal_size=2GB \
        -c log_line_prefix='%m [%p] %q%u@%d ' -c log_checkpoints=off
}

# PostgreSQL takes a killed predecessor for alive for as long as nobody has collected its exit status, and refuses to
# start; containers often have an init that is slow at that, or none. Its lock files (of the data and of the socket) may
# go when the process they name is dead.
postgres_forget_dead() {
    local home=$1 file pid
    for file in "$home/data/postmaster.pid" "$(postgres_socket_dir "$home")"/.s.PGSQL.*.lock; do
        { read -r pid <"$file"; } 2>/dev/null || continue
        process_birth "$pid" >/dev/null || rm -f "$file"
    done
}

# process_start executes a command, not a function.
postgres_command=()
[[ $EUID -ne 0 ]] || postgres_command=(setpriv --reuid=postgres --regid=postgres --init-groups)

# Made aside and renamed, so that an interrupted initdb leaves nothing that looks like a cluster.
postgres_init() {
    local home=$1 bin=$2 password=$1/password
    rm -rf "$home/data.new"
    install -m 600 "$run_dir/secrets/pg.superuser" "$password"
    [[ $EUID -ne 0 ]] || chown postgres "$password"
    if ! (cd / && postgres_run "$bin/initdb" -D "$home/data.new" --username=postgres --pwfile="$password" \
        --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 --no-sync) >>"$run_dir/postgres.log" 2>&1 </dev/null; then
        show_tail "$run_dir/postgres.log"
        die "postgres: initdb failed; the log is $run_dir/postgres.log"
    fi
    rm "$password"
    mv "$home/data.new" "$home/data"
}

server_postgres_ready() {
    "$(postgres_bin)/pg_isready" -q -t 1 -h 127.0.0.1 -p "${ports[postgres]}"
}

server_postgres_after() {
    local mark
    mark=$(postgres_home)/database-is-made
    [[ -e $mark ]] && return
    PGPASSWORD=$(secret pg.superuser) "$(postgres_bin)/psql" -qX -v ON_ERROR_STOP=1 \
        -h 127.0.0.1 -p "${ports[postgres]}" -U postgres postgres >>"$run_dir/postgres.log" 2>&1 <<SQL
SELECT 'CREATE ROLE millrace LOGIN REPLICATION' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'millrace') \gexec
ALTER ROLE millrace PASSWORD '$(secret pg.password)';
SELECT 'CREATE DATABASE millrace OWNER millrace' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'millrace') \gexec
SQL
    touch "$mark"
}

# --- redis ---

server_redis_start() {
    local home=$run_dir/redis
    mkdir -p "$home"
    (
        umask 077
        cat >"$home/redis.conf" <<CONF
bind 127.0.0.1
port ${ports[redis]}
requirepass $(secret redis.password)
dir $home
save ""
appendonly no
CONF
    )
    process_start redis redis-server "$home/redis.conf"
}

server_redis_ready() {
    [[ $(REDISCLI_AUTH=$(secret redis.password) timeout 2 redis-cli -h 127.0.0.1 -p "${ports[redis]}" ping) == PONG ]]
}

# --- minio ---

# Where the store announces finished objects: the first mr-upload, past NGINX, which does not route this path.
minio_hook() {
    echo "http://127.0.0.1:${ports[mr-upload]}/hooks/s3"
}

server_minio_start() {
    local home=$run_dir/minio
    mkdir -p "$home/data" "$home/events"
    minio_hook >"$run_dir/state/minio.hook"
    process_start minio env MINIO_ROOT_USER=millrace MINIO_ROOT_PASSWORD="$(secret s3.secret_key)" MINIO_BROWSER=off \
        MINIO_NOTIFY_WEBHOOK_ENABLE_MR=on MINIO_NOTIFY_WEBHOOK_ENDPOINT_MR="$(minio_hook)" \
        MINIO_NOTIFY_WEBHOOK_AUTH_TOKEN_MR="Bearer $(secret hook.token)" \
        MINIO_NOTIFY_WEBHOOK_QUEUE_DIR_MR="$home/events" MINIO_UPDATE=off \
        "$deps_dir/minio/bin/minio" server --address "$(server_address minio)" "$home/data"
}

server_minio_ready() {
    curl -fs --max-time 2 -o /dev/null "http://$(server_address minio)/minio/health/ready"
}

server_minio_after() {
    local mark=$run_dir/minio/bucket-is-made
    [[ -e $mark ]] && return
    "$root/tools/store/make-bucket" "http://$(server_address minio)" millrace millrace \
        "$run_dir/secrets/s3.secret_key" >>"$run_dir/minio.log" 2>&1
    touch "$mark"
}

# --- nginx ---

server_nginx_start() {
    nginx_render
    process_start nginx nginx -p "$run_dir/nginx" -c "$run_dir/nginx/nginx.conf" -e stderr
}

nginx_render() {
    local home=$run_dir/nginx
    mkdir -p "$home"
    # A root-owned master would otherwise run its workers as a user who cannot reach a run folder under /root.
    MR_EDGE_MAIN="daemon off; pid $home/nginx.pid; $([[ $EUID -ne 0 ]] || echo 'user root;')" \
        MR_EDGE_TEMP=$home MR_EDGE_LISTEN=$(server_address nginx) MR_EDGE_TLS='' MR_EDGE_RESOLVER='' \
        MR_EDGE_UPLOAD_SERVERS=$(nginx_upstream mr-upload) MR_EDGE_API_SERVERS=$(nginx_upstream mr-api) \
        MR_EDGE_ACCOUNT_RATE=${MR_EDGE_ACCOUNT_RATE:-50r/s} MR_EDGE_ACCOUNT_BURST=${MR_EDGE_ACCOUNT_BURST:-500} \
        envsubst "$(edge_variables)" <"$root/tools/edge/nginx.conf.template" >"$home/nginx.conf.new"
    mv "$home/nginx.conf.new" "$home/nginx.conf"
}

# envsubst replaces only these, so that nginx's own variables stay.
edge_variables() {
    # shellcheck disable=SC2016
    grep -oE '\$\{MR_EDGE_[A-Z_]+\}' "$root/tools/edge/nginx.conf.template" | sort -u | tr '\n' ' '
}

nginx_upstream() {
    local process
    while read -r process; do
        [[ ${process%%.*} == "$1" ]] && printf 'server 127.0.0.1:%s max_fails=3 fail_timeout=2s; ' "${ports[$process]}"
    done < <(program_processes)
}

# New upstreams take effect without dropping connections.
nginx_reload() {
    local pid
    nginx_render
    if pid=$(process_pid nginx); then
        kill -s HUP "$pid"
    fi
}

server_nginx_ready() {
    curl -fs --max-time 2 -o /dev/null "http://$(server_address nginx)/edge/health"
}
