#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Starts real servers, runs a command that finds them in its environment, and stops them.
#
# usage: tests/services/run.sh NAME... [-- COMMAND...]
#
#   redis       TICKETQ_TEST_REDIS          Redis 7
#   cluster     TICKETQ_TEST_REDIS_CLUSTER  Redis Cluster 7, three masters and three replicas
#   postgres15  TICKETQ_TEST_POSTGRES       PostgreSQL 15
#   postgres18  TICKETQ_TEST_POSTGRES18     PostgreSQL 18
#   pgbouncer   TICKETQ_TEST_PGBOUNCER      pgbouncer in transaction mode before PostgreSQL 15
#   kafka       TICKETQ_TEST_KAFKA          Apache Kafka 4, one broker
#   brokers     TICKETQ_TEST_KAFKA_CLUSTER  Apache Kafka 4, three brokers
#   all         every one of them but the three brokers
#
# Without a command: says what the variables are and waits for Ctrl-C. What a fresh Debian machine
# lacks is installed, from Debian or into ~/.cache/ticketq. Any number of runs go side by side; each
# has ports and a folder of its own, TICKETQ_TEST_SERVICES, which also has the logs. ctl.sh kills,
# pauses and restarts. Nothing is left behind, not even when this is killed.
#
# Exit status: the command's; 2 when something could not be installed or started.
set -u
# shellcheck source=tests/services/lib.sh
. "$(dirname "$0")/lib.sh"

usage() {
    sed -n '3,/^# Exit/s/^# \{0,1\}//p' "$0"
}

names=""
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    case " $all_names all " in
    *" $1 "*) names="$names $1" ;;
    *)
        usage >&2
        exit 2
        ;;
    esac
    shift
done
[ $# -eq 0 ] || shift
case $names in
"") usage >&2 && exit 2 ;;
*all*) names=${all_names% brokers} ;;
*pgbouncer*) names="$names postgres15" ;;
esac

# One at a time installs and claims, so nobody reaps a folder that is just being made.
# shellcheck disable=SC2154
mkdir -p "$tools_cache"
temp=$(cd "${TMPDIR:-/tmp}" && pwd -P) || exit 2
exec 8>"$tools_cache/services.lock"
flock 8
need_packages procps || exit 2
for name in $names; do
    "${name}_install" || exit 2
done
reap_orphans "$temp"
claim_run "$temp" || exit 2
exec 8>&-
# The watcher waits for the lock, which falls to it when this process is killed.
# shellcheck disable=SC2016
setsid bash -c '. "$1/lib.sh" && reap "$2"' - "$services" "$run" \
    </dev/null >/dev/null 2>&1 7>&- 9>&- &
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
starting=""

# What is still starting gives up when it sees the mark; only then nobody can come after the stop.
finish() {
    touch "$run/closing"
    # shellcheck disable=SC2086
    ended $starting
    stop_all
    rm -rf "$run"
}

# start NAME...   all at once
start() {
    local name job
    starting=""
    for name in "$@"; do
        "${name}_start" </dev/null &
        starting="$starting $!"
    done
    for job in $starting; do
        wait "$job" || return 1
    done
}

export_variables() {
    local name
    for name in $names; do
        "${name}_variables"
    done | sort -u | sed "s/=\(.*\)/='\1'/; s/^/export /"
    echo "export TICKETQ_TEST_SERVICES='$run'"
}

first=""
for name in $names; do
    [ "$name" = pgbouncer ] || case $first in *"$name"*) ;; *) first="$first $name" ;; esac
done
# shellcheck disable=SC2086
start $first || exit 2
case $names in *pgbouncer*) start pgbouncer || exit 2 ;; esac
export_variables >"$run/env"
# shellcheck source=/dev/null
. "$run/env"

if [ $# -eq 0 ]; then
    cat "$run/env"
    echo "# elsewhere: . $run/env     to stop: Ctrl-C"
    set -- tail --pid=$$ -f /dev/null # ends with us, whatever ends us
fi

# pass_on SIGNAL STATUS   a terminal has told the command too; otherwise we do, a second later
pass_on() {
    gone 1 "$command" || kill -s "$1" "$command"
    ended "$command"
    exit "$2"
}
env --default-signal=INT,QUIT "$@" <&0 7>&- 9>&- &
command=$!
trap 'pass_on INT 130' INT
trap 'pass_on TERM 143' TERM
trap 'pass_on HUP 129' HUP
wait "$command"
