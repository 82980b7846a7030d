"""Files that change while, or between, uploads: what is stored is always one content that the file had."""

import json
import os
import unicodedata

import pytest
from support.client import Mr, random_file
from support.proxy import Proxy

MIB = 1 << 20


@pytest.fixture
def mr(stack, tmp_path, user):
    home = tmp_path / "home"
    home.mkdir()
    return Mr(stack, home, user)


@pytest.fixture
def proxy(stack):
    made = Proxy(stack["MR_API_URL"])
    yield made
    made.close()


@pytest.fixture
def killed_at(mr, proxy):
    """Runs mr until its n-th request of this kind, and kills it there; with `answered` once the server has answered."""

    def run(method, path, n, *args, answered=False):
        started = []

        def kill(*request):
            if request != (method, path, n):
                return False
            started[0].kill()
            started[0].wait()
            return True

        setattr(proxy, "after" if answered else "before", kill)
        # For all that follows: what is remembered belongs to this URL.
        mr.env["MILLRACE_URL"] = proxy.url
        started.append(mr.start(*args))
        started[0].wait(timeout=60)
        assert started[0].returncode == -9
        proxy.before = proxy.after = lambda *_: False

    return run


def overwrite(path, *offsets):
    with open(path, "r+b") as f:
        for offset in offsets:
            f.seek(offset)
            f.write(b"CHANGED!")


def sessions(db, user):
    return db.execute(
        "select state, upload_id::text, s3_key, s3_upload_id, part_count from upload_sessions where owner_id = %s order by created_at",
        (user.user_id,),
    ).fetchall()


def download(user, path):
    folder = os.path.dirname(path)
    files = user.http.get("/files", params={"folder": folder}).json()["files"]
    [file] = [f for f in files if f["path"] == path]
    return user.download(file["file_id"])


@pytest.mark.parametrize("end", ["lost", "killed"])
@pytest.mark.parametrize("at", ["first", "last but one"])
def test_a_session_of_a_changed_file_is_never_whole(mr, db, s3, stack, user, proxy, tmp_path, at, end):
    """The server completes what is whole by itself. Neither a lost DELETE nor kill -9 may let it mix two contents."""
    local = random_file(tmp_path / "torn", 40 * MIB)
    running = []

    def interfere(method, path, n):
        if (method, path, n) == ("POST", "/upload/chunk", 1 if at == "first" else 4):
            overwrite(local, 100, 39 * MIB)
        if method == "DELETE" and end == "killed":
            running[0].kill()
        return method == "DELETE"

    proxy.before = interfere
    mr.env["MILLRACE_URL"] = proxy.url
    running.append(mr.start("upload", "-j", "2", "--retry", "1", local, "/torn"))
    _, err = running[0].communicate(timeout=60)
    assert running[0].returncode == (1 if end == "lost" else -9)
    if end == "lost":
        assert b"changed while it was uploaded; nothing was stored; the server could not be told" in err
    [(state, upload_id, key, s3_upload_id, parts)] = sessions(db, user)
    assert (state, parts) == ("open", 5)
    there = s3.list_parts(Bucket=stack["MR_S3_BUCKET"], Key=key, UploadId=s3_upload_id)
    assert [p["PartNumber"] for p in there["Parts"]] == [1, 2, 3, 4]

    # It is remembered, and the next run ends it.
    assert [u["upload_id"] for u in mr.json("status")[0]["uploads"]] == [upload_id]
    proxy.before = lambda *_: False
    [line] = mr.json("upload", local, "/torn")
    assert (line["version"], line["parts_resumed"]) == (1, 0)
    assert [s[0] for s in sessions(db, user)] == ["aborted", "published"]
    assert download(user, "/torn") == local.read_bytes()
    assert mr.upload_states() == []


@pytest.mark.parametrize("size", [5 * MIB, 20 * MIB])
def test_a_change_after_the_last_check_comes_too_late(mr, user, proxy, tmp_path, size):
    """Everything was read by then: what is stored is what the file held."""
    local = random_file(tmp_path / "late", size)
    before = local.read_bytes()
    moment = ("/upload/initiate", 1) if size < 8 * MIB else ("/upload/chunk", 3)

    def change(method, path, n):
        if (path, n) == moment:
            overwrite(local, 100, size - 100)
        return False

    proxy.before = change
    mr.env["MILLRACE_URL"] = proxy.url
    mr.run("upload", local, "/late")
    assert download(user, "/late") == before != local.read_bytes()


def test_a_change_whose_time_was_put_back_starts_anew(mr, db, user, killed_at, tmp_path):
    local = random_file(tmp_path / "sly", 40 * MIB)
    was = local.stat()
    killed_at("POST", "/upload/chunk", 4, "upload", "-j", "1", local, "/sly")
    overwrite(local, *range(100, 40 * MIB, 8 * MIB))
    os.utime(local, ns=(was.st_atime_ns, was.st_mtime_ns))
    [line] = mr.json("upload", local, "/sly")
    assert (line["version"], line["parts_resumed"]) == (1, 0)
    assert [s[0] for s in sessions(db, user)] == ["aborted", "published"]
    assert download(user, "/sly") == local.read_bytes()


def make_unnoticed(mr, local):
    """As if no time of the file told of its change."""
    [path] = mr.upload_states()
    state = json.loads(path.read_text())
    state |= {"mtime_ns": local.stat().st_mtime_ns, "ctime_ns": local.stat().st_ctime_ns}
    path.write_text(json.dumps(state))


def test_parts_that_arrived_are_compared(mr, db, user, killed_at, tmp_path):
    local = random_file(tmp_path / "parts", 40 * MIB)
    killed_at("POST", "/upload/chunk", 4, "upload", "-j", "1", local, "/parts")
    overwrite(local, 9 * MIB)  # the second part of three that arrived
    make_unnoticed(mr, local)
    [line] = mr.json("upload", local, "/parts")
    assert (line["version"], line["parts_resumed"]) == (1, 2)
    assert [s[0] for s in sessions(db, user)] == ["published"]
    assert download(user, "/parts") == local.read_bytes()


@pytest.mark.parametrize("size", [MIB, 20 * MIB])
def test_a_whole_session_of_another_content_is_dropped(mr, db, user, killed_at, tmp_path, size):
    local = random_file(tmp_path / "whole", size)
    killed_at("POST", "/upload/complete", 1, "upload", local, "/whole")
    overwrite(local, 100)
    make_unnoticed(mr, local)
    [line] = mr.json("upload", local, "/whole")
    assert (line["version"], line["parts_resumed"]) == (1, 0)
    assert [s[0] for s in sessions(db, user)] == ["aborted", "published"]
    assert download(user, "/whole") == local.read_bytes()


@pytest.mark.parametrize("size", [MIB, 20 * MIB])
def test_a_whole_session_is_only_completed(mr, db, user, proxy, killed_at, tmp_path, size):
    local = random_file(tmp_path / "whole", size)
    killed_at("POST", "/upload/complete", 1, "upload", local, "/whole")
    asked = proxy.seen.get(("POST", "/upload/chunk"), 0)
    [line] = mr.json("upload", local, "/whole")
    assert line["parts_resumed"] == line["parts"] == -(-size // (8 * MIB))
    assert proxy.seen.get(("POST", "/upload/chunk"), 0) == asked
    assert [s[0] for s in sessions(db, user)] == ["published"]
    assert download(user, "/whole") == local.read_bytes()


def test_an_unreachable_server_costs_no_state(mr, proxy, killed_at, tmp_path):
    local = random_file(tmp_path / "kept", 40 * MIB)
    killed_at("POST", "/upload/chunk", 4, "upload", "-j", "1", local, "/kept")
    proxy.before = lambda method, path, n: path.startswith("/upload")
    mr.run("upload", "--retry", "0", local, "/kept", code=6)
    proxy.before = lambda *_: False
    [line] = mr.json("upload", local, "/kept")
    assert line["parts_resumed"] == 3


@pytest.mark.parametrize(
    "meanwhile, options, version, says",
    [
        ("nothing", [], 1, "stored as version 1"),
        ("nothing", ["-f"], 2, "-f uploads it again"),
        ("nothing", ["-t", "image/png"], 2, "another type"),
        ("other version", [], 3, "a newer version"),
        ("other version", ["-f"], 3, "-f uploads it again"),
    ],
)
def test_what_was_completed_meanwhile(mr, user, killed_at, tmp_path, meanwhile, options, version, says):
    """The first run died before it heard of its success. The second one never claims what the path does not hold."""
    local = random_file(tmp_path / "notes.txt", 1000)
    killed_at("POST", "/upload/complete", 1, "upload", local, "/notes", answered=True)
    if meanwhile == "other version":
        assert user.upload("/notes", b"from another machine").version == 2
    result = mr.run("--json", "upload", *options, local, "/notes")
    assert result.lines[0]["version"] == version
    assert says in result.err
    assert download(user, "/notes") == local.read_bytes()
    [file] = user.http.get("/files", params={"folder": "/"}).json()["files"]
    assert file["version"] == version
    assert file["content_type"] == ("image/png" if "-t" in options else "text/plain")
    assert mr.upload_states() == []


def test_another_type_starts_an_interrupted_upload_anew(mr, db, user, killed_at, tmp_path):
    local = random_file(tmp_path / "a.txt", 20 * MIB)
    killed_at("POST", "/upload/chunk", 3, "upload", "-j", "1", local, "/typed")
    [line] = mr.json("upload", "-t", "image/png", local, "/typed")
    assert line["parts_resumed"] == 0
    assert [s[0] for s in sessions(db, user)] == ["aborted", "published"]


def test_two_files_for_one_path_are_refused(mr, db, user, tmp_path):
    nfc, nfd = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
    for name in ("A/x", "B/x", "both/" + nfc, "both/" + nfd, "both/other", "C/d/y", "D/d/y", "D/d/z"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    for args in (["A/x", "B/x", "/col/"], ["-r", "both", "/col"], ["-r", "C/d", "D/d", "/col"], ["-f", "A/x", "A/x", "/col"]):
        result = mr.run("upload", *args, code=5, cwd=tmp_path)
        assert "would both be /col/" in result.err
    assert "A/x and B/x would both be /col/x" in mr.run("upload", "A/x", "B/x", "/col", code=5, cwd=tmp_path).err
    assert sessions(db, user) == []
    # Folders that only share a name are one folder, as ever.
    (tmp_path / "C/d/y").rename(tmp_path / "C/d/other")
    mr.run("upload", "-r", "C/d", "D/d", "/col", cwd=tmp_path)
    assert {f["path"] for f in mr.json("ls", "/col/d")[0]["files"]} == {"/col/d/other", "/col/d/y", "/col/d/z"}


@pytest.mark.parametrize("name", [" two blanks ", "  ", "\ttab", "line\nline"])
def test_a_download_to_an_odd_name_goes_on(mr, user, tmp_path, name):
    data = os.urandom(40 * MIB)
    user.upload("/blank", data)
    target = tmp_path / "into"
    target.mkdir()
    running = mr.start("get", "-j", "1", "/blank", target / name)
    while running.poll() is None and not any("\npart 2 " in p.read_text(errors="replace") for p in mr.download_states()):
        pass
    running.kill()
    running.wait()
    assert running.returncode == -9
    [line] = mr.json("get", "/blank", target / name)
    assert line["parts_resumed"] >= 2
    assert [p.name for p in target.iterdir()] == [name]
    assert (target / name).read_bytes() == data


def test_a_dash_is_no_stream(mr, user, tmp_path):
    user.upload("/x", b"x")
    assert "stdout" in mr.run("get", "/x", "-", code=2, cwd=tmp_path).err
    assert "stdin" in mr.run("upload", "-", "/y", code=2, cwd=tmp_path).err
    mr.run("get", "/x", "./-", cwd=tmp_path)
    mr.run("upload", "./-", "/y", cwd=tmp_path)
    assert (tmp_path / "-").read_bytes() == b"x"


def test_names_are_said_once(mr):
    assert mr.run("get", "/nope", code=4).err == "mr: /nope: there is no such file or folder on the server\n"
    assert mr.run("get", "", code=2).err == "mr: '': paths on the server begin with /\n"
