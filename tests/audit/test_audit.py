"""After everything else: all that the other tests left on the log, in the tables and in the store, looked at once more by
programs that no one here wrote. Run it last (./dev test integration fault audit); alone, it looks at what it makes itself."""

import concurrent.futures
import hashlib
import os

import pytest
from confluent_kafka.schema_registry.avro import AvroDeserializer

from support import log
from support.events import POISON, Log, wait_drained
from support.stack import wait_for
from support.upload_program import open_uploads
from support.users import part_size_of

ERROR = "__connect.errors."
# mr-upload's; tests that write rows and objects themselves use other folders.
OURS = "files/"
ENDED = "('published', 'aborted', 'expired')"


@pytest.fixture(scope="module", autouse=True)
def settled(stack):
    """Everything runs, and has nothing left to do."""
    stack.up()
    wait_drained(stack, 120)


def left_over(db, where: str) -> int:
    return db.execute(f"SELECT count(*) FROM upload_sessions WHERE {where}").fetchone()[0]


def test_every_record_decodes_or_is_a_dead_letter(stack, user):
    made = user.upload("/audit/log.bin", b"audit")
    events = Log(stack)
    events.send_bytes("file.processed", made.file_id, b"junk", partition=3, headers=[POISON])
    poison = events.flush()[0]
    wait_drained(stack)
    deserializer = AvroDeserializer(log.registry(stack))
    bad, decoded = set(), {}
    for topic in ("file.uploaded", "file.backfill", "file.processed"):
        for record in log.read_all(stack, topic, 120):
            if POISON in (record.headers() or []):
                bad.add((topic, record.partition(), record.offset()))
            elif record.value() is not None:  # null on file.uploaded: purged
                event = log.decode(stack, record, deserializer)
                assert record.key().decode() == str(event["file_id"]), (topic, record.partition(), record.offset())
                decoded.setdefault(topic, set()).add(str(event["file_id"]))
    assert made.file_id in decoded["file.uploaded"]
    assert ("file.processed", 3, poison.offset()) in bad
    letters = set()
    for record in log.read_all(stack, "dlq.metadata", 120):
        headers = dict(record.headers())
        topic, partition, offset = (headers[ERROR + name].decode() for name in ("topic", "partition", "offset"))
        letters.add((topic, int(partition), int(offset)))
    assert bad - letters == set()
    print(f"{ {topic: len(ids) for topic, ids in decoded.items()} } files decoded, {len(bad)} broken records are dead letters")


def test_the_store_holds_what_the_versions_name_and_nothing_else(stack, db, s3, user):
    bucket = stack["MR_S3_BUCKET"]
    data = os.urandom((8 << 20) + 12345)
    made = user.upload("/audit/two-parts.bin", data)
    wait_for("everything assembled is published", lambda: left_over(db, "state IN ('completing', 'assembled')") == 0, 90)
    wait_drained(stack)
    versions = {
        key: (size, content_hash)
        for key, size, content_hash in db.execute(
            "SELECT s3_key, size, content_hash FROM file_versions WHERE starts_with(s3_key, %s)", [OURS]
        ).fetchall()
    }
    assert any(made.file_id in key for key in versions)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=OURS)
    objects = {o["Key"]: o["Size"] for page in pages for o in page.get("Contents", [])}
    assert objects == {key: size for key, (size, _) in versions.items()}
    sessions = db.execute("SELECT s3_key FROM upload_sessions WHERE state = 'published'").fetchall()
    assert {key for (key,) in sessions} <= set(versions)

    def composite(key: str) -> bytes:
        """SHA-256 over the SHA-256s of the parts, whose size follows from the file's."""
        part = part_size_of(versions[key][0])
        body = s3.get_object(Bucket=bucket, Key=key)["Body"]
        hashes = [hashlib.sha256(piece).digest() for piece in body.iter_chunks(part)]
        return hashlib.sha256(b"".join(hashes or [hashlib.sha256(b"").digest()])).digest()

    with concurrent.futures.ThreadPoolExecutor(4) as executor:
        for key, got in zip(versions, executor.map(composite, versions), strict=True):
            assert got == versions[key][1], key
    print(f"{len(versions)} objects read back, {sum(objects.values()) >> 20} MiB")


def test_no_session_that_ended_has_an_upload_in_the_store(stack, db, s3, user):
    bucket = stack["MR_S3_BUCKET"]
    session = user.initiate("/audit/given-up.bin", b"never sent")
    (key,) = db.execute("SELECT s3_key FROM upload_sessions WHERE upload_id = %s", [session["upload_id"]]).fetchone()
    assert len(open_uploads(s3, bucket, key)) == 1
    assert user.http.delete(f"/upload/{session['upload_id']}").status_code == 204
    # What could not be cleaned at once is the sweep's.
    wait_for("ended sessions are clean", lambda: left_over(db, "state IN ('aborted', 'expired') AND s3_upload_id <> ''") == 0, 60)
    ended = {key for (key,) in db.execute(f"SELECT s3_key FROM upload_sessions WHERE state IN {ENDED}").fetchall()}
    under_way = {key for (key,) in db.execute(f"SELECT s3_key FROM upload_sessions WHERE state NOT IN {ENDED}").fetchall()}
    assert key in ended
    with concurrent.futures.ThreadPoolExecutor(8) as executor:
        orphans = [uploads for uploads in executor.map(lambda k: open_uploads(s3, bucket, k), ended - under_way) if uploads]
    assert orphans == []
