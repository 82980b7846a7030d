# shellcheck shell=bash
# Finding a Go that can build MinIO.

# version_at_least HAVE WANTED
version_at_least() {
    [[ $(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1) == "$2" ]]
}

# Prints the path of a Go that is new enough.
go_command() {
    local candidate version
    for candidate in go /usr/lib/go-1.*/bin/go /usr/local/go/bin/go; do
        command -v "$candidate" >/dev/null || continue
        version=$("$candidate" env GOVERSION)
        if version_at_least "${version#go}" "$MINIO_GO_MINIMUM"; then
            command -v "$candidate"
            return 0
        fi
    done
    return 1
}
