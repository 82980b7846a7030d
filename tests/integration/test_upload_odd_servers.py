"""mr-upload with a store and a log that do what real ones at hand do not."""

import json

import httpx
import pytest

from support.fake_store import FakeStore
from support.mock_log import OUT_OF_ORDER_SEQUENCE_NUMBER, PRODUCE, MockLog
from support.stack import wait_for
from support.upload_program import UploadProgram, session_row, wait_state
from support.users import put_part

FATAL = 70


@pytest.fixture
def store(request):
    fake = FakeStore(getattr(request, "param", ""))
    yield fake
    fake.close()


@pytest.fixture
def program(stack, tmp_path):
    made = []

    def make(**settings):
        made.append(UploadProgram(stack, tmp_path / f"mr-upload.{len(made)}.log", **settings))
        return made[-1]

    yield make
    for p in made:
        p.stop()


def of(fake: FakeStore) -> dict[str, str]:
    return {"MR_S3_ENDPOINT": fake.url, "MR_S3_PUBLIC_ENDPOINT": fake.url}


@pytest.mark.parametrize(
    ("store", "said"),
    [
        ("wrong-bytes", "takes a part with other bytes than were signed"),
        ("wrong-length", "takes a part of another length than was signed"),
        ("late-part", "takes a part of an upload that is complete"),
    ],
    indirect=["store"],
)
def test_a_store_that_takes_what_it_must_refuse(program, store, said):
    p = program(**of(store)).start(ready=False)
    assert p.wait_exit() == FATAL, p.tail()
    errors = [line for line in p.tail().splitlines() if json.loads(line)["level"] == "error"]
    assert len(errors) == 1, errors
    assert said in errors[0]


def test_parts_replaced_while_they_are_put_together(program, store, user, stack, s3, db):
    mine = program(**of(store)).start().user(user)
    session = mine.initiate("/odd/replaced", b"first")
    assert put_part(session["parts"][0], b"first").status_code == 200
    # All there when looked at again: ask again.
    store.refused_completions = 1
    answer = mine.complete(session["upload_id"], wait=False)
    assert (answer.status_code, answer.json()["type"].rsplit(":", 1)[1]) == (409, "parts-changed"), answer.text
    assert int(answer.headers["retry-after"]) >= 1
    # Gone when looked at again: the answer names it.
    store.refused_completions, store.before_refusal = 1, lambda parts: parts.clear()
    answer = mine.complete(session["upload_id"], wait=False)
    assert (answer.status_code, answer.json()["missing"], answer.json()["wrong"]) == (409, [1], []), answer.text
    assert session_row(db, session["upload_id"])["state"] == "open"
    assert put_part(session["parts"][0], b"first").status_code == 200
    assert mine.complete(session["upload_id"], wait=False).json()["version"] == 1
    # The version is on the real log: the real store has its object, too, when the audit looks.
    s3.put_object(Bucket=stack["MR_S3_BUCKET"], Key=session_row(db, session["upload_id"])["s3_key"], Body=b"first")


def test_a_broken_producer_ends_the_program(program, user, db):
    """What librdkafka calls fatal cannot be mended in the process; the next one sends what is left."""
    log = MockLog()
    try:
        p = program(MR_BROKERS=log.brokers, MR_RELAY_INTERVAL="10s").start()
        mine = p.user(user)
        session = mine.initiate("/odd/broken", b"b")
        mine.put_parts(session, b"b")
        log.fail_next(PRODUCE, OUT_OF_ORDER_SEQUENCE_NUMBER)
        try:
            answer = mine.complete(session["upload_id"], wait=False)
            assert (answer.status_code, answer.json()["state"]) == (202, "assembled")
        except httpx.TransportError:
            pass  # it was quicker to end
        assert p.wait_exit() == FATAL, p.tail()
        last = json.loads(p.tail().splitlines()[-1])
        assert last["level"] == "error"
        assert "broken for good" in last["msg"]
    finally:
        log.close()
    wait_state(db, session["upload_id"], "published", 60)  # by the stack's own replica
    wait_for("it can be read", lambda: user.http.get(f"/files/{session['file_id']}").status_code == 200)
