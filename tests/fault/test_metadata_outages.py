"""The world breaks around mr-metadata: it waits, skips nothing, and goes on by itself."""

import time

import httpx
import pytest

from support import log
from support.events import GROUP, TOPICS, Log, new_ids, rows_of_files, uploaded, versions_of, wait_drained
from support.metadata_program import MetadataProgram, wait_group_empty
from support.stack import wait_for

pytestmark = pytest.mark.fault


@pytest.fixture
def events(stack):
    return Log(stack)


def readiness(stack) -> tuple[int, str]:
    answer = httpx.get(f"http://{stack['MR_METRICS_MR_METADATA']}/readyz", timeout=10)
    return answer.status_code, answer.text


def connect(stack):
    import psycopg

    return psycopg.connect(stack["MR_PG_DSN"], autocommit=True)


def test_postgresql_stopped(whole_stack, events):
    """Longer than all attempts of a record would take, were they counted."""
    stack = whole_stack
    wait_drained(stack)
    letters = log.end_offset(stack, "dlq.metadata")
    retries = log.end_offset(stack, "retry.metadata")
    (pid,) = stack.pids("mr-metadata")
    stack.down("postgres")
    ids = new_ids(60)
    for file_id in ids:
        events.send(uploaded(file_id))
    events.flush()
    wait_for("it says what it waits for", lambda: readiness(stack)[0] == 503, 20)
    time.sleep(8)
    status, text = readiness(stack)
    assert status == 503
    print("readyz:", text.strip()[:200])
    assert stack.pids("mr-metadata") == [pid]
    assert log.lag(stack, GROUP, TOPICS) == len(ids), "nothing may be committed meanwhile"
    stack.up("postgres")
    back = time.monotonic()
    with connect(stack) as db:
        wait_for("everything is applied", lambda: len(rows_of_files(db, ids)) == len(ids), 60)
        print(f"applied {time.monotonic() - back:.1f} s after PostgreSQL was back")
        wait_drained(stack)
        assert versions_of(db, ids) == sorted((i, 1) for i in ids)
    assert log.end_offset(stack, "dlq.metadata") == letters
    assert log.end_offset(stack, "retry.metadata") == retries
    wait_for("it is ready again", lambda: readiness(stack)[0] == 200, 20)
    assert stack.pids("mr-metadata") == [pid]


def test_started_while_postgresql_is_away(whole_stack, events, tmp_path):
    stack = whole_stack
    stack.down("mr-metadata", "postgres")
    wait_group_empty(stack)
    program = MetadataProgram(stack, tmp_path / "mr-metadata.log").start()
    try:
        (file_id,) = new_ids(1)
        events.send(uploaded(file_id))
        events.flush()
        time.sleep(3)
        assert program.running(), program.tail()
        stack.up("postgres")
        with connect(stack) as db:
            wait_for("the event is applied", lambda: rows_of_files(db, [file_id]), 40)
        assert program.stop() == 0, program.tail()
    finally:
        program.kill()


def test_registry_stopped(whole_stack, db, events):
    """A running program goes on with the schemas it knows."""
    stack = whole_stack
    first, second = new_ids(2)
    events.send(uploaded(first))
    events.flush()
    wait_for("the first is applied", lambda: rows_of_files(db, [first]))
    stack.down("registry")
    events.send(uploaded(second))  # the test's serializer knows its schema, too
    events.flush()
    wait_for("the second is applied", lambda: rows_of_files(db, [second]), 20)
    wait_drained(stack)
    assert readiness(stack)[0] == 200


def test_broker_stopped(whole_stack, db, events):
    stack = whole_stack
    wait_drained(stack)
    (pid,) = stack.pids("mr-metadata")
    stack.down("kafka")
    time.sleep(3)
    stack.up("kafka")
    (file_id,) = new_ids(1)
    events.send(uploaded(file_id))
    events.flush()
    wait_for("an event after it is applied", lambda: rows_of_files(db, [file_id]), 60)
    assert stack.pids("mr-metadata") == [pid]
