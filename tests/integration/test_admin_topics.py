"""mr-admin topics: what the file says is made true on the broker, and what is not true is named."""

import json
import uuid

import pytest
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from support.metadata_program import admin
from support.stack import wait_for


@pytest.fixture
def broker(stack):
    return AdminClient({"bootstrap.servers": stack["MR_BROKERS"]})


@pytest.fixture
def topic(broker):
    name = f"test.{uuid.uuid4().hex}"
    yield name
    if name in broker.list_topics(timeout=10).topics:
        broker.delete_topics([name])[name].result(timeout=10)


def topics_file(tmp_path, topic: str, partitions: int = 3, config: dict | None = None, **more) -> str:
    path = tmp_path / "topics.json"
    path.write_text(
        json.dumps(
            {
                "partitions": partitions,
                "profiles": {"local": {"replication": 1, "config": {}}},
                "topics": [{"name": topic, "config": config or {"retention.ms": "123456789"}}],
                **more,
            }
        )
    )
    return str(path)


def apply(stack, path: str, what: str = "apply"):
    return admin(stack, "topics", what, "--profile", "local", "--topics-file", path)


def config_of(broker, topic: str) -> dict[str, str]:
    resource = ConfigResource(ResourceType.TOPIC, topic)
    return {k: e.value for k, e in broker.describe_configs([resource])[resource].result(timeout=10).items()}


def test_the_real_file_is_applied_and_stays_so(stack, broker):
    done = admin(stack, "topics", "apply", "--profile", "local")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 created, 0 altered, 0 differences left" in done.stdout
    assert admin(stack, "topics", "check", "--profile", "local").returncode == 0
    wanted = json.loads((stack.checkout / "broker-config" / "topics.json").read_text())
    known = broker.list_topics(timeout=10).topics
    for entry in wanted["topics"]:
        assert len(known[entry["name"]].partitions) == wanted["partitions"]
        actual = config_of(broker, entry["name"])
        assert {k: actual[k] for k in entry["config"]} == entry["config"]


def test_create_alter_and_leave_alone(stack, broker, topic, tmp_path):
    missing = apply(stack, topics_file(tmp_path, topic), "check")
    assert missing.returncode == 1
    assert f"{topic}: is missing" in missing.stdout
    created = apply(stack, topics_file(tmp_path, topic))
    assert created.returncode == 0, created.stdout + created.stderr
    assert f"{topic}: created, 3 partitions" in created.stdout
    assert config_of(broker, topic)["retention.ms"] == "123456789"

    # Somebody changes what the file says, and something it does not.
    resource = ConfigResource(
        ResourceType.TOPIC,
        topic,
        incremental_configs=[
            ConfigEntry("retention.ms", "5", incremental_operation=AlterConfigOpType.SET),
            ConfigEntry("max.message.bytes", "77777", incremental_operation=AlterConfigOpType.SET),
        ],
    )
    broker.incremental_alter_configs([resource])[resource].result(timeout=10)
    wait_for("the change is there", lambda: config_of(broker, topic)["retention.ms"] == "5")
    drifted = apply(stack, topics_file(tmp_path, topic), "check")
    assert drifted.returncode == 1
    assert f"{topic}: retention.ms should be 123456789, the broker has 5" in drifted.stdout
    altered = apply(stack, topics_file(tmp_path, topic))
    assert altered.returncode == 0, altered.stdout
    assert "1 altered" in altered.stdout
    now = config_of(broker, topic)
    assert (now["retention.ms"], now["max.message.bytes"]) == ("123456789", "77777")


@pytest.mark.parametrize("partitions", [6, 2])
def test_a_keyed_topic_is_never_grown(stack, broker, topic, tmp_path, partitions):
    assert apply(stack, topics_file(tmp_path, topic)).returncode == 0
    refused = apply(stack, topics_file(tmp_path, topic, partitions))
    assert refused.returncode == 1
    assert f"{topic}: has 3 partitions, the file says {partitions}" in refused.stdout
    assert "new topic and replay" in refused.stdout
    assert len(broker.list_topics(topic, timeout=10).topics[topic].partitions) == 3


def test_a_property_the_broker_ignores_is_named(stack, topic, tmp_path):
    config = {"retention.ms": "1000000", "write.caching": "false"}
    strict = apply(stack, topics_file(tmp_path, topic, config=config))
    assert strict.returncode == 1
    assert "write.caching" in strict.stdout
    lenient = apply(stack, topics_file(tmp_path, topic, config=config, optional=["write.caching"]))
    assert lenient.returncode == 0, lenient.stdout
    assert f"{topic}: write.caching should be false, the broker does not know it (may be missing)" in lenient.stdout


def test_describe(stack):
    done = admin(stack, "topics", "describe", "file.uploaded", "--json")
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    (row,) = shown["topics"]
    assert (row["topic"], row["partitions"]) == ("file.uploaded", 12)
    assert "retention.ms=-1" in row["config"]
    assert [p["partition"] for p in shown["partitions"]] == list(range(12))
    assert all(p["end_offset"] >= p["first_offset"] >= 0 for p in shown["partitions"])
    assert {g["group"] for g in shown["groups"]} <= {"millrace.metadata"}
    text = admin(stack, "topics", "describe")
    assert "TOPIC" in text.stdout
    assert "dlq.metadata" in text.stdout
    unknown = admin(stack, "topics", "describe", "no.such.topic")
    assert unknown.returncode == 1
    assert "no.such.topic" in unknown.stderr


@pytest.mark.parametrize(
    "content, words",
    [
        ("{", "topics.json, line 1"),
        ("{}", "topics: none"),
        ('{"partitions": 0, "profiles": {"local": {"replication": 1, "config": {}}}, "topics": [{"name": "x", "config": {}}]}', "at least 1"),
        ('{"partitions": 1, "profiles": {"local": {"replication": 1, "config": {}}}, "topics": [{"config": {}}]}', "without a name"),
        ('{"partitions": 1, "profiles": {"local": {"replication": 1, "config": {}}}, "topics": [{"name": "x", "config": {"a": 1}}]}', "is a string"),
        ('{"partitions": 1, "profiles": {"other": {"replication": 1, "config": {}}}, "topics": [{"name": "x", "config": {}}]}', "no profile `local` (there are: other)"),
    ],
)
def test_a_bad_file_is_refused(stack, tmp_path, content, words):
    path = tmp_path / "topics.json"
    path.write_text(content)
    done = apply(stack, str(path))
    assert done.returncode == 1
    assert words in done.stderr


def test_broker_away(stack):
    done = admin(stack, "topics", "check", "--profile", "local", MR_BROKERS="127.0.0.1:1")
    assert done.returncode == 75
    assert "127.0.0.1:1" in done.stderr
