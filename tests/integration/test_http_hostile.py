"""Hostile HTTP, straight at both programs and through the edge: documented problems, never a 500, nothing left behind."""

import concurrent.futures
import json
import random
import re
import socket
import threading
import time
import uuid

import httpx
import pytest

from support.replicas import Replica
from support.stack import wait_for
from support.users import User

PROGRAMS = ("mr-api", "mr-upload")


@pytest.fixture(scope="module")
def replicas(stack):
    made = {program: Replica(stack, program) for program in PROGRAMS}
    yield made
    for replica in made.values():
        replica.stop()


@pytest.fixture(scope="module")
def user(stack):
    """One for all: none of these tests leaves anything."""
    one = User.register(stack["MR_API_URL"])
    yield one
    one.close()


@pytest.fixture(params=PROGRAMS)
def replica(request, replicas):
    """One of the programs; afterwards it still runs, answers, and has not answered 500 to anything."""
    one = replicas[request.param]
    yield one
    assert one.process.poll() is None, one.log.read_text()[-2000:]
    assert one.http.get(f"{one.url}/nowhere").status_code == 404
    text = one.metrics_text()
    assert not re.search(r'mr_http_requests_total\{status="50[^3]"\}', text), text
    wait_for("no request left under way", lambda: inflight(one) == 0)


def inflight(replica) -> int:
    found = re.search(r"^mr_http_requests_inflight (\d+)", replica.metrics_text(), re.M)
    return int(found[1]) if found else 0


def protected(replica) -> str:
    """A GET route that needs a token."""
    return "/files" if replica.http.get(f"{replica.url}/files").status_code != 405 else f"/upload/{uuid.uuid4()}"


def exchange(replica, data: bytes, *, half_close: bool = False, timeout: float = 10) -> bytes:
    """Everything that comes back until the server closes (or a reset, or the timeout)."""
    got = b""
    with socket.create_connection(("127.0.0.1", replica.port), timeout=timeout) as s:
        try:
            s.sendall(data)
            if half_close:
                s.shutdown(socket.SHUT_WR)
            while chunk := s.recv(65536):
                got += chunk
        except OSError:
            pass
    return got


def statuses(answer: bytes) -> list[int]:
    return [int(m) for m in re.findall(rb"HTTP/1\.1 (\d\d\d) ", answer)]


CLOSE = b"Host: x\r\nConnection: close\r\n"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"GET / HTTP/1.1\r\n" + CLOSE + b"\r\n", {404}),
        (b"GET /me HTTP/1.1\r\nConnection: close\r\n\r\n", {400}),  # no Host
        (b"GET /me HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n", {400}),
        (b"GET /%00 HTTP/1.1\r\n" + CLOSE + b"\r\n", {400}),
        (b"GET /files/%c0%ae%c0%ae HTTP/1.1\r\n" + CLOSE + b"\r\n", {400}),
        (b"GET /files/%ed%a0%80 HTTP/1.1\r\n" + CLOSE + b"\r\n", {400}),
        (b"GET /%zz HTTP/1.1\r\n" + CLOSE + b"\r\n", {400}),
        (b"GET /..%2f..%2fetc%2fpasswd HTTP/1.1\r\n" + CLOSE + b"\r\n", {404}),
        (b"GET /../../etc/passwd HTTP/1.1\r\n" + CLOSE + b"\r\n", {404}),
        (b"GET /" + b"a/" * 4000 + b" HTTP/1.1\r\n" + CLOSE + b"\r\n", {404, 414}),
        (b"GET /" + b"u" * 9000 + b" HTTP/1.1\r\n" + CLOSE + b"\r\n", {414}),
        (b"GET /" + b"u" * 100000 + b" HTTP/1.1\r\n" + CLOSE + b"\r\n", {414, None}),
        (b"get /me HTTP/1.1\r\n" + CLOSE + b"\r\n", {404, 405}),
        (b"M" * 5000 + b" /me HTTP/1.1\r\n" + CLOSE + b"\r\n", {404, 405}),
        (b"OPTIONS * HTTP/1.1\r\n" + CLOSE + b"\r\n", {404}),
        (b"CONNECT example.test:443 HTTP/1.1\r\n" + CLOSE + b"\r\n", {404}),
        (b"TRACE /files HTTP/1.1\r\n" + CLOSE + b"\r\n", {405}),
        (b"GET /me HTTP/3.0\r\n" + CLOSE + b"\r\n", {400, 505}),
        (b"GET /me\r\n\r\n", {400, None}),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {505, None}),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200) + b"\r\n\r\n", {400, None}),
        (b"\r\n" * 50 + b"GET /nowhere HTTP/1.1\r\n" + CLOSE + b"\r\n", {404}),
        (b"GET /nowhere HTTP/1.1\r\n" + CLOSE + b"X\r\n\r\n", {400}),  # no colon
        (b"GET /nowhere HTTP/1.1\r\n" + CLOSE + b": empty\r\n\r\n", {404, 400}),
        (b"GET /nowhere HTTP/1.1\r\n" + CLOSE + b"X: " + bytes(range(1, 9)) + b"\xff\r\n\r\n", {404, 400}),
        (b"GET /nowhere HTTP/1.1\r\n" + CLOSE + b"X-Forwarded-For: ," + b"9" * 500 + b"\r\n\r\n", {404}),
        (b"GET /nowhere?" + b"&=%41&&" * 5 + b" HTTP/1.1\r\n" + CLOSE + b"\r\n", {404, 400}),
        (b"POST /upload/initiate HTTP/1.1\r\n" + CLOSE + b"Content-Length: 99999999999999999999\r\n\r\n", {400, 404, 413}),
        (b"POST /token HTTP/1.1\r\n" + CLOSE + b"Content-Length: -5\r\n\r\n", {400}),
        (b"POST /token HTTP/1.1\r\n" + CLOSE + b"Content-Length: 0x10\r\n\r\n", {400}),
        (b"POST /token HTTP/1.1\r\n" + CLOSE + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", {400}),
        (b"POST /token HTTP/1.1\r\n" + CLOSE + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 40 + b"\r\n", {400, 413}),
        (b"POST /token HTTP/1.1\r\n" + CLOSE + b"Transfer-Encoding: gzip\r\n\r\n", {400}),
        (b"GET /nowhere HTTP/1.1\r\n" + CLOSE + b"Content-Length: 5\r\n\r\nhello", {404}),
    ],
    ids=lambda v: repr(v)[:60],
)
def test_raw(replica, data, expected):
    """None: closed without an answer. What our side answers is a problem, the library's own words are HTML."""
    answer = exchange(replica, data)
    first = (statuses(answer) or [None])[0]
    assert first in expected, answer[:500]
    if first and b"application/problem+json" in answer:
        assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["status"] == first


def test_smuggling(replica):
    """Two lengths in one request: refused and closed, and what follows it is not a request."""
    inner = b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"
    for lengths in (
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        b"Content-Length: 0\r\nContent-Length: 40\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        b"Transfer-Encoding: \x0bchunked\r\n",
        b"Transfer-Encoding: xchunked\r\nContent-Length: 4\r\n",
    ):
        answer = exchange(replica, b"POST /token HTTP/1.1\r\nHost: x\r\n" + lengths + b"\r\n0\r\n\r\n" + inner)
        assert statuses(answer) == [400], (lengths, answer)


def test_header_floods(replica):
    many = b"".join(b"X-%d: y\r\n" % i for i in range(500))
    assert statuses(exchange(replica, b"GET /nowhere HTTP/1.1\r\n" + CLOSE + many + b"\r\n")) == [431]
    long = b"X: " + b"y" * 20000 + b"\r\n"
    answer = exchange(replica, b"GET /nowhere HTTP/1.1\r\n" + CLOSE + long + b"\r\n")
    assert statuses(answer) == [431] and b"application/problem+json" in answer
    endless = exchange(replica, b"GET /nowhere HTTP/1.1\r\n" + CLOSE + b"X: " + b"y" * (4 << 20))
    assert statuses(endless) in ([431], [])


def test_random_bytes(replica, full):
    rng = random.Random(11)
    words = [b"GET ", b"POST ", b"/files", b"/upload/initiate", b" HTTP/1.1\r\n", b"\r\n", b"\r\n\r\n", b"Host: x\r\n", b":",
             b"Content-Length: 10\r\n", b"Transfer-Encoding: chunked\r\n", b"\x00", b"\xff\xfe", b"%00", b"?a=b&c", b"5\r\n",
             b"Expect: 100-continue\r\n", b"Connection: keep-alive\r\n", b"{}", b"A" * 3000]  # fmt: skip

    def one(seed: int) -> bytes:
        r = random.Random(seed)
        data = b"".join(r.choice(words) for _ in range(r.randint(1, 30)))
        if r.random() < 0.3:
            data = bytes(r.randrange(256) for _ in range(200))
        return exchange(replica, data, half_close=True, timeout=1)

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for answer in pool.map(one, [rng.randrange(1 << 30) for _ in range(3000 if full else 300)]):
            assert all(s < 500 or s in (503, 505) for s in statuses(answer)), answer


BAD_JSON = {
    "nothing": b"", "cut": b"{", "words": b"not json", "single quotes": b"{'a': 1}", "a comment": b"{} // x",
    "trailing": b"{}{}", "comma": b'{"size": 1,}', "twice": b'{"size": 1, "size": 2}', "NUL": b'{"path": "/\\u0000"}',
    "raw NUL": b'{"path": "/\x00"}', "UTF-8": b'{"path": "/\xff\xfe"}', "overlong": b'{"path": "/\xc0\xaf"}',
    "surrogate": b'{"path": "/\\ud800"}', "raw surrogate": b'{"path": "/\xed\xa0\x80"}', "BOM": b"\xef\xbb\xbf{}",
    "UTF-16": '{"size": 1}'.encode("utf-16"), "a number too big": b'{"size": 99999999999999999999999999}',
    "a real too big": b'{"size": 1e999}', "infinity": b'{"size": Infinity}', "NaN": b'{"size": NaN}', "array": b"[]",
    "string": b'"x"', "null": b"null", "deep arrays": b"[" * 20000, "deep objects": b'{"a":' * 10000,
    "closed deep": b"[" * 20000 + b"]" * 20000, "wide": b"[" + b"[]," * 15000 + b"[]]", "control": b'{"path": "/\x01"}',
}  # fmt: skip


@pytest.mark.parametrize("route", ["/register", "/upload/initiate", "/upload/chunk", "/upload/complete"])
def test_bad_json(replicas, user, route):
    replica = replicas["mr-api" if route == "/register" else "mr-upload"]
    headers = {"Authorization": f"Bearer {user.token}", "Content-Type": "application/json"}
    with httpx.Client(base_url=replica.url, timeout=30) as client:
        for name, body in BAD_JSON.items():
            answer = client.post(route, content=body, headers=headers)
            assert answer.status_code == 400, (name, answer.text)
            assert answer.json()["type"] in ("urn:millrace:problem:invalid-json", "urn:millrace:problem:invalid-request")


@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("/register", {"email": "a@b.test", "password": "password"}),
        ("/upload/initiate", {"path": "/x", "size": 1}),
        ("/upload/initiate", {"path": "/x", "size": 1, "parts": [{"sha256": "0" * 64}]}),
        ("/upload/chunk", {"upload_id": str(uuid.UUID(int=1)), "parts": [{"part_number": 1, "sha256": "0" * 64}]}),
        ("/upload/complete", {"upload_id": str(uuid.UUID(int=1))}),
    ],
    ids=str,
)
def test_unknown_fields(user, route, body):
    places = [body, *body.get("parts", [])]
    for place in places:
        place["is_admin"] = True
        answer = user.http.post(route, json=body)
        del place["is_admin"]
        assert answer.status_code == 400 and "is_admin" in answer.json()["detail"], answer.text


@pytest.mark.parametrize("value", [None, True, 1.5, "1", -1, [], {}, 1 << 70], ids=str)
def test_mistyped_fields(user, value):
    text = json.dumps(value)
    for body in (
        '{"path": "/mistyped", "size": %s}',
        '{"path": %s, "size": 1}',
        '{"path": "/mistyped", "size": 1, "content_type": %s}',
        '{"path": "/mistyped", "size": 1, "parts": %s}',
        '{"path": "/mistyped", "size": 1, "parts": [%s]}',
        '{"path": "/mistyped", "size": 1, "parts": [{"sha256": %s}]}',
        '{"file_id": %s, "size": 1}',
    ):
        answer = user.http.post("/upload/initiate", content=body % text, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400, (body % text, answer.text)


BAD_PATHS = [
    "", "x", "x/y", "/", "//", "/x/", "//x", "/x//y", "/.", "/..", "/x/..", "/x/../y", "/./x", "/x\u0000y", "/x\ny", "/\u007f",
    "/\u0085", "/\u009f", "/a\u0308", "/\u1100\u1161", "/\u212b", "/" + "a" * 256, "/" + "ä" * 128, "/" + "a/" * 512 + "b",
    "C:\\x", "../x", "~", "http://x/y",
]  # fmt: skip


def test_bad_paths_leave_nothing(user, db, s3, stack):
    """Refused by rule, and neither the tables nor the store know of it."""

    def left() -> tuple:
        rows = db.execute("select count(*) from upload_sessions where user_id = %s", (user.user_id,)).fetchone()
        files = db.execute("select count(*) from files where user_id = %s", (user.user_id,)).fetchone()
        return rows, files

    for route in ("/upload/initiate", "/files"):
        for path in BAD_PATHS:
            answer = user.http.post(route, json={"path": path, "size": 1})
            assert answer.status_code == 400, (path, answer.text)
    for path in BAD_PATHS:
        # Empty and relative folders are bad, too; "/" is the one that a list may have.
        answer = user.http.get("/files", params={"folder": path})
        assert answer.status_code == (200 if path == "/" else 400), (path, answer.text)
    assert left() == ((0,), (0,))
    good = user.http.post("/upload/initiate", json={"path": "/ok/日本/a b/..x/%2e%2e", "size": 1})
    assert good.status_code == 201, good.text
    assert user.http.delete(f"/upload/{good.json()['upload_id']}").status_code == 204


def test_huge_bodies(replicas, user):
    """Refused as soon as the length is known, whatever else is wrong; memory does not follow the client."""
    for program, route in (("mr-api", "/register"), ("mr-upload", "/upload/initiate")):
        replica = replicas[program]
        before = replica.rss_bytes()
        head = (
            f"POST {route} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {user.token}\r\n"
            "Content-Type: application/json\r\n"
        ).encode()
        assert statuses(exchange(replica, head + b"Content-Length: 1099511627776\r\n\r\n")) == [413]
        expecting = head + b"Content-Length: 5000000\r\nExpect: 100-continue\r\n\r\n"
        assert statuses(exchange(replica, expecting)) == [413]
        assert statuses(exchange(replica, head + b"Content-Length: 5000000\r\n\r\n" + b" " * 5000000)) == [413]
        chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
        assert statuses(exchange(replica, head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 60 + b"0\r\n\r\n")) == [413]
        endless = exchange(replica, head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 600)
        assert statuses(endless) in ([413], [])
        assert replica.rss_bytes() - before < 20 << 20


def test_many_large_bodies_at_once(replicas, user):
    """Bodies under way have a ceiling together: what is past it gets 503, and memory stays."""
    replica = replicas["mr-upload"]
    head = (
        f"POST /upload/initiate HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {user.token}\r\n"
        "Content-Type: application/json\r\nContent-Length: 2000000\r\n\r\n"
    ).encode()
    open_ones = []
    try:
        for _ in range(60):
            s = socket.create_connection(("127.0.0.1", replica.port), timeout=10)
            s.sendall(head + b" " * 1_900_000)
            open_ones.append(s)
        assert replica.rss_bytes() < 180 << 20
        got = []
        for s in open_ones:
            s.sendall(b" " * 100_000)
            got.append(statuses(b"".join(iter(lambda s=s: s.recv(65536), b""))))
        assert set(map(tuple, got)) == {(400,), (503,)}, got
    finally:
        for s in open_ones:
            s.close()


def test_slow_clients_hold_no_one_up(replica, user, full):
    """Clients that drip a byte at a time take no thread: others are served at full speed."""
    drips = []
    for i in range(400 if full else 150):
        s = socket.create_connection(("127.0.0.1", replica.port), timeout=10)
        s.sendall(
            b"GET /files HT" if i % 2 else b"POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            b"Content-Length: 100\r\n\r\nusername="
        )
        drips.append(s)
    try:
        path = protected(replica)
        with httpx.Client(base_url=replica.url, headers={"Authorization": f"Bearer {user.token}"}, timeout=10) as client:
            begin = time.monotonic()
            for i in range(100):
                drips[i].sendall(b"x")
                assert client.get(path).status_code in (200, 404)
            assert time.monotonic() - begin < 5
    finally:
        for s in drips:
            s.close()


def test_half_closed(replica):
    """A client that closes its side is answered, or taken as gone (perhaps only by its deadline); no one else waits."""
    path = protected(replica).encode()
    for data in (b"", b"GET", b"GET " + path + b" HTTP/1.1\r\n", b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n",
                 b"POST /upload/complete HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{"):  # fmt: skip
        assert statuses(exchange(replica, data, half_close=True, timeout=1)) in ([], [401], [404])


def test_reset_in_the_middle(replica, user):
    """Clients that vanish with a reset at any point."""
    path = protected(replica)
    whole = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {user.token}\r\n\r\n".encode()
    linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"  # on, 0 s: close() sends a reset
    for cut in [*range(0, len(whole), 23), len(whole)] * 5:
        s = socket.create_connection(("127.0.0.1", replica.port), timeout=10)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        s.sendall(whole[:cut])
        s.close()


def test_pipelining(replica, user):
    """Many requests in one write: answered in order, bodies kept apart."""
    token = f"Authorization: Bearer {user.token}\r\n".encode()
    path = protected(replica).encode()
    requests, expected = b"", []
    for i in range(60):
        if i % 3 == 0:
            requests += b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n" + token + b"\r\n"
            expected.append({200, 404})
        elif i % 3 == 1:
            requests += b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"
            expected.append({404})
        else:
            requests += b"POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 24\r\n\r\n" + b"GET / HTTP/1.1\r\nHost: x\r\n"[:24]
            expected.append({415, 404})
    requests += b"GET /nowhere HTTP/1.1\r\n" + CLOSE + b"\r\n"
    expected.append({404})
    got = statuses(exchange(replica, requests))
    assert len(got) == len(expected) and all(g in e for g, e in zip(got, expected, strict=True)), got


def test_many_clients_that_leave(replica, user):
    """Requests whose clients do not wait: nothing is kept for them."""
    path = protected(replica)
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {user.token}\r\n\r\n".encode()

    def leave(_):
        for _ in range(25):
            with socket.create_connection(("127.0.0.1", replica.port), timeout=10) as s:
                s.sendall(request)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(leave, range(8)))
    wait_for("the requests to end", lambda: inflight(replica) == 0, timeout=30)


def test_overload_is_shed(stack, user):
    """More at once than threads and queue hold: 503 with Retry-After at once, counted, and the rest is served."""
    replica = Replica(stack, "mr-api", MR_HTTP_THREADS="1", MR_HTTP_QUEUE="2")
    try:
        seen, start = [], threading.Barrier(40)

        def ask(client):
            start.wait()
            for _ in range(5):
                seen.append(client.get("/files"))

        limits = httpx.Limits(max_connections=40, max_keepalive_connections=40)
        bearer = {"Authorization": f"Bearer {user.token}"}
        with httpx.Client(base_url=replica.url, headers=bearer, timeout=30, limits=limits) as client:
            threads = [threading.Thread(target=ask, args=(client,)) for _ in range(40)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
        assert {a.status_code for a in seen} == {200, 503} and len(seen) == 200
        shed = [a for a in seen if a.status_code == 503]
        assert all(a.headers["Retry-After"] and a.json()["type"] == "urn:millrace:problem:overloaded" for a in shed)
        text = replica.metrics_text()
        assert f"mr_http_shed_total {len(shed)}" in text
    finally:
        assert replica.stop() == 0


def test_the_edge_speaks_problems(stack, user):
    """What NGINX refuses by itself looks like what the programs refuse."""
    with httpx.Client(base_url=stack["MR_API_URL"], timeout=30, headers={"Authorization": f"Bearer {user.token}"}) as client:
        for answer, status in (
            (client.post("/upload/initiate", content=b" " * (3 << 20), headers={"Content-Type": "application/json"}), 413),
            (client.get("/files", headers={"X": "y" * 9000}), 431),
            (client.get("/files?folder=/" + "x" * 40000), 414),
            (client.post("/hooks/s3", json={}), 404),
        ):
            assert answer.status_code == status, answer.text
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["type"].startswith("urn:millrace:problem:")
