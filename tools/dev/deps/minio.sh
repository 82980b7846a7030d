#!/usr/bin/env bash
# Builds MinIO from its pinned source into $1/bin: it publishes no current binaries.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tools/dev/versions.sh
source "$here/../versions.sh"
# shellcheck source=tools/dev/go.sh
source "$here/../go.sh"
out=$1


mkdir -p "$out/bin"
GOBIN=$out/bin GOTOOLCHAIN=auto CGO_ENABLED=0 GOFLAGS=-modcacherw \
    "$(go_command)" install -trimpath -ldflags '-s -w' "github.com/minio/minio@$MINIO_VERSION"
