"""Killed in mid-transfer, `mr` goes on where it stopped: nothing that had arrived is moved again."""

import os
import signal
import time

import pytest
from support.client import Mr, random_file, sha256_of
from support.stack import wait_for

MIB = 1 << 20


@pytest.fixture
def mr(stack, tmp_path, user):
    home = tmp_path / "home"
    home.mkdir()
    return Mr(stack, home, user)


@pytest.fixture
def large(tmp_path, full):
    return random_file(tmp_path / "large.bin", (640 if full else 240) * MIB + 12345)


class Session:
    """The newest upload session of a user, as the database and the store know it."""

    def __init__(self, db, s3, stack, user):
        self.s3, self.bucket = s3, stack["MR_S3_BUCKET"]
        row = db.execute(
            "select upload_id::text, s3_key, s3_upload_id, part_count from upload_sessions"
            " where user_id = %s order by created_at desc limit 1",
            (user.user_id,),
        ).fetchone()
        assert row
        self.upload_id, self.key, self.s3_upload_id, self.part_count = row

    def parts(self) -> dict:
        answer = self.s3.list_parts(Bucket=self.bucket, Key=self.key, UploadId=self.s3_upload_id, MaxParts=1000)
        return {p["PartNumber"]: p["LastModified"] for p in answer.get("Parts", [])}


def run_until_parts_arrived(mr, db, s3, stack, user, n, *args) -> tuple:
    running = mr.start("upload", "-j", "1", *args)
    wait_for("a session", lambda: mr.upload_states() and any(p.stat().st_size for p in mr.upload_states()), every=0.005)
    session = Session(db, s3, stack, user)
    wait_for(f"{n} parts", lambda: running.poll() is not None or len(session.parts()) >= n, every=0.005)
    return running, session


def test_upload_goes_on_after_kill(mr, db, s3, stack, user, large, tmp_path):
    running, session = run_until_parts_arrived(mr, db, s3, stack, user, 4, large, "/large.bin")
    running.kill()
    assert running.wait() == -signal.SIGKILL
    time.sleep(0.3)  # what the store had taken off the wire may still be finished
    before = session.parts()
    assert 4 <= len(before) < session.part_count

    # In the second run the store is looked at once more while it is held: earlier parts are the very same.
    running, again = run_until_parts_arrived(mr, db, s3, stack, user, len(before) + 2, "--json", large, "/large.bin")
    running.send_signal(signal.SIGSTOP)
    assert again.upload_id == session.upload_id
    now = again.parts()
    assert {n: t for n, t in now.items() if n in before} == before
    assert len(now) >= len(before) + 2
    running.send_signal(signal.SIGCONT)
    out, err = running.communicate(timeout=120)
    assert running.returncode == 0, err
    assert f'"parts_resumed":{len(before)}' in out.decode()

    keys = db.execute("select s3_key from file_versions where user_id = %s", (user.user_id,)).fetchall()
    assert len(keys) == 1
    s3.download_file(stack["MR_S3_BUCKET"], keys[0][0], str(tmp_path / "read"))
    assert sha256_of(tmp_path / "read") == sha256_of(large)
    assert mr.upload_states() == []


def test_a_changed_file_starts_anew(mr, db, s3, stack, user, large):
    running, session = run_until_parts_arrived(mr, db, s3, stack, user, 3, large, "/large.bin")
    running.kill()
    running.wait()
    with open(large, "r+b") as f:
        f.write(b"another beginning")
    [line] = mr.json("upload", large, "/large.bin")
    assert line["parts_resumed"] == 0
    states = dict(db.execute("select upload_id::text, state from upload_sessions where user_id = %s", (user.user_id,)).fetchall())
    assert states.pop(session.upload_id) == "aborted"
    assert list(states.values()) == ["published"]
    with pytest.raises(s3.exceptions.NoSuchUpload):
        session.parts()


def test_an_interrupted_upload_says_how_to_go_on(mr, db, s3, stack, user, large):
    running, session = run_until_parts_arrived(mr, db, s3, stack, user, 3, large, "/large.bin")
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=20)
    assert running.returncode == 130
    assert b"run the same command again" in err
    [answer] = mr.json("status")
    [waiting] = answer["uploads"]
    assert waiting["upload_id"] == session.upload_id
    assert waiting["state"] == "open" and waiting["parts_arrived"] >= 3
    assert "/large.bin" in mr.run("status").out
    assert f"of {session.part_count} parts arrived" in mr.run("status", session.upload_id).out
    [line] = mr.json("upload", large, "/large.bin")
    assert line["parts_resumed"] >= 3
    assert mr.json("status") == [{"uploads": []}]


def test_a_session_that_is_gone_starts_anew(mr, db, s3, stack, user, large):
    running, session = run_until_parts_arrived(mr, db, s3, stack, user, 3, large, "/large.bin")
    running.kill()
    running.wait()
    assert user.http.delete(f"/upload/{session.upload_id}").status_code in (200, 204)
    [line] = mr.json("upload", large, "/large.bin")
    assert (line["parts_resumed"], line["version"]) == (0, 1)


def test_a_complete_that_was_not_heard_is_asked_again(mr, db, s3, stack, user, large):
    """The first run died after the server had completed and before it knew: no second version is made."""
    running, _ = run_until_parts_arrived(mr, db, s3, stack, user, 3, large, "/large.bin")
    running.kill()
    running.wait()
    [state] = mr.upload_states()
    saved = state.read_bytes()
    [line] = mr.json("upload", large, "/large.bin")
    state.write_bytes(saved)
    [again] = mr.json("upload", large, "/large.bin")
    assert again["version"] == line["version"] == 1
    assert db.execute("select count(*) from file_versions where file_id = %s", (line["file_id"],)).fetchone() == (1,)
    assert mr.upload_states() == []


def test_a_killed_folder_upload_sends_only_the_rest(mr, user, tmp_path, full):
    n = 1500 if full else 400
    source = tmp_path / "many"
    source.mkdir()
    for i in range(n):
        (source / f"{i:04}").write_bytes(os.urandom(2000))
    running = mr.start("upload", "-r", source, "/many")
    wait_for("some files", lambda: len(user.http.get("/files", params={"folder": "/many", "limit": 1000}).json()["files"]) > 50)
    running.kill()
    running.wait()
    lines = mr.json("upload", "-r", source, "/many")
    assert len(lines) == n
    assert sum(line["unchanged"] for line in lines) >= 50
    versions = [f["version"] for f in mr.json("ls", "/many")[0]["files"]]
    assert len(versions) == n
    # Files whose upload was under way may have got a second version: at most what goes at once.
    assert sum(v > 1 for v in versions) <= 20
    assert mr.upload_states() == []


def recorded_parts(mr) -> int:
    return sum(p.read_text().count("\npart ") for p in mr.download_states())


def start_download_until(mr, parts, *args):
    running = mr.start("get", "-j", "1", *args)
    wait_for(f"{parts} parts", lambda: running.poll() is not None or recorded_parts(mr) >= parts, every=0.002)
    return running


def test_download_goes_on_after_kill(mr, tmp_path, large):
    mr.run("upload", "-q", large, "/large.bin", "--no-wait")
    wait_for("the file", lambda: mr.run("ls", "/large.bin", code=None).code == 0)
    target = tmp_path / "got"
    running = start_download_until(mr, 3, "/large.bin", target)
    running.kill()
    assert running.wait() == -signal.SIGKILL
    done = recorded_parts(mr)
    assert done >= 3
    assert not target.exists() and (tmp_path / "got.part").exists()
    [line] = mr.json("get", "/large.bin", target)
    assert line["parts_resumed"] == done < line["parts"]
    assert sha256_of(target) == sha256_of(large)
    assert mr.download_states() == [] and not (tmp_path / "got.part").exists()


def test_a_part_that_was_damaged_meanwhile_is_fetched_again(mr, tmp_path, large):
    mr.run("upload", "-q", large, "/large.bin", "--no-wait")
    wait_for("the file", lambda: mr.run("ls", "/large.bin", code=None).code == 0)
    target = tmp_path / "got"
    running = start_download_until(mr, 3, "/large.bin", target)
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=20)
    assert running.returncode == 130
    done = recorded_parts(mr)
    with open(tmp_path / "got.part", "r+b") as f:
        f.seek(1000)
        f.write(b"rot")
    [line] = mr.json("get", "/large.bin", target)
    assert line["parts_resumed"] == done - 1
    assert sha256_of(target) == sha256_of(large)


def test_a_strangers_part_file_is_not_touched(mr, user, tmp_path):
    user.upload("/x", b"from the server")
    (tmp_path / "x.part").write_text("mine")
    mr.run("get", "/x", tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == b"from the server"
    assert (tmp_path / "x.part").read_text() == "mine"
