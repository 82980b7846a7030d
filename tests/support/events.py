"""Events that tests put on the log themselves, by a third-party producer and serializer, and what they should come to."""

import datetime
import hashlib
import random
import uuid

from confluent_kafka import Producer
from confluent_kafka.serialization import MessageField, SerializationContext

from support import log
from support.stack import wait_for

UTC = datetime.timezone.utc
START = datetime.datetime(2026, 6, 1, tzinfo=UTC)
TOPICS = ["file.uploaded", "file.backfill", "file.processed", "retry.metadata"]
GROUP = "millrace.metadata"
# On records that a test broke on purpose, so that tests of "every record" can tell.
POISON = ("x-test-poison", b"1")


def at(seconds: float) -> datetime.datetime:
    return START + datetime.timedelta(seconds=seconds)


def uploaded(file_id: str, version: int = 1, **more) -> dict:
    name = f"{file_id}/{version}"
    return {
        "event_id": uuid.uuid5(uuid.NAMESPACE_URL, name),
        "occurred_at": at(version),
        "upload_id": uuid.uuid5(uuid.NAMESPACE_DNS, name),
        "file_id": uuid.UUID(file_id),
        "version": version,
        "owner_id": uuid.uuid5(uuid.NAMESPACE_OID, file_id),
        "user_id": uuid.uuid5(uuid.NAMESPACE_X500, name),
        "path": f"/synthetic/{file_id}",
        "size": 1000 + version,
        "content_type": f"text/x-v{version}",
        "content_hash": hashlib.sha256(name.encode()).digest(),
        "s3_bucket": "millrace",
        "s3_key": f"objects/{name}",
        "s3_etag": hashlib.md5(name.encode()).hexdigest(),
        "origin": "UPLOAD",
        **more,
    }


def processed(file_id: str, version: int, stage: str, outcome: str, verdict: str | None = None, **more) -> dict:
    return {
        "event_id": uuid.uuid5(uuid.NAMESPACE_URL, f"{file_id}/{version}"),
        "file_id": uuid.UUID(file_id),
        "version": version,
        "s3_key": f"objects/{file_id}/{version}",
        "content_hash": bytes(32),
        "stage": stage,
        "outcome": outcome,
        "verdict": verdict,
        "reason": None,
        "engine": "test 1.0",
        "attempt": 1,
        "next_retry_at": None,
        "started_at": at(100),
        "finished_at": None if outcome == "RUNNING" else at(101),
        "attributes": {},
        **more,
    }


class Log:
    """Puts events on the log."""

    def __init__(self, stack):
        self.stack = stack
        self.producer = Producer(
            {"bootstrap.servers": stack["MR_BROKERS"], "acks": "all", "partitioner": "murmur2_random", "linger.ms": 2}
        )
        self.uploaded = log.serializer(stack, "FileUploaded")
        self.processed = log.serializer(stack, "FileProcessed")
        self.delivered: list = []

    def encode(self, event: dict, topic: str) -> bytes:
        serializer = self.processed if "stage" in event else self.uploaded
        plain = {k: str(v) if isinstance(v, uuid.UUID) else v for k, v in event.items()}
        return serializer(plain, SerializationContext(topic, MessageField.VALUE))

    def _on_delivery(self, error, message) -> None:
        assert error is None, error
        self.delivered.append(message)

    def send_bytes(self, topic: str, key, value: bytes | None, partition: int | None = None, headers=None) -> None:
        more = {} if partition is None else {"partition": partition}
        while True:
            try:
                self.producer.produce(
                    topic, key=key, value=value, headers=headers, on_delivery=self._on_delivery, **more
                )
                break
            except BufferError:
                self.producer.poll(0.1)
        self.producer.poll(0)

    def send(self, event: dict, topic: str | None = None, **more) -> None:
        topic = topic or ("file.processed" if "stage" in event else "file.uploaded")
        self.send_bytes(topic, str(event["file_id"]), self.encode(event, topic), **more)

    def flush(self) -> list:
        """Until all is acknowledged; the messages since the last flush, with their partitions and offsets."""
        assert self.producer.flush(30) == 0
        delivered, self.delivered = self.delivered, []
        return delivered


def wait_drained(stack, timeout: float = 60) -> None:
    """Until the group has committed everything."""
    wait_for("mr-metadata has no lag", lambda: log.lag(stack, GROUP, TOPICS) == 0, timeout, every=0.3)


def new_ids(n: int) -> list[str]:
    return [str(uuid.uuid4()) for _ in range(n)]


# What a row is compared by; xmin changes whenever the row does.
def dump(db, ids: list[str] | None = None, system: bool = True) -> dict[str, list]:
    where = "" if ids is None else "WHERE file_id = ANY(%s::uuid[])"
    args = [] if ids is None else [ids]
    xmin = "xmin::text, " if system else ""
    return {
        table: db.execute(f"SELECT {xmin}t.*::text FROM {table} t {where} ORDER BY {key}", args).fetchall()
        for table, key in (
            ("files", "file_id"),
            ("file_versions", "file_id, version"),
            ("file_stages", "file_id, version, stage"),
        )
    }


# --- the model: what any delivery of a set of events must come to ---

OUTCOMES = ["RUNNING", "RETRYING", "FAILED", "DEAD", "SKIPPED", "OK"]
LONG_AGO = datetime.datetime.min.replace(tzinfo=UTC)


def _reported(e: dict) -> datetime.datetime:
    return e["finished_at"] or e["started_at"]


def _text(s: str | None) -> str:
    return "" if s is None else "=" + s


def _rank(e: dict) -> tuple:
    return (
        _reported(e),
        e["attempt"],
        OUTCOMES.index(e["outcome"]),
        e["started_at"],
        e["finished_at"] or LONG_AGO,
        e["next_retry_at"] or LONG_AGO,
        e["event_id"].bytes,
        _text(e["reason"]),
        _text(e["engine"]),
    )


def model_stages(events: list[dict]) -> dict[tuple, tuple]:
    """{(file_id, version, stage): (outcome, attempt, reason, reported at, verdict)}"""
    newest: dict[tuple, dict] = {}
    verdicts: dict[tuple, tuple] = {}
    for e in events:
        if "stage" not in e or e["outcome"] not in OUTCOMES:
            continue
        key = (str(e["file_id"]), e["version"], e["stage"])
        if key not in newest or _rank(e) > _rank(newest[key]):
            newest[key] = e
        if e["verdict"]:
            verdict = (_reported(e), e["verdict"] == "INFECTED", e["verdict"])
            verdicts[key] = max(verdicts.get(key, verdict), verdict)
    return {
        key: (e["outcome"], e["attempt"], e["reason"], _reported(e), verdicts[key][2] if key in verdicts else None)
        for key, e in newest.items()
    }


def model_files(events: list[dict], scan_required: bool = False) -> dict[str, tuple]:
    """{file_id: (version, size, content_type, content_hash, s3_key, status, verdict)}"""
    stages = model_stages(events)
    files: dict[str, tuple] = {}
    for e in sorted((e for e in events if "stage" not in e), key=lambda e: e["version"]):
        file_id = str(e["file_id"])
        verdict = stages.get((file_id, e["version"], "SCAN"), (None,) * 5)[4]
        status = "QUARANTINED" if verdict == "INFECTED" else "PENDING" if scan_required and not verdict else "AVAILABLE"
        files[file_id] = (e["version"], e["size"], e["content_type"], e["content_hash"], e["s3_key"], status, verdict)
    return files


def rows_of_stages(db, ids: list[str]) -> dict[tuple, tuple]:
    rows = db.execute(
        "SELECT file_id::text, version, stage, outcome, attempt, reason, updated_at, verdict FROM file_stages "
        "WHERE file_id = ANY(%s::uuid[])",
        [ids],
    ).fetchall()
    return {r[:3]: r[3:] for r in rows}


def rows_of_files(db, ids: list[str]) -> dict[str, tuple]:
    rows = db.execute(
        "SELECT file_id::text, version, size, content_type, content_hash, s3_key, status, verdict FROM files "
        "WHERE file_id = ANY(%s::uuid[])",
        [ids],
    ).fetchall()
    return {r[0]: r[1:] for r in rows}


def versions_of(db, ids: list[str]) -> list[tuple]:
    return db.execute(
        "SELECT file_id::text, version FROM file_versions WHERE file_id = ANY(%s::uuid[]) ORDER BY 1, 2", [ids]
    ).fetchall()


def random_events(rng: random.Random, ids: list[str]) -> list[dict]:
    """Uploads and reports with few distinct times and attempts, so that ties happen at every level."""
    events = []
    for file_id in ids:
        versions = range(1, rng.randint(1, 4) + 1)
        events += [uploaded(file_id, v) for v in versions]
        for _ in range(rng.randint(0, 8)):
            outcome = rng.choice(OUTCOMES)
            started = rng.randint(0, 3)
            events.append(
                processed(
                    file_id,
                    rng.choice(versions),
                    rng.choice(["SCAN", "SCAN", "THUMBNAIL", "FUTURE"]),
                    outcome,
                    rng.choice([None, "CLEAN", "INFECTED", "PARTIAL"]),
                    attempt=rng.randint(1, 2),
                    reason=rng.choice([None, "", "why"]),
                    started_at=at(started),
                    finished_at=None if outcome == "RUNNING" else at(started + rng.randint(0, 2)),
                )
            )
    return events
