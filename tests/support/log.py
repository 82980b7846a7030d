"""The log as a stranger sees it: confluent-kafka with its AvroDeserializer and the registry."""

import functools
import json
import pathlib
import time
import uuid

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

SCHEMAS = pathlib.Path(__file__).resolve().parent.parent.parent / "schemas"


def watermarks(stack, topic: str) -> dict[int, tuple[int, int]]:
    """{partition: (first offset, end offset)}"""
    consumer = Consumer({"bootstrap.servers": stack["MR_BROKERS"], "group.id": f"test-{uuid.uuid4().hex}"})
    try:
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        return {p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=10) for p in partitions}
    finally:
        consumer.close()


def end_offset(stack, topic: str) -> int:
    """Sum of the end offsets: how many records were ever written."""
    return sum(high for _, high in watermarks(stack, topic).values())


def read_all(stack, topic: str, timeout: float = 30) -> list:
    """Every record of a topic, undecoded, up to its end at the time of the call."""
    marks = watermarks(stack, topic)
    left = {p: high for p, (low, high) in marks.items() if high > low}
    consumer = Consumer(
        {
            "bootstrap.servers": stack["MR_BROKERS"],
            "group.id": f"test-{uuid.uuid4().hex}",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
        }
    )
    records = []
    try:
        consumer.assign([TopicPartition(topic, p, marks[p][0]) for p in left])
        end = time.monotonic() + timeout
        while left:
            assert time.monotonic() < end, f"{topic}: records missing in {sorted(left)}"
            m = consumer.poll(0.5)
            if m is None:
                continue
            if m.error():
                left.pop(m.partition(), None)  # end of partition (a control record may be last)
                continue
            records.append(m)
            if m.offset() + 1 >= left.get(m.partition(), 0):
                left.pop(m.partition(), None)
    finally:
        consumer.close()
    return records


def registry(stack) -> SchemaRegistryClient:
    return SchemaRegistryClient({"url": stack["MR_REGISTRY_URL"]})


def read_partition(stack, topic: str, partition: int, timeout: float = 30) -> list:
    """Every record of one partition, undecoded, up to its end at the time of the call; keeps its connection."""
    consumer = _reader(stack["MR_BROKERS"])
    low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
    records, position = [], low
    consumer.assign([TopicPartition(topic, partition, low)])
    end = time.monotonic() + timeout
    while position < high:
        assert time.monotonic() < end, f"{topic}/{partition}: nothing after {position} of {high}"
        m = consumer.poll(0.5)
        if m is None:
            continue
        if m.error():
            break  # end of partition (a control record may be last)
        position = m.offset() + 1
        records.append(m)
    consumer.unassign()
    return records


@functools.cache
def _reader(brokers: str) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": f"test-{uuid.uuid4().hex}",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 20,
        }
    )


def decode(stack, record, deserializer=None) -> dict:
    deserializer = deserializer or AvroDeserializer(registry(stack))
    return deserializer(record.value(), SerializationContext(record.topic(), MessageField.VALUE))


def serializer(stack, name: str) -> AvroSerializer:
    """For events that a test puts on the log itself; uses the registered schema, registers nothing."""
    return AvroSerializer(
        registry(stack),
        (SCHEMAS / f"{name}.avsc").read_text(),
        conf={"auto.register.schemas": False, "use.latest.version": True},
    )


def producer(stack) -> Producer:
    return Producer({"bootstrap.servers": stack["MR_BROKERS"], "acks": "all", "partitioner": "murmur2_random"})


def lag(stack, group: str, topics: list[str]) -> int:
    """Records not yet committed by a group."""
    consumer = Consumer({"bootstrap.servers": stack["MR_BROKERS"], "group.id": group, "enable.auto.commit": False})
    try:
        total = 0
        for topic in topics:
            parts = [TopicPartition(topic, p) for p in consumer.list_topics(topic, timeout=10).topics[topic].partitions]
            for tp in consumer.committed(parts, timeout=10):
                low, high = consumer.get_watermark_offsets(TopicPartition(topic, tp.partition), timeout=10)
                total += high - max(low, tp.offset if tp.offset >= 0 else low)
        return total
    finally:
        consumer.close()


def headers_of(record) -> dict[str, str | None]:
    return {k: (v.decode() if v is not None else None) for k, v in (record.headers() or [])}


def schema_json(name: str) -> dict:
    return json.loads((SCHEMAS / f"{name}.avsc").read_text())
