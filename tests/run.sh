#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs what is missing, builds, runs every test and says how many passed.
#
# usage: tests/run.sh [SUITE...]
#   unit conform model fault house examples   with address and undefined-behaviour sanitizers
#   threads                                   what has threads, with the thread sanitizer
#   e2e                                       the servers over HTTP, as released
#   services                                  that real servers start, come back and stop
# Without a name: all of them. Logs stay in build-*/meson-logs.
set -u
cd "$(dirname "$0")/.."
. .ci/tools.sh

c_suites="unit conform model fault house examples"
suites=${*:-$c_suites threads e2e services}
passed=0
failed=0

has() {
    case " $suites " in *" $1 "*) true ;; *) false ;; esac
}

# Adds the counts of a meson test run; its log has "Ok: n", "Fail: n", "Timeout: n".
count_meson() {
    local ok bad
    ok=$(awk '/^(Ok|Expected Fail):/ {n += $NF} END {print n + 0}' "$1")
    bad=$(awk '/^(Fail|Unexpected Pass|Timeout):/ {n += $NF} END {print n + 0}' "$1")
    [ "$((ok + bad))" -eq 0 ] && { echo "no test ran" >&2; bad=1; }
    passed=$((passed + ok))
    failed=$((failed + bad))
}

# Before a command: starts the servers that the tests of drivers want, and stops them after it.
real="tests/services/run.sh all --"

# run_meson FOLDER SETUP SUITE...
run_meson() {
    local folder=$1 setup=$2 log name args=""
    shift 2
    log=$(mktemp)
    for name in "$@"; do args="$args --suite $name"; done
    # shellcheck disable=SC2086
    $real "$MESON" test -C "$folder" --no-rebuild --print-errorlogs --setup "$setup" $args 2>&1 |
        tee "$log"
    count_meson "$log"
    rm -f "$log"
}

# counted LOG WORD...   the number before each word in pytest's closing line, added up
counted() {
    local log=$1 word sum=0 number
    shift
    for word in "$@"; do
        number=$(tail -n 1 "$log" | grep -oE "[0-9]+ $word" | grep -oE '^[0-9]+')
        sum=$((sum + ${number:-0}))
    done
    echo "$sum"
}

# run_pytest FOLDER
run_pytest() {
    local log
    log=$(mktemp)
    # shellcheck disable=SC2086
    TICKETQ_BUILD=$PWD/build-release $real /usr/bin/python3 -m pytest -q -p no:cacheprovider "$1" \
        2>&1 | tee "$log"
    [ "${PIPESTATUS[0]}" -eq 0 ] || [ "$(counted "$log" failed error)" -gt 0 ] ||
        failed=$((failed + 1))
    passed=$((passed + $(counted "$log" passed)))
    failed=$((failed + $(counted "$log" failed error)))
    rm -f "$log"
}

werror=${CI:+--werror}
# shellcheck disable=SC2086
need_packages $build_packages check universal-ctags python3-pytest python3-requests python3-yaml \
    python3-jsonschema || exit 1
need_meson || exit 1

wanted=""
for suite in $c_suites; do has "$suite" && wanted="$wanted $suite"; done
if [ -n "$wanted" ]; then
    # shellcheck disable=SC2086
    build_in build-asan $werror -Db_sanitize=address,undefined || exit 1
    # shellcheck disable=SC2086
    run_meson build-asan nofork $wanted
fi
if has threads; then
    # shellcheck disable=SC2086
    build_in build-tsan $werror -Db_sanitize=thread || exit 1
    run_meson build-tsan nofork threads
fi
if has house || has e2e; then
    # shellcheck disable=SC2086
    build_in build-release $werror --buildtype=release || exit 1
    ! has house || real= run_meson build-release nofork installed
    ! has e2e || real="tests/services/run.sh redis postgres15 kafka --" run_pytest tests/e2e
fi
if has services; then
    real= run_pytest tests/services
fi

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
