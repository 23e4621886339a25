#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The house rules that a machine can see (libticketq/HACKING.md).

usage: rules.py SOURCE_ROOT

Top level; direction of includes and no circle of files; sizes of files and
functions; first lines; documentation of every exported name and of every option of a
URL; a unit test for every .c of library and servers, but for a list with reasons; banned
calls and marks.
"""
import re
import subprocess
import sys
from pathlib import Path

TOP = {"meson.build", "meson.options", "libticketq", "include", "bindings", "examples", "servers",
       "tests", "subprojects", "README.md", "LICENSE"}
# A folder may include its own files and those of the folders named here.
ALLOWED = {
    "core": set(),
    "token": {"core"},
    "store": {"core"},
    "transport": {"core"},
    "room": {"core", "token", "store"},
    "hold": {"core", "store"},
    "outbox": {"core", "store", "transport"},
    "saga": {"core", "store"},
}
SERVICES = {"gateway", "queue", "user", "event", "reservation", "payment"}
# What servers may see of the library's inside.
SERVER_INSIDE = {"core/json.h", "core/bytes.h", "core/error.h", "core/env.h", "core/url.h",
                 "core/backoff.h", "core/map.h", "store/cache.h", "transport/transport.h"}
FILE_LINES, FUNCTION_LINES, COLUMNS = 600, 70, 100
BANNED = re.compile(r"\b(strcpy|strcat|sprintf|gets|strtok|atoi)\s*\(")


class Tree:
    def __init__(self, root):
        self.root = root
        names = subprocess.run(["git", "-C", root, "ls-files"], capture_output=True, text=True)
        listed = names.stdout.split("\n") if names.returncode == 0 else [
            str(path.relative_to(root)) for path in Path(root).rglob("*") if path.is_file()]
        self.files = [name for name in listed if name and (Path(root) / name).is_file()
                      and not name.startswith("build")]
        self.faults = []

    def text(self, name):
        return (Path(self.root) / name).read_text(encoding="utf-8")

    def fault(self, text):
        self.faults.append(text)

    def sources(self, *folders):
        return [name for name in self.files if name.endswith((".c", ".h"))
                and name.startswith(folders)]


def check_top(tree):
    for name in {name.split("/")[0] for name in tree.files}:
        if name not in TOP and not name.startswith("."):
            tree.fault(f"{name}: not one of the top level's names")


def includes(tree, name):
    return re.findall(r'^\s*#include\s+[<"]([^>"]+)[>"]', tree.text(name), re.M)


def check_direction(tree):
    for name in tree.sources("libticketq/"):
        folder = name.split("/")[1]
        for path in includes(tree, name):
            target = path.split("/")[0]
            if target in ALLOWED and target != folder and target not in ALLOWED.get(folder, set()):
                tree.fault(f"{name}: includes {path}, which is above it")
    for name in tree.sources("servers/"):
        folder = name.split("/")[1]
        for path in includes(tree, name):
            target = path.split("/")[0]
            if folder in SERVICES and target in SERVICES and target != folder:
                tree.fault(f"{name}: a service includes another, {path}")
            if folder == "http" and target in SERVICES | {"app", "ticketq", "ticketqd"}:
                if not (target == "ticketq"):
                    tree.fault(f"{name}: http knows {path}")
            if target in ALLOWED and path not in SERVER_INSIDE:
                tree.fault(f"{name}: includes {path} from the inside of the library")
    for name in tree.sources("include/"):
        for path in includes(tree, name):
            if "/" in path and not path.startswith(("ticketq/", "sys/", "linux/")):
                tree.fault(f"{name}: a public header includes {path}")


def check_circles(tree):
    roots = ("libticketq/", "include/", "servers/", "examples/", "tests/")
    names = set(tree.sources(*roots))
    edges = {}
    for name in names:
        edges[name] = set()
        for path in includes(tree, name):
            for prefix in ("", "libticketq/", "include/", "servers/", "tests/",
                           str(Path(name).parent) + "/"):
                if prefix + path in names:
                    edges[name].add(prefix + path)
                    break
    state = {}

    def walk(name, trail):
        state[name] = 1
        for other in sorted(edges[name]):
            if state.get(other) == 1:
                tree.fault("a circle of includes: " + " -> ".join(trail + [name, other]))
            elif other not in state:
                walk(other, trail + [name])
        state[name] = 2

    for name in sorted(names):
        if name not in state:
            walk(name, [])


def check_sizes(tree):
    for name in tree.sources("libticketq/", "include/", "servers/", "examples/", "tests/"):
        lines = tree.text(name).split("\n")
        if len(lines) > FILE_LINES + 1:
            tree.fault(f"{name}: {len(lines)} lines, limit {FILE_LINES}")
        for number, line in enumerate(lines, 1):
            if len(line) > COLUMNS and "http" not in line:
                tree.fault(f"{name}:{number}: {len(line)} columns, limit {COLUMNS}")
        begin = None
        for number, line in enumerate(lines, 1):
            if line == "{":
                begin = number
            elif line.startswith("}") and begin:
                if number - begin - 1 > FUNCTION_LINES:
                    tree.fault(f"{name}:{begin}: a function of {number - begin - 1} lines")
                begin = None


def check_first_lines(tree):
    for name in tree.sources("libticketq/", "include/", "servers/", "examples/", "tests/"):
        text = tree.text(name)
        if not text.startswith("/* SPDX-License-Identifier: MIT */\n/*"):
            tree.fault(f"{name}: begins without the licence line and a comment")


def check_docs(tree):
    for name in tree.sources("include/"):
        text = tree.text(name)
        for match in re.finditer(r"^TQ_API\b[^;]*?\b(tq_\w+)\s*\(", text, re.M):
            before = text[:match.start()].rstrip()
            comment = before[before.rfind("/**"):] if before.endswith("*/") else ""
            if not comment:
                tree.fault(f"{name}: {match.group(1)} has no comment")
            elif "@since" not in comment:
                tree.fault(f"{name}: {match.group(1)} has no @since")


# Where the options of a driver's URL are explained.
OPTIONS = {"libticketq/store/redis/address.c": "include/ticketq/store.h",
           "libticketq/store/postgres/target.c": "include/ticketq/store.h",
           "libticketq/transport/kafka/options.c": "include/ticketq/transport.h"}


def check_options(tree):
    for name, header in OPTIONS.items():
        options = re.findall(r'TQ__URL_\w+\("(\w+)"', tree.text(name))
        for option in options or ["that could be found"]:
            if not re.search(rf"\s{option}=", tree.text(header)):
                tree.fault(f"{name}: {header} does not explain option {option}")


# Files without a unit test of their own, and what tests them.
TESTED_ELSEWHERE = {
    "libticketq/store/handle.c": "store_test.c covers both halves",
    "libticketq/store/news.c": "ledger_test.c in a process, postgres_news_test.c between processes",
    **{f"libticketq/store/redis/hold_{name}.c": "redis_hold_test.c covers the table"
       for name in ("load", "sweep")},
    **{f"libticketq/store/redis/room_{name}.c": "conform room on fixtures with shards"
       for name in ("desk", "shards", "words")},
    # wiring: nothing in them decides; every route, answer and start is asked over HTTP
    **{f"servers/{service}/{name}.c": "tests/e2e"
       for service in sorted(SERVICES) for name in ("routes", "service")},
    "servers/ticketqd/main.c": "tests/e2e",
    # they are parts of a program and do nothing without the rest of it
    **{f"servers/app/{name}.c": "app_test.c runs a whole program"
       for name in ("flow", "health", "internal", "keys", "problem", "trace")},
    **{f"servers/http/{name}.c": "exchange_test.c and loop_test.c talk to a whole server"
       for name in ("address", "field", "pool", "reply", "request", "server", "wake")},
    # statements over rows, asked for over HTTP
    **{f"servers/event/{name}.c": "tests/e2e/test_events.py"
       for name in ("admin", "catalog", "seatmap", "venue")},
    **{f"servers/queue/{name}.c": "tests/e2e/test_queue.py"
       for name in ("admin", "rooms", "streams", "visits")},
    "servers/gateway/gateway.c": "tests/e2e/test_gateway.py",
    "servers/app/engines.c": "tests/e2e/test_engines.py",
    "servers/app/listen.c": "tests/e2e/test_pages.py",
    "servers/event/heard.c": "tests/e2e/test_pages.py",
    "servers/ticketqd/audit.c": "tests/e2e/test_audit.py",
    "servers/ticketqd/copy.c": "tests/e2e/test_engines.py",
    "servers/ticketqd/letters.c": "tests/e2e/test_letters.py",
}


def tests_of(tree, path):
    """Where the test of a file may be: of a service in its folder, of the library anywhere."""
    names = {f"{path.stem}_test.c", f"{path.parent.name}_{path.stem}_test.c"}
    if path.parts[0] == "libticketq":
        return {name for name in tree.files
                if name.startswith("tests/") and Path(name).name in names}
    folder = path.parent.name
    places = {f"tests/unit/servers/{folder}/{path.stem}_test.c"}
    if folder in ("app", "http"):
        places.add(f"tests/unit/servers/{path.stem}_test.c")
    return places & set(tree.files)


def check_tests(tree):
    for name in tree.sources("libticketq/", "servers/"):
        if not name.endswith(".c"):
            continue
        is_tested = bool(tests_of(tree, Path(name)))
        if not is_tested and name not in TESTED_ELSEWHERE:
            tree.fault(f"{name}: no unit test")
        if is_tested and name in TESTED_ELSEWHERE:
            tree.fault(f"{name}: has a unit test, the list of exceptions says it has none")
    for name in TESTED_ELSEWHERE:
        if name not in tree.files:
            tree.fault(f"{name}: is an exception and not there")


def check_words(tree):
    for name in tree.sources("libticketq/", "servers/"):
        text = tree.text(name)
        for match in BANNED.finditer(text):
            tree.fault(f"{name}: calls {match.group(1)}")
        for mark in re.findall(r"\b(TODO|FIXME|XXX)\b", text):
            tree.fault(f"{name}: says {mark}")


def main():
    tree = Tree(sys.argv[1])
    for check in (check_top, check_direction, check_circles, check_sizes, check_first_lines,
                  check_docs, check_options, check_tests, check_words):
        check(tree)
    if len(tree.files) < 20:
        tree.fault("nothing was read")
    print("\n".join(tree.faults) or f"{len(tree.files)} files: clean")
    return 1 if tree.faults else 0


if __name__ == "__main__":
    sys.exit(main())
