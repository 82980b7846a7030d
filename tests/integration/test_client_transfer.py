"""`mr upload` and `mr get`, each checked by somebody else's client on the other end."""

import hashlib
import os
import unicodedata

import pytest
from support.client import Mr, random_file, sha256_of, tree_of
from support.users import content_hash, store_client

MIB = 1 << 20


@pytest.fixture
def mr(stack, tmp_path, user):
    home = tmp_path / "home"
    home.mkdir()
    return Mr(stack, home, user)


def stored(db, s3, stack, file_id, version):
    """The bytes of a version as boto3 reads them."""
    key = db.execute(
        "select s3_key from file_versions where file_id = %s and version = %s", (file_id, version)
    ).fetchone()[0]
    return s3.get_object(Bucket=stack["MR_S3_BUCKET"], Key=key)["Body"].read()


@pytest.mark.parametrize("size", [0, 1, 10_000, 8 * MIB - 1, 8 * MIB, 8 * MIB + 1, 20 * MIB])
def test_upload_is_what_was_read(mr, user, db, s3, stack, tmp_path, size):
    local = random_file(tmp_path / "file.bin", size)
    [line] = mr.json("upload", local, "/a/b/file.bin")
    data = local.read_bytes()
    assert (line["version"], line["size"], line["readable"]) == (1, size, True)
    assert line["parts"] == max(1, -(-size // (8 * MIB)))
    assert stored(db, s3, stack, line["file_id"], 1) == data
    assert user.download(line["file_id"]) == data
    file = user.http.get(f"/files/{line['file_id']}").json()
    assert file["path"] == "/a/b/file.bin"
    assert file["content_hash"] == content_hash(data)
    assert mr.upload_states() == []


@pytest.mark.parametrize("size", [0, 1, 10_000, 8 * MIB, 8 * MIB + 1, 20 * MIB])
def test_download_is_what_was_uploaded(mr, user, tmp_path, size):
    data = os.urandom(size)
    user.upload("/a/file.bin", data)
    [line] = mr.json("get", "/a/file.bin", tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == data
    assert (line["size"], line["version"], line["unchanged"]) == (size, 1, False)
    assert mr.download_states() == []
    assert not list(tmp_path.glob("*.part"))


def test_times_tell_the_order_of_steps(mr, tmp_path):
    [line] = mr.json("upload", random_file(tmp_path / "x", 9 * MIB))
    times = line["times"]
    assert times["started"] < times["begun"] < times["sent"] < times["completed"]


ODD_NAMES = [
    "plain.txt",
    "with space",
    "-rf",
    "--help",
    "ümläut.txt",
    "東京.png",
    "🙂🙃",
    "a#b?c&d=e+f%20g;h",
    "quote'\"`$(x)",
    "back\\slash",
    "trailing.",
    ".hidden",
    "...",
    "x" * 255,
    "ß" * 127,
    "deep/" * 20 + "file",
    "x.part",
    "x",
]


def test_a_folder_with_odd_names_goes_there_and_back(mr, user, tmp_path):
    source = tmp_path / "source"
    for i, name in enumerate(ODD_NAMES):
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(i * 37))
    mr.run("upload", "-r", source, "/odd")
    # What the server lists, as another client reads it.
    listed, folders = {}, ["/odd"]
    while folders:
        answer = user.http.get("/files", params={"folder": folders.pop(), "limit": 1000}).json()
        folders += [f["path"] for f in answer["folders"]]
        listed |= {f["path"]: f for f in answer["files"]}
    assert set(listed) == {f"/odd/{name}" for name in ODD_NAMES}
    for path, file in listed.items():
        assert file["content_hash"] == content_hash((source / path.removeprefix("/odd/")).read_bytes())
    mr.run("get", "-r", "/odd", tmp_path / "copy")
    assert tree_of(tmp_path / "copy") == tree_of(source)
    # Again, both ways: nothing moves.
    assert all(line["unchanged"] for line in mr.json("upload", "-r", source, "/odd"))
    assert all(line["unchanged"] for line in mr.json("get", "-r", "/odd", tmp_path / "copy"))
    assert {f["version"] for f in listed.values()} == {1}


def test_names_become_nfc_and_only_v_says_so(mr, user, tmp_path):
    name = unicodedata.normalize("NFD", "Café Ångström.txt")
    local = tmp_path / name
    local.write_text("x")
    quiet = mr.run("upload", local, "/nfc/")
    assert "called" not in quiet.err
    verbose = mr.run("upload", "-v", local, "/nfc/")
    assert unicodedata.normalize("NFC", name) in verbose.err
    files = user.http.get("/files", params={"folder": "/nfc"}).json()["files"]
    assert [f["path"] for f in files] == ["/nfc/" + unicodedata.normalize("NFC", name)]
    assert files[0]["version"] == 2


def test_a_name_that_is_not_utf8_fails_alone(mr, user, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "good").write_text("good")
    with open(os.fsencode(source) + b"/bad\xff\x1b[31m", "w") as f:
        f.write("bad")
    result = mr.run("upload", "-r", source, "/mixed", code=1)
    assert "UTF-8" in result.err
    assert "\x1b" not in result.err and "bad\\xff\\x1b[31m" in result.err
    assert [f["path"] for f in user.http.get("/files", params={"folder": "/mixed"}).json()["files"]] == ["/mixed/good"]


def test_a_name_the_server_refuses_fails_alone(mr, user, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "good").write_text("good")
    (source / "tab\tbell\x07").write_text("control characters")
    lines = mr.run("upload", "--json", "-r", source, "/ctrl", code=1).lines
    assert {line["path"]: line.get("error", {}).get("status") for line in lines} == {
        "/ctrl/good": None,
        "/ctrl/tab\tbell\x07": 400,
    }


def test_links_and_special_files_are_left_out(mr, user, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "file").write_text("x")
    (source / "link").symlink_to("/etc/passwd")
    (source / "folder-link").symlink_to("/etc")
    os.mkfifo(source / "pipe")
    result = mr.run("upload", "-r", source, "/links")
    assert result.err.count("left out") == 3
    assert [f["path"] for f in user.http.get("/files", params={"folder": "/links"}).json()["files"]] == ["/links/file"]
    # A link that the user named is what it points to.
    mr.run("upload", source / "link", "/named")
    assert mr.json("ls", "/named")[0]["files"][0]["size"] == os.path.getsize("/etc/passwd")


def test_where_uploads_go(mr, tmp_path):
    folder = tmp_path / "photos"
    (folder / "2024").mkdir(parents=True)
    (folder / "2024" / "a.jpg").write_text("a")
    (tmp_path / "b.txt").write_text("b")
    mr.run("upload", tmp_path / "b.txt")
    mr.run("upload", tmp_path / "b.txt", "/named")
    mr.run("upload", tmp_path / "b.txt", "/into/")
    mr.run("upload", "-r", folder, tmp_path / "b.txt", "/both")
    mr.run("upload", "-r", folder)
    mr.run("upload", "-r", str(folder) + "/", "/as")
    mr.run("upload", "-r", folder, "/below/")
    mr.run("upload", "-r", ".", "/dot/", cwd=folder)
    mr.run("upload", "-r", folder, "/")
    paths = [f["path"] for f in mr.json("ls", "-r", "/")[0]["files"]]
    assert sorted(paths) == sorted(
        ["/b.txt", "/named", "/into/b.txt", "/both/photos/2024/a.jpg", "/both/b.txt", "/photos/2024/a.jpg"]
        + ["/as/2024/a.jpg", "/below/photos/2024/a.jpg", "/dot/photos/2024/a.jpg"]
    )
    mr.run("upload", folder, code=1)  # without -r
    mr.run("upload", tmp_path / "b.txt", tmp_path / "b.txt", "c.txt", code=2)


def test_where_downloads_go(mr, user, tmp_path):
    user.upload("/a/b/c.txt", b"c")
    here = tmp_path / "here"
    here.mkdir()
    mr.run("get", "/a/b/c.txt", cwd=here)
    mr.run("get", "/a/b/c.txt", "named.txt", cwd=here)
    (here / "folder").mkdir()
    mr.run("get", "/a/b/c.txt", "folder", cwd=here)
    mr.run("get", "/a/b/c.txt", "new/folder/", cwd=here)
    mr.run("get", "-r", "/a", cwd=here)
    mr.run("get", "-r", "/a", "as", cwd=here)
    mr.run("get", "-r", "/a/", "into/", cwd=here)
    mr.run("get", "-r", "/", "all", cwd=here)
    assert sorted(os.fsdecode(p) for p in tree_of(here)) == sorted(
        ["c.txt", "named.txt", "folder/c.txt", "new/folder/c.txt", "a/b/c.txt", "as/b/c.txt", "into/a/b/c.txt", "all/a/b/c.txt"]
    )
    mr.run("get", "/a", "x", cwd=here, code=1)  # without -r
    mr.run("get", "/a/nothing", cwd=here, code=4)


def test_what_is_there_is_not_overwritten_unless_asked(mr, user, tmp_path):
    user.upload("/doc.txt", b"from the server")
    here = tmp_path / "doc.txt"
    here.write_bytes(b"my own text!!!!")  # of the same size
    result = mr.run("get", "/doc.txt", here, code=5)
    assert "-f" in result.err
    assert here.read_bytes() == b"my own text!!!!"
    mr.run("get", "-f", "/doc.txt", here)
    assert here.read_bytes() == b"from the server"
    [line] = mr.json("get", "/doc.txt", here)
    assert line["unchanged"]
    (tmp_path / "folder" / "doc.txt").mkdir(parents=True)
    mr.run("get", "-f", "/doc.txt", tmp_path / "folder", code=5)


def test_versions_and_old_ones_back(mr, user, tmp_path):
    contents = [b"one", b"two two", os.urandom(9 * MIB)]
    for data in contents:
        user.upload("/v.bin", data)
    [answer] = mr.json("versions", "/v.bin")
    assert [v["version"] for v in answer["versions"]] == [3, 2, 1]
    for number, data in enumerate(contents, 1):
        mr.run("get", "--at", str(number), "/v.bin", tmp_path / f"v{number}")
        assert (tmp_path / f"v{number}").read_bytes() == data
    mr.run("get", "--at", "4", "/v.bin", tmp_path / "v4", code=4)
    assert "3" in mr.run("versions", "/v.bin").out


def test_listing_and_status(mr, user, tmp_path):
    for path in ["/l/a.txt", "/l/b/c.txt", "/l/b/d.txt"]:
        user.upload(path, b"12345")
    assert mr.run("ls", "/l").out.split() == ["b/", "a.txt"]
    assert mr.run("ls", "/l/").out.split() == ["b/", "a.txt"]
    assert sorted(mr.run("ls", "-r", "/l").out.split()) == ["a.txt", "b/c.txt", "b/d.txt"]
    assert "AVAILABLE" in mr.run("ls", "-l", "/l/a.txt").out
    assert mr.run("ls", "/l/a.txt").out.split() == ["a.txt"]
    mr.run("ls", "/nothing", code=4)
    [answer] = mr.json("status", "/l/a.txt")
    assert answer["file"]["status"] == "AVAILABLE"
    assert {s["stage"] for s in answer["stages"]} == {"THUMBNAIL", "SCAN", "SEARCH"}
    assert "/l/a.txt" in mr.run("status", "/l/a.txt").out
    mr.run("status", "/l", code=4)


def test_many_pages_of_a_listing(mr, user, tmp_path, full):
    """More files than a page of the listing has."""
    n = 2500 if full else 1100
    source = tmp_path / "many"
    source.mkdir()
    for i in range(n):
        (source / f"{i:05}").write_text(str(i))
    mr.run("upload", "-q", "-r", "-j", "8", source, "/many", timeout=300)
    [answer] = mr.json("ls", "/many")
    assert [f["path"] for f in answer["files"]] == [f"/many/{i:05}" for i in range(n)]
    mr.run("get", "-q", "-r", "/many", tmp_path / "copy", timeout=300)
    assert tree_of(tmp_path / "copy") == tree_of(source)


def test_a_file_that_changes_meanwhile_is_an_error(mr, user, db, tmp_path):
    local = random_file(tmp_path / "growing", 96 * MIB)
    running = mr.start("upload", "-j", "1", "--json", local, "/growing")
    while running.poll() is None:
        with open(local, "ab") as f:
            f.write(b"more")
    out = running.stdout.read().decode()
    assert running.returncode == 1, out
    assert "changed" in out
    states = db.execute("select state from upload_sessions where owner_id = %s", (user.user_id,)).fetchall()
    assert states == [("aborted",)]
    assert mr.upload_states() == []
    mr.run("ls", "/growing", code=4)


def test_content_types(mr, user, tmp_path):
    (tmp_path / "a.PNG").write_bytes(b"x")
    mr.run("upload", tmp_path / "a.PNG")
    mr.run("upload", "-t", "text/x-own", tmp_path / "a.PNG", "/own")
    types = {f["path"]: f["content_type"] for f in mr.json("ls", "/")[0]["files"]}
    assert types == {"/a.PNG": "image/png", "/own": "text/x-own"}


def test_the_downloaded_content_hash_is_checked(mr, user, db, s3, stack, tmp_path):
    """A store that gives back other bytes than it was given is found out, and nothing of it stays."""
    data = os.urandom(100_000)
    uploaded = user.upload("/rotten", data)
    key = db.execute("select s3_key from file_versions where file_id = %s", (uploaded.file_id,)).fetchone()[0]
    try:
        s3.put_object(Bucket=stack["MR_S3_BUCKET"], Key=key, Body=os.urandom(100_000))
        result = mr.run("get", "/rotten", tmp_path / "rotten", code=1)
    finally:
        s3.put_object(Bucket=stack["MR_S3_BUCKET"], Key=key, Body=data)
    assert "content hash" in result.err
    assert not list(tmp_path.glob("rotten*"))


def test_downloads_are_the_stores_bytes_to_a_stranger_too(mr, user, tmp_path):
    local = random_file(tmp_path / "x", 3 * MIB)
    [line] = mr.json("upload", local, "/x")
    url = user.http.get(f"/files/{line['file_id']}/presigned-url").json()["url"]
    assert hashlib.sha256(store_client().get(url).content).hexdigest() == sha256_of(local)
