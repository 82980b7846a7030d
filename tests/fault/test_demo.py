"""./dev demo keeps what it says."""

import os
import re
import subprocess
import time

import psycopg
import pytest

from support.stack import Stack

pytestmark = pytest.mark.fault


class Demo:
    """./dev demo as one types it, with a stack of its own."""

    def __init__(self, checkout, run_dir):
        self.stack = Stack(checkout, run_dir)
        self.email = run_dir / "demo" / "email"

    def run(self, *args, timeout=300):
        settings = {k: v for k, v in os.environ.items() if not k.startswith("MR_") or k == "MR_DEPS_DIR"}
        return subprocess.run(
            [self.stack.checkout / "dev", "demo", *args],
            env={**settings, "MR_RUN_DIR": str(self.stack.run_dir), "DEV_BUILD": "no"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )


@pytest.fixture
def demo(stack, tmp_path):
    made = Demo(stack.checkout, tmp_path / "run")
    yield made
    made.stack.dev("down", "--kill", "--wipe")


def steps(out):
    """{step: seconds} of the way of the large file."""
    return {step: float(at) for at, step in re.findall(r"^ +(\d+\.\d{3}) s (\w+)", out, re.M)}


def said(done):
    """Checks what every run shows; returns it."""
    assert done.returncode == 0, done.stdout + done.stderr
    out = done.stdout
    way = steps(out)
    assert list(way) == ["initiate", "parts", "assembled", "published", "metadata"], out
    assert sorted(way.values()) == list(way.values())
    assert re.search(r"kill -9 \d+ ", out)
    # The kill met events that were still to be applied, and afterwards none was lost.
    (waiting,) = re.findall(r"^ +(\d+) of them have no metadata yet", out, re.M)
    assert int(waiting) > 0
    assert "nothing was lost, nothing doubled" in out
    lag = dict(re.findall(r"^ +(file\.\w+) +\d+ +(\d+|-)$", out, re.M))
    assert lag["file.uploaded"] == "0", out
    uploaded, downloaded = re.findall(r"^ +(?:up|down)loaded +([0-9a-f]{64})$", out, re.M)
    assert uploaded == downloaded
    return out


def test_the_demo_twice_and_stopped_by_the_second(demo, tmp_path):
    out = said(demo.run())
    # The line to go on with works as it is printed.
    login = next(line for line in out.splitlines() if "login --email" in line)
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path / "home")}
    assert subprocess.run(login, shell=True, env=env, timeout=30, cwd=os.getcwd()).returncode == 0

    with psycopg.connect(demo.stack["MR_PG_DSN"]) as db:
        lost = db.execute(
            "select count(*) from upload_sessions s join users u on u.user_id = s.owner_id where u.email = %s and not exists"
            " (select from file_versions v where v.file_id = s.file_id and v.version = s.version)",
            (demo.email.read_text().strip(),),
        ).fetchone()
    assert lost == (0,)

    began = time.monotonic()
    said(demo.run("--once"))
    assert time.monotonic() - began < 60
    assert list(demo.stack.run_dir.glob("*.pid")) == []


def test_an_option_it_does_not_know(stack):
    done = subprocess.run(
        [stack.checkout / "tools/demo/demo", "--nonsense"],
        env={**os.environ, "MR_RUN_DIR": str(stack.run_dir)},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 1 and "--nonsense" in done.stderr
