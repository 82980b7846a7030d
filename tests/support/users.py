"""Accounts and uploads over plain HTTP: the protocol of docs/upload.md written again, so that it is checked."""

import base64
import hashlib
import threading
import uuid
from dataclasses import dataclass

import httpx

PASSWORD = "correct horse battery staple"


def part_size_of(size: int) -> int:
    part = 8 << 20
    while part * 10_000 < size:
        part *= 2
    return part


def split(data: bytes) -> list[bytes]:
    part = part_size_of(len(data))
    return [data[i : i + part] for i in range(0, len(data), part)] or [b""]


def content_hash(data: bytes) -> str:
    """SHA-256 over the parts' SHA-256s in order, as the store's composite checksum."""
    return hashlib.sha256(b"".join(hashlib.sha256(p).digest() for p in split(data))).hexdigest()


# One client per thread for the store: connections are kept, as a real client would.
_local = threading.local()


def store_client() -> httpx.Client:
    if not hasattr(_local, "client"):
        _local.client = httpx.Client(timeout=60)
    return _local.client


def put_part(part: dict, data: bytes) -> httpx.Response:
    return store_client().put(part["url"], content=data, headers=part["headers"])


@dataclass
class Uploaded:
    upload_id: str
    file_id: str
    version: int | None
    answer: dict


class User:
    def __init__(self, base_url: str, email: str, user_id: str, token: str):
        self.email, self.user_id, self.token = email, user_id, token
        self.http = httpx.Client(base_url=base_url, timeout=60, headers={"Authorization": f"Bearer {token}"})

    @classmethod
    def register(cls, base_url: str, email: str | None = None, password: str = PASSWORD) -> "User":
        email = email or f"user-{uuid.uuid4().hex}@example.test"
        with httpx.Client(base_url=base_url, timeout=60) as client:
            made = client.post("/register", json={"email": email, "password": password, "name": "Test User"})
            assert made.status_code == 201, made.text
            token = client.post("/token", data={"username": email, "password": password})
            assert token.status_code == 200, token.text
            return cls(base_url, email, made.json()["user_id"], token.json()["access_token"])

    def close(self) -> None:
        self.http.close()

    def initiate(self, path: str, data: bytes, with_hashes: bool = True, **more) -> dict:
        body = {"path": path, "size": len(data), "content_type": "application/octet-stream", **more}
        if with_hashes:
            body["parts"] = [{"sha256": hashlib.sha256(p).hexdigest()} for p in split(data)]
        answer = self.http.post("/upload/initiate", json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def chunk(self, upload_id: str, data: bytes, numbers: list[int] | None = None) -> list[dict]:
        parts = split(data)
        numbers = numbers or list(range(1, len(parts) + 1))
        wanted = [{"part_number": n, "sha256": hashlib.sha256(parts[n - 1]).hexdigest()} for n in numbers]
        answer = self.http.post("/upload/chunk", json={"upload_id": upload_id, "parts": wanted})
        assert answer.status_code == 200, answer.text
        return answer.json()["parts"]

    def put_parts(self, session: dict, data: bytes) -> None:
        for part, piece in zip(session["parts"], split(data), strict=True):
            answer = put_part(part, piece)
            assert answer.status_code == 200, answer.text

    def complete(self, upload_id: str, wait: bool = True) -> httpx.Response:
        query = "?wait=metadata" if wait else ""
        return self.http.post(f"/upload/complete{query}", json={"upload_id": upload_id})

    def upload(self, path: str, data: bytes, wait: bool = True) -> Uploaded:
        """A whole upload; with wait it can be read when this returns."""
        session = self.initiate(path, data)
        self.put_parts(session, data)
        answer = self.complete(session["upload_id"], wait)
        assert answer.status_code in ((200,) if wait else (200, 202)), answer.text
        body = answer.json()
        return Uploaded(session["upload_id"], body["file_id"], body.get("version"), body)

    def download(self, file_id: str, version: int | None = None) -> bytes:
        params = {} if version is None else {"version": version}
        answer = self.http.get(f"/files/{file_id}/presigned-url", params=params)
        assert answer.status_code == 200, answer.text
        got = store_client().get(answer.json()["url"])
        assert got.status_code == 200, got.text
        return got.content


def sha256_base64(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()
