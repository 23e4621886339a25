#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What a test does to the servers that run.sh has started for it.
#
# usage: tests/services/ctl.sh ACTION ...
#   kill SERVER     at once, with its children, as a loss of power would
#   stop SERVER     in good order
#   start SERVER    again, on the same port and data; it is ready when this returns
#   pause SERVER    it keeps its connections and says nothing, until
#   resume SERVER
#   failover cluster.N                 the replica N takes its master's place
#   reshard COUNT cluster.N cluster.M  moves slots, with what is in them, from master N to master M
#
# SERVER is a name of run.sh, or one node of several: cluster.1 to cluster.6, brokers.1 to brokers.3.
set -u
# shellcheck source=tests/services/lib.sh
. "$(dirname "$0")/lib.sh"

usage() {
    sed -n '3,/^# SERVER/s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

# server NAME   one that this run has
server() {
    local process
    for process in $(processes_of "$1"); do
        case $process in "" | */* | *.native) usage ;; esac
        [ -f "$run/$process/pid" ] || { echo "no such server here: $1" >&2 && exit 2; }
    done
}

each() {
    local process
    for process in $(processes_of "$2"); do
        "$1" "$process" || return 1
    done
}

start() {
    case $1 in
    cluster.*) cluster_node_start "${1#cluster.}" ;;
    brokers.*) brokers_node_start "${1#brokers.}" && await "$1" 120 brokers_answers "${1#brokers.}" ;;
    *) "$1_start" ;;
    esac
}

stop() {
    case $1 in
    cluster.* | brokers.*) halt "$1" TERM ;;
    *) "$1_stop" ;;
    esac
}

[ -d "$run" ] || { echo "TICKETQ_TEST_SERVICES names no folder of run.sh" >&2 && exit 2; }
case $#:${1:-} in
2:kill) server "$2" && each strike "$2" ;;
2:stop) server "$2" && stop "$2" ;;
2:start) server "$2" && start "$2" ;;
2:pause | 2:resume) server "$2" && each "$1" "$2" ;;
2:failover) server "$2" && cluster_failover "${2#cluster.}" ;;
4:reshard) server "$3" && server "$4" && cluster_reshard "$2" "${3#cluster.}" "${4#cluster.}" ;;
*) usage ;;
esac
