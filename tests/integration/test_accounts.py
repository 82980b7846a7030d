"""Accounts: who may make one, what a password gets, and that nothing tells whether an address has one."""

import base64
import concurrent.futures
import datetime
import hashlib
import hmac
import json
import pathlib
import statistics
import time
import uuid

import httpx
import psycopg
import pytest

from support.namespace import put_file
from support.replicas import Replica
from support.stack import wait_for
from support.users import PASSWORD


def address() -> str:
    return f"{uuid.uuid4().hex}@example.test"


def problem(answer: httpx.Response, status: int, slug: str) -> dict:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["type"] == f"urn:millrace:problem:{slug}", body
    assert body["status"] == status and body["title"] and body["detail"]
    return body


def register(api, email=None, password=PASSWORD, **more) -> httpx.Response:
    return api.post("/register", json={"email": email or address(), "password": password, "name": "N", **more})


def log_in(api, email, password=PASSWORD, **more) -> httpx.Response:
    return api.post("/token", data={"username": email, "password": password, **more})


@pytest.fixture(scope="module")
def replicas(stack):
    """Replicas of mr-api by settings, straight, as the edge limits the rate of both routes."""
    made = {}

    def get(**settings) -> httpx.Client:
        key = tuple(sorted(settings.items()))
        if key not in made:
            replica = Replica(stack, "mr-api", **settings)
            made[key] = replica, httpx.Client(base_url=replica.url, timeout=60)
        return made[key][1]

    yield get
    for replica, client in made.values():
        client.close()
        replica.stop()


@pytest.fixture
def direct(replicas):
    return replicas(MR_PASSWORD_HASHES="2")


def test_register_and_log_in(direct, db):
    email = f"Ümläut.{address()}"
    made = register(direct, email, name="Ä name")
    assert made.status_code == 201, made.text
    assert made.json() == {"user_id": made.json()["user_id"], "email": email, "name": "Ä name"}
    token = log_in(direct, email).json()
    assert token["token_type"] == "bearer" and token["expires_in"] == 12 * 3600
    me = direct.get("/me", headers={"Authorization": f"Bearer {token['access_token']}"})
    assert me.status_code == 200
    assert me.json()["user_id"] == made.json()["user_id"] and me.json()["email"] == email
    stored = db.execute("select password_hash from users where user_id = %s", (made.json()["user_id"],)).fetchone()[0]
    assert stored.startswith("$argon2id$v=19$m=65536,t=2,p=1$")


def test_the_form_of_oauth_clients(direct):
    email = address()
    register(direct, email)
    more = {"grant_type": "password", "scope": "", "client_id": "web", "client_secret": "", "made_up": "x"}
    assert log_in(direct, email, **more).status_code == 200
    problem(log_in(direct, email, grant_type="client_credentials"), 400, "unsupported-grant-type")


def test_address_is_one_whatever_its_case(direct):
    email = address()
    assert register(direct, email).status_code == 201
    problem(register(direct, email.upper()), 409, "email-taken")
    assert log_in(direct, email.upper()).status_code == 200


def test_one_address_registered_at_once(direct):
    email = address()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: register(direct, email).status_code, range(4)))
    assert answers.count(201) == 1 and set(answers) <= {201, 409, 429}, answers


@pytest.mark.parametrize(
    "body",
    [
        {"email": "", "password": PASSWORD},
        {"email": "no-at-sign", "password": PASSWORD},
        {"email": "two@at@signs", "password": PASSWORD},
        {"email": "@example.test", "password": PASSWORD},
        {"email": "a@", "password": PASSWORD},
        {"email": "a b@example.test", "password": PASSWORD},
        {"email": "a\n@example.test", "password": PASSWORD},
        {"email": "a" * 250 + "@example.test", "password": PASSWORD},
        {"email": "a@example.test", "password": "seven77"},
        {"email": "a@example.test", "password": "x" * 1025},
        {"email": "a@example.test", "password": PASSWORD, "name": "n" * 201},
        {"email": "a@example.test", "password": PASSWORD, "name": "\u0007"},
        {"email": "a@example.test", "password": PASSWORD, "admin": True},
        {"email": "a@example.test"},
        {"password": PASSWORD},
        {"email": 7, "password": PASSWORD},
        {"email": "a@example.test", "password": None},
        [],
        "text",
    ],
    ids=str,
)
def test_bad_registrations(direct, body):
    answer = direct.post("/register", json=body)
    assert answer.status_code == 400 and answer.json()["type"].startswith("urn:millrace:problem:invalid-"), answer.text


def test_password_lengths_are_bytes(direct):
    assert register(direct, password="ääää").status_code == 201  # 8 bytes
    email = address()
    longest = "x" * 1024
    assert register(direct, email, password=longest).status_code == 201
    assert log_in(direct, email, longest).status_code == 200
    assert log_in(direct, email, longest[:-1]).status_code == 401


def test_bad_logins(direct):
    problem(direct.post("/token", data={"username": "a@example.test"}), 400, "invalid-request")
    problem(direct.post("/token", data={"password": "x"}), 400, "invalid-request")
    problem(direct.post("/token"), 400, "invalid-request")
    problem(direct.post("/token", json={"username": "a@b", "password": "x"}), 415, "unsupported-media-type")
    problem(log_in(direct, "a@example.test", "x" * 1025), 400, "invalid-request")
    problem(log_in(direct, "no address"), 400, "invalid-request")


def test_failures_block_and_success_forgives(direct):
    email = address()
    register(direct, email)
    for _ in range(5):
        problem(log_in(direct, email, "wrong password"), 401, "invalid-credentials")
    blocked = log_in(direct, email)  # the right one, too
    problem(blocked, 429, "too-many-failures")
    assert 1 <= int(blocked.headers["Retry-After"]) <= 2
    time.sleep(1.1)
    assert log_in(direct, email).status_code == 200
    for _ in range(4):
        problem(log_in(direct, email, "wrong password"), 401, "invalid-credentials")
    assert log_in(direct, email).status_code == 200


def test_blocks_double(direct, db):
    email = address()
    digest = hashlib.sha256(email.encode()).digest()
    waits = []
    for _ in range(5):
        log_in(direct, email, "wrong password")
    for _ in range(5):
        # As if the time had passed.
        db.execute("update login_failures set blocked_until = now() where address_sha256 = %s", (digest,))
        problem(log_in(direct, email, "wrong password"), 401, "invalid-credentials")
        waits.append(int(log_in(direct, email).headers["Retry-After"]))
    assert waits == [2, 4, 8, 16, 32]
    db.execute("update login_failures set failures = 1000, blocked_until = now() where address_sha256 = %s", (digest,))
    log_in(direct, email, "wrong password")
    assert int(log_in(direct, email).headers["Retry-After"]) == 900


def test_failures_at_once_all_count(replicas, db, stack):
    """However many guesses are under way together, each is one: the row is held until all of them want to count."""
    email, together = address(), 4
    digest = hashlib.sha256(email.encode()).digest()
    api = replicas(MR_PASSWORD_HASHES="4")
    log_in(api, email, "wrong password")
    waiting = (
        "select count(*) = %s from pg_stat_activity where wait_event_type = 'Lock' and query like"
        " 'insert into login_failures%%'"
    )
    with psycopg.connect(stack["MR_PG_DSN"]) as holder, concurrent.futures.ThreadPoolExecutor(together) as pool:
        holder.execute("select from login_failures where address_sha256 = %s for update", (digest,))
        answers = [pool.submit(log_in, api, email, "wrong password") for _ in range(together)]
        try:
            wait_for("all to want the row", lambda: db.execute(waiting, (together,)).fetchone()[0], timeout=4)
        finally:
            holder.rollback()
        assert [a.result().status_code for a in answers] == [401] * together
    row = "select failures, blocked_until > now() from login_failures where address_sha256 = %s"
    assert db.execute(row, (digest,)).fetchone() == (1 + together, True)


def test_old_failures_are_forgotten(direct, db):
    email = address()
    digest = hashlib.sha256(email.encode()).digest()
    log_in(direct, email, "wrong password")
    db.execute(
        "update login_failures set failures = 50, seen_at = now() - interval '2 days' where address_sha256 = %s", (digest,)
    )
    log_in(direct, email, "wrong password")
    assert db.execute("select failures from login_failures where address_sha256 = %s", (digest,)).fetchone() == (1,)


def test_unknown_address_shows_in_nothing(direct):
    """An address without an account: the same answers, the same blocking."""
    known, unknown = address(), address()
    register(direct, known)
    seen = {}
    for email in (known, unknown):
        answers = [log_in(direct, email, "wrong password") for _ in range(7)]
        seen[email] = [(a.status_code, a.json(), sorted(a.headers)) for a in answers]
    assert seen[known] == seen[unknown]
    assert [status for status, _, _ in seen[known]] == [401] * 5 + [429] * 2


def cpu_s(pid: int) -> float:
    """What a process has computed so far, which other processes do not change as they change what a clock says."""
    threads = pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


def test_a_refusal_takes_as_long_whatever_the_account_is(stack, db, full):
    """By what is computed and by the clock: with an account, without one, and with a disabled one.

    All kinds take turns, and as noise only ever adds, their fastest quarters are compared. What is computed differs
    by 3 % on a machine under load; the clock says little there, and can show only that nobody is made to wait."""
    replica = Replica(stack, "mr-api", MR_PASSWORD_HASHES="1")
    copy = (
        "insert into users (user_id, email, name, password_hash, disabled_at)"
        " select gen_random_uuid(), %s, name, password_hash, case when %s then now() end from users where email = %s"
    )
    kinds = ("known", "unknown", "disabled")
    clock, work = ({kind: [] for kind in kinds} for _ in range(2))
    try:
        with httpx.Client(base_url=replica.url, timeout=60) as api:
            registered = address()
            assert register(api, registered).status_code == 201
            for turn in range(60 if full else 15):
                for kind in kinds[turn % 3 :] + kinds[: turn % 3]:
                    email = address()  # failures of one address would block it
                    if kind != "unknown":
                        db.execute(copy, (email, kind == "disabled", registered))
                    begin, computed = time.perf_counter(), cpu_s(replica.process.pid)
                    problem(log_in(api, email, "wrong password"), 401, "invalid-credentials")
                    clock[kind].append(time.perf_counter() - begin)
                    work[kind].append(cpu_s(replica.process.pid) - computed)
    finally:
        replica.stop()
    for took, bound in ((work, 1.15), (clock, 1.8)):
        quarters = {kind: statistics.quantiles(values, n=4)[0] for kind, values in took.items()}
        assert max(quarters.values()) < bound * min(quarters.values()), quarters


def test_disabled_account(direct, db):
    email = address()
    user_id = register(direct, email).json()["user_id"]
    token = log_in(direct, email).json()["access_token"]
    db.execute("update users set disabled_at = now() where user_id = %s", (user_id,))
    disabled, unknown = log_in(direct, email), log_in(direct, address())
    assert (disabled.status_code, disabled.json()) == (unknown.status_code, unknown.json()) == (401, unknown.json())
    answer = direct.get("/me", headers={"Authorization": f"Bearer {token}"})
    problem(answer, 401, "account-disabled")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_disabled_account_loses_everything_at_once(stack, db, user):
    """Its token is good for hours more; nothing that takes a token takes that one, on either program."""
    programs = {name: Replica(stack, name) for name in ("mr-api", "mr-upload")}
    try:
        file, session = put_file(db, user.user_id, "/kept.txt"), user.initiate("/under-way.bin", b"abc")
        upload_id, parts = session["upload_id"], [{"part_number": 1, "sha256": hashlib.sha256(b"abc").hexdigest()}]
        key = {"Idempotency-Key": uuid.uuid4().hex}
        new = {"path": "/new.bin", "size": 3, "content_type": "text/plain", "parts": [{"sha256": parts[0]["sha256"]}]}
        calls = [
            ("mr-api", "GET", "/me", {}, 200),
            ("mr-api", "GET", "/files", {}, 200),
            ("mr-api", "GET", "/files?deleted=true", {}, 200),
            ("mr-api", "GET", "/file", {}, 200),
            ("mr-api", "GET", f"/files/{file.file_id}", {}, 200),
            ("mr-api", "GET", f"/file/{file.file_id}", {}, 200),
            ("mr-api", "GET", f"/files/{uuid.uuid4()}", {}, 404),
            ("mr-api", "GET", f"/files/{file.file_id}/versions", {}, 200),
            ("mr-api", "GET", f"/files/{file.file_id}/stages", {}, 200),
            ("mr-api", "GET", f"/files/{file.file_id}/presigned-url", {}, 200),
            ("mr-api", "GET", f"/download-url?file_id={file.file_id}", {}, 200),
            ("mr-api", "GET", f"/download/{file.file_id}", {}, 302),
            ("mr-api", "GET", f"/api/v1/download?file_id={file.file_id}", {}, 302),
            ("mr-upload", "POST", "/upload/initiate", {"json": new, "headers": key}, 201),
            ("mr-upload", "POST", "/upload/chunk", {"json": {"upload_id": upload_id, "parts": parts}}, 200),
            ("mr-upload", "GET", f"/upload/{upload_id}", {}, 200),
            ("mr-upload", "GET", f"/upload/{uuid.uuid4()}", {}, 404),
            ("mr-upload", "POST", "/upload/complete", {"json": {"upload_id": upload_id}}, 409),
            ("mr-upload", "DELETE", f"/upload/{upload_id}", {}, 204),
        ]

        def call(program, method, path, more) -> httpx.Response:
            headers = {**user.http.headers, **more.get("headers", {})}
            return httpx.request(method, programs[program].url + path, timeout=30, **{**more, "headers": headers})

        for program, method, path, more, status in calls:
            assert call(program, method, path, more).status_code == status, path
        before = db.execute("select count(*) from upload_sessions where user_id = %s", (user.user_id,)).fetchone()
        db.execute("update users set disabled_at = now() where user_id = %s", (user.user_id,))
        for program, method, path, more, _ in calls:  # the key's answer is not given again either
            answer = call(program, method, path, more)
            problem(answer, 401, "account-disabled")
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        after = db.execute("select count(*) from upload_sessions where user_id = %s", (user.user_id,)).fetchone()
        assert after == before
        db.execute("update users set disabled_at = null where user_id = %s", (user.user_id,))
        assert call("mr-api", "GET", "/files", {}).json()["files"][0]["file_id"] == file.file_id
    finally:
        for program in programs.values():
            program.stop()


def test_hashes_at_once(replicas):
    """One at a time and two waiting: of twenty most are turned away, at once, and none fails otherwise."""
    api = replicas(MR_PASSWORD_HASHES="1")
    email = address()
    register(api, email)
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: log_in(api, email), range(20)))
    statuses = [a.status_code for a in answers]
    assert set(statuses) == {200, 429} and statuses.count(200) >= 3, statuses
    for answer in answers:
        if answer.status_code == 429:
            problem(answer, 429, "too-many-logins")
            assert answer.headers["Retry-After"] == "1"


def test_closed_registration(replicas, db):
    api = replicas(MR_REGISTRATION="closed")
    email = address()
    problem(register(api, email), 403, "registration-closed")
    problem(register(api, email, invite="x"), 403, "registration-closed")
    assert db.execute("select count(*) from users where email = %s", (email,)).fetchone() == (0,)


def test_invitations(replicas, db):
    api = replicas(MR_REGISTRATION="invite")

    def invite(email=None, valid="1 hour") -> str:
        token = base64.urlsafe_b64encode(uuid.uuid4().bytes + uuid.uuid4().bytes).rstrip(b"=").decode()
        db.execute(
            "insert into invites (token_sha256, email, expires_at) values (%s, %s, now() + %s::interval)",
            (hashlib.sha256(token.encode()).digest(), email, valid),
        )
        return token

    problem(register(api), 403, "invite-needed")
    problem(register(api, invite="unknown"), 403, "invite-invalid")
    problem(register(api, invite=invite(valid="-1 second")), 403, "invite-invalid")
    someone = address()
    problem(register(api, invite=invite(someone)), 403, "invite-invalid")
    assert register(api, someone.upper(), invite=invite(someone)).status_code == 201
    token, refused = invite(), address()
    assert register(api, invite=token).status_code == 201
    problem(register(api, refused, invite=token), 403, "invite-invalid")
    assert db.execute("select count(*) from users where email = %s", (refused,)).fetchone() == (0,)


def test_invitation_used_at_once(replicas, db):
    """One invitation, several takers: one account."""
    api = replicas(MR_REGISTRATION="invite", MR_PASSWORD_HASHES="4")
    token = uuid.uuid4().hex
    db.execute(
        "insert into invites (token_sha256, expires_at) values (%s, now() + interval '1 hour')",
        (hashlib.sha256(token.encode()).digest(),),
    )
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: register(api, invite=token).status_code, range(4)))
    assert sorted(answers) == [201, 403, 403, 403]


def part(value: dict | bytes) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def forge(key: bytes, header: dict, claims: dict) -> str:
    signed = f"{part(header)}.{part(claims)}"
    return f"{signed}.{part(hmac.new(key, signed.encode(), hashlib.sha256).digest())}"


def test_tokens(stack, user, direct):
    """A token made elsewhere with the right key is taken; everything else is not, at every route that needs one."""
    key = (stack.run_dir / "secrets" / "jwt.key").read_text().strip().encode()
    now = int(time.time())
    header = {"alg": "HS256", "typ": "JWT", "kid": "1"}
    claims = {"iss": "millrace", "aud": "millrace", "sub": user.user_id, "nbf": now, "exp": now + 60}
    good = forge(key, header, claims)
    bad = {
        "none": f"{part({**header, 'alg': 'none'})}.{part(claims)}.",
        "none with a signature": forge(key, {**header, "alg": "none"}, claims),
        "RS256": forge(key, {**header, "alg": "RS256"}, claims),
        "HS512": forge(key, {**header, "alg": "HS512"}, claims),
        "another key id": forge(key, {**header, "kid": "2"}, claims),
        "no key id": forge(key, {"alg": "HS256"}, claims),
        "critical extension": forge(key, {**header, "crit": ["b64"], "b64": False}, claims),
        "another key": forge(b"x" * 32, header, claims),
        "an empty key": forge(b"", header, claims),
        "expired": forge(key, header, {**claims, "exp": now - 60}),
        "no expiry": forge(key, header, {k: v for k, v in claims.items() if k != "exp"}),
        "of the future": forge(key, header, {**claims, "nbf": now + 60}),
        "another issuer": forge(key, header, {**claims, "iss": "other"}),
        "another audience": forge(key, header, {**claims, "aud": "other"}),
        "no user": forge(key, header, {**claims, "sub": "root"}),
        "truncated": good[:-4],
        "a changed user": f"{good.split('.')[0]}.{part({**claims, 'sub': str(uuid.uuid4())})}.{good.split('.')[2]}",
        "not JSON": f"{part(b'{')}.{part(claims)}.AAAA",
    }
    routes = [("GET", "/me"), ("GET", "/files"), ("GET", f"/files/{uuid.uuid4()}"), ("POST", "/upload/initiate"),
              ("GET", f"/upload/{uuid.uuid4()}")]  # fmt: skip
    with httpx.Client(base_url=stack["MR_API_URL"], timeout=30) as client:
        assert client.get("/me", headers={"Authorization": f"Bearer {good}"}).status_code == 200
        for name, token in bad.items():
            for method, path in routes:
                answer = client.request(method, path, headers={"Authorization": f"Bearer {token}"})
                assert answer.status_code == 401, (name, path, answer.text)
                problem(answer, 401, "invalid-token")
                assert "WWW-Authenticate" in answer.headers
        for token in ("A" * 10240, f"{'A' * 5000}.{'A' * 5000}.{'A' * 240}"):
            bearer = {"Authorization": f"Bearer {token}"}
            problem(client.get("/me", headers=bearer), 431, "header-too-large")  # the edge takes no such header at all
            problem(direct.get("/me", headers=bearer), 401, "invalid-token")


def test_times_are_utc(user):
    created = user.http.get("/me").json()["created_at"]
    assert created.endswith("Z")
    age = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(created)
    assert abs(age.total_seconds()) < 300
