"""What the benchmarks of uploads share: the stack, an account, plain HTTP clients, percentiles."""

import hashlib
import json
import os
import pathlib
import secrets
import statistics
import subprocess
import threading

import boto3
import botocore.config
import psycopg
import urllib3

ROOT = pathlib.Path(__file__).resolve().parent.parent
RUN_DIR = pathlib.Path(os.environ.get("MR_RUN_DIR", ROOT / ".run"))
ENV = dict(line.split("=", 1) for line in (RUN_DIR / "env").read_text().splitlines() if "=" in line)
MR = str(ROOT / "build/bin/mr")
PASSWORD = secrets.token_hex(16)


class Account:
    """A user of the benchmark's own. forget() takes everything away that was made for it."""

    def __init__(self, name="bench"):
        self.email = f"{name}-{secrets.token_hex(8)}@example.org"
        http = urllib3.PoolManager()
        made = http.request(
            "POST", ENV["MR_API_URL"] + "/register", json={"email": self.email, "password": PASSWORD, "name": "Bench"}
        )
        assert made.status == 201, made.data
        self.user_id = made.json()["user_id"]
        got = http.request(
            "POST", ENV["MR_API_URL"] + "/token", fields={"username": self.email, "password": PASSWORD}, encode_multipart=False
        )
        assert got.status == 200, got.data
        self.token = got.json()["access_token"]

    def mr_environment(self, home: pathlib.Path) -> dict:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("MR_", "XDG_", "MILLRACE_"))}
        return {**clean, "HOME": str(home), "MILLRACE_URL": ENV["MR_API_URL"], "MILLRACE_TOKEN": self.token}

    def forget(self) -> None:
        store, bucket = s3(), ENV["MR_S3_BUCKET"]
        with psycopg.connect(ENV["MR_PG_DSN"], autocommit=True) as db:
            rows = db.execute("select s3_key from upload_sessions where owner_id = %s", (self.user_id,)).fetchall()
            for i in range(0, len(rows), 1000):
                keys = [{"Key": key} for (key,) in rows[i : i + 1000]]
                store.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
            db.execute("delete from file_versions where user_id = %s", (self.user_id,))
            for table, column in [("upload_sessions", "owner_id"), ("files", "user_id"), ("users", "user_id")]:
                db.execute(f"delete from {table} where {column} = %s", (self.user_id,))


def s3(connections=32):
    return boto3.client(
        "s3",
        endpoint_url=ENV["MR_S3_ENDPOINT"],
        aws_access_key_id=ENV["MR_S3_ACCESS_KEY"],
        aws_secret_access_key=ENV["MR_S3_SECRET_KEY"],
        region_name="us-east-1",
        config=botocore.config.Config(s3={"addressing_style": "path"}, max_pool_connections=connections),
    )


_local = threading.local()


def pool() -> urllib3.PoolManager:
    """Connections of this thread."""
    if not hasattr(_local, "pool"):
        _local.pool = urllib3.PoolManager(maxsize=2, retries=False, timeout=60)
    return _local.pool


class Client:
    """The upload protocol over plain HTTP, one connection per thread."""

    def __init__(self, account: Account):
        self.headers = {"Authorization": f"Bearer {account.token}", "Content-Type": "application/json"}

    def post(self, path: str, body: dict) -> tuple[int, dict]:
        got = pool().request("POST", ENV["MR_API_URL"] + path, body=json.dumps(body), headers=self.headers)
        return got.status, got.json()

    def initiate(self, path: str, data: bytes) -> dict:
        body = {"path": path, "size": len(data), "content_type": "application/octet-stream"}
        body["parts"] = [{"sha256": hashlib.sha256(data).hexdigest()}]
        status, session = self.post("/upload/initiate", body)
        assert status == 201, session
        return session

    def put(self, session: dict, data: bytes) -> None:
        part = session["parts"][0]
        got = pool().request("PUT", part["url"], body=data, headers=part["headers"])
        assert got.status == 200, got.data

    def complete(self, session: dict, wait: bool) -> int:
        query = "?wait=metadata" if wait else ""
        status, answer = self.post(f"/upload/complete{query}", {"upload_id": session["upload_id"]})
        assert status in (200, 202), answer
        return status


def p99_ms(seconds: list[float]) -> float:
    ms = sorted(s * 1000 for s in seconds)
    return ms[min(len(ms) - 1, int(len(ms) * 0.99))]


def percentiles(seconds: list[float]) -> str:
    return f"p50 {statistics.median(seconds) * 1000:.1f} ms   p99 {p99_ms(seconds):.1f} ms   (n = {len(seconds)})"


missed: list[str] = []


def bound(what: str, met: bool) -> None:
    """Says whether a bound of the benchmark was met; judged at its end."""
    print(f"  bound: {what}: {'met' if met else 'missed'}")
    if not met:
        missed.append(what)


def end() -> None:
    """Ends the benchmark: with status 1 when a bound was missed."""
    raise SystemExit(1 if missed else 0)


def run(argv: list[str], env: dict) -> None:
    done = subprocess.run(argv, env=env, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(argv)} ended with {done.returncode}: {done.stderr}")
