# shellcheck shell=bash
# Debian's packages. Which ones are needed depends on what is to be done: an image build wants no servers.

packages_build=(
    build-essential ca-certificates cmake curl git ninja-build pkg-config python3
    libavro-dev libcmocka-dev libcurl4-openssl-dev libhiredis-dev libinih-dev libjansson-dev libjwt-dev
    libmicrohttpd-dev libpq-dev libsodium-dev libsqlite3-dev libssl-dev libutf8proc-dev libwslay-dev libxml2-dev libzstd-dev zlib1g-dev
)
packages_stack=(
    bsdextrautils gettext-base nginx-light postgresql-15 postgresql-client-15 procps redis-server util-linux
)
packages_tests=(clang-format clang-tidy gcovr python3-venv shellcheck)
packages_fuzz=(clang libclang-rt-14-dev)

# Many machines have these in another form than Debian's: looked for by command, so that they are not installed twice.
packages_by_command() {
    case $1 in
    build) command -v npm >/dev/null || echo npm ;;
    stack)
        command -v java >/dev/null || echo openjdk-17-jre-headless
        command -v mvn >/dev/null || echo maven
        ;;
    esac
}

packages_missing() {
    local package
    for package in "$@"; do
        [[ $(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null) == ii* ]] || echo "$package"
    done
}

# packages_ensure PACKAGE…
packages_ensure() {
    local missing
    mapfile -t missing < <(packages_missing "$@")
    ((${#missing[@]})) || return 0
    command -v apt-get >/dev/null || die "this machine has no apt; please install: ${missing[*]}"
    say "setup: installing ${#missing[@]} packages: ${missing[*]}"
    packages_install "${missing[@]}"
}

packages_install() {
    local log=$cache_dir/apt.log
    mkdir -p "$cache_dir"
    [[ " $* " != *' postgresql-15 '* ]] || services_prepare
    if ! { apt_get update && apt_get install --no-install-recommends "$@"; } >"$log" 2>&1 </dev/null; then
        show_tail "$log"
        die "apt could not install: $* (the whole log is $log)"
    fi
    services_disable "$@" >>"$log" 2>&1 </dev/null
}

# Waits for another apt that is running.
apt_get() {
    local status=0
    services_forbid
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -y -o DPkg::Lock::Timeout=600 \
        -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@" || status=$?
    services_allow
    return "$status"
}

# --- The servers' packages bring services, and ./dev wants their binaries only. While apt runs, policy-rc.d has it start
# and stop nothing; services that came with a package installed here are not started at the next boot either. What was
# on this machine before is left alone.

declare -A package_services=([nginx-light]=nginx [redis-server]=redis-server [postgresql-15]=postgresql)
cluster_file=/etc/postgresql-common/createcluster.conf

# Without this, Debian makes a cluster of its own next to the package.
services_prepare() {
    [[ -e $cluster_file ]] && return
    as_root mkdir -p "$(dirname "$cluster_file")"
    echo 'create_main_cluster = false' | as_root tee "$cluster_file" >/dev/null
}

services_disable() {
    local package service
    for package in "$@"; do
        service=${package_services[$package]:-}
        if [[ -n $service && -e /etc/init.d/$service ]]; then
            as_root update-rc.d "$service" disable
        fi
    done
}

policy_file=/usr/sbin/policy-rc.d
policy_mark='# written by ./dev setup'

services_forbid() {
    [[ -e $policy_file ]] && return
    printf '#!/bin/sh\n%s\nexit 101\n' "$policy_mark" | as_root tee "$policy_file" >/dev/null
    as_root chmod 755 "$policy_file"
}

services_allow() {
    if grep -qsF "$policy_mark" "$policy_file"; then
        as_root rm -f "$policy_file"
    fi
}

# Go from Debian 12 is too old to fetch the toolchain MinIO asks for; backports, on the mirror that apt uses already,
# has one that can.
packages_ensure_go() {
    local version mirror
    go_command >/dev/null && return
    say "setup: no Go >= $MINIO_GO_MINIMUM here, taking it from bookworm-backports"
    # shellcheck disable=SC2016 # apt's own placeholders
    mirror=$(apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
        awk '$1 == "bookworm" && $2 == "main" { print $3; exit }')
    [[ -n $mirror ]] || die "apt knows no mirror of Debian 12 (bookworm); install a Go >= $MINIO_GO_MINIMUM by hand"
    echo "deb $mirror bookworm-backports main" |
        as_root tee /etc/apt/sources.list.d/millrace-backports.list >/dev/null
    packages_install golang-go/bookworm-backports golang-src/bookworm-backports
    version=$(go version)
    go_command >/dev/null || die "the Go that was installed is too old: $version"
}
