"""Records that can never be applied: dead-lettered with their reason, looked at, replayed and dropped."""

import io
import json
import struct
import time
import uuid

import fastavro
import pytest
from confluent_kafka.schema_registry import Schema

from support import log
from support.events import GROUP, POISON, TOPICS, Log, new_ids, processed, rows_of_files, uploaded, wait_drained
from support.metadata_program import admin
from support.stack import wait_for

ERROR = "__connect.errors."


@pytest.fixture
def events(stack):
    return Log(stack)


def letters(stack, key: str, partition: int) -> list:
    return [r for r in log.read_partition(stack, "dlq.metadata", partition) if r.key() == key.encode()]


def listed(stack, key: str, *options: str) -> list[dict]:
    done = admin(stack, "dlq", "list", "--worker", "metadata", "--json", *options)
    assert done.returncode == 0, done.stderr
    return [row for row in json.loads(done.stdout)["letters"] if row["key"] == key]


def drop_all(stack, key: str) -> None:
    for row in listed(stack, key):
        position = ["--partition", str(row["partition"]), "--offset", str(row["offset"])]
        done = admin(stack, "dlq", "drop", "metadata", *position, "--yes")
        assert done.returncode == 0, done.stderr


def varint(n: int) -> bytes:
    n = (n << 1) ^ (n >> 63)
    out = bytearray()
    while n & ~0x7F:
        out.append((n & 0x7F) | 0x80)
        n >>= 7
    return bytes([*out, n])


def unknown_id(stack) -> int:
    """The next id that the registry will give out."""
    registry = log.registry(stack)
    known = [registry.get_latest_version(s).schema_id for s in registry.get_subjects()]
    return max(known) + 1


def poison(events: Log, kind: str, file_id: str) -> bytes:
    good = events.encode(uploaded(file_id), "file.uploaded")
    return {
        "random bytes": b"\x8f\x13 not avro at all \xff\xfe",
        "unknown schema id": b"\0" + struct.pack(">I", 2_000_000_000) + good[5:],
        "truncated": good[: len(good) // 2],
        "negative length": good[:5] + varint(-5) + good[6:],
        "huge length": good[:5] + varint(1 << 40) + good[6:],
        "trailing bytes": good + b"more",
        "empty": b"",
        "header only": good[:5],
        "negative size": events.encode(uploaded(file_id, size=-1), "file.uploaded"),
        "version 0": events.encode(uploaded(file_id, version=0), "file.uploaded"),
        "nul in path": events.encode(uploaded(file_id, path="/a\0b"), "file.uploaded"),
        "another file's key": events.encode(uploaded(str(uuid.uuid4())), "file.uploaded"),
        "other event's bytes": events.encode(processed(file_id, 1, "SCAN", "OK"), "file.processed"),
    }[kind]


REASONS = {
    "random bytes": ["magic", "0x00", "frame"],
    "unknown schema id": ["2000000000"],
    "truncated": ["past the end", "truncated", "short", "ends"],
    "negative length": ["negative"],
    "huge length": ["past the end", "too long", "length", "ceiling"],
    "trailing bytes": ["trailing", "follow"],
    "empty": ["empty", "short", "0 bytes"],
    "header only": ["bytes end"],
    "negative size": ["size"],
    "version 0": ["version"],
    "nul in path": ["U+0000"],
    "another file's key": ["key"],
    "other event's bytes": ["FileProcessed", "schema", "record", "field"],
}


@pytest.mark.parametrize("kind", REASONS)
def test_poison_is_dead_lettered_and_its_partition_goes_on(stack, db, events, kind):
    (file_id,) = new_ids(1)
    value = poison(events, kind, file_id)
    events.send_bytes("file.uploaded", file_id, value, partition=7, headers=[POISON, ("x-kept", b"\xff\0bytes")])
    events.send(uploaded(file_id), partition=7)
    source = events.flush()[0]
    wait_for("the event after it is applied", lambda: rows_of_files(db, [file_id]))
    (letter,) = wait_for("the dead letter", lambda: letters(stack, file_id, 7))
    headers = dict(letter.headers())
    assert (letter.partition(), letter.value()) == (7, value)
    assert headers["x-kept"] == b"\xff\0bytes"
    assert headers[ERROR + "topic"] == b"file.uploaded"
    assert headers[ERROR + "partition"] == b"7"
    assert headers[ERROR + "offset"] == str(source.offset()).encode()
    assert headers[ERROR + "connector.name"] == b"metadata"
    assert headers["mr.attempts"] == b"1"
    reason = headers[ERROR + "exception.message"].decode()
    assert any(word.lower() in reason.lower() for word in REASONS[kind]), reason
    print(f"{kind}: {reason}")
    (row,) = listed(stack, file_id)
    assert row["reason"] == reason
    assert (row["source_topic"], row["source_partition"], row["source_offset"]) == ("file.uploaded", 7, source.offset())
    drop_all(stack, file_id)
    assert listed(stack, file_id) == []
    assert [r["state"] for r in listed(stack, file_id, "--all")] == ["dropped"]


def test_null_on_file_processed_is_rejected(stack, events):
    (file_id,) = new_ids(1)
    events.send_bytes("file.processed", file_id, None, partition=2, headers=[POISON])
    events.flush()
    (letter,) = wait_for("the dead letter", lambda: letters(stack, file_id, 2))
    assert letter.value() is None
    shown = admin(stack, "dlq", "show", "metadata", str(letter.partition()), str(letter.offset()))
    assert "value: null" in shown.stdout
    drop_all(stack, file_id)


def test_a_constraint_violation_is_found_alone_in_its_batch(stack, db, events):
    """Another file owns the path already: PostgreSQL refuses that row, and only that event is given up."""
    ids = new_ids(40)
    guilty = ids[17]
    taken = uploaded(guilty)
    db.execute(
        "INSERT INTO files (file_id, user_id, path) VALUES (%s, %s, %s)",
        [uuid.uuid4(), taken["owner_id"], taken["path"]],
    )
    for file_id in ids:
        events.send(uploaded(file_id), partition=3)
    events.flush()
    (letter,) = wait_for("the dead letter", lambda: letters(stack, guilty, 3))
    assert "files_owner_path" in dict(letter.headers())[ERROR + "exception.message"].decode()
    wait_drained(stack)
    assert sorted(rows_of_files(db, ids)) == sorted(i for i in ids if i != guilty)
    given_up = {r.key().decode() for r in log.read_partition(stack, "dlq.metadata", 3)}
    assert given_up & set(ids) == {guilty}

    # Fixed by moving the file that was in the way, and replayed.
    db.execute("UPDATE files SET path = path || '.moved' WHERE user_id = %s", [taken["owner_id"]])
    (row,) = listed(stack, guilty)
    position = ["--partition", str(row["partition"]), "--offset", str(row["offset"])]
    done = admin(stack, "dlq", "replay", "metadata", *position)
    assert done.returncode == 0, done.stderr
    wait_for("the replayed file is there", lambda: rows_of_files(db, [guilty]))
    wait_drained(stack)
    assert listed(stack, guilty) == []
    again = admin(stack, "dlq", "replay", "metadata", *position)
    assert again.returncode == 1
    assert "replayed already" in again.stdout
    # Twice is harmless.
    before = rows_of_files(db, [guilty])
    assert admin(stack, "dlq", "replay", "metadata", *position, "--yes").returncode == 0
    wait_drained(stack)
    assert rows_of_files(db, [guilty]) == before
    assert len(letters(stack, guilty, 3)) == 1


def test_replay_of_what_is_still_broken_comes_back(stack, events):
    (file_id,) = new_ids(1)
    events.send_bytes("file.uploaded", file_id, b"junk", partition=5, headers=[POISON, ("x-kept", b"1")])
    source = events.flush()[0]
    (first,) = wait_for("the dead letter", lambda: letters(stack, file_id, 5))
    done = admin(stack, "dlq", "replay", "metadata", "--partition", "5", "--offset", str(first.offset()))
    assert done.returncode == 0, done.stderr
    assert "1 replayed" in done.stdout
    second = wait_for("it comes back", lambda: [r for r in letters(stack, file_id, 5) if r.offset() > first.offset()])[0]
    headers = dict(second.headers())
    assert second.value() == b"junk"
    assert headers["x-kept"] == b"1"
    assert headers[ERROR + "topic"] == b"file.uploaded"
    assert headers[ERROR + "offset"] == str(source.offset()).encode()
    assert headers["mr.attempts"] == b"1"
    assert [h for h, _ in second.headers()].count("mr.attempts") == 1
    (row,) = listed(stack, file_id)
    assert row["offset"] == second.offset()
    drop_all(stack, file_id)


def test_replay_works_once_the_schema_is_registered(stack, db, events):
    """An event of a newer program whose schema came too late."""
    (file_id,) = new_ids(1)
    schema = log.schema_json("FileUploaded")
    schema["fields"].append({"name": f"added_{uuid.uuid4().hex}", "type": ["null", "string"], "default": None})
    event = {k: str(v) if isinstance(v, uuid.UUID) else v for k, v in uploaded(file_id).items()}
    body = io.BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(json.loads(json.dumps(schema))), event)
    schema_id = unknown_id(stack)
    events.send_bytes("file.uploaded", file_id, b"\0" + struct.pack(">I", schema_id) + body.getvalue(), 9, headers=[POISON])
    events.flush()
    (letter,) = wait_for("the dead letter", lambda: letters(stack, file_id, 9))
    position = [str(letter.partition()), str(letter.offset())]
    shown = admin(stack, "dlq", "show", "metadata", *position)
    assert f"{schema_id}" in shown.stdout
    assert "not decodable" in shown.stdout

    subject = f"test-{uuid.uuid4().hex}-value"
    assert log.registry(stack).register_schema(subject, Schema(json.dumps(schema), "AVRO")) == schema_id
    shown = admin(stack, "dlq", "show", "metadata", *position, "--json")
    assert json.loads(shown.stdout)["event"]["file_id"] == file_id
    time.sleep(6)  # for 5 s the worker remembers that the registry did not know the id
    done = admin(stack, "dlq", "replay", "metadata", "--partition", position[0], "--offset", position[1])
    assert done.returncode == 0, done.stderr
    wait_for("the replayed file is there", lambda: rows_of_files(db, [file_id]))
    wait_drained(stack)
    assert len(letters(stack, file_id, 9)) == 1
    assert listed(stack, file_id) == []


def test_replay_all(stack, events):
    """Takes every open letter and none that was dropped."""
    ids = new_ids(3)
    drop_these, replay_these = ids[:1], ids[1:]
    for file_id in ids:
        events.send_bytes("file.uploaded", file_id, b"junk", partition=1, headers=[POISON])
    events.flush()
    for file_id in ids:
        wait_for("the dead letter", lambda file_id=file_id: letters(stack, file_id, 1))
    for file_id in drop_these:
        drop_all(stack, file_id)
    done = admin(stack, "dlq", "replay", "metadata", "--all")
    assert done.returncode == 0, done.stderr
    for file_id in replay_these:
        wait_for("it comes back", lambda file_id=file_id: len(letters(stack, file_id, 1)) == 2)
        drop_all(stack, file_id)
    assert len(letters(stack, drop_these[0], 1)) == 1
    assert listed(stack, drop_these[0]) == []


def test_the_group_commits_past_poison(stack):
    wait_drained(stack)
    assert log.lag(stack, GROUP, TOPICS) == 0
