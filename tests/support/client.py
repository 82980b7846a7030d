"""The command line `mr` as a user runs it: another process, an own home folder."""

import hashlib
import json
import os
import pathlib
import subprocess
from dataclasses import dataclass


@dataclass
class Result:
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict]:
        """What --json printed."""
        return [json.loads(line) for line in self.out.splitlines()]


class Mr:
    def __init__(self, stack, home: pathlib.Path, user=None):
        # Another build of it, e.g. one with sanitizers, by MILLRACE_TEST_MR.
        self.program = os.environ.get("MILLRACE_TEST_MR", stack.bin("mr"))
        self.home = home
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("MR_", "MILLRACE_", "XDG_"))}
        self.env |= {"HOME": str(home), "LC_ALL": "C.UTF-8"}
        if user:
            self.env |= {"MILLRACE_URL": str(user.http.base_url), "MILLRACE_TOKEN": user.token}

    def start(self, *args, **more) -> subprocess.Popen:
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen([self.program, *map(str, args)], env=self.env, **{**pipes, **more})

    def run(self, *args, code: int | None = 0, timeout: float = 180, text: str | None = None, cwd=None) -> Result:
        """Runs to the end; fails with what was printed unless it ended with `code` (None: any)."""
        done = subprocess.run(
            [self.program, *map(str, args)], env=self.env, input=(text or "").encode(), capture_output=True, timeout=timeout, cwd=cwd
        )
        result = Result(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))
        assert code is None or result.code == code, f"mr {args} ended with {result.code}\n{result.out}\n{result.err}"
        return result

    def json(self, *args, **more) -> list[dict]:
        return self.run("--json", *args, **more).lines

    def upload_states(self) -> list[pathlib.Path]:
        return list((self.home / ".local/state/millrace/uploads").glob("*"))

    def download_states(self) -> list[pathlib.Path]:
        return list((self.home / ".local/state/millrace/downloads").glob("*"))


def sha256_of(path) -> str:
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def tree_of(folder) -> dict[bytes, str]:
    """{path below the folder: SHA-256} of every file, names as bytes."""
    root = os.fsencode(folder)
    found = {}
    for base, _, names in os.walk(root):
        for name in names:
            path = os.path.join(base, name)
            found[os.path.relpath(path, root)] = sha256_of(path)
    return found


def random_file(path: pathlib.Path, size: int) -> pathlib.Path:
    """Incompressible, no two parts alike."""
    with open(path, "wb") as f:
        while size > 0:
            size -= f.write(os.urandom(min(size, 16 << 20)))
    return path
