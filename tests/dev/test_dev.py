"""./dev itself, with small servers in run folders of their own: two at once, restarts by name, ports that move."""

import os
import pathlib
import signal
import socket
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Checkout:
    def __init__(self, run_dir):
        self.run_dir = run_dir

    def dev(self, *arguments, status=0):
        settings = {k: v for k, v in os.environ.items() if not k.startswith("MR_") or k == "MR_DEPS_DIR"}
        settings["MR_RUN_DIR"] = str(self.run_dir)
        done = subprocess.run(
            [ROOT / "dev", *arguments], env=settings, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def pid(self, name):
        return int((self.run_dir / f"{name}.pid").read_text())

    def port(self, name):
        return int(dict(line.split("=") for line in (self.run_dir / "ports").read_text().split())[name])

    def settings(self):
        return dict(line.split("=", 1) for line in (self.run_dir / "env").read_text().splitlines())


@pytest.fixture
def checkouts(tmp_path):
    made = [Checkout(tmp_path / name) for name in ("one", "two")]
    yield made
    for checkout in made:
        checkout.dev("down", "--kill", "--wipe")
        assert not checkout.run_dir.exists()


def is_listening(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def is_alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ")[1][0] != "Z"
    except FileNotFoundError:
        return False


def test_two_run_folders_side_by_side(checkouts):
    one, two = checkouts
    for checkout in checkouts:
        checkout.dev("up", "redis")
    assert one.port("redis") != two.port("redis")
    one.dev("down")
    assert not is_listening(one.port("redis"))
    assert is_listening(two.port("redis"))


def test_up_twice_keeps_what_runs(checkouts):
    one = checkouts[0]
    one.dev("up", "redis")
    before = one.pid("redis")
    assert "restarted" not in one.dev("up", "redis")
    assert one.pid("redis") == before


@pytest.mark.parametrize("name", ["redis", "postgres", "nginx"])
def test_what_was_killed_is_restarted_by_name_on_its_port(checkouts, name):
    one = checkouts[0]
    one.dev("up", name)
    before = one.pid(name), one.port(name)
    os.kill(before[0], signal.SIGKILL)
    assert f"{name}: had died, restarted" in one.dev("up", name)
    assert one.pid(name) != before[0]
    assert one.port(name) == before[1]


def test_a_port_taken_meanwhile_moves_the_server(checkouts):
    one = checkouts[0]
    one.dev("up", "redis")
    one.dev("down", "redis")
    port = one.port("redis")
    with socket.create_server(("127.0.0.1", port)):
        assert f"redis: port {port} is taken by somebody else" in one.dev("up", "redis")
    assert one.port("redis") != port
    assert str(one.port("redis")) in one.settings()["MR_REDIS_URL"]


def test_a_reused_process_id_is_not_taken_for_ours(checkouts):
    one = checkouts[0]
    one.dev("up", "redis")
    redis = one.pid("redis")
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        (one.run_dir / "redis.pid").write_text(f"{bystander.pid}\n")
        one.dev("down", "redis")
        time.sleep(0.2)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()
        os.kill(redis, signal.SIGKILL)


def test_down_without_grace_kills(checkouts):
    one = checkouts[0]
    one.dev("up", "redis")
    pid = one.pid("redis")
    one.dev("down", "--kill", "redis")
    assert not is_alive(pid)
    assert not (one.run_dir / "redis.pid").exists()


def test_settings_are_for_their_owner_only(checkouts):
    one = checkouts[0]
    one.dev("up", "redis")
    assert (one.run_dir / "env").stat().st_mode & 0o777 == 0o600
    for secret in (one.run_dir / "secrets").iterdir():
        assert secret.stat().st_mode & 0o777 == 0o600
    wanted = "API_URL BROKERS REGISTRY_URL PG_DSN REDIS_URL S3_ENDPOINT S3_PUBLIC_ENDPOINT S3_BUCKET S3_ACCESS_KEY S3_SECRET_KEY"
    assert {f"MR_{name}" for name in wanted.split()} <= set(one.settings())
    assert one.settings()["MR_RUN_DIR"] == str(one.run_dir)
    assert one.settings()["MR_METRICS_MR_UPLOAD"] == one.settings()["MR_METRICS_UPLOAD"]


@pytest.mark.parametrize(
    "arguments",
    [["frobnicate"], ["up", "kafkaesque"], ["down", "--gently"], ["scale"], ["scale", "metadata=none"], ["build", "fast"]],
)
def test_a_wrong_command_line_says_so(checkouts, arguments):
    assert "error:" in checkouts[0].dev(*arguments, status=2)


def test_what_does_not_start_names_its_log(checkouts):
    one = checkouts[0]
    one.dev("up", "postgres")
    one.dev("down", "postgres")
    (one.run_dir / "postgres" / "data" / "PG_VERSION").write_text("9.6\n")
    said = one.dev("up", "postgres", status=1)
    assert "did not start: postgres" in said
    assert str(one.run_dir / "postgres.log") in said
    assert "FATAL" in said
