"""Uploads under settings of their own: a mr-upload of the test's beside the stack's."""

import concurrent.futures
import datetime
import hashlib
import subprocess
import uuid

import httpx
import pytest

from support.stack import wait_for
from support.upload_program import UploadProgram, assert_store_is_clean, binary, free_port, open_uploads, session_row, wait_state
from support.users import put_part, split

MIB = 1 << 20
SHA = hashlib.sha256(b"x").hexdigest()


@pytest.fixture
def program(stack, tmp_path):
    made = []

    def make(**settings):
        made.append(UploadProgram(stack, tmp_path / f"mr-upload.{len(made)}.log", **settings))
        return made[-1]

    yield make
    for p in made:
        p.stop()


def test_limits(program, user):
    p = program(MR_UPLOAD_MAX_SIZE="10KiB", MR_UPLOAD_TYPES="image/*, text/plain", MR_UPLOAD_SESSIONS_MAX="3").start()
    mine = p.user(user)

    def initiate(n, size=1, content_type="text/plain"):
        return mine.http.post("/upload/initiate", json={"path": f"/l/{n}", "size": size, "content_type": content_type})

    assert initiate(1, size=10241).status_code == 413
    for taken in ("image/png", "IMAGE/JPEG", "text/plain; charset=utf-8"):
        session = initiate(2, content_type=taken)
        assert session.status_code == 201, session.text
        assert mine.http.delete(f"/upload/{session.json()['upload_id']}").status_code == 204
    for refused in ("text/html", "application/octet-stream", "imagex/png"):
        assert initiate(3, content_type=refused).status_code == 415
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        statuses = sorted(a.status_code for a in pool.map(initiate, range(10, 18)))
    assert statuses == [201] * 3 + [429] * 5


def test_another_name_for_the_store(program, user, stack):
    """Programs and clients may know the store by different names; URLs are signed for the clients'."""
    port = stack["MR_S3_ENDPOINT"].rsplit(":", 1)[1]
    p = program(MR_S3_ENDPOINT=f"http://127.0.0.1:{port}", MR_S3_PUBLIC_ENDPOINT=f"http://localhost:{port}").start()
    mine, data = p.user(user), b"two names" * MIB
    session = mine.initiate("/named", data)
    assert all(part["url"].startswith(f"http://localhost:{port}/") for part in session["parts"])
    mine.put_parts(session, data)
    wrong_name = session["parts"][0]["url"].replace("localhost", "127.0.0.1")
    assert httpx.put(wrong_name, content=split(data)[0], headers=session["parts"][0]["headers"]).status_code == 403
    assert mine.complete(session["upload_id"]).status_code == 200
    assert user.download(session["file_id"]) == data


def test_two_replicas_share_a_session(program, user, stack, s3, db):
    one, two = program().start(), program().start()
    first, second = one.user(user), two.user(user)
    data = b"r" * (17 * MIB)
    pieces = split(data)
    session = first.initiate("/replicas", data, with_hashes=False)
    for client, number in ((first, 1), (second, 2), (first, 3)):
        part = client.chunk(session["upload_id"], data, [number])[0]
        assert put_part(part, pieces[number - 1]).status_code == 200
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda c: c.complete(session["upload_id"]), (first, second)))
    assert [a.status_code for a in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    assert_store_is_clean(db, s3, stack["MR_S3_BUCKET"], user.user_id)


def test_the_sweep_completes_what_is_whole(program, user, db):
    mine = program(MR_SWEEP_INTERVAL="100ms", MR_SWEEP_IDLE="500ms").start().user(user)
    whole, half = mine.initiate("/idle/whole", b"w"), mine.initiate("/idle/half", b"h" * (9 * MIB))
    mine.put_parts(whole, b"w")
    assert put_part(half["parts"][1], split(b"h" * (9 * MIB))[1]).status_code == 200
    assert wait_state(db, whole["upload_id"], "published")["version"] == 1
    assert session_row(db, half["upload_id"])["state"] == "open"
    assert mine.http.delete(f"/upload/{half['upload_id']}").status_code == 204


def test_the_sweep_ends_what_has_run_out(program, user, stack, s3, db):
    mine = program(MR_SWEEP_INTERVAL="100ms", MR_UPLOAD_TTL="1500ms", MR_SWEEP_IDLE="60s").start().user(user)
    data = b"e" * (9 * MIB)
    session = mine.initiate("/late", data)
    assert put_part(session["parts"][0], split(data)[0]).status_code == 200
    key = session_row(db, session["upload_id"])["s3_key"]
    assert len(open_uploads(s3, stack["MR_S3_BUCKET"], key)) == 1
    wait_for("the session is cleaned", lambda: session_row(db, session["upload_id"])["s3_upload_id"] == "")
    assert session_row(db, session["upload_id"])["state"] == "expired"
    assert open_uploads(s3, stack["MR_S3_BUCKET"], key) == []
    assert db.execute("SELECT 1 FROM files WHERE file_id = %s", [session["file_id"]]).fetchone() is None
    answer = mine.complete(session["upload_id"])
    assert (answer.status_code, answer.json()["state"]) == (409, "expired")
    assert mine.http.get(f"/upload/{session['upload_id']}").json()["state"] == "expired"
    assert mine.http.delete(f"/upload/{session['upload_id']}").status_code == 204
    # The path is free again, for a folder too.
    assert mine.http.post("/upload/initiate", json={"path": "/late/below", "size": 1}).status_code == 201


def test_the_sweep_ends_what_can_never_be_completed(program, user, stack, s3, db):
    """Another object under the session's key: tried until the session's time is over, then the path is free."""
    session = user.initiate("/odd", b"o")
    row, bucket = session_row(db, session["upload_id"]), stack["MR_S3_BUCKET"]
    s3.abort_multipart_upload(Bucket=bucket, Key=row["s3_key"], UploadId=row["s3_upload_id"])
    s3.put_object(Bucket=bucket, Key=row["s3_key"], Body=b"not it")
    db.execute(
        "UPDATE upload_sessions SET state = 'completing', lease_until = now(), expires_at = now() + interval '3 s' "
        "WHERE upload_id = %s",
        [session["upload_id"]],
    )
    program(MR_SWEEP_INTERVAL="100ms", MR_UPLOAD_LEASE="1s").start()
    ended = wait_state(db, session["upload_id"], "expired")
    assert ended["s3_upload_id"] == ""
    assert db.execute("SELECT 1 FROM files WHERE file_id = %s", [session["file_id"]]).fetchone() is None
    assert s3.head_object(Bucket=bucket, Key=row["s3_key"])["ContentLength"] == 6, "not ours to delete"
    s3.delete_object(Bucket=bucket, Key=row["s3_key"])


def test_the_sweep_aborts_orphans(program, user, stack, s3, db):
    bucket = stack["MR_S3_BUCKET"]
    orphan = f"files/{uuid.uuid4()}/{uuid.uuid4()}"
    foreign = f"other/{uuid.uuid4()}"
    for key in (orphan, foreign):
        s3.create_multipart_upload(Bucket=bucket, Key=key)
    try:
        p = program(MR_SWEEP_INTERVAL="100ms", MR_UPLOAD_LEASE="1500ms").start()
        kept = p.user(user).initiate("/kept", b"k")
        wait_for("the orphan is aborted", lambda: open_uploads(s3, bucket, orphan) == [])
        assert len(open_uploads(s3, bucket, foreign)) == 1
        assert len(open_uploads(s3, bucket, session_row(db, kept["upload_id"])["s3_key"])) == 1
        user.put_parts(kept, b"k")
        assert user.complete(kept["upload_id"]).status_code == 200
    finally:
        for upload_id in open_uploads(s3, bucket, foreign):
            s3.abort_multipart_upload(Bucket=bucket, Key=foreign, UploadId=upload_id)


def test_the_sweep_forgets_old_keys_and_sessions(program, user, db):
    key, body = uuid.uuid4().hex, {"path": "/forget", "size": 1}
    session = user.http.post("/upload/initiate", json=body, headers={"Idempotency-Key": key}).json()
    assert user.http.delete(f"/upload/{session['upload_id']}").status_code == 204
    past = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=25)
    db.execute("UPDATE idempotency_keys SET created_at = %s WHERE user_id = %s", [past, user.user_id])
    db.execute("UPDATE upload_sessions SET touched_at = %s WHERE user_id = %s", [past, user.user_id])
    program(MR_SWEEP_INTERVAL="100ms").start()
    wait_for(
        "key and session are forgotten",
        lambda: db.execute("SELECT count(*) FROM idempotency_keys WHERE user_id = %s", [user.user_id]).fetchone() == (0,)
        and session_row(db, session["upload_id"]) is None,
    )
    again = user.http.post("/upload/initiate", json=body, headers={"Idempotency-Key": key})
    assert again.status_code == 201
    assert again.json()["upload_id"] != session["upload_id"]


def test_urls_run_out(program, user):
    mine = program(MR_URL_PUT_TTL="1s").start().user(user)
    session = mine.initiate("/short", b"s")
    wait_for("the URL has run out", lambda: put_part(session["parts"][0], b"s").status_code == 403, 10, 0.5)
    again = mine.chunk(session["upload_id"], b"s")[0]
    assert put_part(again, b"s").status_code == 200


def test_the_hook(program, user):
    p = program().start()
    token = (p.stack.run_dir / "secrets" / "hook.token").read_text().strip()
    body = {"EventName": "s3:ObjectCreated:CompleteMultipartUpload", "Records": [{"s3": {"object": {"key": "unknown"}}}]}
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": token}, {"Authorization": f"Bearer {token}x"}):
        assert httpx.post(f"{p.url}/hooks/s3", json=body, headers=headers).status_code == 401
    good = {"Authorization": f"Bearer {token}"}
    for ours in (
        body,
        {},
        {"Records": "x"},
        {"Records": [{"s3": {"bucket": {"name": "millrace"}, "object": {"key": "files%2Fx%zz"}}}]},
        {"Records": [{"s3": {"bucket": {"name": "millrace"}, "object": {"key": f"files%2F{uuid.uuid4()}%2F{uuid.uuid4()}"}}}]},
    ):
        assert httpx.post(f"{p.url}/hooks/s3", json=ours, headers=good).status_code in (200, 204)
    assert httpx.post(f"{p.url}/hooks/s3", content=b"{", headers={**good, "content-type": "application/json"}).status_code == 400


def test_the_edge_does_not_route_the_hook(api):
    assert api.post("/hooks/s3", json={}).status_code == 404


def test_wrong_settings_end_the_program_with_one_line(stack):
    def run(**settings):
        env = stack.program_env(MR_LISTEN=f"127.0.0.1:{free_port()}", MR_METRICS_LISTEN=f"127.0.0.1:{free_port()}", **settings)
        return subprocess.run([binary(stack)], env=env, capture_output=True, text=True, timeout=30, check=False)

    for settings, said in (
        ({"MR_S3_SECRET_KEY": "wrong"}, "SignatureDoesNotMatch"),
        ({"MR_S3_ENDPOINT": "ftp://x"}, "s3.endpoint"),
        ({"MR_JWT_KEY_FILE": "/dev/null"}, "MR_JWT_KEY_FILE"),
        ({"MR_UPLOAD_TTL": "soon"}, "upload.ttl"),
        ({"MR_SCHEMAS_DIR": "/nowhere"}, "/nowhere/FileUploaded.avsc"),
    ):
        done = run(**settings)
        assert done.returncode not in (0, 75), done.stderr
        assert said.lower() in done.stderr.splitlines()[-1].lower(), done.stderr


def test_routes_and_kill_points_are_printed(stack):
    routes = subprocess.run([binary(stack), "--routes"], capture_output=True, text=True, check=True).stdout.splitlines()
    assert "POST /upload/initiate" in routes
    assert "DELETE /upload/{upload_id}" in routes
    points = subprocess.run([binary(stack), "--kill-points"], capture_output=True, text=True, check=True).stdout.split()
    assert len(points) == len(set(points)) > 20
