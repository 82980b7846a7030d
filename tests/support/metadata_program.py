"""A mr-metadata that a test starts, kills and watches itself. The stack's own must be down, as the group is one."""

import contextlib
import os
import pathlib
import signal
import socket
import subprocess

import httpx

from support.stack import wait_for


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


SANITIZER = {
    "ASAN_OPTIONS": "detect_leaks=1:halt_on_error=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1",
}


def binary(stack, program: str) -> str:
    """MR_TEST_BIN_DIR: the programs of another build, an asan one for instance."""
    folder = os.environ.get("MR_TEST_BIN_DIR")
    return str(pathlib.Path(folder) / program) if folder else stack.bin(program)


def kill_points(stack) -> list[str]:
    out = subprocess.run([binary(stack, "mr-metadata"), "--kill-points"], capture_output=True, text=True, check=True)
    return out.stdout.split()


class MetadataProgram:
    def __init__(self, stack, log: pathlib.Path, **env: str):
        self.stack, self.log, self.env = stack, log, env
        self.process: subprocess.Popen | None = None
        self.address = ""

    def start(self, **env: str) -> "MetadataProgram":
        assert self.process is None or self.process.poll() is not None
        self.address = f"127.0.0.1:{free_port()}"
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [binary(self.stack, "mr-metadata")],
                env={
                    **self.stack.program_env(**{"MR_METRICS_LISTEN": self.address, **self.env, **env}),
                    **SANITIZER,
                },
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=self.stack.checkout,
            )
        return self

    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def ready(self) -> bool:
        assert self.running(), self.tail()
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"http://{self.address}/readyz", timeout=2).status_code == 200
        return False

    def wait_ready(self) -> "MetadataProgram":
        # A member that was killed holds its partitions until its session ends.
        wait_for("mr-metadata is ready", self.ready, 45)
        return self

    def wait_exit(self, timeout: float = 60) -> int:
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"mr-metadata did not end within {timeout} s:\n{self.tail()}") from None

    def kill(self) -> None:
        if self.running():
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(10)

    def stop(self, timeout: float = 30) -> int:
        """As an operator would; its exit status."""
        if self.process is None:
            return 0
        if self.running():
            self.process.send_signal(signal.SIGTERM)
        return self.wait_exit(timeout)

    def tail(self, lines: int = 20) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    def metrics(self) -> dict[str, float]:
        return self.stack.metrics(self.address)


def wait_group_empty(stack, group: str = "millrace.metadata", timeout: float = 30) -> None:
    """Until the coordinator knows that no member is left."""
    from confluent_kafka.admin import AdminClient

    admin = AdminClient({"bootstrap.servers": stack["MR_BROKERS"]})

    def empty() -> bool:
        described = admin.describe_consumer_groups([group])[group].result(timeout=10)
        return not described.members

    wait_for(f"group {group} has no members", empty, timeout, every=0.2)


def admin(stack, *args: str, stdin: str | None = None, **env: str) -> subprocess.CompletedProcess:
    """mr-admin against the stack; .returncode, .stdout, .stderr."""
    settings = {k: v for k, v in stack.env.items() if not k.startswith("MR_METRICS_")}
    base = {k: v for k, v in os.environ.items() if not k.startswith("MR_")}
    return subprocess.run(
        [binary(stack, "mr-admin"), *args],
        env={**base, **settings, **SANITIZER, **env},
        input=stdin or "",
        capture_output=True,
        text=True,
        timeout=120,
        cwd=stack.checkout,
    )
