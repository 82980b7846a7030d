#!/usr/bin/env bash
# Builds MinIO from its pinned source into $1/bin: it publishes no current binaries.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tools/dev/versions.sh
source "$here/../versions.sh"
out=$1


# Go from backports lives beside Debian's own, older one.
for candidate in go /usr/lib/go-1.2[1-9]/bin/go /usr/lib/go/bin/go; do
    if command -v "$candidate" >/dev/null; then
        go=$candidate
        break
    fi
done
mkdir -p "$out/bin"
GOBIN=$out/bin GOTOOLCHAIN=auto CGO_ENABLED=0 GOFLAGS=-modcacherw \
    "${go:-go}" install -trimpath -ldflags '-s -w' "github.com/minio/minio@$MINIO_VERSION"
