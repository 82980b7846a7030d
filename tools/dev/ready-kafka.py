"""Exits with 0 when the broker at argv[1] answers for itself: it is registered and may lead partitions."""

import sys

from confluent_kafka.admin import AdminClient

address = sys.argv[1]
client = AdminClient({"bootstrap.servers": address, "log_level": 0, "socket.timeout.ms": 2000})
try:
    metadata = client.list_topics(timeout=3)
except Exception:
    sys.exit(1)
sys.exit(0 if any(f"{b.host}:{b.port}" == address for b in metadata.brokers.values()) else 1)
