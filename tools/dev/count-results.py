"""Prints how many tests passed and failed in the JUnit files of the folder argv[1]."""

import pathlib
import sys
from xml.etree import ElementTree

passed = failed = 0
for path in pathlib.Path(sys.argv[1]).glob("*.xml"):
    for case in ElementTree.parse(path).iter("testcase"):
        outcomes = {child.tag for child in case}
        if outcomes & {"failure", "error"}:
            failed += 1
        # ctest marks what it did not run by a status.
        elif "skipped" not in outcomes and case.get("status") not in ("notrun", "disabled"):
            passed += 1
print(passed, failed)
