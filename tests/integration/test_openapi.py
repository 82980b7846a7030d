"""docs/openapi.yaml is true: every route of the programs is in it, every status of every operation is provoked and has
the shape it says, and schemathesis finds nothing that it does not say."""

import concurrent.futures
import hashlib
import pathlib
import re
import subprocess
import sys
import uuid

import httpx
import psycopg
import pytest

from support import openapi
from support.namespace import put_file, put_stage, remove_files
from support.replicas import Replica
from support.users import PASSWORD, User

PROGRAMS = ("mr-api", "mr-upload")
INITIATE = ("POST /upload/initiate", "POST /upload/init", "POST /api/v1/uploadRequest", "POST /s3presigned_url",
            "POST /files", "POST /file")  # fmt: skip
SHA = hashlib.sha256(b"abc").hexdigest()
FORM = "application/x-www-form-urlencoded"

# A schema cannot say NFC or bytes, so what fits it may be refused; nothing is made and then deleted through the API;
# whose file is whose is not in the document; and each program allows its own methods of a path that both have.
UNFIT_CHECKS = (
    "positive_data_acceptance", "use_after_free", "ensure_resource_availability", "object_level_authorization",
    "allow_header_conformance",
)  # fmt: skip

REFUSALS = ["400", "401", "403", "404", "405", "409", "413", "414", "415", "422", "423", "429", "431"]


class World:
    """What the scenarios need, made when first asked for."""

    def __init__(self, stack, db, s3, user, stranger):
        self.stack, self.db, self.s3, self.user, self.stranger = stack, db, s3, user, stranger
        self.edge = httpx.Client(base_url=stack["MR_API_URL"], timeout=60)
        self.replicas: dict[str, Replica] = {}

    def replica(self, name: str, program: str, **settings) -> Replica:
        if name not in self.replicas:
            self.replicas[name] = Replica(self.stack, program, **settings)
        return self.replicas[name]

    def dark(self, program: str) -> Replica:
        """A replica whose database is away."""
        known = f"dark {program}" in self.replicas
        replica = self.replica(f"dark {program}", program)
        if not known:
            replica.cable.cut()
        return replica

    def path(self) -> str:
        return f"/openapi/{uuid.uuid4().hex}"

    def file(self, **more):
        return put_file(self.db, self.user.user_id, self.path(), s3=self.s3, **more)

    def close(self):
        self.edge.close()
        for replica in self.replicas.values():
            replica.stop()
        remove_files(self.db, self.user.user_id)


@pytest.fixture(scope="module")
def world(stack, s3):
    user, stranger = User.register(stack["MR_API_URL"]), User.register(stack["MR_API_URL"])
    with psycopg.connect(stack["MR_PG_DSN"], autocommit=True) as db:
        world = World(stack, db, s3, user, stranger)
        yield world
        world.close()
    user.close()
    stranger.close()


class Call:
    """One operation with its path filled in; sends itself."""

    def __init__(self, world: World, operation: str):
        self.world = world
        self.operation = operation
        self.method, self.template = operation.split(" ", 1)
        self.program = "mr-upload" if operation in routes_of(world.stack, "mr-upload") else "mr-api"

    def send(self, *, id=None, client=None, base="", token=True, **more) -> httpx.Response:
        path = self.template.replace("{file_id}", str(id)).replace("{upload_id}", str(id))
        if id is not None and self.template in ("/download-url", "/api/v1/download"):
            more["params"] = {"file_id": str(id), **more.get("params", {})}
        headers = dict(more.pop("headers", {}))
        if token is True:
            token = self.world.user.token
        if token:
            headers["Authorization"] = f"Bearer {token}"
        client = client or self.world.edge
        return client.request(self.method, base + path, headers=headers, **more)

    @property
    def is_of_a_file(self) -> bool:
        return "file_id" in self.template or "download" in self.template

    @property
    def body(self) -> dict:
        """A body that fits."""
        if self.operation in INITIATE:
            return {"json": {"path": self.world.path(), "size": 3, "content_type": "text/plain", "parts": [{"sha256": SHA}]}}
        return {
            "POST /register": {"json": {"email": f"{uuid.uuid4().hex}@example.test", "password": PASSWORD, "name": "x"}},
            "POST /token": {"data": {"username": self.world.user.email, "password": PASSWORD}},
            "POST /upload/chunk": {
                "json": {"upload_id": str(uuid.uuid4()), "parts": [{"part_number": 1, "sha256": SHA}]}
            },
            "POST /upload/complete": {"json": {"upload_id": str(uuid.uuid4())}},
            "POST /hooks/s3": {"json": {"Records": []}},
        }.get(self.operation, {})


def routes_of(stack, program: str) -> set[str]:
    printed = subprocess.run([stack.bin(program), "--routes"], capture_output=True, text=True, check=True)
    return set(printed.stdout.splitlines())


def open_upload(world: World) -> dict:
    return world.user.initiate(world.path(), b"abc")


def finished_upload(world: World) -> dict:
    session = open_upload(world)
    world.user.put_parts(session, b"abc")
    answer = world.user.complete(session["upload_id"], wait=False)
    assert answer.status_code in (200, 202), answer.text
    return session


def hook_token(world: World) -> str:
    return (world.stack.run_dir / "secrets" / "hook.token").read_text().strip()


def provoke_200(c: Call) -> httpx.Response:
    w = c.world
    if c.operation == "POST /token":
        return c.send(token=None, **c.body)
    if c.operation == "POST /upload/chunk":
        session = open_upload(w)
        return c.send(json={"upload_id": session["upload_id"], "parts": [{"part_number": 1, "sha256": SHA}]})
    if c.operation == "POST /upload/complete":
        session = open_upload(w)
        w.user.put_parts(session, b"abc")
        return c.send(json={"upload_id": session["upload_id"]}, params={"wait": "metadata"})
    if c.operation == "GET /upload/{upload_id}":
        return c.send(id=open_upload(w)["upload_id"])
    return c.send(id=w.file().file_id) if c.is_of_a_file else c.send()


def provoke_201(c: Call) -> httpx.Response:
    return c.send(token=c.operation != "POST /register", **c.body)


def provoke_202(c: Call) -> httpx.Response:
    session = open_upload(c.world)
    c.world.user.put_parts(session, b"abc")
    return c.send(json={"upload_id": session["upload_id"]})


def provoke_204(c: Call) -> httpx.Response:
    if c.operation == "POST /hooks/s3":
        base = c.world.replica("mr-upload", "mr-upload").url
        return c.send(base=base, token=hook_token(c.world), **c.body)
    return c.send(id=open_upload(c.world)["upload_id"])


def provoke_302(c: Call) -> httpx.Response:
    return c.send(id=c.world.file().file_id)


def provoke_304(c: Call) -> httpx.Response:
    file = c.world.file()
    tag = c.send(id=file.file_id).headers["ETag"]
    return c.send(id=file.file_id, headers={"If-None-Match": tag})


def provoke_400(c: Call) -> httpx.Response:
    if c.operation == "POST /hooks/s3":
        base = c.world.replica("mr-upload", "mr-upload").url
        return c.send(base=base, token=hook_token(c.world), headers={"Content-Type": "application/json"}, content=b"{")
    return c.send(id=uuid.uuid4(), params={"nonsense": "1"}, **c.body)


def provoke_401(c: Call) -> httpx.Response:
    if c.operation == "POST /token":
        return c.send(token=None, data={"username": f"{uuid.uuid4().hex}@example.test", "password": "not the password"})
    if c.operation == "POST /hooks/s3":
        return c.send(base=c.world.replica("mr-upload", "mr-upload").url, token="wrong", **c.body)
    return c.send(id=uuid.uuid4(), token=None, **c.body)


def provoke_403(c: Call) -> httpx.Response:
    return c.send(base=c.world.replica("closed", "mr-api", MR_REGISTRATION="closed").url, token=None, **c.body)


def provoke_404(c: Call) -> httpx.Response:
    if c.operation in INITIATE:
        return c.send(json={"file_id": str(uuid.uuid4()), "size": 3})
    if c.operation == "POST /hooks/s3":
        base = c.world.replica("no hook", "mr-upload", MR_HOOK_TOKEN_FILE=None).url
        return c.send(base=base, token="any", **c.body)
    if c.is_of_a_file:
        return c.send(id=c.world.file().file_id, token=c.world.stranger.token)
    return c.send(id=uuid.uuid4(), **c.body)


def provoke_409(c: Call) -> httpx.Response:
    w = c.world
    if c.operation == "POST /register":
        return c.send(token=None, json={"email": w.user.email.upper(), "password": PASSWORD, "name": ""})
    if c.operation in INITIATE:
        return c.send(json={"path": w.file().path + "/below", "size": 3})
    if c.operation == "POST /upload/complete":
        return c.send(json={"upload_id": open_upload(w)["upload_id"]})
    session = finished_upload(w)
    if c.operation == "POST /upload/chunk":
        return c.send(json={"upload_id": session["upload_id"], "parts": [{"part_number": 1, "sha256": SHA}]})
    return c.send(id=session["upload_id"])


def provoke_413(c: Call) -> httpx.Response:
    base = c.world.replica(c.program, c.program).url
    kind = FORM if c.operation == "POST /token" else "application/json"
    return c.send(base=base, headers={"Content-Type": kind}, content=b" " * (3 << 20))


def provoke_414(c: Call) -> httpx.Response:
    base = c.world.replica(c.program, c.program).url
    return c.send(base=base, params={"folder": "/" + "x" * 9000})


def provoke_415(c: Call) -> httpx.Response:
    base = c.world.replica("mr-upload", "mr-upload").url if c.operation == "POST /hooks/s3" else ""
    return c.send(base=base, headers={"Content-Type": "text/plain"}, content=b"{}")


def provoke_422(c: Call) -> httpx.Response:
    key = {"Idempotency-Key": uuid.uuid4().hex}
    assert c.send(headers=key, **c.body).status_code == 201
    return c.send(headers=key, **c.body)


def provoke_423(c: Call) -> httpx.Response:
    file = c.world.file(status="QUARANTINED", verdict="INFECTED")
    put_stage(c.world.db, file, "SCAN", "OK", verdict="INFECTED", reason="Eicar-Signature")
    return c.send(id=file.file_id)


def provoke_429(c: Call) -> httpx.Response:
    if c.operation in INITIATE:
        base = c.world.replica("one session", "mr-upload", MR_UPLOAD_SESSIONS_MAX="1").url
        c.send(base=base, **c.body)
        return c.send(base=base, **c.body)
    # One hash at a time and two that wait: of twelve at once most are turned away.
    base = c.world.replica("one hash", "mr-api", MR_PASSWORD_HASHES="1").url
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: c.send(base=base, token=None, client=httpx, **c.body, timeout=30), range(12)))
    return next(a for a in answers if a.status_code == 429)


def provoke_503(c: Call) -> httpx.Response:
    base = c.world.dark(c.program).url
    return c.send(base=base, id=uuid.uuid4(), token=c.operation not in ("POST /register", "POST /token"), **c.body)


@pytest.mark.parametrize(("operation", "status"), openapi.statuses(), ids=lambda v: str(v).replace(" ", ""))
def test_status(world, operation, status):
    """Each (operation, status) of the document is provoked, and the answer is as described."""
    answer = globals()[f"provoke_{status}"](Call(world, operation))
    assert answer.status_code == status, answer.text
    openapi.check(operation, answer)


def test_routes_are_described(stack):
    """The programs' own lists of routes and the document agree, both ways."""
    served = set().union(*(routes_of(stack, program) for program in PROGRAMS))
    assert served == set(openapi.operations())


def test_problems_are_registered():
    """Whatever refuses is a problem document."""
    for name, op in openapi.operations().items():
        for status, response in op["responses"].items():
            if int(status) >= 400:
                assert list(openapi.resolve(response)["content"]) == ["application/problem+json"], (name, status)


def test_operation_ids_are_unique():
    ids = [op["operationId"] for op in openapi.operations().values()]
    assert len(ids) == len(set(ids))


@pytest.mark.timeout(900)
def test_schemathesis(world, full, tmp_path):
    """Generated requests, good and bad, against replicas of our own: no 5xx, nothing that is not described.

    Straight at the programs, as the edge limits the rate of logins; the hook has a token of its own and is left to the
    statuses above.
    """
    examples = "300" if full else "20"
    known = world.file()
    for program in PROGRAMS:
        base = world.replica(f"fuzzed {program}", program, MR_UPLOAD_SESSIONS_MAX="100000", MR_PASSWORD_FAILURES="1000").url
        served = routes_of(world.stack, program) - {"POST /hooks/s3"}
        wanted = [openapi.operations()[name]["operationId"] for name in sorted(served)]
        config = tmp_path / "schemathesis.toml"
        parameters = f'[parameters]\n"path.file_id" = "{known.file_id}"\n' if program == "mr-api" else ""
        config.write_text(f"{parameters}[checks.negative_data_rejection]\nexpected-statuses = {REFUSALS}\n")
        done = subprocess.run(
            [
                pathlib.Path(sys.executable).parent / "schemathesis", "--config-file", str(config),
                "run", str(openapi.FILE), "--url", base, "--header", f"Authorization: Bearer {world.user.token}",
                "--max-examples", examples, "--phases", "examples,coverage,fuzzing", "--workers", "1",
                "--checks", "all",
                "--exclude-checks", ",".join(UNFIT_CHECKS),
                "--request-timeout", "40", "--no-color", "--suppress-health-check", "all",
                *[word for name in wanted for word in ("--include-operation-id", name)],
            ],
            capture_output=True, text=True, timeout=800, cwd=tmp_path,
        )  # fmt: skip
        assert done.returncode == 0, re.sub(r"(.{300}).+", r"\1…", done.stdout)[-8000:] + done.stderr[-2000:]
