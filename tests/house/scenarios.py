#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every test that a table of scenarios names is there.

usage: scenarios.py SOURCE_ROOT
"""
import pathlib
import re
import sys

tests = pathlib.Path(sys.argv[1]) / "tests"
sources = [path for path in tests.rglob("*") if path.suffix in (".c", ".py")]
there = {name for path in sources for name in re.findall(
    r"^(?:START_TEST\(|def )(\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)}
missing = [(table, name) for table in sorted(tests.rglob("README.md"))
           for name in re.findall(r"`(test_\w+|\w+__\w+)`", table.read_text(encoding="utf-8"))
           if name not in there]
for table, name in missing:
    print(f"{table.relative_to(sys.argv[1])}: there is no test {name}")
sys.exit(bool(missing))
