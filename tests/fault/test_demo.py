"""./dev demo keeps what it says."""

import os
import subprocess

import pytest

pytestmark = pytest.mark.fault


def demo(stack, *args):
    done = subprocess.run(
        [str(stack.checkout / "tools/demo/demo"), *args],
        env={**os.environ, "MR_RUN_DIR": str(stack.run_dir)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done.returncode, done.stdout, done.stderr


def test_the_demo_twice(whole_stack, db):
    for run in ("first", "second"):
        code, out, err = demo(whole_stack)
        assert code == 0, f"{run}: {out}\n{err}"
        assert "nothing was lost, nothing doubled" in out
        assert "kill -9" in out
        # The line to go on with works as it is printed.
        login = next(line for line in out.splitlines() if "login --email" in line)
        home = whole_stack.run_dir / "demo" / "home"
        env = {"PATH": os.environ["PATH"], "HOME": str(home)}
        assert subprocess.run(login, shell=True, env=env, timeout=30, cwd=os.getcwd()).returncode == 0
    email = (whole_stack.run_dir / "demo/email").read_text().strip()
    lost = db.execute(
        "select count(*) from upload_sessions s join users u on u.user_id = s.owner_id where u.email = %s and not exists"
        " (select from file_versions v where v.file_id = s.file_id and v.version = s.version)",
        (email,),
    ).fetchone()
    assert lost == (0,)


def test_an_option_it_does_not_know(stack):
    code, _, err = demo(stack, "--nonsense")
    assert code == 1 and "--nonsense" in err
