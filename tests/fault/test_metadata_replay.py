"""Everything again from the start, as an operator would have it with a public tool: no row changes."""

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

from support import log
from support.events import GROUP, TOPICS, Log, dump, new_ids, processed, uploaded, wait_drained
from support.metadata_program import wait_group_empty

pytestmark = pytest.mark.fault


def rewind(stack) -> int:
    """Sets the group's offsets to the first record of every partition; how many records that is."""
    admin = AdminClient({"bootstrap.servers": stack["MR_BROKERS"]})
    records = 0
    for topic in TOPICS:
        marks = log.watermarks(stack, topic)
        partitions = [TopicPartition(topic, p, low) for p, (low, _) in marks.items()]
        wanted = [ConsumerGroupTopicPartitions(GROUP, partitions)]
        for future in admin.alter_consumer_group_offsets(wanted).values():
            future.result()
        records += sum(high - low for low, high in marks.values())
    return records


def file_of(row) -> str:
    """Of a row of dump(): every table's first column is the file's id."""
    return row[1].lstrip("(").split(",")[0]


def test_replay_from_the_start_changes_no_row(whole_stack, db, user, full):
    stack = whole_stack
    events = Log(stack)
    for n in range(5):
        user.upload(f"/replay/{n % 3}.bin", b"x" * (n + 1))
    ids = new_ids(2000 if full else 300)
    for file_id in ids:
        events.send(uploaded(file_id))
        events.send(processed(file_id, 1, "SCAN", "RUNNING"))
        events.send(processed(file_id, 1, "SCAN", "OK", "CLEAN"))
        events.send(uploaded(file_id, 2))
    events.flush()
    wait_drained(stack)
    stack.down("mr-metadata")
    wait_group_empty(stack)
    before = dump(db)  # of everything in the database, with xmin
    assert len(before["files"]) > len(ids)

    records = rewind(stack)
    assert log.lag(stack, GROUP, TOPICS) == records
    stack.up("mr-metadata")
    wait_drained(stack, 120)
    print(f"{records} records replayed over {len(before['files'])} files")
    after = dump(db)
    for table, rows in before.items():
        assert set(rows) <= set(after[table]), table
        # Files that other tests took out of the tables by hand come back, as they should; of no other is there more.
        known = {file_of(row) for row in rows}
        assert [row for row in set(after[table]) - set(rows) if file_of(row) in known] == [], table
        assert len(after[table]) == len(set(after[table])), table
