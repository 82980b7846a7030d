"""Prints what points nowhere: relative links in Markdown pages, and pages under docs/ that other files name. argv[1] is the
checkout; the exit status is 1 when there is any."""

import pathlib
import re
import subprocess
import sys

LINK = re.compile(r"\]\(([^)\s]+)\)")
PAGE = re.compile(r"\bdocs/(?:[\w-]+/)*[\w-]+\.(?:md|yaml)\b")
DECISION = re.compile(r"\bdocs/decisions/(\d{4})\b(?!-)")


def files_of(root: pathlib.Path) -> list[str]:
    """What git has, and what it would take."""
    command = ["git", "-C", root, "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\0")
    return [name for name in names if name and (root / name).is_file()]


def broken_links(root: pathlib.Path, name: str, text: str) -> list[str]:
    targets = (link.partition("#")[0] for link in LINK.findall(text) if not re.match(r"[a-z]+:", link))
    return [t for t in targets if t and not ((root / name).parent / t).exists()]


def missing_pages(root: pathlib.Path, text: str) -> list[str]:
    pages = [page for page in PAGE.findall(text) if not (root / page).exists()]
    return pages + [f"docs/decisions/{n}" for n in DECISION.findall(text) if not list(root.glob(f"docs/decisions/{n}-*.md"))]


def main() -> int:
    root = pathlib.Path(sys.argv[1])
    found = set()
    for name in files_of(root):
        try:
            text = (root / name).read_text()
        except UnicodeDecodeError:
            continue
        wrong = missing_pages(root, text)
        if name.endswith(".md"):
            wrong += broken_links(root, name, text)
        found |= {f"{name} names {target}, which is not there" for target in wrong}
    print("".join(line + "\n" for line in sorted(found)), end="")
    return 1 if found else 0


sys.exit(main())
