#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Measures figures, each beside a reference of the same run, on a release build.
#
# usage: tests/bench/run.sh [--json FILE] [NAME...]
#   NAME   ledger.reservations room.enter ...; without one: all
#
# A figure is the median of five rounds. Exit status 1 when a goal is missed.
set -euo pipefail
cd "$(dirname "$0")/../.."
. .ci/tools.sh

json=
if [ "${1:-}" = --json ]; then
    json=$2
    shift 2
fi
# shellcheck disable=SC2086
need_packages $build_packages check python3-requests
need_meson
build_in build-release --buildtype=release

run_all() {
    local program
    for program in build-release/tests/bench/bench_*; do
        if [ -f "$program" ]; then
            "$program" "$@"
        fi
    done
    TICKETQ_BUILD=$PWD/build-release /usr/bin/python3 tests/bench/over_http.py "$@"
}

run_all "$@" | /usr/bin/python3 tests/bench/report.py "$json"
