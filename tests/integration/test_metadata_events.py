"""What mr-metadata makes of events, in any order, seen through the tables."""

import os
import random

import pytest
from confluent_kafka.schema_registry.avro import AvroDeserializer

from support import log
from support.events import (
    POISON,
    Log,
    dump,
    model_files,
    model_stages,
    new_ids,
    processed,
    random_events,
    rows_of_files,
    rows_of_stages,
    uploaded,
    versions_of,
    wait_drained,
)
from support.stack import wait_for

SEEDS = [int(s) for s in os.environ.get("MR_TEST_SEEDS", "").split()] or None


@pytest.fixture
def events(stack):
    return Log(stack)


def file_row(db, file_id: str):
    return rows_of_files(db, [file_id]).get(file_id)


def test_a_stranger_decodes_every_record(stack, db, user, events):
    """confluent-kafka's AvroDeserializer with nothing but the registry's URL."""
    made = user.upload("/decode/me.txt", b"x" * 1000)
    assert made.version == 1
    backfilled, scanned = new_ids(2)
    events.send(uploaded(backfilled, origin="BACKFILL"), "file.backfill")
    events.send(processed(scanned, 1, "THUMBNAIL", "OK"))
    events.flush()
    deserializer = AvroDeserializer(log.registry(stack))
    seen = {}
    for topic in ("file.uploaded", "file.backfill", "file.processed"):
        for record in log.read_all(stack, topic):
            if POISON in (record.headers() or []) or record.value() is None:
                continue
            event = log.decode(stack, record, deserializer)
            assert record.key().decode() == str(event["file_id"])
            seen.setdefault(topic, set()).add(str(event["file_id"]))
    assert made.file_id in seen["file.uploaded"]
    assert backfilled in seen["file.backfill"]
    assert scanned in seen["file.processed"]
    wait_for("the backfilled file is there", lambda: file_row(db, backfilled))


def test_content_columns_and_version_of_one_event(stack, db, events):
    (file_id,) = new_ids(1)
    event = uploaded(file_id, 3)
    events.send(event)
    events.flush()
    wait_for("the file is there", lambda: file_row(db, file_id))
    assert file_row(db, file_id) == model_files([event])[file_id]
    row = db.execute(
        "SELECT event_id, user_id, s3_key, s3_etag, size, content_type, content_hash, created_at FROM file_versions "
        "WHERE file_id = %s",
        [file_id],
    ).fetchone()
    assert row == tuple(
        event[k]
        for k in ("event_id", "user_id", "s3_key", "s3_etag", "size", "content_type", "content_hash", "occurred_at")
    )
    path, owner, next_version = db.execute(
        "SELECT path, user_id, next_version FROM files WHERE file_id = %s", [file_id]
    ).fetchone()
    assert (path, owner, next_version) == (event["path"], event["owner_id"], 4)


def test_a_late_old_event_changes_nothing(stack, db, events, user):
    first = user.upload("/late/file.txt", b"one")
    user.upload("/late/file.txt", b"two")
    old = next(
        r for r in log.read_all(stack, "file.uploaded") if r.key() == first.file_id.encode() and r.value() is not None
    )
    wait_drained(stack)
    before = dump(db, [first.file_id])
    assert len(before["file_versions"]) == 2
    for topic in ("file.uploaded", "file.backfill"):
        events.send_bytes(topic, old.key(), old.value(), headers=old.headers())
    events.flush()
    wait_drained(stack)
    assert dump(db, [first.file_id]) == before


def test_unknown_stage_is_kept_and_unknown_outcome_ignored(stack, db, events):
    (file_id,) = new_ids(1)
    events.send(processed(file_id, 1, "SCAN", "PONDERING", "CLEAN"))
    events.send(processed(file_id, 1, "TRANSCRIBE", "OK", attributes={"language": "ä"}))
    events.flush()
    wait_drained(stack)
    rows = rows_of_stages(db, [file_id])
    assert list(rows) == [(file_id, 1, "TRANSCRIBE")]
    (attributes,) = db.execute("SELECT attributes FROM file_stages WHERE file_id = %s", [file_id]).fetchone()
    assert attributes == {"language": "ä"}


def test_purge_forgets_what_the_namespace_does_not_know(stack, db, events):
    gone, kept = new_ids(2)
    for file_id in (gone, kept):
        events.send(uploaded(file_id))
        events.send(processed(file_id, 1, "SCAN", "OK", "CLEAN"))
    events.flush()
    wait_drained(stack)
    db.execute("DELETE FROM files WHERE file_id = %s", [gone])
    before = dump(db, [kept])
    for file_id in (gone, kept):
        events.send_bytes("file.uploaded", file_id, None)
    events.flush()
    wait_drained(stack)
    assert dump(db, [gone]) == {"files": [], "file_versions": [], "file_stages": []}
    assert dump(db, [kept]) == before
    # What the log still says about it is not brought back by a replay.
    events.send(uploaded(gone))
    events.send(processed(gone, 1, "SCAN", "OK", "CLEAN"))
    events.flush()
    wait_drained(stack)
    assert dump(db, [gone]) == {"files": [], "file_versions": [], "file_stages": []}


def reserve(db, ids: list[str], events: list[dict]) -> None:
    """As mr-upload does before a file's first event."""
    for e in events:
        if "stage" not in e and str(e["file_id"]) in ids:
            db.execute(
                "INSERT INTO files (file_id, user_id, path) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
                [e["file_id"], e["owner_id"], e["path"]],
            )


def test_any_order_between_topics_ends_in_the_same_rows(stack, db, events, full):
    """Against a model written anew in Python; half of the files have no row yet, as after a restore."""
    seeds = SEEDS or [random.randrange(1 << 32) for _ in range(20 if full else 5)]
    print("seeds:", *seeds, "(MR_TEST_SEEDS repeats them)")
    for seed in seeds:
        rng = random.Random(seed)
        ids = new_ids(30)
        made = random_events(rng, ids)
        reserve(db, ids[: len(ids) // 2], made)
        sent = made + rng.choices(made, k=len(made) // 2)
        rng.shuffle(sent)
        for e in sent:
            events.send(e, None if "stage" in e else rng.choice(["file.uploaded", "file.backfill"]))
        events.flush()
        wait_drained(stack)
        expected = model_files(made)
        got = rows_of_files(db, ids)
        assert got == expected, f"seed {seed}"
        assert rows_of_stages(db, ids) == model_stages(made), f"seed {seed}"
        uploads = sorted({(str(e["file_id"]), e["version"]) for e in made if "stage" not in e})
        assert versions_of(db, ids) == uploads, f"seed {seed}"
