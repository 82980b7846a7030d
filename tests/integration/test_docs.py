"""Pages that are made from the programs' own tables are what the programs print today."""

import subprocess

import pytest


@pytest.mark.parametrize(
    "page, flag", [("configuration.md", "--settings-markdown"), ("metrics.md", "--metrics-markdown")]
)
def test_the_page_is_fresh(stack, page, flag):
    command = [stack.bin("mr-admin"), flag]
    printed = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
    assert printed.startswith("# ")
    assert (stack.checkout / "docs" / page).read_text() == printed, "stale: ./dev docs writes it"
