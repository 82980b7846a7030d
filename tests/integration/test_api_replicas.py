"""mr-api as a process: settings of its own, its database away, stopping, memory, many connections."""

import concurrent.futures
import contextlib
import datetime
import socket
import subprocess
import threading
import time
import uuid

import httpx
import pytest

from support.namespace import put_file, remove_files
from support.replicas import Replica
from support.stack import wait_for


@pytest.fixture
def replica(stack):
    made = []

    def make(**settings) -> Replica:
        made.append(Replica(stack, "mr-api", **settings))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def bearer(user) -> dict[str, str]:
    return {"Authorization": f"Bearer {user.token}"}


def test_database_away(replica, user):
    """503 with Retry-After while it is away, also for those that wait; then everything goes on by itself."""
    api = replica()
    with httpx.Client(base_url=api.url, headers=bearer(user), timeout=30) as client:
        assert client.get("/files").status_code == 200
        api.cable.cut()
        for path in ("/files", "/me", f"/files/{uuid.uuid4()}"):
            answer = client.get(path)
            assert answer.status_code == 503, answer.text
            assert answer.json()["type"] == "urn:millrace:problem:unavailable" and int(answer.headers["Retry-After"]) > 0
            assert "127.0.0.1" not in answer.text  # nothing of the inside
        assert httpx.get(f"http://{api.metrics}/healthz").status_code == 200
        wait_for("/readyz to notice", lambda: httpx.get(f"http://{api.metrics}/readyz", timeout=10).status_code == 503)


def test_starts_without_its_database(stack, user):
    """A database that is away at the start is waited for with 503, not with an exit."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        port, metrics = (free_port() for _ in range(2))
        env = stack.program_env(
            MR_LISTEN=f"127.0.0.1:{port}",
            MR_METRICS_LISTEN=f"127.0.0.1:{metrics}",
            MR_PG_DSN=f"host=127.0.0.1 port={closed.getsockname()[1]} dbname=none user=none",
        )
        process = subprocess.Popen([stack.bin("mr-api")], env=env, stderr=subprocess.DEVNULL)
        try:
            url = f"http://127.0.0.1:{port}/files"

            def answer():
                with contextlib.suppress(httpx.HTTPError):
                    return httpx.get(url, headers=bearer(user), timeout=10).status_code
                assert process.poll() is None
                return None

            assert wait_for("an answer", answer) == 503
        finally:
            process.terminate()
            assert process.wait(timeout=30) == 0


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.mark.parametrize(
    ("setting", "value", "named"),
    [
        ("MR_JWT_KEY_FILE", None, "jwt.key"),
        ("MR_LISTEN", "127.0.0.1", "127.0.0.1"),
        ("MR_REGISTRATION", "maybe", "registration"),
        ("MR_HTTP_THREADS", "0", "http.threads"),
    ],
)
def test_bad_settings(stack, setting, value, named):
    """One clear line and a status that is not 0."""
    env = stack.program_env(MR_LISTEN="127.0.0.1:0", MR_METRICS_LISTEN=f"127.0.0.1:{free_port()}")
    env.pop(setting, None)
    if value is not None:
        env[setting] = value
    done = subprocess.run([stack.bin("mr-api")], env=env, capture_output=True, text=True, timeout=30)
    assert done.returncode not in (0, -6, -11), done
    assert named in done.stderr.splitlines()[-1], done.stderr


def test_download_policy(replica, db, user):
    """download.owner=clean: only what was found clean."""
    api = replica(MR_DOWNLOAD_OWNER="clean")
    with httpx.Client(base_url=api.url, headers=bearer(user), timeout=30) as client:
        for verdict, status in ((None, 423), ("PARTIAL", 423), ("ERROR", 423), ("CLEAN", 200), ("INFECTED", 423)):
            file = put_file(db, user.user_id, f"/{verdict}", verdict=verdict)
            answer = client.get(f"/files/{file.file_id}/presigned-url")
            assert answer.status_code == status, (verdict, answer.text)
            assert status == 200 or answer.json()["stage"]["stage"] == "SCAN"
    remove_files(db, user.user_id)


def test_urls_name_the_public_endpoint(replica, db, user, s3, stack):
    """URLs are signed for the name that clients know the store by."""
    public = stack["MR_S3_ENDPOINT"].replace("127.0.0.1", "localhost")
    api = replica(MR_S3_PUBLIC_ENDPOINT=public)
    file = put_file(db, user.user_id, "/public", s3=s3)
    url = httpx.get(f"{api.url}/files/{file.file_id}/presigned-url", headers=bearer(user)).json()["url"]
    assert url.startswith(public + "/") and httpx.get(url).content == b"abc"
    remove_files(db, user.user_id)


def test_signed_urls_expire(replica, db, user, s3):
    api = replica(MR_URL_GET_TTL="3s")
    file = put_file(db, user.user_id, "/short", s3=s3)
    signed = httpx.get(f"{api.url}/files/{file.file_id}/presigned-url", headers=bearer(user)).json()
    left = (datetime.datetime.fromisoformat(signed["expires_at"]) - datetime.datetime.now(datetime.UTC)).total_seconds()
    assert 1 < left <= 3
    assert httpx.get(signed["url"]).status_code == 200
    time.sleep(left + 1.1)
    assert httpx.get(signed["url"]).status_code == 403
    remove_files(db, user.user_id)


def test_stops_cleanly_under_load(replica, user):
    """SIGTERM while requests come in: every answer that arrives is whole, the exit status is 0 and it is quick."""
    api = replica()
    stop, odd, answered = threading.Event(), [], []

    def load():
        with httpx.Client(base_url=api.url, headers=bearer(user), timeout=10) as client:
            while not stop.is_set():
                try:
                    status = client.get("/files").status_code
                except httpx.TransportError:
                    return  # no longer there
                answered.append(status)
                if status not in (200, 503):
                    odd.append(status)

    threads = [threading.Thread(target=load) for _ in range(8)]
    for t in threads:
        t.start()
    wait_for("load", lambda: len(answered) > 100)
    begin = time.monotonic()
    assert api.stop() == 0
    assert time.monotonic() - begin < 5
    stop.set()
    for t in threads:
        t.join()
    assert not odd


def test_memory(replica, user):
    """Idle under 40 MB, also after a burst of everything it does."""
    api = replica()
    assert api.rss_bytes() < 40 << 20
    with concurrent.futures.ThreadPoolExecutor(16) as pool, httpx.Client(base_url=api.url, timeout=60) as client:
        list(pool.map(lambda _: client.get("/files", headers=bearer(user)).status_code, range(500)))
        list(pool.map(lambda i: client.post("/token", data={"username": f"{i}@b.test", "password": "x" * 20}), range(8)))
    assert api.rss_bytes() < 40 << 20


def test_a_thousand_idle_connections(replica, user):
    """They cost nothing: others are served meanwhile, and each still is when it asks."""
    api = replica()
    idle = []
    try:
        for _ in range(1000):
            idle.append(socket.create_connection(("127.0.0.1", api.port), timeout=10))
        with httpx.Client(base_url=api.url, headers=bearer(user), timeout=10) as client:
            for _ in range(50):
                assert client.get("/files").status_code == 200
        assert api.rss_bytes() < 60 << 20
        request = f"GET /files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {user.token}\r\nConnection: close\r\n\r\n".encode()
        for s in idle:
            s.sendall(request)
        for s in idle:
            assert b"".join(iter(lambda s=s: s.recv(65536), b"")).startswith((b"HTTP/1.1 200", b"HTTP/1.1 503")), "no answer"
    finally:
        for s in idle:
            s.close()


def test_too_many_connections_wait(replica, user):
    """Past http.connections new clients wait for a place; they are not broken."""
    api = replica(MR_HTTP_CONNECTIONS="20")
    idle = [socket.create_connection(("127.0.0.1", api.port), timeout=10) for _ in range(40)]
    late = socket.create_connection(("127.0.0.1", api.port), timeout=10)
    late.sendall(b"GET /me HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    for s in idle:
        s.close()
    assert late.recv(100).startswith(b"HTTP/1.1 401")
    late.close()


def test_metrics(replica, user):
    api = replica()
    with httpx.Client(base_url=api.url, headers=bearer(user), timeout=10) as client:
        for _ in range(3):
            client.get("/files")
        client.get("/nowhere")
    text = api.metrics_text()
    assert 'mr_http_requests_total{status="200"} 3' in text and 'mr_http_requests_total{status="404"} 1' in text
    assert 'mr_http_request_seconds_count{route="/files"} 3' in text
