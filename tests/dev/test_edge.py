"""The edge on its own: what NGINX answers by itself are problems (RFC 9457), and what is not for clients is not there."""

import json
import os
import pathlib
import socket
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def edge(tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("edge")
    settings = {k: v for k, v in os.environ.items() if not k.startswith("MR_") or k == "MR_DEPS_DIR"}
    settings |= {"MR_RUN_DIR": str(run_dir), "MR_EDGE_ACCOUNT_RATE": "1r/m", "MR_EDGE_ACCOUNT_BURST": "1"}

    def dev(*arguments):
        subprocess.run([ROOT / "dev", *arguments], env=settings, check=True, stdin=subprocess.DEVNULL, timeout=60)

    dev("up", "nginx")
    ports = dict(line.split("=") for line in (run_dir / "ports").read_text().split())
    yield int(ports["nginx"])
    dev("down", "--kill", "--wipe")


def ask(port, head, body=b""):
    """Sends the bytes as they are; returns status, headers, problem."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(head.encode("latin-1") + b"\r\nHost: localhost\r\nConnection: close\r\n\r\n" + body)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    top, _, rest = answer.partition(b"\r\n\r\n")
    lines = top.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:])
    return int(lines[0].split()[1]), headers, json.loads(rest) if headers["content-type"] == "application/problem+json" else rest


@pytest.mark.parametrize(
    "head, status, slug",
    [
        ("GET /files/%00 HTTP/1.1", 400, "bad-request"),
        ("GET /../../etc/passwd HTTP/1.1", 400, "bad-request"),
        ("GET /%zz HTTP/1.1", 400, "bad-request"),
        ("GET /files HTTP/1.1\r\nHost: other", 400, "bad-request"),
        (f"GET /{'a' * 9000} HTTP/1.1", 414, "url-too-long"),
        (f"GET /files HTTP/1.1\r\nX: {'a' * 9000}", 431, "header-too-large"),
        ("POST /files HTTP/1.1\r\nContent-Length: 3000000", 413, "body-too-large"),
        ("GET /files HTTP/1.1", 503, "unavailable"),
        ("POST /upload/initiate HTTP/1.1\r\nContent-Length: 0", 503, "unavailable"),
        ("POST /hooks/s3 HTTP/1.1\r\nContent-Length: 0", 404, "not-found"),
        ("POST //hooks/s3 HTTP/1.1\r\nContent-Length: 0", 404, "not-found"),
        ("POST /upload/../hooks/s3 HTTP/1.1\r\nContent-Length: 0", 404, "not-found"),
        ("POST /x/%2e%2e/hooks/s3 HTTP/1.1\r\nContent-Length: 0", 404, "not-found"),
        ("POST /%68ooks/s3 HTTP/1.1\r\nContent-Length: 0", 404, "not-found"),
    ],
)
def test_what_nginx_answers_is_a_problem(edge, head, status, slug):
    got, headers, problem = ask(edge, head)
    assert got == status
    assert headers["content-type"] == "application/problem+json"
    assert problem["status"] == status
    assert problem["type"] == f"urn:millrace:problem:{slug}"
    assert {"title", "detail"} <= set(problem)
    assert ("retry-after" in headers) == (status == 503)


@pytest.mark.parametrize("path", ["/register", "/token"])
def test_accounts_are_rate_limited_by_address(edge, path):
    seen = [ask(edge, f"POST {path} HTTP/1.1\r\nContent-Length: 0") for _ in range(4)]
    assert [status for status, _, _ in seen[:2]] == [503, 503]
    for status, headers, problem in seen[2:]:
        assert status == problem["status"] == 429
        assert int(headers["retry-after"]) > 0


def test_it_says_nothing_of_itself(edge):
    status, headers, _ = ask(edge, "GET /edge/health HTTP/1.1")
    assert status == 200
    assert headers["server"] == "nginx"
