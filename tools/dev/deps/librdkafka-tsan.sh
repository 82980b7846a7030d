#!/usr/bin/env bash
# The same librdkafka for builds under ThreadSanitizer, which must see the library's atomics too: they order what the
# library and its callers hand to each other.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export CFLAGS=-fsanitize=thread LDFLAGS=-fsanitize=thread
exec "$here/librdkafka.sh" "$@"
