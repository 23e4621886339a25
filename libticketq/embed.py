#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Turns named sections of .sql or .lua files into C string constants.

usage: embed.py OUTPUT.h PREFIX INPUT...

A section begins with a line `-- name: some_name` and becomes
`static const char PREFIX_some_name[]`; its comment lines and blank lines are left out.
A file without sections becomes one constant named after the file.
"""
import os
import re
import sys


def sections(path):
    name = re.sub(r"\W", "_", os.path.splitext(os.path.basename(path))[0])
    lines = []
    with open(path, encoding="utf-8") as source:
        for line in source:
            begin = re.match(r"--\s*name:\s*(\w+)\s*$", line)
            if begin:
                if lines:
                    yield name, lines
                name, lines = begin.group(1), []
            elif line.strip() and not line.lstrip().startswith("--"):
                lines.append(line.rstrip())
    if lines:
        yield name, lines


def quoted(line):
    return '    "' + line.replace("\\", "\\\\").replace('"', '\\"') + '\\n"'


def main():
    output, prefix, inputs = sys.argv[1], sys.argv[2], sys.argv[3:]
    text = ["/* Made by embed.py; do not edit. */"]
    for path in inputs:
        for name, lines in sections(path):
            text.append(f"__attribute__((unused)) static const char {prefix}_{name}[] =")
            text.append("\n".join(quoted(line) for line in lines) + ";")
    with open(output, "w", encoding="utf-8") as target:
        target.write("\n".join(text) + "\n")


if __name__ == "__main__":
    main()
