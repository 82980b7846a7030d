"""Replicas of the programs that a test starts for itself, with settings of its own and a database cable it can cut."""

import contextlib
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import threading

import httpx

from support.stack import wait_for


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Cable:
    """Forwards TCP to a server until it is cut: then everything breaks and nothing connects."""

    def __init__(self, host: str, port: int):
        self.target = (host, port)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.open: set[socket.socket] = set()
        self.is_cut = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(self.target)
            except OSError:
                near.close()
                continue
            with self.lock:
                if self.is_cut:
                    near.close()
                    far.close()
                    continue
                self.open |= {near, far}
            for a, b in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(a, b), daemon=True).start()

    def _pump(self, a: socket.socket, b: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := a.recv(65536):
                b.sendall(data)
        for s in (a, b):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
        with self.lock:
            self.open -= {a, b}
        a.close()

    def cut(self) -> None:
        with self.lock:
            self.is_cut = True
            for s in self.open:
                with contextlib.suppress(OSError):
                    s.shutdown(socket.SHUT_RDWR)
        # accept() sleeps through a close(), but not through a shutdown().
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class Replica:
    def __init__(self, stack, program: str, **settings: str):
        self.port, metrics = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.metrics = f"127.0.0.1:{metrics}"
        self.http = httpx.Client(timeout=10)  # for questions of the test itself; making one takes its time
        dsn = re.match(r"(.*@)([^:/]+):(\d+)(/.*)", stack["MR_PG_DSN"])
        self.cable = Cable(dsn[2], int(dsn[3]))
        env = stack.program_env(
            MR_LISTEN=f"127.0.0.1:{self.port}",
            MR_METRICS_LISTEN=self.metrics,
            MR_PG_DSN=f"{dsn[1]}127.0.0.1:{self.cable.port}{dsn[4]}",
        )
        env.update(settings)
        env = {k: v for k, v in env.items() if v is not None}
        self.log = pathlib.Path(tempfile.mkstemp(prefix=f"{program}-", suffix=".log")[1])
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([stack.bin(program)], env=env, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        wait_for(f"{program} to be ready", self._ready, timeout=30)

    def _ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()[-2000:]
        with contextlib.suppress(httpx.HTTPError):
            return self.http.get(f"http://{self.metrics}/readyz").status_code == 200
        return False

    def metrics_text(self) -> str:
        return self.http.get(f"http://{self.metrics}/metrics").text

    def rss_bytes(self) -> int:
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) << 10

    def stop(self) -> int:
        """Asks it to stop; it has to end well (a sanitizer's findings end it otherwise). Returns its exit status."""
        if not self.log.exists():
            return self.process.returncode  # stopped before
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        if not self.cable.is_cut:
            self.cable.cut()
        self.http.close()
        log = self.log.read_text(errors="replace")
        self.log.unlink(missing_ok=True)
        assert status == 0, f"exit status {status}:\n{log[-4000:]}"
        return status
