#!/usr/bin/env python3
"""Writes vectors.h: events in the Confluent wire format as fastavro, a library of others, encodes them.

Run by hand with the tests' Python when a schema changes: tests/unit/event/make_vectors.py > tests/unit/event/vectors.h
"""

import copy
import io
import json
import pathlib
import struct

import fastavro

SCHEMAS = pathlib.Path(__file__).resolve().parents[3] / "schemas"
UUIDS = [f"0190163d-8694-739b-aea5-96{i:010x}" for i in range(8)]
HASH = bytes(range(32))

UPLOADED = {
    "event_id": UUIDS[0],
    "occurred_at": 1767225600123456,
    "upload_id": UUIDS[1],
    "file_id": UUIDS[2],
    "version": 300,
    "owner_id": UUIDS[3],
    "user_id": UUIDS[4],
    "path": "/Fotos/Übersicht 2026/日本.jpg",
    "size": 53687091200,
    "content_type": "image/jpeg",
    "content_hash": HASH,
    "s3_bucket": "millrace",
    "s3_key": "objects/ab/cd",
    "s3_etag": "d41d8cd98f00b204e9800998ecf8427e-6400",
    "origin": "RESTORE",
}
PROCESSED = {
    "event_id": UUIDS[0],
    "file_id": UUIDS[2],
    "version": 1,
    "s3_key": "objects/ab/cd",
    "content_hash": HASH,
    "stage": "SCAN",
    "outcome": "OK",
    "verdict": "CLEAN",
    "reason": None,
    "engine": "clamav 1.0.7",
    "attempt": 2,
    "next_retry_at": None,
    "started_at": 1767225600000000,
    "finished_at": 1767225600000001,
    "attributes": {"width": "4000", "höhe": "3000"},
}


def schema(name):
    return json.loads((SCHEMAS / f"{name}.avsc").read_text(encoding="utf-8"))


def wider(name):
    """A later version of a schema: fields of every type that this program does not know, between those it knows."""
    later = copy.deepcopy(schema(name))
    node = {
        "type": "record",
        "name": "Node",
        "fields": [{"name": "value", "type": "long"}, {"name": "next", "type": ["null", "Node"]}],
    }
    extra = [
        {"name": "x_null", "type": "null"},
        {"name": "x_bool", "type": "boolean"},
        {"name": "x_int", "type": "int"},
        {"name": "x_float", "type": "float"},
        {"name": "x_double", "type": "double"},
        {"name": "x_bytes", "type": "bytes"},
        {"name": "x_enum", "type": {"type": "enum", "name": "Colour", "symbols": ["RED", "GREEN"]}},
        {"name": "x_fixed", "type": {"type": "fixed", "name": "Four", "size": 4}},
        {"name": "x_array", "type": {"type": "array", "items": ["null", "string", "Four"]}},
        {"name": "x_map", "type": {"type": "map", "values": {"type": "array", "items": "long"}}},
        {"name": "x_node", "type": node},
    ]
    fields = []
    for i, field in enumerate(later["fields"]):
        fields.append(field)
        if i < len(extra):
            fields.append(extra[i])
    later["fields"] = fields[::-1]
    # A named type is declared where it is first met in the order of the text.
    later["fields"].sort(key=lambda f: f["name"] == "x_array")
    return later


WIDER_VALUES = {
    "x_null": None,
    "x_bool": True,
    "x_int": -5,
    "x_float": 1.5,
    "x_double": -2.5,
    "x_bytes": b"\x00\xff",
    "x_enum": "GREEN",
    "x_fixed": b"four",
    "x_array": [None, "text", ("io.millrace.Four", b"4444"), None],
    "x_map": {"a": [1, 2, 3], "b": []},
    "x_node": {"value": 1, "next": {"value": 2, "next": {"value": 3, "next": None}}},
}


def narrower():
    """An earlier FileUploaded: no origin yet, bytes where a string is now, an int where a long is."""
    earlier = copy.deepcopy(schema("FileUploaded"))
    earlier["fields"] = [f for f in earlier["fields"] if f["name"] != "origin"]
    for field in earlier["fields"]:
        if field["name"] == "version":
            field["type"] = "int"
        if field["name"] in ("path", "s3_etag"):
            field["type"] = "bytes"
        if field["name"] == "content_type":
            field["type"] = ["null", "long", "string"]
    return earlier


def frame(schema_id, avro_schema, value):
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(copy.deepcopy(avro_schema)), value)
    return struct.pack(">bI", 0, schema_id) + out.getvalue()


def show(name, schema_id, avro_schema, value):
    data = frame(schema_id, avro_schema, value).hex()
    text = json.dumps(json.dumps(avro_schema, ensure_ascii=True))
    lines = "\n".join(f'    "{data[i : i + 100]}"' for i in range(0, len(data), 100))
    print(f"#define {name.upper()}_ID {schema_id}")
    print(f"static const char {name}_hex[] =\n{lines};")
    chunks = [text[1:-1][i : i + 100] for i in range(0, len(text) - 2, 100)]
    # A chunk may not end inside an escape.
    joined = []
    carry = ""
    for chunk in chunks:
        chunk = carry + chunk
        carry = ""
        backslashes = len(chunk) - len(chunk.rstrip("\\"))
        if backslashes % 2:
            carry = chunk[-1]
            chunk = chunk[:-1]
        joined.append(f'    "{chunk}"')
    if carry:
        joined.append(f'    "{carry}"')
    print(f"static const char {name}_schema[] =\n" + "\n".join(joined) + ";")


def main():
    print("/* Written by make_vectors.py with fastavro. */")
    print("// clang-format off")
    bytes_values = dict(UPLOADED, path=UPLOADED["path"].encode(), s3_etag=UPLOADED["s3_etag"].encode())
    show("uploaded", 7, schema("FileUploaded"), UPLOADED)
    show("processed", 8, schema("FileProcessed"), PROCESSED)
    show("wider_uploaded", 9, wider("FileUploaded"), UPLOADED | WIDER_VALUES)
    show("wider_processed", 10, wider("FileProcessed"), PROCESSED | WIDER_VALUES)
    show("narrower_uploaded", 11, narrower(), bytes_values)


if __name__ == "__main__":
    main()
