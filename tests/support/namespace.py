"""Files as mr-metadata leaves them, without an upload: for tests of what reads them."""

import dataclasses
import hashlib
import json
import uuid


@dataclasses.dataclass
class File:
    file_id: str
    path: str
    version: int
    s3_key: str | None


def put_file(
    db,
    user_id: str,
    path: str,
    *,
    versions: int = 1,
    size: int = 3,
    content_type: str = "text/plain",
    status: str = "AVAILABLE",
    verdict: str | None = None,
    deleted: bool = False,
    s3=None,
    bucket: str = "millrace",
    data: bytes = b"abc",
) -> File:
    """Rows in files and file_versions; with `s3` the newest version's object is there too."""
    file_id = str(uuid.uuid4())
    key = None
    with db.transaction():
        for version in range(1, versions + 1):
            key = f"tests/{file_id}/{version}"
            db.execute(
                "insert into file_versions (file_id, version, event_id, user_id, s3_key, s3_etag, size, content_type,"
                " content_hash, created_at) values (%s, %s, %s, %s, %s, 'etag', %s, %s, %s, now())",
                (file_id, version, str(uuid.uuid4()), user_id, key, size, content_type, hashlib.sha256(data).digest()),
            )
        db.execute(
            "insert into files (file_id, user_id, path, size, content_type, content_hash, version, next_version, s3_key,"
            " status, verdict, change_seq, deleted_at, deleted_version)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, case when %s then now() end, %s)",
            (
                file_id, user_id, path, size, content_type, hashlib.sha256(data).digest(), versions, versions + 1, key,
                status, verdict, versions, deleted, versions if deleted else None,
            ),
        )  # fmt: skip
    if s3 is not None and key:
        s3.put_object(Bucket=bucket, Key=key, Body=data, ContentType=content_type)
    return File(file_id, path, versions, key)


def put_stage(db, file: File, stage: str, outcome: str, *, version: int | None = None, verdict=None, reason=None) -> None:
    db.execute(
        "insert into file_stages (file_id, version, stage, event_id, outcome, verdict, reason, attempt, started_at,"
        " attributes, updated_at) values (%s, %s, %s, %s, %s, %s, %s, 1, now(), %s, now())",
        (file.file_id, version or file.version, stage, str(uuid.uuid4()), outcome, verdict, reason, json.dumps({})),
    )


def remove_files(db, user_id: str) -> None:
    for table in ("file_stages", "file_versions"):
        db.execute(f"delete from {table} where file_id in (select file_id from files where user_id = %s)", (user_id,))
    db.execute("delete from files where user_id = %s", (user_id,))
