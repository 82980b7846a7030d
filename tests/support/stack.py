"""The running stack: its environment, its processes, and stopping and starting them through ./dev."""

import contextlib
import os
import pathlib
import signal
import subprocess
import time

import httpx


class Stack:
    def __init__(self, checkout: pathlib.Path, run_dir: pathlib.Path):
        self.checkout = checkout
        self.run_dir = run_dir

    @property
    def env(self) -> dict[str, str]:
        lines = (self.run_dir / "env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))

    def __getitem__(self, key: str) -> str:
        return self.env[key]

    def bin(self, program: str) -> str:
        return str(self.checkout / "build" / "bin" / program)

    def dev(self, *args: str, timeout: float = 180) -> str:
        """Runs ./dev against this stack; returns what it printed, raises with it when it fails."""
        done = subprocess.run(
            [str(self.checkout / "dev"), *args],
            env={**os.environ, "MR_RUN_DIR": str(self.run_dir)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
        )
        if done.returncode != 0:
            raise RuntimeError(f"./dev {' '.join(args)} ended with {done.returncode}:\n{done.stdout}")
        return done.stdout

    def up(self, *names: str) -> None:
        self.dev("up", *names)

    def down(self, *names: str) -> None:
        self.dev("down", *names)

    def pids(self, program: str) -> list[int]:
        """Living processes of a program or server, first replica first."""
        found = []
        for path in sorted(self.run_dir.glob(f"{program}.pid")) + sorted(self.run_dir.glob(f"{program}.[0-9]*.pid")):
            with contextlib.suppress(ValueError, IndexError):
                pid = int(path.read_text().split()[0])
                if pathlib.Path(f"/proc/{pid}").exists():
                    found.append(pid)
        return found

    def kill(self, program: str, sig: int = signal.SIGKILL) -> list[int]:
        """Signals every replica of a program; returns the pids."""
        pids = self.pids(program)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sig)
        return pids

    def program_env(self, **more: str) -> dict[str, str]:
        """The environment for a program that a test starts itself (ports of its own in `more`)."""
        own = {k: v for k, v in self.env.items() if not k.startswith("MR_METRICS_")}
        base = {k: v for k, v in os.environ.items() if not k.startswith("MR_")}
        secrets = self.run_dir / "secrets"
        return {
            **base,
            **own,
            "MR_JWT_KEY_FILE": str(secrets / "jwt.key"),
            "MR_HOOK_TOKEN_FILE": str(secrets / "hook.token"),
            "MR_SCHEMAS_DIR": str(self.checkout / "schemas"),
            "MR_REGISTRATION": "open",
            "MR_SCAN_REQUIRED": "false",
            **more,
        }

    def metrics(self, address: str) -> dict[str, float]:
        """Prometheus samples of one program as {'name{label="x"}': value}."""
        text = httpx.get(f"http://{address}/metrics", timeout=5).text
        samples = {}
        for line in text.splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                samples[name] = float(value)
        return samples


def wait_for(what: str, condition, timeout: float = 30, every: float = 0.05):
    """Polls until condition() is true and returns it; fails with `what` and the last value."""
    end = time.monotonic() + timeout
    last = None
    while time.monotonic() < end:
        last = condition()
        if last:
            return last
        time.sleep(every)
    raise AssertionError(f"not within {timeout} s: {what} (last: {last!r})")
