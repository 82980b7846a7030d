"""1 → 3 → 1 replicas while events come in: nothing lost or doubled, and who keeps a partition goes on with it."""

import itertools
import threading
import time

import psycopg
import pytest
from confluent_kafka.admin import AdminClient

from support import log
from support.events import GROUP, Log, model_files, new_ids, rows_of_files, uploaded, versions_of, wait_drained
from support.stack import wait_for

pytestmark = pytest.mark.fault

PARTITIONS = 12
PER_SECOND = 240


class Traffic(threading.Thread):
    """Events at a steady rate to every partition of file.uploaded, until stopped."""

    def __init__(self, stack):
        super().__init__(daemon=True)
        self.events = Log(stack)
        self.sent: dict[str, int] = {}  # file_id → partition
        self.sent_at: dict[str, float] = {}
        self.ended = threading.Event()

    def run(self):
        next_at = time.monotonic()
        n = 0
        while not self.ended.is_set():
            (file_id,) = new_ids(1)
            partition = n % PARTITIONS
            self.sent_at[file_id] = time.monotonic()
            self.sent[file_id] = partition
            self.events.send(uploaded(file_id), partition=partition)
            n += 1
            next_at += 1 / PER_SECOND
            time.sleep(max(0.0, next_at - time.monotonic()))
        self.events.flush()


class Watch(threading.Thread):
    """When each event got into the tables."""

    def __init__(self, stack, traffic: Traffic):
        super().__init__(daemon=True)
        self.stack, self.traffic = stack, traffic
        self.seen: dict[str, float] = {}
        self.ended = threading.Event()

    def run(self):
        with psycopg.connect(self.stack["MR_PG_DSN"], autocommit=True) as db:
            while not self.ended.is_set():
                waiting = [f for f in list(self.traffic.sent) if f not in self.seen]
                rows = db.execute(
                    "SELECT file_id::text FROM file_versions WHERE file_id = ANY(%s::uuid[])", [waiting]
                ).fetchall()
                now = time.monotonic()
                for (file_id,) in rows:
                    self.seen[file_id] = now
                time.sleep(0.02)

    def longest_standstill(self, partitions: set[int], start: float, end: float) -> float:
        """The longest that a partition had something to do and did nothing."""
        longest = 0.0
        for partition in partitions:
            done = sorted((at, f) for f, at in self.seen.items() if self.traffic.sent[f] == partition)
            before = start
            for at, batch in itertools.groupby(done, key=lambda pair: pair[0]):
                waited_since = min(self.traffic.sent_at[f] for _, f in batch)
                if start < at and waited_since < end:
                    longest = max(longest, at - max(before, waited_since))
                before = max(before, at)
        return longest


def assignment(stack) -> dict[str, set[int]]:
    """{member: partitions of file.uploaded}"""
    admin = AdminClient({"bootstrap.servers": stack["MR_BROKERS"]})
    described = admin.describe_consumer_groups([GROUP])[GROUP].result(timeout=10)
    return {
        m.member_id: {tp.partition for tp in (m.assignment.topic_partitions or []) if tp.topic == "file.uploaded"}
        for m in described.members
    }


def settled(stack, replicas: int) -> dict[str, set[int]] | None:
    members = assignment(stack)
    if len(members) == replicas and set().union(*members.values()) == set(range(PARTITIONS)):
        return members
    return None


def kept(before: dict[str, set[int]], after: dict[str, set[int]]) -> set[int]:
    return set().union(*(before[m] & after[m] for m in before.keys() & after.keys()), set())


def scale(stack, replicas: int, watch: Watch, seconds: float) -> tuple[set[int], float, float]:
    before = settled(stack, len(assignment(stack)))
    start = time.monotonic()
    stack.dev("scale", f"metadata={replicas}")
    after = wait_for(f"{replicas} replicas share the partitions", lambda: settled(stack, replicas), 60, every=0.2)
    end = max(time.monotonic(), start + seconds)
    time.sleep(max(0.0, end - time.monotonic()))
    stay = kept(before, after)
    assert stay, "a cooperative rebalance leaves somebody something"
    return stay, start, end


def test_one_three_one(whole_stack, db, full):
    stack = whole_stack
    wait_drained(stack)
    wait_for("one replica has everything", lambda: settled(stack, 1), 30, every=0.2)
    letters = log.end_offset(stack, "dlq.metadata")
    traffic = Traffic(stack)
    watch = Watch(stack, traffic)
    traffic.start()
    watch.start()
    try:
        wait_for("traffic flows", lambda: len(watch.seen) > 2 * PER_SECOND, 30)
        pause = 15 if full else 6
        up = scale(stack, 3, watch, pause)
        down = scale(stack, 1, watch, pause)
    finally:
        traffic.ended.set()
        traffic.join(30)
        stack.dev("scale", "metadata=1")
    wait_drained(stack, 60)
    time.sleep(0.2)
    watch.ended.set()
    watch.join(10)

    ids = list(traffic.sent)
    assert len(watch.seen) == len(ids)
    standstill = {}
    for name, (stay, start, end) in (("1 → 3", up), ("3 → 1", down)):
        standstill[name] = watch.longest_standstill(stay, start, end)
        print(
            f"{name}: {len(stay)} of {PARTITIONS} partitions kept; the longest that one of them had events and made no "
            f"progress: {standstill[name] * 1000:.0f} ms"
        )
    assert versions_of(db, ids) == sorted((i, 1) for i in ids)
    assert rows_of_files(db, ids) == model_files([uploaded(i) for i in ids])
    assert db.execute("SELECT max(change_seq) FROM files WHERE file_id = ANY(%s::uuid[])", [ids]).fetchone() == (1,)
    assert log.end_offset(stack, "dlq.metadata") == letters
    assert max(standstill.values()) < 1.0
