"""The upload protocol of docs/upload.md as a client meets it, through the edge."""

import concurrent.futures
import hashlib
import threading
import uuid

import httpx
import pytest

from support import log
from support.stack import wait_for
from support.upload_program import assert_store_is_clean, open_uploads, session_row, wait_state
from support.users import content_hash, part_size_of, put_part, sha256_base64, split

MIB = 1 << 20


def problem(answer: httpx.Response, status: int, slug: str) -> dict:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    body = answer.json()
    assert body["status"] == status
    assert body["type"].endswith(":" + slug), body
    return body


@pytest.mark.parametrize("size", [0, 1, 8 * MIB, 8 * MIB + 1], ids=["empty", "byte", "part", "part+1"])
def test_a_whole_upload(user, stack, s3, db, size):
    data = bytes(i * 7 & 255 for i in range(251)) * (size // 251 + 1)
    data = data[:size]
    session = user.initiate("/docs/report.bin", data)
    assert (session["part_size"], session["part_count"]) == (8 * MIB, max(1, -(-size // (8 * MIB))))
    user.put_parts(session, data)
    answer = user.complete(session["upload_id"])
    assert answer.status_code == 200, answer.text
    assert answer.json()["version"] == 1
    assert answer.json()["file_id"] == session["file_id"]

    row = wait_state(db, session["upload_id"], "published")
    body = s3.get_object(Bucket=stack["MR_S3_BUCKET"], Key=row["s3_key"], ChecksumMode="ENABLED")
    assert hashlib.sha256(body["Body"].read()).digest() == hashlib.sha256(data).digest()
    stored = db.execute(
        "SELECT encode(content_hash, 'hex'), size FROM file_versions WHERE file_id = %s AND version = 1", [session["file_id"]]
    ).fetchone()
    assert stored == (content_hash(data), size)
    assert_store_is_clean(db, s3, stack["MR_S3_BUCKET"], user.user_id)


def test_the_event_on_the_log(user, stack, db):
    made = user.upload("/a/b.txt", b"hello")
    event_id = made.answer["event_id"]
    records = [r for r in log.read_all(stack, "file.uploaded") if r.key() and r.key().decode() == made.file_id]
    assert len(records) == 1
    event, headers = log.decode(stack, records[0]), log.headers_of(records[0])
    assert str(event["event_id"]) == event_id
    assert str(event["upload_id"]) == made.upload_id
    assert str(event["owner_id"]) == str(event["user_id"]) == user.user_id
    assert (event["path"], event["size"], event["version"], event["origin"]) == ("/a/b.txt", 5, 1, "UPLOAD")
    assert event["content_hash"].hex() == content_hash(b"hello")
    assert event["s3_key"] == session_row(db, made.upload_id)["s3_key"]
    assert headers["ce_id"] == event_id
    assert headers["ce_specversion"] == "1.0"
    assert headers["content-type"] == "application/avro"
    assert headers["traceparent"].startswith("00-")


def test_the_clients_trace_goes_on(user, stack):
    data = b"traced"
    session = user.initiate("/traced", data)
    user.put_parts(session, data)
    trace = uuid.uuid4().hex
    answer = user.http.post(
        "/upload/complete?wait=metadata",
        json={"upload_id": session["upload_id"]},
        headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"},
    )
    assert answer.status_code == 200
    record = next(r for r in log.read_all(stack, "file.uploaded") if r.key().decode() == session["file_id"])
    assert log.headers_of(record)["traceparent"].split("-")[1] == trace


def test_parts_in_any_order(user):
    data = b"a" * (8 * MIB) + b"b" * (8 * MIB) + b"c"
    session = user.initiate("/order", data)
    pieces = split(data)
    for i in (2, 0, 1):
        assert put_part(session["parts"][i], pieces[i]).status_code == 200
    answer = user.complete(session["upload_id"])
    assert answer.status_code == 200, answer.text
    assert user.download(session["file_id"]) == data


def test_the_store_refuses_other_bytes_and_lengths(user, stack, s3, db):
    data = b"what was promised"
    session = user.initiate("/promised", data)
    part = session["parts"][0]
    assert put_part(part, b"what was NOT prom").status_code == 400
    assert put_part(part, data + b"!").status_code == 403
    assert put_part(part, data[:-1]).status_code == 403
    without = httpx.put(part["url"], content=data)
    assert without.status_code in (400, 403)
    assert user.http.get(f"/upload/{session['upload_id']}").json()["parts"] == []
    assert put_part(part, data).status_code == 200
    assert user.complete(session["upload_id"]).status_code == 200
    assert_store_is_clean(db, s3, stack["MR_S3_BUCKET"], user.user_id)


def test_missing_parts_are_named_and_can_follow(user):
    data = b"z" * (24 * MIB)
    session = user.initiate("/missing", data)
    pieces = split(data)
    assert put_part(session["parts"][1], pieces[1]).status_code == 200
    body = problem(user.complete(session["upload_id"]), 409, "parts-missing")
    assert (body["missing"], body["wrong"]) == ([1, 3], [])
    status = user.http.get(f"/upload/{session['upload_id']}").json()
    assert status["state"] == "open"
    assert [p["part_number"] for p in status["parts"]] == [2]
    assert status["parts"][0]["sha256"] == hashlib.sha256(pieces[1]).hexdigest()
    for part in user.chunk(session["upload_id"], data, [1, 3]):
        assert put_part(part, pieces[part["part_number"] - 1]).status_code == 200
    assert user.complete(session["upload_id"]).status_code == 200


def test_many_missing_parts_are_a_bounded_answer(user):
    session = user.http.post("/upload/initiate", json={"path": "/big", "size": 50_000_000_000}).json()
    body = problem(user.complete(session["upload_id"]), 409, "parts-missing")
    assert body["missing"] == list(range(1, 101))
    assert "5961" in body["detail"]
    assert user.http.delete(f"/upload/{session['upload_id']}").status_code == 204


def test_complete_twice_and_at_once(user, db):
    data = b"once"
    session = user.initiate("/once", data)
    user.put_parts(session, data)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: user.complete(session["upload_id"], wait=False), range(8)))
    assert {a.status_code for a in answers} == {202}
    wait_state(db, session["upload_id"], "published")
    first, second = (user.complete(session["upload_id"], wait=False) for _ in range(2))
    assert first.json() == second.json()
    assert first.json()["version"] == 1
    for a in answers:
        assert a.json()["version"] == 1
        assert a.json()["event_id"] == first.json()["event_id"]
    row = db.execute("SELECT next_version FROM files WHERE file_id = %s", [session["file_id"]]).fetchone()
    assert row == (2,)


def test_an_old_part_url_is_dead_after_completion(user):
    data = b"scanned and clean"
    session = user.initiate("/swap", data)
    user.put_parts(session, data)
    late = user.chunk(session["upload_id"], data)[0]
    made = user.complete(session["upload_id"])
    assert made.status_code == 200
    for part in (session["parts"][0], late):
        assert put_part(part, data).status_code == 404
    assert user.download(session["file_id"]) == data


def test_sixteen_uploads_to_one_path_at_once(user, db, stack, s3):
    contents = [f"content {i}".encode() for i in range(16)]
    gate = threading.Barrier(16)

    def one(data):
        session = user.initiate("/race.txt", data)
        user.put_parts(session, data)
        gate.wait(30)
        return user.complete(session["upload_id"]).json()

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(one, contents))
    assert len({a["file_id"] for a in answers}) == 1
    assert sorted(a["version"] for a in answers) == list(range(1, 17))
    file_id = answers[0]["file_id"]
    last = next(i for i, a in enumerate(answers) if a["version"] == 16)
    wait_for(
        "version 16 is current",
        lambda: db.execute("SELECT version FROM files WHERE file_id = %s", [file_id]).fetchone() == (16,),
    )
    assert user.download(file_id) == contents[last]
    versions = db.execute("SELECT version FROM file_versions WHERE file_id = %s ORDER BY version", [file_id]).fetchall()
    assert versions == [(v,) for v in range(1, 17)]
    assert_store_is_clean(db, s3, stack["MR_S3_BUCKET"], user.user_id)


def test_delete_leaves_nothing_behind(user, stack, s3, db):
    data = b"d" * (9 * MIB)
    session = user.initiate("/gone/file", data)
    key = session_row(db, session["upload_id"])["s3_key"]
    assert put_part(session["parts"][0], split(data)[0]).status_code == 200
    assert len(open_uploads(s3, stack["MR_S3_BUCKET"], key)) == 1
    assert user.http.delete(f"/upload/{session['upload_id']}").status_code == 204
    assert open_uploads(s3, stack["MR_S3_BUCKET"], key) == []
    assert db.execute("SELECT 1 FROM files WHERE file_id = %s", [session["file_id"]]).fetchone() is None
    assert user.http.delete(f"/upload/{session['upload_id']}").status_code == 204
    assert problem(user.complete(session["upload_id"]), 409, "upload-not-open")["state"] == "aborted"
    assert put_part(session["parts"][1], split(data)[1]).status_code == 404
    # The path is free again, as a folder too.
    assert user.http.post("/upload/initiate", json={"path": "/gone", "size": 1}).status_code == 201


def test_delete_keeps_a_path_that_another_upload_needs(user, db):
    first, second = (user.initiate("/shared", b"x") for _ in range(2))
    assert first["file_id"] == second["file_id"]
    assert user.http.delete(f"/upload/{first['upload_id']}").status_code == 204
    user.put_parts(second, b"x")
    assert user.complete(second["upload_id"]).status_code == 200


def test_delete_is_refused_once_complete(user):
    made = user.upload("/kept", b"k")
    assert problem(user.http.delete(f"/upload/{made.upload_id}"), 409, "upload-not-open")["state"] == "published"
    assert user.download(made.file_id) == b"k"


def test_a_foreign_session_does_not_exist(user, new_user):
    session = user.initiate("/mine", b"m")
    other, upload_id = new_user(), session["upload_id"]
    wanted = {"upload_id": upload_id, "parts": [{"part_number": 1, "sha256": hashlib.sha256(b"m").hexdigest()}]}
    problem(other.http.get(f"/upload/{upload_id}"), 404, "no-such-upload")
    problem(other.http.delete(f"/upload/{upload_id}"), 404, "no-such-upload")
    problem(other.http.post("/upload/chunk", json=wanted), 404, "no-such-upload")
    problem(other.complete(upload_id), 404, "no-such-upload")
    problem(user.http.get("/upload/nonsense"), 404, "no-such-upload")
    problem(user.http.get(f"/upload/{uuid.uuid4()}"), 404, "no-such-upload")


def test_chunk_checks_what_it_is_asked(user):
    session = user.initiate("/chunk", b"c")
    sha256 = hashlib.sha256(b"c").hexdigest()

    def ask(**part):
        return user.http.post("/upload/chunk", json={"upload_id": session["upload_id"], "parts": [part]})

    assert ask(part_number=1, sha256=sha256).status_code == 200
    for part in (
        {"part_number": 0, "sha256": sha256},
        {"part_number": 2, "sha256": sha256},
        {"part_number": 10_001, "sha256": sha256},
        {"part_number": 1, "sha256": sha256[:-1]},
        {"part_number": 1, "sha256": sha256[:-1] + "g"},
        {"part_number": 1},
        {"part_number": 1, "sha256": sha256, "more": 1},
    ):
        problem(ask(**part), 400, "invalid-request")
    many = [{"part_number": 1, "sha256": sha256}] * 10_001
    problem(user.http.post("/upload/chunk", json={"upload_id": session["upload_id"], "parts": many}), 400, "invalid-request")
    problem(user.http.post("/upload/chunk", json={"upload_id": session["upload_id"], "parts": []}), 400, "invalid-request")
    user.put_parts(session, b"c")
    assert user.complete(session["upload_id"]).status_code == 200
    problem(ask(part_number=1, sha256=sha256), 409, "upload-not-open")


SHA = hashlib.sha256(b"x").hexdigest()


@pytest.mark.parametrize(
    "body",
    [
        {"path": "relative", "size": 1},
        {"path": "/", "size": 1},
        {"path": "/a/../b", "size": 1},
        {"path": "/a//b", "size": 1},
        {"path": "/a/", "size": 1},
        {"path": "/" + "x" * 256, "size": 1},
        {"path": "/x" * 513, "size": 1},
        {"path": "/e\u0301", "size": 1},
        {"path": "/tab\there", "size": 1},
        {"path": "", "size": 1},
    ],
    ids=["relative", "root", "dots", "empty", "slash", "segment", "long", "nfd", "control", "none"],
)
def test_bad_paths(user, body):
    problem(user.http.post("/upload/initiate", json=body), 400, "invalid-path")


@pytest.mark.parametrize(
    "body",
    [
        {"size": 1},
        {"path": "/x"},
        {"path": "/x", "file_id": str(uuid.uuid4()), "size": 1},
        {"path": "/x", "size": -1},
        {"path": "/x", "size": 1.5},
        {"path": "/x", "size": "1"},
        {"path": "/x", "size": 1, "colour": "red"},
        {"path": "/x", "size": 1, "content_type": "nonsense"},
        {"path": "/x", "size": 1, "content_type": "a/b\r\nx: y"},
        {"path": "/x", "size": 1, "parts": []},
        {"path": "/x", "size": 1, "parts": [{"sha256": SHA}, {"sha256": SHA}]},
        {"path": "/x", "size": 1, "parts": [{"sha256": SHA, "part_number": 1}]},
        {"path": "/x", "size": 1, "parts": {"sha256": SHA}},
        {"path": 7, "size": 1},
        {"file_id": "x", "size": 1},
        [],
    ],
)
def test_bad_requests(user, body):
    problem(user.http.post("/upload/initiate", json=body), 400, "invalid-request")


def test_a_nul_and_broken_bytes_are_refused(user):
    for raw in (b'{"path":"/a\\u0000b","size":1}', b'{"path":"/\xff","size":1}', b"{", b'{"path":"/\\ud800","size":1}', b'"text"', b'{"size":1e400}', b'{"path":"/x","size":1%s}' % (b"0" * 30)):
        answer = user.http.post("/upload/initiate", content=raw, headers={"content-type": "application/json"})
        assert answer.status_code == 400, answer.text


def test_too_large_a_file(user):
    problem(user.http.post("/upload/initiate", json={"path": "/x", "size": (1 << 40) + 1}), 413, "file-too-large")


def test_without_a_token(api):
    for method, path in (("POST", "/upload/initiate"), ("POST", "/upload/complete"), ("GET", f"/upload/{uuid.uuid4()}")):
        assert api.request(method, path, json={} if method == "POST" else None).status_code == 401


def test_files_and_folders_do_not_share_names(user):
    user.upload("/dir/file", b"1")

    def initiate(path):
        return user.http.post("/upload/initiate", json={"path": path, "size": 1})

    problem(initiate("/dir"), 409, "path-conflict")
    problem(initiate("/dir/file/below"), 409, "path-conflict")
    problem(initiate("/dir/file/far/below"), 409, "path-conflict")
    for path in ("/dir2", "/dir-", "/dir0", "/di", "/dir/file2", "/dir/fil"):
        assert initiate(path).status_code == 201, path


def test_a_race_for_a_name_has_one_winner(user):
    """A file and something below it: whoever is first, never both."""

    def initiate(path):
        return user.http.post("/upload/initiate", json={"path": path, "size": 1}).status_code

    for i in range(10):
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            results = list(pool.map(initiate, [f"/r{i}", f"/r{i}/x", f"/r{i}", f"/r{i}/x/y"]))
        file, below = {results[0], results[2]}, {results[1], results[3]}
        assert 201 in file | below
        assert not (201 in file and 201 in below), results


def test_idempotency_key(user, db):
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    body = {"path": "/idem", "size": 1, "parts": [{"sha256": SHA}]}
    first = user.http.post("/upload/initiate", json=body, headers=headers)
    again = user.http.post("/upload/initiate", json=body, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    without_urls = [{k: v for k, v in a.json().items() if k != "parts"} for a in (first, again)]
    assert without_urls[0] == without_urls[1]
    stored = db.execute("SELECT upload_id::text FROM idempotency_keys WHERE user_id = %s", [user.user_id]).fetchall()
    assert stored == [(first.json()["upload_id"],)]
    # The second answer's URLs are good by themselves.
    assert put_part(again.json()["parts"][0], b"x").status_code == 200
    problem(user.http.post("/upload/initiate", json={**body, "size": 2}, headers=headers), 422, "idempotency-mismatch")
    count = db.execute("SELECT count(*) FROM upload_sessions WHERE user_id = %s", [user.user_id]).fetchone()
    assert count == (1,)
    for bad in ("x" * 256, "caf\u00e9".encode()):
        answer = user.http.post("/upload/initiate", json=body, headers={"Idempotency-Key": bad})
        assert answer.status_code == 400


@pytest.mark.parametrize("end", ["aborted", "complete"])
def test_idempotency_key_of_a_session_that_has_ended(user, end):
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    body = {"path": f"/idem-{end}", "size": 1, "parts": [{"sha256": SHA}]}
    session = user.http.post("/upload/initiate", json=body, headers=headers).json()
    if end == "aborted":
        assert user.http.delete(f"/upload/{session['upload_id']}").status_code == 204
    else:
        assert put_part(session["parts"][0], b"x").status_code == 200
        assert user.complete(session["upload_id"]).status_code == 200
    again = user.http.post("/upload/initiate", json=body, headers=headers)
    problem(again, 409, "upload-not-open")
    assert again.json()["state"] == ("aborted" if end == "aborted" else "published")
    assert again.json()["upload_id"] == session["upload_id"]


def test_idempotency_key_at_once(user, db):
    headers, body = {"Idempotency-Key": uuid.uuid4().hex}, {"path": "/idem-race", "size": 1}
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: user.http.post("/upload/initiate", json=body, headers=headers), range(8)))
    assert {a.status_code for a in answers} <= {201, 409}
    made = {a.json()["upload_id"] for a in answers if a.status_code == 201}
    assert len(made) == 1
    for a in answers:
        if a.status_code == 409:
            problem(a, 409, "idempotency-in-progress")
            assert "retry-after" in a.headers
    count = db.execute("SELECT count(*) FROM upload_sessions WHERE user_id = %s", [user.user_id]).fetchone()
    assert count == (1,)


def test_a_refused_request_is_looked_at_anew(user):
    headers, body = {"Idempotency-Key": uuid.uuid4().hex}, {"path": "/parent/child", "size": 1}
    blocker = user.http.post("/upload/initiate", json={"path": "/parent", "size": 1}).json()
    problem(user.http.post("/upload/initiate", json=body, headers=headers), 409, "path-conflict")
    assert user.http.delete(f"/upload/{blocker['upload_id']}").status_code == 204
    assert user.http.post("/upload/initiate", json=body, headers=headers).status_code == 201


@pytest.mark.parametrize("path", ["/upload/init", "/api/v1/uploadRequest", "/s3presigned_url", "/files", "/file"])
def test_aliases(user, path):
    body = {"path": f"/alias{path.replace('/', '-')}", "size": 1, "parts": [{"sha256": SHA}]}
    answer = user.http.post(path, json=body)
    assert answer.status_code == 201, answer.text
    assert put_part(answer.json()["parts"][0], b"x").status_code == 200
    assert user.complete(answer.json()["upload_id"]).status_code == 200


@pytest.mark.parametrize("size", [50_000_000_000, 50 << 30, 80 * 10**9, (8 * MIB) * 10_000, (8 * MIB) * 10_000 + 1, 1 << 40])
def test_large_files_by_arithmetic(user, size):
    session = user.http.post("/upload/initiate", json={"path": f"/large/{size}", "size": size}).json()
    part = part_size_of(size)
    count = -(-size // part)
    assert (session["part_size"], session["part_count"]) == (part, count)
    assert count <= 10_000
    numbers = [1, 2, count // 2, count - 1, count]
    wanted = [{"part_number": n, "sha256": SHA} for n in numbers]
    parts = user.http.post("/upload/chunk", json={"upload_id": session["upload_id"], "parts": wanted}).json()["parts"]
    for p, n in zip(parts, numbers, strict=True):
        assert p["part_number"] == n
        assert p["offset"] == part * (n - 1)
        assert p["size"] == (part if n < count else size - part * (count - 1))
        assert 0 < p["size"] <= part
        assert p["headers"]["x-amz-checksum-sha256"] == sha256_base64(b"x")
    every = [{"part_number": n, "sha256": SHA} for n in range(1, count + 1)]
    answer = user.http.post("/upload/chunk", json={"upload_id": session["upload_id"], "parts": every})
    assert answer.status_code == 200, answer.text
    assert sum(p["size"] for p in answer.json()["parts"]) == size
    assert user.http.delete(f"/upload/{session['upload_id']}").status_code == 204


def test_a_new_version_by_file_id(user, new_user):
    made = user.upload("/doc", b"one")
    body = {"file_id": made.file_id, "size": 3, "parts": [{"sha256": hashlib.sha256(b"two").hexdigest()}]}
    session = user.http.post("/upload/initiate", json=body)
    assert session.status_code == 201, session.text
    user.put_parts(session.json(), b"two")
    answer = user.complete(session.json()["upload_id"]).json()
    assert (answer["file_id"], answer["version"]) == (made.file_id, 2)
    assert user.download(made.file_id) == b"two"
    assert user.download(made.file_id, version=1) == b"one"
    problem(new_user().http.post("/upload/initiate", json=body), 404, "no-such-file")
    problem(user.http.post("/upload/initiate", json={"file_id": str(uuid.uuid4()), "size": 1}), 404, "no-such-file")


def test_a_reservation_has_no_file_id_to_upload_to(user):
    session = user.initiate("/reserved", b"r")
    problem(user.http.post("/upload/initiate", json={"file_id": session["file_id"], "size": 1}), 404, "no-such-file")


def test_the_wait_parameter(user):
    made = user.upload("/waited", b"w")
    assert user.complete(made.upload_id, wait=False).status_code == 202
    body = {"upload_id": made.upload_id}
    problem(user.http.post("/upload/complete?wait=search", json=body), 400, "invalid-request")
    assert user.http.post("/upload/complete?wiat=metadata", json=body).status_code == 400


def test_metadata_is_there_when_wait_says_so(user):
    for i in range(20):
        made = user.upload(f"/seen/{i}", b"s%d" % i)
        seen = user.http.get(f"/files/{made.file_id}")
        assert seen.status_code == 200
        assert seen.json()["version"] == made.version
