#!/usr/bin/env bash
# Makes the Python environment of the tests and of the readiness checks in $1. It will be moved to $2, which the scripts
# in its bin/ must name.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
out=$1 final=$2

python3 -m venv "$out"
"$out/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$root/tests/requirements.txt"
grep -rlIF "$out" "$out/bin" | xargs --no-run-if-empty sed -i "s|$out|$final|g"
