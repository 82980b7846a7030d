"""./dev up of everything: the table of what runs where, and each server and program restarted by name after a kill -9."""

import os
import pathlib
import re
import signal
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SERVERS = ["kafka", "registry", "postgres", "redis", "minio", "nginx"]
PROGRAMS = ["mr-upload", "mr-api", "mr-metadata"]


class Running:
    def __init__(self, run_dir):
        self.run_dir = run_dir
        self.table = self.dev("up")

    def dev(self, *arguments):
        settings = {k: v for k, v in os.environ.items() if not k.startswith("MR_") or k == "MR_DEPS_DIR"}
        settings |= {"MR_RUN_DIR": str(self.run_dir), "DEV_BUILD": "no"}
        done = subprocess.run(
            [ROOT / "dev", *arguments], env=settings, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def pid(self, name):
        return int((self.run_dir / f"{name}.pid").read_text())

    def ports(self):
        return dict(line.split("=") for line in (self.run_dir / "ports").read_text().split())

    def rows(self, text):
        """{name: (address, pid, log)} of the table."""
        lines = [line.rsplit(None, 2) for line in text.splitlines() if line.endswith(".log")]
        return {head.split(None, 1)[0]: (head.split(None, 1)[1].strip(), pid, log) for head, pid, log in lines}


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("whole") / "run"
    try:
        yield Running(run_dir)
    finally:
        subprocess.run(
            [ROOT / "dev", "down", "--kill", "--wipe"], env={**os.environ, "MR_RUN_DIR": str(run_dir)}, check=True, timeout=120
        )
        assert not run_dir.exists()


def test_the_table_lists_everything_with_its_place(running):
    rows = running.rows(running.table)
    assert list(rows) == SERVERS + PROGRAMS
    ports = running.ports()
    for name, (address, pid, log) in rows.items():
        assert int(pid) == running.pid(name)
        port = ports["mr-metadata.metrics" if name == "mr-metadata" else name]
        assert re.search(rf"\b127\.0\.0\.1:{port}$", address), (name, address)
        assert log == str(running.run_dir / f"{name}.log") and pathlib.Path(log).exists()


@pytest.mark.parametrize("name", SERVERS + PROGRAMS)
def test_what_was_killed_is_restarted_by_name(running, name):
    others = {other: running.pid(other) for other in SERVERS + PROGRAMS if other != name}
    before, ports = running.pid(name), running.ports()
    os.kill(before, signal.SIGKILL)
    said = running.dev("up", name)
    assert re.findall(r"(\S+): had died, restarted", said) == [name]
    assert running.pid(name) != before
    assert running.ports() == ports
    assert {other: running.pid(other) for other in others} == others


def test_up_again_changes_nothing_and_lists_the_same(running):
    pids = {name: running.pid(name) for name in SERVERS + PROGRAMS}
    said = running.dev("up")
    assert "had died" not in said
    assert {name: int(pid) for name, (_, pid, _) in running.rows(said).items()} == pids
