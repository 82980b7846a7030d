"""An mr-upload of a test's own, against the running stack, with settings of its own; and looks at what it leaves."""

import contextlib
import os
import pathlib
import signal
import socket
import subprocess

import httpx

from support.stack import Stack, wait_for
from support.users import User

SANITIZER = {
    "ASAN_OPTIONS": "detect_leaks=1:halt_on_error=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1",
}


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def binary(stack: Stack) -> str:
    """MR_TEST_BIN_DIR: the programs of another build, an asan one for instance."""
    folder = os.environ.get("MR_TEST_BIN_DIR")
    return str(pathlib.Path(folder) / "mr-upload") if folder else stack.bin("mr-upload")


def kill_points(stack: Stack) -> list[str]:
    done = subprocess.run([binary(stack), "--kill-points"], capture_output=True, text=True, check=True, timeout=30)
    return done.stdout.split()


class UploadProgram:
    """Settings are given as MR_… names; they stay over restarts, `start(**more)` adds some for one run only."""

    def __init__(self, stack: Stack, log: pathlib.Path, port: int | None = None, **settings: str):
        self.stack, self.log, self.settings = stack, log, settings
        self.port, self.metrics_port = port or free_port(), free_port()
        self.process: subprocess.Popen | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def metrics(self) -> str:
        return f"http://127.0.0.1:{self.metrics_port}"

    def start(self, ready: bool = True, **more: str) -> "UploadProgram":
        own = {"MR_LISTEN": f"127.0.0.1:{self.port}", "MR_METRICS_LISTEN": f"127.0.0.1:{self.metrics_port}"}
        env = {**self.stack.program_env(**{**own, **self.settings, **more}), **SANITIZER}
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [binary(self.stack)], env=env, stdout=out, stderr=out, stdin=subprocess.DEVNULL
            )
        if ready:
            wait_for("mr-upload is ready", self.is_ready, 30)
        return self

    def is_ready(self) -> bool:
        assert self.process.poll() is None, f"mr-upload ended with {self.process.returncode}:\n{self.tail()}"
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"{self.metrics}/readyz", timeout=5).status_code == 200
        return False

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-4000:]

    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def wait_exit(self, timeout: float = 30) -> int:
        return self.process.wait(timeout)

    def kill(self) -> None:
        if self.running():
            self.process.kill()
        self.process.wait(10)

    def stop(self) -> None:
        """SIGTERM; a program that does not end well by itself is a failure."""
        if not self.running():
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"mr-upload did not stop:\n{self.tail()}") from None
        assert status == 0, f"mr-upload ended with {status}:\n{self.tail()}"

    def user(self, user: User) -> User:
        """The same account, talking to this program."""
        return User(self.url, user.email, user.user_id, user.token)


def session_row(db, upload_id: str) -> dict | None:
    row = db.execute(
        "SELECT file_id::text, state, version, s3_key, s3_upload_id, event_id::text FROM upload_sessions WHERE upload_id = %s",
        [upload_id],
    ).fetchone()
    return dict(zip(("file_id", "state", "version", "s3_key", "s3_upload_id", "event_id"), row, strict=True)) if row else None


def wait_state(db, upload_id: str, state: str, timeout: float = 30) -> dict:
    def reached():
        row = session_row(db, upload_id)
        return row if row and row["state"] == state else None

    return wait_for(f"session {upload_id} is {state}", reached, timeout)


def sessions_of(db, user_id: str) -> list[dict]:
    rows = db.execute(
        "SELECT upload_id::text, file_id::text, state, version, s3_key FROM upload_sessions WHERE user_id = %s ORDER BY created_at",
        [user_id],
    ).fetchall()
    return [dict(zip(("upload_id", "file_id", "state", "version", "s3_key"), r, strict=True)) for r in rows]


def open_uploads(s3, bucket: str, key: str) -> list[str]:
    """Multipart uploads under exactly this key: MinIO lists all of them only for a whole key."""
    answer = s3.list_multipart_uploads(Bucket=bucket, Prefix=key)
    return [u["UploadId"] for u in answer.get("Uploads", []) if u["Key"] == key]


def objects_of_file(s3, bucket: str, file_id: str) -> set[str]:
    answer = s3.list_objects_v2(Bucket=bucket, Prefix=f"files/{file_id}/")
    return {o["Key"] for o in answer.get("Contents", [])}


def assert_store_is_clean(db, s3, bucket: str, user_id: str) -> None:
    """Every published session has its object, nothing else of this user is in the store."""
    sessions = sessions_of(db, user_id)
    for s in sessions:
        assert open_uploads(s3, bucket, s["s3_key"]) == [], s
    for file_id in {s["file_id"] for s in sessions}:
        wanted = {s["s3_key"] for s in sessions if s["file_id"] == file_id and s["state"] in ("assembled", "published")}
        assert objects_of_file(s3, bucket, file_id) == wanted
