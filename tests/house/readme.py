#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Takes the C example out of README.md, builds it against the library and runs it.

usage: readme.py SOURCE_ROOT LIBRARY.so CC...
"""
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path


def main():
    root, library, compiler = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
    blocks = re.findall(r"```c\n(.*?)```", (root / "README.md").read_text(), re.S)
    programs = [block for block in blocks if "int main" in block]
    if not programs:
        print("README.md has no C example")
        return 1
    with tempfile.TemporaryDirectory() as folder:
        for number, program in enumerate(programs):
            source = Path(folder) / f"example{number}.c"
            source.write_text(program)
            binary = str(source.with_suffix(""))
            flags = ["-D_GNU_SOURCE", f"-I{root / 'include'}", "-Wall", "-Wextra", "-Werror"]
            if b"__asan_init" in library.read_bytes():
                flags.append("-fsanitize=address,undefined")
            if b"__tsan_init" in library.read_bytes():
                flags.append("-fsanitize=thread")
            link = [f"-L{library.parent}", "-lticketq", f"-Wl,-rpath,{library.parent}"]
            subprocess.run([*compiler, *flags, str(source), "-o", binary, *link], check=True)
            done = subprocess.run([binary], cwd=folder, capture_output=True, text=True,
                                  env={**os.environ, "ASAN_OPTIONS": "detect_leaks=1"})
            print(done.stdout, done.stderr, sep="", end="")
            if done.returncode:
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
