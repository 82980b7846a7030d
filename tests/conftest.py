"""Fixtures for tests against real servers.

The stack is the one in $MR_RUN_DIR (`./dev test` makes a private one; by hand, `./dev up` first and then pytest).
Clients are third-party ones: nothing here imports the project's own programs.
"""

import os
import pathlib
import sys
import uuid

import boto3
import botocore.config
import httpx
import psycopg
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from support.stack import Stack  # noqa: E402
from support.users import User  # noqa: E402


@pytest.fixture(scope="session")
def full():
    """True when the counts of the issues are wanted as they are stated."""
    return os.environ.get("MR_TEST_FULL") == "1"


@pytest.fixture(scope="session")
def stack():
    checkout = pathlib.Path(__file__).resolve().parent.parent
    run_dir = pathlib.Path(os.environ.get("MR_RUN_DIR", checkout / ".run")).resolve()
    if not (run_dir / "env").exists():
        pytest.exit(f"no stack in {run_dir}: run ./dev up first, or ./dev test", returncode=4)
    return Stack(checkout, run_dir)


@pytest.fixture
def whole_stack(stack):
    """For tests that stop things: whatever they did, everything runs again afterwards."""
    yield stack
    stack.up()


@pytest.fixture
def db(stack):
    with psycopg.connect(stack["MR_PG_DSN"], autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def s3(stack):
    return boto3.client(
        "s3",
        endpoint_url=stack["MR_S3_ENDPOINT"],
        aws_access_key_id=stack["MR_S3_ACCESS_KEY"],
        aws_secret_access_key=stack["MR_S3_SECRET_KEY"],
        region_name="us-east-1",
        config=botocore.config.Config(s3={"addressing_style": "path"}, retries={"max_attempts": 2}),
    )


@pytest.fixture
def api(stack):
    """An HTTP client of the edge without a token."""
    with httpx.Client(base_url=stack["MR_API_URL"], timeout=30) as client:
        yield client


@pytest.fixture
def new_user(stack):
    """Makes fresh accounts; each has a client with its token (support.users.User)."""
    made = []

    def make(name="test"):
        user = User.register(stack["MR_API_URL"], f"{name}-{uuid.uuid4().hex}@example.test")
        made.append(user)
        return user

    yield make
    for user in made:
        user.close()


@pytest.fixture
def user(new_user):
    return new_user()
