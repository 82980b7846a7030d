#!/usr/bin/env bash
# Fetches the Apicurio schema registry into $1.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tools/dev/versions.sh
source "$here/../versions.sh"
out=$1

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mvn --batch-mode --no-transfer-progress dependency:copy \
    -Dartifact="io.apicurio:apicurio-registry-app:$APICURIO_VERSION:tar.gz:all" -DoutputDirectory="$work"
mkdir -p "$out"
tar xzf "$work"/*.tar.gz -C "$out"
# The archive has its files at the top or in one folder, depending on the release; the runner is what is asked for.
find "$out" -name '*-runner.jar' | grep -q . || {
    echo "no runner jar in the registry's archive" >&2
    exit 1
}
