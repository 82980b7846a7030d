"""mr-admin's command line, migrations and accounts."""

import json
import re
import subprocess
import uuid

import psycopg
import psycopg.sql
import pytest

from support.metadata_program import admin, binary
from support.users import PASSWORD

COMMANDS = [
    "migrate",
    "schemas apply",
    "schemas check",
    "topics apply",
    "topics check",
    "topics describe",
    "dlq list",
    "dlq show",
    "dlq replay",
    "dlq drop",
    "user add",
    "user invite",
    "user disable",
    "user enable",
    "user list",
]


def run(stack, *args: str) -> subprocess.CompletedProcess:
    """Without any setting: what needs no server."""
    return subprocess.run([binary(stack, "mr-admin"), *args], env={}, capture_output=True, text=True, timeout=30)


def test_help_lists_every_command(stack):
    done = run(stack, "--help")
    assert done.returncode == 0
    assert re.findall(r"^  ([a-z]+(?: [a-z]+)?) {2,}", done.stdout, re.M) == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(stack, command):
    done = run(stack, *command.split(), "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"mr-admin {command}")
    assert len(done.stdout) > len(f"mr-admin {command}") + 40


def test_help_of_a_group_and_of_the_settings(stack):
    assert "dlq replay" in run(stack, "dlq", "--help").stdout
    assert "topics apply" not in run(stack, "dlq", "--help").stdout
    assert "--topics-file" in run(stack, "settings", "--help").stdout
    assert run(stack, "--version").stdout.startswith("mr-admin ")


@pytest.mark.parametrize(
    "args, words",
    [
        ([], "which command"),
        (["topics"], "which of the topics commands"),
        (["frobnicate"], "no command `frobnicate`"),
        (["topics", "grow"], "no command `topics grow`"),
        (["migrate", "now"], "usage: mr-admin migrate"),
        (["migrate", "--json"], "`migrate` has no option --json"),
        (["migrate", "--no-such-setting", "1"], "--no-such-setting"),
        (["topics", "apply", "--profile"], "--profile needs a value"),
        (["dlq", "list", "--all=yes"], "--all takes no value"),
        (["dlq", "show", "metadata", "x", "0"], "x is not a partition"),
        (["dlq", "show", "metadata", "0", "-1"], "-1 is not an offset"),
        (["dlq", "replay", "metadata"], "--all"),
        (["dlq", "replay", "metadata", "--all", "--partition", "1", "--offset", "1"], "--all"),
        (["dlq", "replay", "metadata", "--partition", "1"], "--all"),
        (["dlq", "drop", "metadata", "--all"], "--yes"),
        (["user", "add"], "usage: mr-admin user add"),
        (["user", "invite", "--expires", "0"], "0 is not a number of hours"),
    ],
)
def test_wrong_usage(stack, args, words):
    done = run(stack, *args)
    assert done.returncode == 2, done.stdout + done.stderr
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_migrate_twice_and_from_nothing(stack):
    assert admin(stack, "migrate").stdout == "0 migrations applied\n"
    schema = psycopg.sql.Identifier(f"test_{uuid.uuid4().hex}")
    elsewhere = f"{stack['MR_PG_DSN']}?options=-c%20search_path%3D{schema.as_string()}".replace('"', "")
    with psycopg.connect(stack["MR_PG_DSN"], autocommit=True) as db:
        db.execute(psycopg.sql.SQL("CREATE SCHEMA {}").format(schema))
        try:
            many = [
                subprocess.Popen(
                    [binary(stack, "mr-admin"), "migrate", "--pg-dsn", elsewhere],
                    cwd=stack.checkout,
                    stdout=subprocess.PIPE,
                    text=True,
                )
                for _ in range(4)
            ]
            answers = [p.communicate(timeout=60)[0] for p in many]
            assert [p.returncode for p in many] == [0] * 4
            applied = sorted(int(a.split()[0]) for a in answers)
            assert applied == [0, 0, 0, len(list((stack.checkout / "db" / "migrations").glob("*.sql")))]
        finally:
            db.execute(psycopg.sql.SQL("DROP SCHEMA {} CASCADE").format(schema))


def test_database_away(stack):
    done = admin(stack, "migrate", MR_PG_DSN="postgresql://nobody@127.0.0.1:1/none")
    assert done.returncode == 75
    assert "127.0.0.1" in done.stderr


def add(stack, email: str, *more: str, password: str = PASSWORD):
    return admin(stack, "user", "add", email, "--password-file", "-", *more, stdin=password + "\n")


def test_an_added_user_can_log_in(stack, api):
    email = f"added-{uuid.uuid4().hex}@example.test"
    done = add(stack, email, "--name", "Zoë")
    assert done.returncode == 0, done.stderr
    user_id = done.stdout.strip()
    answer = api.post("/token", data={"username": email, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    me = api.get("/me", headers={"Authorization": f"Bearer {answer.json()['access_token']}"}).json()
    assert (me["user_id"], me["name"]) == (user_id, "Zoë")
    listed = json.loads(admin(stack, "user", "list", "--json").stdout)
    assert [u["email"] for u in listed if u["user_id"] == user_id] == [email]


def test_disabled_and_enabled(stack, api):
    email = f"gone-{uuid.uuid4().hex}@example.test"
    assert add(stack, email).returncode == 0
    assert admin(stack, "user", "disable", email.upper()).returncode == 0
    assert api.post("/token", data={"username": email, "password": PASSWORD}).status_code == 401
    assert admin(stack, "user", "enable", email).returncode == 0
    assert api.post("/token", data={"username": email, "password": PASSWORD}).status_code == 200
    assert admin(stack, "user", "disable", "nobody@example.test").returncode == 1


def test_enabling_forgets_the_failures(stack, api, db):
    email = f"blocked-{uuid.uuid4().hex}@example.test"
    assert add(stack, email).returncode == 0
    # As five wrong passwords leave it, and a block that would outlast the test.
    db.execute(
        "INSERT INTO login_failures (address_sha256, failures, blocked_until)"
        " VALUES (sha256(convert_to(%s, 'UTF8')), 5, now() + interval '10 minutes')",
        [email],
    )
    right = {"username": email, "password": PASSWORD}
    assert api.post("/token", data=right).status_code == 429
    assert admin(stack, "user", "enable", email.upper()).returncode == 0
    assert api.post("/token", data=right).status_code == 200


def test_refused_accounts(stack):
    email = f"twice-{uuid.uuid4().hex}@example.test"
    assert add(stack, email).returncode == 0
    again = add(stack, email.upper())
    assert again.returncode == 1
    assert "already" in again.stderr
    for bad in ("nothing", "a@b@c", "@x", "x@", "a b@c.test", "a\tb@c.test", "x" * 300 + "@y.test"):
        refused = add(stack, bad)
        assert refused.returncode == 1, bad
        assert "e-mail" in refused.stderr
    assert "8 to 1024" in add(stack, f"short-{uuid.uuid4().hex}@example.test", password="short").stderr
    no_terminal = admin(stack, "user", "add", f"t-{uuid.uuid4().hex}@example.test", stdin="")
    assert no_terminal.returncode == 1


def test_an_invitation_is_a_secret_that_is_not_kept(stack, db):
    done = admin(stack, "user", "invite", "guest@example.test", "--expires", "2")
    assert done.returncode == 0, done.stderr
    token = done.stdout.strip()
    assert len(token) == 43
    email, hours = db.execute(
        "SELECT email, extract(epoch FROM expires_at - now()) / 3600 FROM invites WHERE token_sha256 = sha256(%s::bytea)",
        [token.encode()],
    ).fetchone()
    assert email == "guest@example.test"
    assert 1.9 < hours < 2.1
    db.execute("DELETE FROM invites WHERE token_sha256 = sha256(%s::bytea)", [token.encode()])
