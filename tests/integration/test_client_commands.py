"""What `mr` says and how it ends: exit codes, logins, terminals, servers that mean harm."""

import hashlib
import http.server
import json
import os
import pty
import select
import socket
import stat
import threading
import time

import pytest
from support.client import Mr, random_file
from support.users import PASSWORD

MIB = 1 << 20


@pytest.fixture
def home(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    return home


@pytest.fixture
def mr(stack, home, user):
    return Mr(stack, home, user)


@pytest.fixture
def stranger(stack, home):
    """Not logged in."""
    return Mr(stack, home)


COMMANDS = ["login", "logout", "upload", "ls", "get", "versions", "status"]


def test_help_and_version(stranger):
    text = stranger.run("--help").out
    assert all(command in text for command in COMMANDS)
    for command in COMMANDS:
        assert f"Usage: mr {command}" in stranger.run(command, "--help").out
    assert stranger.run("--version").out.startswith("mr ")


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["--nonsense"],
        ["nonsense"],
        ["ls", "--nonsense"],
        ["ls", "-f"],
        ["ls", "/a", "/b"],
        ["upload"],
        ["upload", "-j", "0", "x"],
        ["upload", "-j", "x", "x"],
        ["upload", "-j", "33", "x"],
        ["upload", "--retry", "-1", "x"],
        ["get"],
        ["get", "--at", "0", "/x"],
        ["versions"],
        ["login"],
        ["login", "files.example.org"],
        ["login", "ftp://files.example.org"],
    ],
)
def test_wrong_usage_is_2(stranger, args):
    result = stranger.run(*args, code=2)
    assert result.err.startswith("mr")


@pytest.mark.parametrize("args", [["ls"], ["get", "/x"], ["upload", "/etc/hosts"], ["versions", "/x"], ["status"], ["status", "/x"]])
def test_not_logged_in_is_3(stranger, args):
    assert "mr login" in stranger.run(*args, code=3).err
    [answer] = stranger.json(*args, code=3)
    assert answer["error"]["exit_code"] == 3


@pytest.mark.parametrize("args", [["ls"], ["get", "/x"], ["upload", "/etc/hosts"], ["status", "/x"]])
def test_a_token_that_is_not_taken_is_3(mr, args):
    mr.env["MILLRACE_TOKEN"] = mr.env["MILLRACE_TOKEN"][:-3] + "AAA"
    mr.run(*args, code=3)


def test_missing_things_are_4(mr, tmp_path):
    for args in (["ls", "/no"], ["get", "/no"], ["versions", "/no"], ["status", "/no"], ["upload", tmp_path / "no"]):
        mr.run(*args, code=4)
    mr.run("status", "01890000-0000-7000-8000-000000000000", code=4)


def test_anothers_file_is_missing(mr, new_user):
    new_user().upload("/theirs", b"x")
    mr.run("get", "/theirs", code=4)
    mr.run("versions", "/theirs", code=4)


def test_conflicts_are_5(mr, user):
    user.upload("/folder/file", b"x")
    mr.run("upload", "/etc/hosts", "/folder", code=5)
    mr.run("upload", "/etc/hosts", "/folder/file/below", code=5)


@pytest.mark.parametrize("path", ["relative", "/a//b", "/a/../b", "/" + "x" * 256, "/a/" * 600 + "x"])
def test_a_path_that_cannot_be_is_refused(mr, path):
    """With the server's reason, or ours; never stored under another name."""
    result = mr.run("upload", "/etc/hosts", path, code=None)
    assert result.code in (1, 2), result
    assert mr.json("ls")[0] == {"folders": [], "files": []}


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.mark.parametrize("args", [["ls"], ["get", "/x"], ["upload", "/etc/hosts"], ["status", "/x"]])
def test_no_server_is_6(mr, args):
    mr.env["MILLRACE_URL"] = f"http://127.0.0.1:{free_port()}"
    began = time.monotonic()
    assert "127.0.0.1" in mr.run(*args, "--retry", "1", code=6).err
    assert 0.5 < time.monotonic() - began < 10


def test_a_server_that_speaks_something_else(mr):
    """Not HTTP at all, and HTTP without JSON."""
    for answer in (b"220 smtp ready\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>"):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            mr.env["MILLRACE_URL"] = f"http://127.0.0.1:{s.getsockname()[1]}"
            stop = threading.Event()

            def serve(listener=s, answer=answer, stop=stop):
                while not stop.is_set():
                    if select.select([listener], [], [], 0.1)[0]:
                        connection, _ = listener.accept()
                        connection.recv(65536)
                        connection.sendall(answer)
                        connection.close()

            thread = threading.Thread(target=serve)
            thread.start()
            result = mr.run("ls", "--retry", "1", code=None)
            stop.set()
            thread.join()
            assert result.code in (1, 6), result


# --- accounts ---


def test_register_log_in_and_out(stack, stranger, home):
    email = f"mr-{os.urandom(8).hex()}@example.test"
    login = ["login", "--email", email, "--password-stdin", stack["MR_API_URL"]]
    stranger.run(*login[:-1], "--register", "--name", "Me", login[-1], text=PASSWORD + "\n")
    credentials = home / ".config/millrace/credentials.json"
    assert stat.S_IMODE(credentials.stat().st_mode) == 0o600
    assert stat.S_IMODE(credentials.parent.stat().st_mode) == 0o700
    assert PASSWORD not in credentials.read_text()
    assert stranger.json("ls") == [{"folders": [], "files": []}]
    stranger.run(*login[:-1], "--register", login[-1], text=PASSWORD + "\n", code=5)  # it is there already
    stranger.run("logout")
    assert not credentials.exists()
    stranger.run("ls", code=3)
    assert "password" in stranger.run(*login, text="wrong password\n", code=3).err
    assert not credentials.exists()
    (home / "password").write_text(PASSWORD + "\n")
    [answer] = stranger.json("login", "--email", email, "--password-file", home / "password", stack["MR_API_URL"])
    assert answer["email"] == email
    stranger.run("logout")
    stranger.run("logout")


class Terminal:
    """A program on a pseudo-terminal."""

    def __init__(self, mr, *args):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(mr.program, [mr.program, *map(str, args)], {**mr.env, "TERM": "xterm"})
        self.text = ""

    def read_until(self, wanted: str | None, timeout: float = 60) -> str:
        """Until the text is there; None: until the program ends."""
        end = time.monotonic() + timeout
        while wanted is None or wanted not in self.text:
            assert time.monotonic() < end, f"no {wanted!r} in {self.text!r}"
            if not select.select([self.fd], [], [], 0.2)[0]:
                continue
            try:
                data = os.read(self.fd, 65536)
            except OSError:  # EIO: the other end is closed
                data = b""
            if not data:
                break
            self.text += data.decode(errors="replace")
        return self.text

    def write(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def wait(self) -> int:
        self.read_until(None)
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.fd)
        return code


def test_a_password_is_asked_for_and_not_shown(stack, stranger, user):
    terminal = Terminal(stranger, "login", stack["MR_API_URL"])
    terminal.read_until("E-mail address: ")
    terminal.write(user.email + "\n")
    terminal.read_until("Password: ")
    time.sleep(0.2)  # until the echo is off there is nothing to see
    terminal.write(PASSWORD + "\n")
    assert terminal.wait() == 0, terminal.text
    assert user.email in terminal.text and PASSWORD not in terminal.text
    stranger.run("ls")


def test_ctrl_c_at_the_password_ends_it(stack, stranger, user):
    terminal = Terminal(stranger, "login", "--email", user.email, stack["MR_API_URL"])
    terminal.read_until("Password: ")
    time.sleep(0.2)
    terminal.write("\x03")
    assert terminal.wait() == 130, terminal.text


# --- terminals ---


def test_a_bar_on_a_terminal_and_only_there(mr, tmp_path):
    local = random_file(tmp_path / "large", 120 * MIB)
    terminal = Terminal(mr, "upload", local, "/bar")
    assert terminal.wait() == 0, terminal.text
    assert "\r\x1b[K[" in terminal.text and "ETA" in terminal.text and "0/1 files" in terminal.text
    assert "of 120 MiB" in terminal.text
    quiet = Terminal(mr, "upload", "-q", local, "/bar")
    assert quiet.wait() == 0
    assert quiet.text == ""
    piped = mr.run("upload", local, "/bar")
    assert "\x1b" not in piped.out + piped.err and "\r" not in piped.out + piped.err


def test_a_full_disk_behind_stdout_is_an_error(mr, user):
    user.upload("/x", b"x")
    with open("/dev/full", "w") as full:
        running = mr.start("ls", stdout=full)
        _, err = running.communicate(timeout=30)
    assert running.returncode == 1
    assert b"standard output" in err


# --- hostile servers ---


class Hostile(http.server.BaseHTTPRequestHandler):
    """Lists names that lead elsewhere. There is no real server that would."""

    names: list[str] = []
    digest = ""
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path.startswith("/me"):
            body = {"user_id": "01890000-0000-7000-8000-000000000000"}
        elif "presigned-url" in self.path:
            body = {"url": f"http://{self.headers['Host']}/bytes", "expires_at": "2100-01-01T00:00:00Z"}
        elif self.path == "/bytes":
            return self.answer(200, b"owned", "application/octet-stream")
        else:
            body = {"folders": [], "files": [self.file(name) for name in self.names], "next_cursor": None}
        return self.answer(200, json.dumps(body).encode(), "application/json")

    def file(self, name):
        file_id = "01890000-0000-7000-8000-000000000001"
        return {"path": name, "file_id": file_id, "version": 1, "size": 5, "content_hash": self.digest}

    def answer(self, status, body, kind):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def hostile():
    Hostile.digest = hashlib.sha256(hashlib.sha256(b"owned").digest()).hexdigest()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hostile)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_names_from_the_server_cannot_leave_the_folder(mr, hostile, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    target = tmp_path / "target"
    target.mkdir()
    (target / "link").symlink_to(outside)
    (target / "file-link").symlink_to(outside / "through")
    Hostile.names = ["/top/good", "/top/../evil", "/top/a/../../evil", "/top//evil", "/top/./evil", "/evil", "evil", "/top/"]
    Hostile.names += ["/top/link/evil", "/top/file-link", "/top/" + "x" * 300, "/top/\x1b[31mred", "/topevil/x", "/top/.."]
    mr.env |= {"MILLRACE_URL": hostile, "MILLRACE_TOKEN": "x"}
    result = mr.run("get", "-r", "/top", target, code=1)
    assert "\x1b" not in result.out + result.err
    assert (target / "good").read_bytes() == b"owned"
    assert list(outside.iterdir()) == []
    assert sorted(p.name for p in tmp_path.iterdir()) == ["home", "outside", "target"]
    assert sorted(p.name for p in target.iterdir()) == ["\x1b[31mred", "file-link", "good", "link"]
    # Even told to overwrite, a link is replaced, not written through.
    mr.run("get", "-r", "-f", "/top", target, code=1)
    assert list(outside.iterdir()) == [] and not (target / "file-link").is_symlink()
    assert mr.download_states() == []


def test_a_server_that_lies_about_content(mr, hostile, tmp_path):
    Hostile.names, Hostile.digest = ["/top/lie"], "00" * 32
    mr.env |= {"MILLRACE_URL": hostile, "MILLRACE_TOKEN": "x"}
    assert "content hash" in mr.run("get", "-r", "/top", tmp_path / "target", code=1).err
    assert list((tmp_path / "target").iterdir()) == []
