# SPDX-License-Identifier: MIT
# Sourced by run.sh and ctl.sh: what all servers share, and the folder of a run.
#
# A run owns one folder, $run, named after the first of its 32 ports; making it claims both. run.sh
# holds the lock in it while it lives, so whoever gets that lock knows that the owner is dead, and
# reaps. Each process has a folder there, which it runs in: its log, its data, and its pid with the
# time of its birth, so that nobody who was given the same number later is ever signalled.
#
# A server's file defines NAME_install, NAME_start (ready when it returns; the data of an earlier
# start is kept), NAME_stop and NAME_variables (lines to export).

# shellcheck shell=bash disable=SC2034,SC2154
services=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=/dev/null
. "$services/../../.ci/tools.sh"
run=${TICKETQ_TEST_SERVICES:-}

# What refuses to run as root runs as nobody: launch NAME "${lower[@]}" COMMAND...
lower=()
[ "$(id -u)" -ne 0 ] || lower=(setpriv --reuid=nobody --regid=nogroup --clear-groups)

for name in redis cluster postgres pgbouncer kafka brokers; do
    # shellcheck source=/dev/null
    . "$services/$name.sh"
done
all_names="pgbouncer redis cluster postgres15 postgres18 kafka brokers" # in the order in which they stop

# port PLACE   a place is a process, or one of the further listeners of Kafka
port() {
    local offset
    case $1 in
    redis) offset=0 ;;
    postgres15) offset=1 ;;
    postgres18) offset=2 ;;
    pgbouncer) offset=3 ;;
    kafka) offset=4 ;;
    kafka.controller) offset=5 ;;
    kafka.inner) offset=6 ;;
    kafka.proxy) offset=7 ;;
    cluster.*) offset=$((7 + ${1#cluster.})) ;;
    kafka.sasl) offset=14 ;;
    kafka.tls) offset=15 ;;
    brokers.controller.*) offset=$((18 + ${1##*.})) ;;
    brokers.*) offset=$((15 + ${1#brokers.})) ;;
    esac
    echo $((${run##*-} + offset))
}

# launch PROCESS COMMAND...   in a session of its own, which no Ctrl-C reaches
launch() {
    local folder=$run/$1
    shift
    [ ! -e "$run/closing" ] && mkdir -p "$folder" || return 1
    (
        cd "$folder" || exit 1
        setsid env --default-signal=INT,QUIT "$@" </dev/null >>log 2>&1 7>&- 8>&- 9>&- &
        echo "$! $(born $!)" >pid
    )
}

# born PID   in clock ticks since the system started; a status of 1 when it has ended
born() {
    local stat
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
    read -r -a stat <<<"${stat##*) }"
    [ "${stat[0]}" != Z ] && echo "${stat[19]}"
}

# pid_of PROCESS   a status of 1 when it is not running
pid_of() {
    local pid time
    { read -r pid time <"$run/$1/pid"; } 2>/dev/null && [ -n "$time" ] &&
        [ "$(born "$pid")" = "$time" ] && echo "$pid"
}

# family_of PROCESS   it and its children
family_of() {
    local pid
    pid=$(pid_of "$1") && echo "$pid" && { pgrep -P "$pid" || true; }
}

# await PROCESS SECONDS CHECK...   until the check succeeds
await() {
    local process=$1 deadline=$((SECONDS + $2)) problem=""
    shift 2
    until pid_of "$process" >/dev/null && "$@" >/dev/null 2>&1; do
        [ ! -e "$run/closing" ] || return 1 # the run is ending
        pid_of "$process" >/dev/null || problem="has ended"
        [ "$SECONDS" -le "$deadline" ] || problem="does not answer"
        if [ -n "$problem" ]; then
            echo "$process $problem; the last lines of its log:" >&2
            tail -n 15 "$run/$process/log" >&2
            return 1
        fi
        sleep 0.05
    done
}

# gone SECONDS PID...
gone() {
    local deadline=$((SECONDS + $1)) pid
    shift
    for pid in "$@"; do
        while born "$pid" >/dev/null; do
            [ "$SECONDS" -le "$deadline" ] || return 1
            sleep 0.02
        done
    done
}

# ended PID...   what a trap calls: Bash's own wait may hang in one that has interrupted a wait
ended() {
    until gone 60 "$@"; do :; done
}

# halt PROCESS SIGNAL   as it wants to be stopped; the hard way when it has not heard after 10 s
halt() {
    local pid
    pid=$(pid_of "$1") || return 0
    resume "$1"
    kill -s "$2" "$pid" 2>/dev/null
    gone 10 "$pid" || strike "$1"
}

# strike PROCESS   kills it and its children at once, as a loss of power would
strike() {
    local pid family
    pid=$(pid_of "$1") || return 0
    kill -STOP "$pid"
    mapfile -t family < <(family_of "$1")
    kill -KILL "${family[@]}" 2>/dev/null
    gone 10 "${family[@]}"
}

# The parent is stopped before its children are counted: it would make another one.
pause() {
    local pid family
    pid=$(pid_of "$1") && kill -STOP "$pid" || return 1
    mapfile -t family < <(family_of "$1")
    kill -STOP "${family[@]}" 2>/dev/null
}

resume() {
    local family
    mapfile -t family < <(family_of "$1")
    [ "${#family[@]}" -gt 0 ] || return 1
    kill -CONT "${family[@]}" 2>/dev/null
}

# processes_of NAME
processes_of() {
    case $1 in
    cluster) echo cluster.1 cluster.2 cluster.3 cluster.4 cluster.5 cluster.6 ;;
    brokers) echo brokers.1 brokers.2 brokers.3 ;;
    *) echo "$1" ;;
    esac
}

stop_all() {
    local name jobs=""
    for name in $all_names; do
        "${name}_stop" &
        jobs="$jobs $!"
    done
    # shellcheck disable=SC2086
    ended $jobs
}

# ports_free FIRST   nobody listens on the 32 ports nor on the buses of the cluster's nodes
ports_free() {
    local number pattern=""
    for number in $(seq "$1" $(($1 + 31))) $(seq $(($1 + 10000)) $(($1 + 10015))); do
        pattern="$pattern|$(printf %04X "$number")"
    done
    ! grep -qE ":(${pattern#|}) [0-9A-F]+:0000 0A" /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

# claim_run FOLDER   sets $run to a new one in that folder and holds its lock and that of its ports,
# which a run in another folder may want while no server listens. Ports and buses stay below 32768,
# where the system starts to hand out ports to those who connect.
claim_run() {
    local first temp=$1
    for first in $(seq 21000 32 22600); do
        run=$temp/ticketq-services-$first
        exec 7>"$tools_cache/ports-$first"
        if flock -n 7 && ports_free "$first" && mkdir -m 711 "$run" 2>/dev/null; then
            exec 9>"$run/lock"
            flock 9
            return 0
        fi
    done
    echo "no free ports, or $temp cannot be written" >&2
    return 1
}

# reap FOLDER [-n]   when its owner is dead (-n: already), stops its servers and removes it
reap() {
    exec 9>>"$1/lock" && flock ${2+"$2"} 9 || return 0
    [ "$1/lock" -ef /proc/self/fd/9 ] || return 0 # somebody else was quicker
    run=$1
    stop_all
    rm -rf "$run"
}

# reap_orphans FOLDER   the runs in it whose owner is dead
reap_orphans() {
    local folder
    for folder in "$1"/ticketq-services-*; do
        [ ! -O "$folder" ] || (reap "$folder" -n)
    done
}
