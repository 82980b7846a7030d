"""The event contract: current and released schemas read each other, and the registry guards that."""

import io
import itertools
import json
import pathlib
import uuid

import fastavro
import pytest
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from avro.schema import parse

from support import log
from support.events import processed, uploaded
from support.metadata_program import admin

FOLDER = pathlib.Path(__file__).resolve().parent.parent.parent / "schemas"
NAMES = sorted(p.stem for p in FOLDER.glob("*.avsc"))
SUBJECTS = {
    "file.uploaded-value": "FileUploaded",
    "file.backfill-value": "FileUploaded",
    "file.processed-value": "FileProcessed",
}


def versions(name: str) -> list[pathlib.Path]:
    return [*sorted((FOLDER / "released").glob(f"{name}.*.avsc")), FOLDER / f"{name}.avsc"]


@pytest.mark.parametrize("name", NAMES)
def test_every_version_reads_every_other(name):
    found = versions(name)
    assert len(found) >= 2, f"schemas/released lacks {name}"
    for reader, writer in itertools.permutations(found, 2):
        result = ReaderWriterCompatibilityChecker().get_compatibility(
            parse(reader.read_text()), parse(writer.read_text())
        )
        assert result.compatibility is SchemaCompatibilityType.compatible, (reader.name, writer.name, result.messages)


@pytest.mark.parametrize("name", NAMES)
def test_events_survive_every_pair_of_versions(name):
    file_id = str(uuid.uuid4())
    event = uploaded(file_id) if name == "FileUploaded" else processed(file_id, 1, "SCAN", "OK", "CLEAN")
    for reader, writer in itertools.product(versions(name), repeat=2):
        bytes_ = io.BytesIO()
        fastavro.schemaless_writer(bytes_, fastavro.parse_schema(json.loads(writer.read_text())), event)
        bytes_.seek(0)
        read = fastavro.schemaless_reader(
            bytes_, json.loads(writer.read_text()), reader_schema=json.loads(reader.read_text())
        )
        assert read["file_id"] == event["file_id"]
        assert read["version"] == event["version"]


@pytest.mark.parametrize("name", NAMES)
def test_what_grows_is_a_string(name):
    """An enum in a schema would make every new value incompatible."""
    text = (FOLDER / f"{name}.avsc").read_text()
    assert '"enum"' not in text


def test_registry_has_them_with_full_transitive_compatibility(stack):
    registry = log.registry(stack)
    for subject, name in SUBJECTS.items():
        assert registry.get_config(subject).compatibility_level == "FULL_TRANSITIVE"
        registered = json.loads(registry.get_latest_version(subject).schema.schema_str)
        assert registered == log.schema_json(name)


def test_apply_twice_and_check(stack):
    first = admin(stack, "schemas", "apply")
    again = admin(stack, "schemas", "apply")
    assert (first.returncode, again.returncode) == (0, 0), first.stderr + again.stderr
    assert first.stdout == again.stdout
    for subject in SUBJECTS:
        assert f"{subject}: id " in first.stdout
    check = admin(stack, "schemas", "check")
    assert check.returncode == 0, check.stdout + check.stderr


def changed_schemas(tmp_path, change) -> str:
    for name in NAMES:
        schema = log.schema_json(name)
        if name == "FileUploaded":
            change(schema["fields"])
        (tmp_path / f"{name}.avsc").write_text(json.dumps(schema))
    return str(tmp_path)


INCOMPATIBLE = {
    "a field without a default": lambda fields: fields.append({"name": "colour", "type": "string"}),
    "another type": lambda fields: next(f for f in fields if f["name"] == "size").update(type="string"),
    "a field that had no default removed": lambda fields: fields.remove(
        next(f for f in fields if f["name"] == "s3_etag")
    ),
}


@pytest.mark.parametrize("kind", INCOMPATIBLE)
def test_an_incompatible_schema_is_refused(stack, tmp_path, kind):
    folder = changed_schemas(tmp_path, INCOMPATIBLE[kind])
    before = log.registry(stack).get_versions("file.uploaded-value")
    done = admin(stack, "schemas", "apply", "--schemas-dir", folder)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "file.uploaded-value: the schema is not compatible" in done.stdout
    assert log.registry(stack).get_versions("file.uploaded-value") == before
    check = admin(stack, "schemas", "check", "--schemas-dir", folder)
    assert check.returncode == 1
    assert "file.uploaded-value: this schema is not registered" in check.stdout
    assert "not compatible" in check.stdout
    assert "file.processed-value: id " in check.stdout


def test_check_names_a_lost_compatibility_level(stack):
    registry = log.registry(stack)
    try:
        registry.set_compatibility("file.backfill-value", "BACKWARD")
        check = admin(stack, "schemas", "check")
        assert check.returncode == 1
        assert "file.backfill-value: compatibility is BACKWARD, not FULL_TRANSITIVE" in check.stdout
    finally:
        assert admin(stack, "schemas", "apply").returncode == 0
    assert admin(stack, "schemas", "check").returncode == 0


def test_registry_away(stack):
    done = admin(stack, "schemas", "check", MR_REGISTRY_URL="http://127.0.0.1:1/none")
    assert done.returncode == 75
    assert "127.0.0.1:1" in done.stderr
