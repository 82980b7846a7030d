"""The check of ./dev lint for links and pages that are not there."""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def check(root):
    done = subprocess.run([sys.executable, ROOT / "tools/dev/check-links.py", root], capture_output=True, text=True, timeout=30)
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


def test_what_points_nowhere_is_named(tmp_path):
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / "docs" / "decisions").mkdir(parents=True)
    (tmp_path / "docs" / "there.md").write_text("[a](gone.md) [b](there.md#part) [c](https://example.org/x) [d](../code.c)\n")
    (tmp_path / "docs" / "decisions" / "0001-one.md").write_text("# 0001: One\n")
    # Put together here, or this file would name them.
    folder = "do" + "cs"
    (tmp_path / "code.c").write_text(f"/* {folder}/there.md {folder}/missing.md {folder}/decisions/0001 {folder}/decisions/0002 */\n")
    assert check(tmp_path) == (
        1,
        [
            f"code.c names {folder}/decisions/0002, which is not there",
            f"code.c names {folder}/missing.md, which is not there",
            f"{folder}/there.md names gone.md, which is not there",
        ],
    )
