"""mr-upload killed: at every kill point, at random, and between the store's completion and the database's."""

import concurrent.futures
import hashlib
import random
import time

import httpx
import pytest

from support import log
from support.stack import wait_for
from support.upload_program import (
    UploadProgram,
    assert_store_is_clean,
    free_port,
    kill_points,
    open_uploads,
    session_row,
    sessions_of,
    wait_state,
)
from support.users import put_part, split

pytestmark = pytest.mark.fault

MIB = 1 << 20
# Short enough that what a dead program held is taken over within a test.
QUICK = {
    "MR_UPLOAD_LEASE": "2s",
    "MR_RELAY_LEASE": "2s",
    "MR_RELAY_INTERVAL": "100ms",
    "MR_SWEEP_INTERVAL": "200ms",
    "MR_SWEEP_IDLE": "1s",
}
KILLED = 137


@pytest.fixture(scope="module")
def alone(stack):
    """The stack without its own mr-upload, so that nobody else finishes what a test's leaves."""
    stack.down("mr-upload")
    yield stack
    stack.up()


@pytest.fixture
def program(alone, tmp_path):
    made = UploadProgram(alone, tmp_path / "mr-upload.log", **QUICK)
    yield made
    made.stop()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def attempt(call):
    """A request that the program may die under."""
    try:
        return call()
    except httpx.HTTPError:
        return None


def assert_once(db, stack, s3, user, path: str, data: bytes) -> None:
    """The path's file has exactly one version, readable, one object, and nothing else in the store."""
    rows = wait_for(
        f"{path} has its version",
        lambda: db.execute(
            "SELECT f.file_id::text, v.version FROM files f JOIN file_versions v USING (file_id) WHERE f.user_id = %s AND f.path = %s",
            [user.user_id, path],
        ).fetchall(),
        60,
    )
    assert len(rows) == 1, rows
    assert rows[0][1] == 1
    assert user.download(rows[0][0]) == data
    assert_store_is_clean(db, s3, stack["MR_S3_BUCKET"], user.user_id)


def upload_again(user, path: str, data: bytes) -> dict:
    session = user.initiate(path, data)
    user.put_parts(session, data)
    return session


def pytest_generate_tests(metafunc):
    if "point" in metafunc.fixturenames:
        metafunc.parametrize("point", POINTS)


# The list of the program itself is compared with this one below.
POINTS = [
    "upload.initiate.before-reserve",
    "upload.initiate.after-reserve",
    "upload.initiate.after-create",
    "upload.initiate.after-open",
    "upload.complete.before-lease",
    "upload.complete.after-lease",
    "upload.assemble.before-store",
    "upload.assemble.after-store",
    "upload.assemble.before-commit",
    "upload.assemble.after-commit",
    "upload.publish.before-send",
    "upload.publish.after-send",
    "upload.publish.before-mark",
    "upload.publish.after-mark",
    "upload.relay.before-lease",
    "upload.relay.after-lease",
    "upload.relay.after-send",
    "upload.end.before-state",
    "upload.end.after-state",
    "upload.end.after-store",
    "upload.end.after-clean",
    "upload.sweep.before-take-over",
    "upload.sweep.after-take-over",
    "upload.sweep.before-orphan",
    "upload.sweep.after-orphan",
]


def test_every_kill_point_is_visited(stack):
    assert kill_points(stack) == POINTS


def test_killed_at(alone, program, db, s3, user, point):
    stack, path, data = alone, f"/kill/{point}", point.encode()
    part = point.split(".")[1]
    scenario = {"end": end_killed, "relay": relay_killed, "sweep": sweep_killed}.get(part, protocol_killed)
    scenario(stack, program, db, s3, user, point, path, data)


def protocol_killed(stack, program, db, s3, user, point, path, data):
    """The client is told nothing and does what clients do: it asks again."""
    mine = program.start(MR_CRASH_AT=point).user(user)
    session = attempt(lambda: mine.initiate(path, data))
    if session:
        mine.put_parts(session, data)
        attempt(lambda: mine.complete(session["upload_id"], wait=False))
    assert program.wait_exit() == KILLED, program.tail()
    program.start()
    if session is None:
        session = upload_again(mine, path, data)
    answer = wait_for(
        "complete succeeds", lambda: (a if (a := mine.complete(session["upload_id"])).status_code == 200 else None), 60
    )
    assert answer.json()["version"] == 1
    wait_state(db, session["upload_id"], "published")
    # What the lost initiate made is ended by the sweep.
    wait_for(
        "no other session is open",
        lambda: all(s["state"] in ("published", "expired", "aborted") for s in sessions_of(db, user.user_id)) or end_open(mine, db),
        30,
    )
    wait_for("the store is clean", lambda: is_clean(db, s3, stack, user), 30)
    assert_once(db, stack, s3, user, path, data)


def end_open(user, db) -> bool:
    """A session whose answer was lost is open until it expires; its client would find it by Idempotency-Key."""
    for s in sessions_of(db, user.user_id):
        if s["state"] == "open":
            user.http.delete(f"/upload/{s['upload_id']}")
    return False


def is_clean(db, s3, stack, user) -> bool:
    try:
        assert_store_is_clean(db, s3, stack["MR_S3_BUCKET"], user.user_id)
    except AssertionError:
        return False
    return True


def relay_killed(stack, program, db, s3, user, point, path, data):
    """Something is left for the relay: the first program dies once the session is assembled."""
    mine = program.start(MR_CRASH_AT="upload.assemble.after-commit").user(user)
    session = upload_again(mine, path, data)
    attempt(lambda: mine.complete(session["upload_id"], wait=False))
    assert program.wait_exit() == KILLED
    program.start(ready=False, MR_CRASH_AT=point)
    assert program.wait_exit() == KILLED, program.tail()
    program.start()
    wait_state(db, session["upload_id"], "published", 60)
    assert_once(db, stack, s3, user, path, data)


def end_killed(stack, program, db, s3, user, point, path, data):
    """A session that is deleted by its user, and one that expires, with a part in the store."""
    for how in ("deleted", "expired"):
        settings = {"MR_UPLOAD_TTL": "1s", "MR_SWEEP_IDLE": "1h"} if how == "expired" else {}
        mine = program.start(MR_CRASH_AT=point, **settings).user(user)
        big = data + b"." * (9 * MIB)
        session = mine.initiate(f"{path}/{how}", big)
        if how == "deleted":
            attempt(lambda session=session, big=big, mine=mine: put_part(session["parts"][0], split(big)[0]))
            attempt(lambda session=session, mine=mine: mine.http.delete(f"/upload/{session['upload_id']}"))
        assert program.wait_exit() == KILLED, program.tail()
        program.start(**settings)
        if how == "deleted":
            assert mine.http.delete(f"/upload/{session['upload_id']}").status_code == 204
        wait_for("it is cleaned", lambda session=session: session_row(db, session["upload_id"])["s3_upload_id"] == "", 30)
        key = session_row(db, session["upload_id"])["s3_key"]
        assert open_uploads(s3, stack["MR_S3_BUCKET"], key) == []
        assert db.execute("SELECT 1 FROM files WHERE file_id = %s", [session["file_id"]]).fetchone() is None
        program.stop()
    program.start()


def sweep_killed(stack, program, db, s3, user, point, path, data):
    bucket = stack["MR_S3_BUCKET"]
    if point.endswith("-orphan"):
        key = f"files/{user.user_id}/{user.user_id}"
        s3.create_multipart_upload(Bucket=bucket, Key=key)
        program.start(ready=False, MR_CRASH_AT=point)
        assert program.wait_exit() == KILLED, program.tail()
        program.start()
        wait_for("the orphan is gone", lambda: open_uploads(s3, bucket, key) == [], 30)
        return
    mine = program.start(MR_CRASH_AT="upload.assemble.after-store").user(user)
    session = upload_again(mine, path, data)
    attempt(lambda: mine.complete(session["upload_id"], wait=False))
    assert program.wait_exit() == KILLED
    program.start(ready=False, MR_CRASH_AT=point)
    assert program.wait_exit() == KILLED, program.tail()
    program.start()
    wait_state(db, session["upload_id"], "published", 60)
    assert_once(db, stack, s3, user, path, data)


def test_an_initiate_that_died_is_freed(alone, program, db, s3, user):
    """The reservation and the store's upload of an answer that nobody got are gone after the lease."""
    for point in ("upload.initiate.after-reserve", "upload.initiate.after-create"):
        mine = program.start(MR_CRASH_AT=point).user(user)
        key = {"Idempotency-Key": point}
        body = {"path": f"/died/{point}", "size": 1}
        attempt(lambda mine=mine, body=body, key=key: mine.http.post("/upload/initiate", json=body, headers=key))
        assert program.wait_exit() == KILLED
        program.start()
        early = mine.http.post("/upload/initiate", json=body, headers=key)
        assert early.status_code in (201, 409)
        answer = wait_for(
            "the key is free again",
            lambda mine=mine, body=body, key=key: (
                a if (a := mine.http.post("/upload/initiate", json=body, headers=key)).status_code == 201 else None
            ),
            20,
        )
        wait_for(
            "the dead session is expired",
            lambda: [s["state"] for s in sessions_of(db, user.user_id)].count("open") <= 1,
            20,
        )
        assert mine.http.delete(f"/upload/{answer.json()['upload_id']}").status_code == 204
        wait_for("nothing is left", lambda: is_clean(db, s3, alone, user), 20)
        program.stop()
    assert db.execute("SELECT count(*) FROM files WHERE user_id = %s", [user.user_id]).fetchone() == (0,)


def test_the_stores_hint_finishes_what_a_dead_replica_began(alone, user, db, s3, tmp_path):
    """The lease runs for a minute, but the store told of the object as soon as it was whole."""
    stack = alone
    hook = (stack.run_dir / "state" / "minio.hook").read_text().strip()
    port = int(hook.split(":")[2].split("/")[0])
    program = UploadProgram(stack, tmp_path / "mr-upload.log", port=port, MR_UPLOAD_LEASE="10min", MR_SWEEP_IDLE="1h")
    try:
        mine = program.start(MR_CRASH_AT="upload.assemble.after-store").user(user)
        session = upload_again(mine, "/hinted", b"hint")
        attempt(lambda: mine.complete(session["upload_id"], wait=False))
        assert program.wait_exit() == KILLED
        assert session_row(db, session["upload_id"])["state"] == "completing"
        program.start()
        wait_state(db, session["upload_id"], "published", 60)
        assert_once(db, stack, s3, user, "/hinted", b"hint")
    finally:
        program.stop()


def test_killed_at_random(alone, user, db, s3, full, tmp_path):
    """Killed with -9 again and again while files go through; clients ask again, as clients do."""
    files, kills = (500, 20) if full else (100, 5)
    stack = alone
    port = free_port()
    program = UploadProgram(stack, tmp_path / "mr-upload.log", port=port, **QUICK).start()
    dlq_before = log.end_offset(stack, "dlq.metadata")
    rng = random.Random(7)
    done = []

    def one(i: int) -> None:
        data = b"file %d" % i
        mine = program.user(user)
        end = time.monotonic() + 180
        headers = {"Idempotency-Key": f"random-{user.user_id}-{i}"}
        session = None
        while time.monotonic() < end:
            if session is None:
                body = {"path": f"/random/{i}", "size": len(data)}
                answer = attempt(lambda: mine.http.post("/upload/initiate", json=body, headers=headers))
                if answer is not None and answer.status_code == 201:
                    session = answer.json()
            else:
                wanted = {"upload_id": session["upload_id"], "parts": [{"part_number": 1, "sha256": sha256(data)}]}
                urls = attempt(lambda: mine.http.post("/upload/chunk", json=wanted))
                if urls is not None and urls.status_code == 200:
                    put_part(urls.json()["parts"][0], data)
                answer = attempt(lambda: mine.complete(session["upload_id"], wait=False))
                if answer is not None and answer.status_code == 202 and answer.json()["version"]:
                    done.append(i)
                    return
            time.sleep(0.05)
        raise AssertionError(f"file {i} did not get through")

    try:
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            work = [pool.submit(one, i) for i in range(files)]
            for n in range(kills):
                target = files * (n + 1) // (kills + 2)
                wait_for("some are through", lambda target=target: len(done) >= target or all(w.done() for w in work), 180)
                time.sleep(rng.random() * 0.2)
                program.kill()
                program.start(ready=False)
            for w in work:
                w.result(timeout=240)
        assert len(done) == files
        wait_for(
            "all are published",
            lambda: {s["state"] for s in sessions_of(db, user.user_id) if s["state"] != "expired"} == {"published"},
            60,
        )
        rows = wait_for(
            "every file has its version",
            lambda: (r if len(r := versions(db, user.user_id)) == files else None),
            60,
        )
        assert set(rows.values()) == {1}
        wait_for("the store is clean", lambda: is_clean(db, s3, stack, user), 30)
        assert log.end_offset(stack, "dlq.metadata") == dlq_before
    finally:
        program.stop()


def versions(db, user_id: str) -> dict[str, int]:
    rows = db.execute(
        "SELECT f.path, count(*) FROM files f JOIN file_versions v USING (file_id) WHERE f.user_id = %s GROUP BY 1", [user_id]
    ).fetchall()
    return dict(rows)
