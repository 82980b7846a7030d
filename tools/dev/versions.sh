# shellcheck shell=bash disable=SC2034
# What ./dev fetches beside Debian's own packages. A change here makes a new copy; the old ones stay in the cache.

KAFKA_VERSION=3.9.2
APICURIO_VERSION=2.5.11.Final
MINIO_VERSION=v0.0.0-20260212201848-7aac2a2c5b7c
MINIO_GO_MINIMUM=1.21

# The oldest librdkafka that may be used, and where a newer one is taken from when the system's is older: Confluent's
# npm package carries librdkafka's whole source.
LIBRDKAFKA_MINIMUM=2.10.1
LIBRDKAFKA_VERSION=2.15.1
LIBRDKAFKA_NPM=@confluentinc/kafka-javascript@1.10.1
