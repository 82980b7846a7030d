"""mr-metadata killed: at every kill point, and at random while events come in."""

import random
import time

import pytest

from support import log
from support.events import POISON, Log, dump, model_files, new_ids, processed, rows_of_files, uploaded, versions_of
from support.events import wait_drained
from support.metadata_program import MetadataProgram, kill_points, wait_group_empty
from support.stack import wait_for

pytestmark = pytest.mark.fault

KILLED = 137
# A killed member's partitions are free as soon as the broker misses its heartbeats.
QUICK = {"MR_CONSUMER_SESSION": "6s", "MR_CONSUMER_COMMIT": "50ms"}


@pytest.fixture
def alone(whole_stack):
    """The stack without its own mr-metadata, which would take part of the events."""
    whole_stack.down("mr-metadata")
    wait_group_empty(whole_stack)
    return whole_stack


@pytest.fixture
def program(alone, tmp_path):
    made = MetadataProgram(alone, tmp_path / "mr-metadata.log", **QUICK)
    yield made
    made.kill()


@pytest.fixture
def events(stack):
    return Log(stack)


def test_every_kill_point(alone, db, events, tmp_path):
    """Dies at each point once, while it does what leads there; afterwards everything is as if it had not."""
    points = kill_points(alone)
    assert "metadata.before-commit" in points
    for point in points:
        started = time.monotonic()
        # With a name of its own it comes back as itself, without waiting for the killed one's session to end.
        program = MetadataProgram(alone, tmp_path / f"{point}.log", **QUICK, MR_INSTANCE_ID="killed")
        try:
            die_at(alone, db, events, program, point)
        finally:
            program.kill()
        print(f"{point}: {time.monotonic() - started:.1f} s")


def die_at(stack, db, events, program, point: str) -> None:
    purge = "purge" in point
    ids, bad, gone = new_ids(6), new_ids(1)[0], new_ids(1)[0]
    letters_before = log.end_offset(stack, "dlq.metadata")
    made = [uploaded(i, v) for i in ids for v in (1, 2)]
    made += [processed(ids[0], 2, "SCAN", "OK", "INFECTED"), processed(ids[1], 1, "SCAN", "OK", "CLEAN")]
    for e in made:
        events.send(e)
    if "dead-letter" in point:
        events.send_bytes("file.uploaded", bad, b"junk", headers=[POISON])
    if purge:
        # Left over: versions of a file that the namespace has forgotten.
        db.execute(
            "INSERT INTO file_versions (file_id, version, event_id, user_id, s3_key, s3_etag, size, content_type, "
            "content_hash, created_at) VALUES (%s, 1, %s, %s, 'k', 'e', 1, 't', decode(repeat('00', 32), 'hex'), now())",
            [gone, gone, gone],
        )
        events.send_bytes("file.uploaded", gone, None)
    events.flush()

    if "retry" in point:
        # PostgreSQL refuses only this row, for as long as the lock is held: the record is the one to blame.
        lock_file(stack, db, ids[2])
        with db.transaction():
            db.execute("SELECT 1 FROM files WHERE file_id = %s FOR UPDATE", [ids[2]])
            program.start(
                MR_CRASH_AT=point,
                MR_PG_DSN=stack["MR_PG_DSN"] + "?options=-c%20lock_timeout%3D300ms",
                MR_CONSUMER_HEAD_MAX="1s",
                MR_CONSUMER_ATTEMPTS="1000",
                MR_CONSUMER_BACKOFF="50ms",
                MR_CONSUMER_BACKOFF_MAX="200ms",
            )
            assert program.wait_exit(90) == KILLED, program.tail()
    else:
        program.start(MR_CRASH_AT=point)
        assert program.wait_exit(90) == KILLED, program.tail()

    program.start().wait_ready()
    wait_drained(stack)
    assert rows_of_files(db, ids) == model_files(made), point
    assert versions_of(db, ids) == sorted((i, v) for i in ids for v in (1, 2)), point
    if purge:
        assert dump(db, [gone]) == {"files": [], "file_versions": [], "file_stages": []}
    letters = log.end_offset(stack, "dlq.metadata") - letters_before
    # Killed between the letter and the commit, it may write the letter again; never not at all.
    assert letters in ((1, 2) if "dead-letter" in point else (0,)), (point, letters)
    assert program.stop() == 0, program.tail()


def lock_file(stack, db, file_id: str) -> None:
    event = uploaded(file_id)
    db.execute(
        "INSERT INTO files (file_id, user_id, path) VALUES (%s, %s, %s)", [file_id, event["owner_id"], event["path"]]
    )


def test_killed_at_random_while_events_come_in(stack, db, events, program, full):
    seed = random.randrange(1 << 32)
    rng = random.Random(seed)
    kills, count = (20, 500) if full else (5, 150)
    print(f"seed {seed}: {kills} kills, {count} files")
    letters_before = log.end_offset(stack, "dlq.metadata")
    ids = new_ids(count)
    left = list(ids)
    for kill in range(kills):
        program.start()
        alive_until = time.monotonic() + rng.uniform(0.3, 4.0)
        while time.monotonic() < alive_until:
            if left and rng.random() < count / kills / 20:
                events.send(uploaded(left.pop()))
            time.sleep(0.05)
            assert program.running(), program.tail()
        program.kill()
        share = count * (kills - kill - 1) // kills
        while len(left) > share:  # some arrive while nobody is there
            events.send(uploaded(left.pop()))
    events.flush()
    program.start().wait_ready()
    wait_drained(stack, 120)
    assert versions_of(db, ids) == sorted((i, 1) for i in ids)
    assert rows_of_files(db, ids) == model_files([uploaded(i) for i in ids])
    changes = db.execute(
        "SELECT max(change_seq) FROM files WHERE file_id = ANY(%s::uuid[])", [ids]
    ).fetchone()
    assert changes == (1,), "an event was applied more than once"
    assert log.end_offset(stack, "dlq.metadata") == letters_before
    assert program.stop() == 0, program.tail()


def test_stops_at_once_when_told(alone, events, program):
    program.start().wait_ready()
    for file_id in new_ids(50):
        events.send(uploaded(file_id))
    started = time.monotonic()
    assert program.stop(15) == 0, program.tail()
    assert time.monotonic() - started < 10
    # It left the group: a successor does not wait for a session to end.
    started = time.monotonic()
    program.start()
    wait_for("the successor is ready", program.ready, 15)
    print(f"successor ready after {time.monotonic() - started:.1f} s")
    wait_drained(alone)
    assert program.stop() == 0
