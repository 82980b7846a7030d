"""Each dependency of mr-upload stopped in turn, and back."""

import hashlib
import json
import time

import httpx
import pytest

from support import log
from support.stack import wait_for
from support.upload_program import UploadProgram, assert_store_is_clean, wait_state
from support.users import put_part

pytestmark = pytest.mark.fault
SHA = hashlib.sha256(b"x").hexdigest()


def complete_until_done(user, upload_id: str, timeout: float = 60) -> httpx.Response:
    return wait_for(
        "complete succeeds",
        lambda: (a if (a := user.complete(upload_id)).status_code == 200 else None),
        timeout,
        0.2,
    )


def test_broker_stopped(whole_stack, new_user, db, s3, full):
    """Completes go on being answered, and all is published once when it returns, in no storm."""
    stack, each = whole_stack, 40
    users = [new_user() for _ in range(5 if full else 1)]  # the open sessions of one user are limited
    sessions = [(u, u.initiate(f"/log/{i}", b"x")) for u in users for i in range(each)]
    for user, session in sessions:
        user.put_parts(session, b"x")
    before = log.end_offset(stack, "file.uploaded")
    stack.down("kafka")
    took = []
    for user, session in sessions:
        start = time.monotonic()
        answer = user.complete(session["upload_id"])
        took.append(time.monotonic() - start)
        assert (answer.status_code, answer.json()["state"], answer.json()["version"]) == (202, "assembled", 1)
    slow = [t for t in took if t > 1]
    assert len(slow) <= 2, "once the log is known to be away nobody waits for it"
    user = users[0]
    again = user.complete(sessions[0][1]["upload_id"], wait=False)
    assert (again.status_code, again.json()["state"]) == (202, "assembled")
    # New uploads start as ever.
    late = user.initiate("/log/late", b"x")
    user.put_parts(late, b"x")
    stack.up("kafka")
    for _, session in sessions:
        wait_state(db, session["upload_id"], "published", 90)
    for user, session in [*sessions, (user, late)]:
        assert complete_until_done(user, session["upload_id"]).json()["version"] == 1
    written = log.end_offset(stack, "file.uploaded") - before
    # Only those that were under way when the log stopped answering may be there twice.
    assert len(sessions) + 1 <= written <= len(sessions) + 1 + len(slow) + 2, "each once"
    for user in users:
        rows = db.execute(
            "SELECT v.file_id, count(*) FROM file_versions v JOIN files USING (file_id) WHERE files.user_id = %s GROUP BY 1",
            [user.user_id],
        ).fetchall()
        assert {n for _, n in rows} == {1}
        assert_store_is_clean(db, s3, stack["MR_S3_BUCKET"], user.user_id)


def test_no_storm_when_the_broker_returns(whole_stack, new_user, db, tmp_path):
    """The relay sends a batch at a time, and each record once."""
    stack, batch, n = whole_stack, 4, 30
    user = new_user()
    stack.down("mr-upload")
    program = UploadProgram(stack, tmp_path / "mr-upload.log", MR_RELAY_BATCH=str(batch))
    try:
        mine = program.start().user(user)
        sessions = [mine.initiate(f"/storm/{i}", b"x") for i in range(n)]
        for session in sessions:
            mine.put_parts(session, b"x")
        stack.down("kafka")
        for session in sessions:
            assert mine.complete(session["upload_id"], wait=False).json()["state"] == "assembled"
        sent_before = relayed(program)
        time.sleep(3)
        assert relayed(program) == sent_before, "a log that is away is not sent to"
        stack.up("kafka")
        for session in sessions:
            wait_state(db, session["upload_id"], "published", 90)
        sent = relayed(program)
        assert max(sent) <= batch
        assert sum(sent) <= n + batch, "nothing is sent again and again"
    finally:
        program.stop()


def relayed(program: UploadProgram) -> list[int]:
    """How many records the relay sent each time."""
    lines = [json.loads(line) for line in program.log.read_text().splitlines() if line.startswith("{")]
    return [line["records"] for line in lines if line.get("msg") == "the relay sent what was left"]


def test_database_stopped(whole_stack, user, db):
    stack = whole_stack
    whole = user.initiate("/pg/whole", b"x")
    user.put_parts(whole, b"x")
    stack.down("postgres")
    calls = [
        lambda: user.http.post("/upload/initiate", json={"path": "/pg/new", "size": 1}),
        lambda: user.http.post(
            "/upload/chunk", json={"upload_id": whole["upload_id"], "parts": [{"part_number": 1, "sha256": SHA}]}
        ),
        lambda: user.http.get(f"/upload/{whole['upload_id']}"),
        lambda: user.complete(whole["upload_id"]),
        lambda: user.http.delete(f"/upload/{whole['upload_id']}"),
    ]
    for call in calls:
        answer = call()
        assert answer.status_code == 503, answer.text
        assert int(answer.headers["retry-after"]) >= 1
        assert answer.json()["status"] == 503
    stack.up("postgres")
    wait_for("a new upload starts", lambda: calls[0]().status_code == 201, 60, 0.2)
    assert complete_until_done(user, whole["upload_id"]).json()["version"] == 1
    assert user.download(whole["file_id"]) == b"x"


def test_registry_stopped(whole_stack, user):
    whole_stack.down("registry")
    for i in range(5):
        assert user.upload(f"/registry/{i}", b"r").version == 1


def test_store_stopped(whole_stack, user, db, s3):
    stack = whole_stack
    whole = user.initiate("/store/whole", b"x")
    user.put_parts(whole, b"x")
    stack.down("minio")
    for call in (
        lambda: user.http.post("/upload/initiate", json={"path": "/store/new", "size": 1}),
        lambda: user.http.get(f"/upload/{whole['upload_id']}"),
        lambda: user.complete(whole["upload_id"]),
        lambda: user.complete(whole["upload_id"], wait=False),
    ):
        answer = call()
        assert answer.status_code == 503, answer.text
        assert "retry-after" in answer.headers
        assert answer.json()["status"] == 503
    # URLs are signed without asking the store, and are good once it is back.
    signed = user.chunk(whole["upload_id"], b"x")
    # What nothing was done to is open as before.
    assert db.execute("SELECT state FROM upload_sessions WHERE upload_id = %s", [whole["upload_id"]]).fetchone() == ("open",)
    # A refused start leaves no reservation: nothing was made.
    assert db.execute("SELECT 1 FROM files WHERE user_id = %s AND path = '/store/new'", [user.user_id]).fetchone() is None
    stack.up("minio")
    assert put_part(signed[0], b"x").status_code == 200
    assert complete_until_done(user, whole["upload_id"]).json()["version"] == 1
    again = user.initiate("/store/new", b"x")
    assert put_part(again["parts"][0], b"x").status_code == 200
    assert user.complete(again["upload_id"]).status_code == 200
    assert_store_is_clean(db, s3, stack["MR_S3_BUCKET"], user.user_id)


@pytest.mark.parametrize("server", ["postgres", "registry", "minio"])
def test_start_waits_for_what_is_away(whole_stack, user, tmp_path, server):
    stack = whole_stack
    program = UploadProgram(stack, tmp_path / "mr-upload.log")
    stack.down(server)
    try:
        program.start(ready=False)
        wait_for("it lives", lambda: alive(program), 10)
        ready = httpx.get(f"{program.metrics}/readyz", timeout=5)
        assert ready.status_code == 503
        assert len(ready.text) > 10, "says why"
        assert program.running()
        stack.up(server)
        wait_for("it is ready", program.is_ready, 60)
        assert program.user(user).upload(f"/after/{server}", b"a").version == 1
    finally:
        program.stop()


def alive(program: UploadProgram) -> bool:
    try:
        return httpx.get(f"{program.metrics}/healthz", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def test_start_without_the_log(whole_stack, user, db, tmp_path):
    """The log may be away when the program starts: uploads are taken, and published when it returns."""
    stack = whole_stack
    program = UploadProgram(stack, tmp_path / "mr-upload.log")
    stack.down("kafka")
    try:
        mine = program.start().user(user)
        session = mine.initiate("/quiet", b"q")
        mine.put_parts(session, b"q")
        answer = mine.complete(session["upload_id"], wait=False)
        assert (answer.status_code, answer.json()["state"]) == (202, "assembled")
        stack.up("kafka")
        assert wait_state(db, session["upload_id"], "published", 60)["version"] == 1
    finally:
        program.stop()
