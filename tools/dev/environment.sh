# shellcheck shell=bash
# What programs, tests and people need to know of the running stack: $run_dir/env, and what each process is given.

# secret NAME: prints the secret, made at the first time.
secret() {
    cat "$run_dir/secrets/$1"
}

secrets_ensure() {
    local name
    install -d -m 700 "$run_dir/secrets"
    for name in jwt.key hook.token pg.superuser pg.password redis.password s3.secret_key; do
        [[ -s $run_dir/secrets/$name ]] && continue
        (
            umask 077
            od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$run_dir/secrets/$name.new"
        )
        mv "$run_dir/secrets/$name.new" "$run_dir/secrets/$name"
    done
}

# The name clients know the store by may differ from the programs'; what was asked for once stays until asked otherwise.
public_endpoint() {
    local chosen=$run_dir/state/s3-public-endpoint
    if [[ -n ${MR_S3_PUBLIC_ENDPOINT+set} ]]; then
        mkdir -p "$run_dir/state"
        echo "$MR_S3_PUBLIC_ENDPOINT" >"$chosen"
    fi
    if [[ -s $chosen && -n $(<"$chosen") ]]; then
        cat "$chosen"
    else
        echo "http://127.0.0.1:${ports[minio]}"
    fi
}

environment_write() {
    (
        umask 077
        environment_print >"$run_dir/env.new"
    )
    mv "$run_dir/env.new" "$run_dir/env"
}

environment_print() {
    cat <<ENV
MR_API_URL=http://127.0.0.1:${ports[nginx]}
MR_BROKERS=127.0.0.1:${ports[kafka]}
MR_REGISTRY_URL=http://127.0.0.1:${ports[registry]}/apis/ccompat/v6
MR_PG_DSN=postgresql://millrace:$(secret pg.password)@127.0.0.1:${ports[postgres]}/millrace
MR_REDIS_URL=redis://:$(secret redis.password)@127.0.0.1:${ports[redis]}/0
MR_S3_ENDPOINT=http://127.0.0.1:${ports[minio]}
MR_S3_PUBLIC_ENDPOINT=$(public_endpoint)
MR_S3_BUCKET=millrace
MR_S3_ACCESS_KEY=millrace
MR_S3_SECRET_KEY=$(secret s3.secret_key)
MR_TOPICS_PROFILE=local
MR_RUN_DIR=$run_dir
ENV
    environment_print_metrics
}

# MR_METRICS_MR_METADATA and MR_METRICS_METADATA, with _2, _3 … for further replicas.
environment_print_metrics() {
    local process program name
    while read -r process; do
        program=${process%%.*}
        name=${process//./_}
        name=${name//-/_}
        name=${name^^}
        echo "MR_METRICS_$name=127.0.0.1:${ports[$process.metrics]}"
        if [[ $program == mr-* ]]; then
            echo "MR_METRICS_${name#MR_}=127.0.0.1:${ports[$process.metrics]}"
        fi
    done < <(program_processes)
}

# Prints the lines of a KEY=value file, without comments and empty lines.
environment_file() {
    [[ -e $1 ]] && grep -vE '^[[:space:]]*(#|$)' "$1"
    return 0
}

# Fills $environment with words for env(1): the stack's settings, and none of the caller's own MR_… in their way.
environment_arguments() {
    local name settings
    environment=()
    for name in "${!MR_@}"; do
        environment+=("--unset=$name")
    done
    mapfile -t settings < <(
        cat "$run_dir/env"
        echo "MR_SCHEMAS_DIR=$root/schemas"
        echo "MR_MIGRATIONS_DIR=$root/db/migrations"
        echo "MR_TOPICS_FILE=$root/broker-config/topics.json"
    )
    environment+=("${settings[@]}")
}
