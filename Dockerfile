# syntax=docker/dockerfile:1
# One build stage for all programs, one small image for each: docker build --target mr-upload .

FROM debian:12-slim AS build
WORKDIR /src
# What the compiler needs changes less often than the sources; the cache of this layer depends on these files only.
COPY dev ./
COPY tools/dev tools/dev
COPY tests/requirements.txt tests/
RUN ./dev setup build
COPY . .
RUN ./dev build release && strip build/bin/*

FROM debian:12-slim AS runtime
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        ca-certificates libavro23 libcurl4 libhiredis0.14 libinih1 libjansson4 libjwt0 libmicrohttpd12 libpq5 libsodium23 \
        libsqlite3-0 libssl3 libutf8proc2 libwslay1 libxml2 libzstd1 zlib1g \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin millrace
COPY tools/compose/is-ready /usr/local/bin/
COPY schemas /usr/share/millrace/schemas
ENV MR_SCHEMAS_DIR=/usr/share/millrace/schemas
USER 10001:10001
STOPSIGNAL SIGTERM

FROM runtime AS mr-upload
COPY --from=build /src/build/bin/mr-upload /usr/local/bin/
ENTRYPOINT ["mr-upload"]

FROM runtime AS mr-api
COPY --from=build /src/build/bin/mr-api /usr/local/bin/
ENTRYPOINT ["mr-api"]

FROM runtime AS mr-metadata
COPY --from=build /src/build/bin/mr-metadata /usr/local/bin/
ENTRYPOINT ["mr-metadata"]

FROM runtime AS mr-admin
COPY db/migrations /usr/share/millrace/migrations
COPY broker-config/topics.json /usr/share/millrace/topics.json
COPY tools/compose/init /usr/local/bin/mr-init
COPY --from=build /src/build/bin/mr-admin /usr/local/bin/
ENV MR_MIGRATIONS_DIR=/usr/share/millrace/migrations MR_TOPICS_FILE=/usr/share/millrace/topics.json
ENTRYPOINT ["mr-admin"]

FROM runtime AS mr
COPY --from=build /src/build/bin/mr /usr/local/bin/
ENTRYPOINT ["mr"]

# MinIO publishes no current images, so the pinned source is built, the same one that ./dev up runs.
FROM golang:1.26-bookworm AS minio-build
COPY tools/dev/versions.sh tools/dev/go.sh /src/tools/dev/
COPY tools/dev/deps/minio.sh /src/tools/dev/deps/
RUN /src/tools/dev/deps/minio.sh /out

FROM debian:12-slim AS minio
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10002 --create-home --home-dir /data minio
COPY tools/compose/is-ready /usr/local/bin/
COPY --from=minio-build /out/bin/minio /usr/local/bin/
USER 10002:10002
VOLUME /data
EXPOSE 9000
ENTRYPOINT ["minio"]
CMD ["server", "/data"]
