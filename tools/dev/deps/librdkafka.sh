#!/usr/bin/env bash
# Builds a static librdkafka into the folder given as $1. Debian 12's own (2.0.2) loses assignments under cooperative-sticky
# and its idempotent producer can fail fatally after a record may have been persisted.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tools/dev/versions.sh
source "$here/../versions.sh"
out=$1

# Both the features and the libraries they link are spelt out, so that two machines never build two different things.
features=(--enable-static --disable-gssapi --disable-curl --disable-lz4-ext --enable-zlib --enable-zstd --enable-ssl)
# ThreadSanitizer does not know C11's thrd_create and crashes in threads made by it.
features+=(--disable-c11threads)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cd "$work"
npm pack --silent "$LIBRDKAFKA_NPM" >package-name
tar xzf "$(tail -n 1 package-name)" package/deps/librdkafka
cd package/deps/librdkafka
./configure --prefix=/ "${features[@]}"
make -j"$(nproc)" -C src librdkafka.a

install -d "$out/include/librdkafka" "$out/lib/pkgconfig"
install -m 644 src/rdkafka.h src/rdkafka_mock.h "$out/include/librdkafka/"
install -m 644 src/librdkafka.a "$out/lib/"
install -m 644 LICENSES.txt "$out/"
# Written here, because librdkafka's own file names a fixed prefix, and this folder is reached through links. The library is
# only ever linked statically, so what it needs is not private.
cat >"$out/lib/pkgconfig/rdkafka-static.pc" <<PC
prefix=\${pcfiledir}/../..
libdir=\${prefix}/lib
includedir=\${prefix}/include

Name: rdkafka-static
Description: librdkafka, static
Version: $LIBRDKAFKA_VERSION
Requires: libssl libcrypto libzstd zlib
Cflags: -I\${includedir}
Libs: -L\${libdir} -l:librdkafka.a -lm -ldl -lpthread -lrt
PC
