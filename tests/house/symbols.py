#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the library takes from others and gives to others.

usage: symbols.py SOURCE_ROOT LIBRARY.a LIBRARY.so

The archive may not call a clock, a source of randomness, the environment, a
heap of its own or anything that starts a thread; it may have no mutable static
data; the shared library exports exactly the functions that the public headers
declare.
"""
import re
import subprocess
import sys
from pathlib import Path

FORBIDDEN = re.compile(
    r"^(malloc|calloc|realloc|free|strdup|strndup|asprintf|vasprintf|getenv|secure_getenv|setenv|"
    r"time|clock|clock_gettime|gettimeofday|localtime.*|nanosleep|usleep|sleep|"
    r"rand|rand_r|random|srand|srandom|drand48|getrandom|arc4random.*|RAND_.*|"
    r"pthread_create|thrd_create|fork|vfork|system|popen|signal|sigaction|exit|_exit|"
    r"printf|puts|putchar|fprintf|perror|fopen|open|"
    r"strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi)$")
# abort() by a sanitizer or a stack protector is the compiler's, not ours.
SANITIZER = re.compile(r"^(__asan|__ubsan|__tsan|__sanitizer|__stack_chk|_GLOBAL_|__odr)")


def nm(*args):
    return subprocess.run(["nm", *args], check=True, capture_output=True, text=True).stdout


def undefined(archive):
    for line in nm("-u", archive).splitlines():
        parts = line.split()
        if len(parts) == 2 and parts[0] == "U":
            yield re.sub(r"@.*", "", parts[1]).replace("__isoc99_", "")


def mutable_data(archive):
    member = ""
    for line in nm(archive).splitlines():
        if line.endswith(":"):
            member = line[:-1]
        parts = line.split()
        # .data.rel.ro holds constant tables of addresses; nm calls it 'd' as well, so ask objdump.
        if len(parts) == 3 and parts[1] in "bBCsS" and not SANITIZER.match(parts[2]):
            yield member, parts[2]


def writable_sections(archive):
    dump = subprocess.run(["objdump", "-h", archive], check=True, capture_output=True,
                          text=True).stdout
    for match in re.finditer(r"^\s*\d+\s+(\.data(?:\.local|\.[\w$]+)?)\s+([0-9a-f]+)", dump, re.M):
        if int(match.group(2), 16) and not match.group(1).startswith(".data.rel.ro"):
            yield match.group(1)


def declared(root):
    text = "".join(path.read_text() for path in sorted((root / "include").rglob("*.h")))
    return set(re.findall(r"\bTQ_API\b[^;{]*?\b(tq_\w+)\s*\(", text))


def exported(library):
    names = set()
    for line in nm("-D", "--defined-only", library).splitlines():
        parts = line.split()
        if len(parts) == 3 and parts[1] == "T":
            names.add(parts[2].split("@")[0])
    return names


def main():
    root, archive, library = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    faults = []
    is_sanitized = any(SANITIZER.match(name) for name in undefined(archive)
                       if not name.startswith("__stack_chk"))
    calls = set(undefined(archive))
    faults += [f"the library calls {name}" for name in sorted(calls) if FORBIDDEN.match(name)]
    if not is_sanitized:
        faults += [f"{member}: mutable static data {name}"
                   for member, name in mutable_data(archive)]
        faults += [f"a writable section {name}" for name in writable_sections(archive)]
    headers, symbols = declared(root), exported(library)
    if not is_sanitized:
        faults += [f"exported but in no header: {name}" for name in sorted(symbols - headers)]
    faults += [f"declared but not exported: {name}" for name in sorted(headers - symbols)]
    if not calls or not headers:
        faults.append("nothing was read")
    print("\n".join(faults) or f"{len(headers)} functions, {len(calls)} symbols taken: clean")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
