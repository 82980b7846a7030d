"""docs/openapi.yaml as tests use it: its operations, and whether an answer is as it says."""

import functools
import pathlib
import re

import httpx
import jsonschema
import referencing
import referencing.jsonschema
import yaml

FILE = pathlib.Path(__file__).resolve().parent.parent.parent / "docs" / "openapi.yaml"
METHODS = ("get", "put", "post", "delete", "patch")

_formats = jsonschema.FormatChecker(["uuid"])


@_formats.checks("date-time")
def _is_rfc3339(value) -> bool:
    return not isinstance(value, str) or bool(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", value))


@_formats.checks("uri")
def _is_url(value) -> bool:
    return not isinstance(value, str) or bool(re.fullmatch(r"https?://[^\s/]+/\S*", value))


@functools.cache
def spec() -> dict:
    return yaml.safe_load(FILE.read_text())


def resolve(node: dict) -> dict:
    while "$ref" in node:
        found = spec()
        for step in node["$ref"].removeprefix("#/").split("/"):
            found = found[step.replace("~1", "/").replace("~0", "~")]
        node = found
    return node


def operations() -> dict[str, dict]:
    """{"GET /files/{file_id}": operation}"""
    return {f"{m.upper()} {path}": item[m] for path, item in spec()["paths"].items() for m in METHODS if m in item}


def statuses() -> list[tuple[str, int]]:
    return [(name, int(status)) for name, op in operations().items() for status in op["responses"]]


def _validator(schema: dict) -> jsonschema.Draft202012Validator:
    whole = referencing.Resource(contents=spec(), specification=referencing.jsonschema.DRAFT202012)
    registry = referencing.Registry().with_resource("urn:openapi", whole)

    def absolute(node):
        if isinstance(node, dict):
            return {k: f"urn:openapi{v}" if k == "$ref" else absolute(v) for k, v in node.items()}
        return [absolute(v) for v in node] if isinstance(node, list) else node

    return jsonschema.Draft202012Validator(absolute(schema), registry=registry, format_checker=_formats)


def check(operation: str, answer: httpx.Response) -> None:
    """Fails when the answer is not one that the operation is said to give."""
    responses = operations()[operation]["responses"]
    where = f"{operation} → {answer.status_code}: {answer.text[:500]}"
    assert str(answer.status_code) in responses, f"not described: {where}"
    described = resolve(responses[str(answer.status_code)])
    for name, header in described.get("headers", {}).items():
        header = resolve(header)
        assert name in answer.headers or not header.get("required"), f"header {name} is missing: {where}"
        if name in answer.headers:
            _validator(header["schema"]).validate(answer.headers[name])
    content = described.get("content")
    if not content:
        assert answer.content == b"", f"a body where none is described: {where}"
        return
    kind = answer.headers.get("content-type", "").split(";")[0]
    assert kind in content, f"content type {kind}: {where}"
    body = answer.json()
    _validator(content[kind]["schema"]).validate(body)
    if kind == "application/problem+json":
        assert body["status"] == answer.status_code, where
