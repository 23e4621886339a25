#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every exported function has rows in tests/unit/api/.

usage: api.py SOURCE_ROOT LIBRARY.so

A row is REFUSED(call, ...), ACCEPTED(call, ...), GIVES(call, ...) or IGNORED(call).
Each function needs one, and one with NULL in place of each pointer that it takes:
for a required pointer that is a refusal, for an optional one what it does without.
Only `err` and what is merely handed to a callback (`arg`, `input`) need none.
"""
import re
import subprocess
import sys
from pathlib import Path

PASSED_ON = {"err", "arg", "input"}


def exported(library):
    names = subprocess.run(["nm", "-D", "--defined-only", library], check=True, capture_output=True,
                           text=True).stdout
    return set(re.findall(r" T (tq_\w+)", names))


def pointers(root):
    """The pointers that each declared function takes: {name: {place: parameter}}."""
    found = {}
    for path in sorted((root / "include").rglob("*.h")):
        text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)
        for name, parameters in re.findall(r"\bTQ_API\b[^;{]*?\b(tq_\w+)\s*\(([^)]*)\)\s*;", text):
            found[name] = {}
            for place, parameter in enumerate(parameters.split(",")):
                word = re.search(r"(\w+)\s*(?:\[\w*\])?\s*$", parameter).group(1)
                if re.search(r"[*\[]", parameter) and word not in PASSED_ON:
                    found[name][place] = word
    return found


def unfold(text):
    """A macro of a test that has rows for one function is read once for each that it is used for."""
    text = text.replace("\\\n", "")
    for macro, body in re.findall(r"#define (REFUSED_\w+)\(verb\)(.*)", text):
        for verb in re.findall(rf"\b{macro}\((tq_\w+)\)", text):
            text += re.sub(r"\bverb\b", verb, body)
    return text


def arguments(text, start):
    """What stands between the brackets that opened before `start`, cut at its own commas."""
    found, depth, begin = [], 0, start
    for at in range(start, len(text)):
        if text[at] in "([{":
            depth += 1
        elif text[at] in ")]}":
            depth -= 1
        if depth < 0 or (depth == 0 and text[at] == ","):
            found.append(text[begin:at].strip())
            begin = at + 1
        if depth < 0:
            return found
    return found


def rows(root):
    for path in sorted((root / "tests/unit/api").glob("*_test.c")):
        text = unfold(path.read_text())
        for match in re.finditer(r"\b(?:REFUSED|ACCEPTED|GIVES|IGNORED)\((?:strcmp\()?(tq_\w+)\(",
                                 text):
            yield match.group(1), arguments(text, match.end())


def main():
    root, library = Path(sys.argv[1]), sys.argv[2]
    functions, tried = exported(library), {}
    for name, given in rows(root):
        tried.setdefault(name, set()).update(
            place for place, argument in enumerate(given) if argument == "NULL")
    takes = pointers(root)
    faults = [f"{name}: no row in tests/unit/api" for name in sorted(functions - set(tried))]
    for name in sorted(functions & set(tried)):
        faults += [f"{name}: no row with NULL for {word}"
                   for place, word in takes[name].items() if place not in tried[name]]
    if not functions:
        faults.append("no function was read")
    print("\n".join(faults) or f"{len(functions)} functions: clean")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
