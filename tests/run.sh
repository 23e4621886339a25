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
failures=$(mktemp)
trap 'rm -f "$failures"' EXIT

has() {
    case " $suites " in *" $1 "*) true ;; *) false ;; esac
}

# Which programs failed, and what they said; the log names the one that has all.
failures_of_meson() {
    local full
    full=$(sed -n 's/^Full log written to //p' "$1")
    {
        grep -E '^ *[0-9]+/[0-9]+ .* (FAIL|ERROR|TIMEOUT|UNEXPECTEDPASS) ' "$1" | sort -u
        grep -hE '^not ok |Sanitizer: ' "${full:-$1}"
    } | cut -c1-300
}

# Adds the counts of a meson test run; its log has "Ok: n", "Fail: n", "Timeout: n".
count_meson() {
    local ok bad
    ok=$(awk '/^(Ok|Expected Fail):/ {n += $NF} END {print n + 0}' "$1")
    bad=$(awk '/^(Fail|Unexpected Pass|Timeout):/ {n += $NF} END {print n + 0}' "$1")
    [ "$((ok + bad))" -eq 0 ] && { echo "no test ran" >&2; bad=1; }
    passed=$((passed + ok))
    failed=$((failed + bad))
    [ "$bad" -eq 0 ] || failures_of_meson "$1" >>"$failures"
}

# meson_test FOLDER SUITES SERVERS   builds what the suites want, starts the servers and runs them;
# four at a time, since many wait
meson_test() {
    local folder=$1 servers=$3 name args="" with=""
    for name in $2; do args="$args --suite $name"; done
    [ -z "$servers" ] || with="tests/services/run.sh $servers --"
    # shellcheck disable=SC2086
    $with "$MESON" test -C "$folder" --print-errorlogs --setup nofork --num-processes 4 \
        --logbase "testlog-${2// /-}" $args 2>&1
}

# run_meson FOLDER SUITES SERVERS
run_meson() {
    local log
    log=$(mktemp)
    meson_test "$@" | tee "$log"
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

# run_pytest FOLDER SERVERS
run_pytest() {
    local log with=""
    log=$(mktemp)
    [ -z "$2" ] || with="tests/services/run.sh $2 --"
    # shellcheck disable=SC2086
    TICKETQ_BUILD=$PWD/build-release $with /usr/bin/python3 -m pytest -q -p no:cacheprovider -n 4 \
        "$1" 2>&1 | tee "$log"
    [ "${PIPESTATUS[0]}" -eq 0 ] || [ "$(counted "$log" failed error)" -gt 0 ] ||
        failed=$((failed + 1))
    passed=$((passed + $(counted "$log" passed)))
    failed=$((failed + $(counted "$log" failed error)))
    grep -E '^(FAILED|ERROR) ' "$log" | cut -c1-200 >>"$failures"
    rm -f "$log"
}

werror=${CI:+--werror --fatal-meson-warnings}
# shellcheck disable=SC2086
need_packages $build_packages check universal-ctags python3-pytest python3-pytest-xdist \
    python3-requests python3-yaml python3-jsonschema || exit 1
need_meson || exit 1

wanted=""
for suite in $c_suites; do has "$suite" && wanted="$wanted $suite"; done
if [ -n "$wanted" ]; then
    prepare_in=build_in servers=all
    [ "$wanted" != " house" ] || prepare_in=configure_in servers="" # it reads, and runs nothing
    # shellcheck disable=SC2086
    "$prepare_in" build-asan $werror -Db_sanitize=address,undefined || exit 1
    run_meson build-asan "${wanted# }" "$servers"
fi
# These kill their broker and wait for it: beside what follows.
outages=""
if has fault; then
    outages=$(mktemp)
    meson_test build-asan outages kafka >"$outages" &
    outages_job=$!
fi
if has threads; then
    # shellcheck disable=SC2086
    configure_in build-tsan $werror -Db_sanitize=thread || exit 1
    run_meson build-tsan threads "redis cluster postgres15"
fi
if has house || has e2e; then
    build_targets="servers/ticketqd/ticketqd servers/sandbox/ticketq-sandbox tests/libkill_point.so"
    # shellcheck disable=SC2086
    build_in build-release $werror --buildtype=release || exit 1
    ! has house || run_meson build-release installed ""
    ! has e2e || run_pytest tests/e2e "redis cluster postgres15 postgres18 kafka"
fi
! has services || run_pytest tests/services ""
if [ -n "$outages" ]; then
    wait "$outages_job"
    cat "$outages"
    count_meson "$outages"
    rm -f "$outages"
fi

[ "$failed" -eq 0 ] || cat "$failures"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
