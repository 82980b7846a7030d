"""`mr` while the store, the edge or the log is away; and with the store under another name for clients."""

import pytest
from support.client import Mr, random_file, sha256_of
from support.stack import wait_for

pytestmark = pytest.mark.fault
MIB = 1 << 20


@pytest.fixture
def mr(whole_stack, tmp_path, user):
    home = tmp_path / "home"
    home.mkdir()
    return Mr(whole_stack, home, user)


def test_without_a_store_it_is_6_and_then_goes_on(mr, whole_stack, user, tmp_path):
    local = random_file(tmp_path / "x", 30 * MIB)
    user.upload("/there", b"x" * 100)
    whole_stack.down("minio")
    assert "store" in mr.run("upload", "--retry", "2", local, "/x", code=6).err
    mr.run("get", "--retry", "2", "/there", tmp_path / "there", code=6)
    whole_stack.up("minio")
    mr.run("get", "/there", tmp_path / "there")
    mr.run("upload", local, "/x")
    mr.run("get", "/x", tmp_path / "back")
    assert sha256_of(tmp_path / "back") == sha256_of(local)


def test_a_store_that_comes_back_in_time_is_waited_for(mr, whole_stack, tmp_path):
    local = random_file(tmp_path / "x", 200 * MIB)
    running = mr.start("upload", "-j", "1", "--retry", "60", "--json", local, "/x")
    wait_for("a session", lambda: any(p.stat().st_size for p in mr.upload_states()), every=0.01)
    whole_stack.down("--kill", "minio")
    assert running.poll() is None
    whole_stack.up("minio")
    out, err = running.communicate(timeout=120)
    assert running.returncode == 0, err
    mr.run("get", "/x", tmp_path / "back")
    assert sha256_of(tmp_path / "back") == sha256_of(local)


def test_without_an_edge_it_is_6(mr, whole_stack):
    whole_stack.down("nginx")
    for args in (["ls"], ["upload", "/etc/hosts"], ["get", "/x"]):
        mr.run(*args, "--retry", "1", code=6)
    whole_stack.up("nginx")
    mr.run("upload", "/etc/hosts")


def test_without_a_log_it_is_stored_and_published_later(mr, whole_stack, tmp_path):
    whole_stack.down("--kill", "kafka")
    [line] = mr.json("upload", "--no-wait", "/etc/hosts", "/x")
    assert (line["state"], line["readable"]) == ("assembled", False)
    mr.run("ls", "/x", code=4)
    whole_stack.up()
    wait_for("the file", lambda: mr.run("ls", "/x", code=None).code == 0, timeout=60)
    mr.run("get", "/x", tmp_path / "back")
    assert sha256_of(tmp_path / "back") == sha256_of("/etc/hosts")


def test_a_store_with_another_name_for_clients(whole_stack, user, tmp_path):
    """Presigned URLs are for the public name; programs talk to the other one."""
    public = whole_stack["MR_S3_ENDPOINT"].replace("127.0.0.1", "localhost")
    assert public != whole_stack["MR_S3_ENDPOINT"]
    home = tmp_path / "home"
    home.mkdir()
    settings = whole_stack.run_dir / "extra.env"
    before = settings.read_text() if settings.exists() else None
    settings.write_text((before or "") + f"MR_S3_PUBLIC_ENDPOINT={public}\n")
    try:
        whole_stack.down("mr-upload", "mr-api")
        whole_stack.up("mr-upload", "mr-api")
        mr = Mr(whole_stack, home, user)
        local = random_file(tmp_path / "x", 20 * MIB)
        session = user.initiate("/probe", b"x")
        assert session["parts"][0]["url"].startswith(public + "/")
        assert user.http.delete(f"/upload/{session['upload_id']}").is_success
        [line] = mr.json("upload", local, "/x")
        assert user.http.get(f"/files/{line['file_id']}/presigned-url").json()["url"].startswith(public + "/")
        mr.run("get", "/x", tmp_path / "back")
        assert sha256_of(tmp_path / "back") == sha256_of(local)
    finally:
        if before is None:
            settings.unlink()
        else:
            settings.write_text(before)
        whole_stack.down("mr-upload", "mr-api")
        whole_stack.up("mr-upload", "mr-api")
