#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds ticketq and plays a whole on-sale: a crowd, a payment provider, one process that sells.
#
# usage: examples/quickstart.sh [--visitors N] [--seats N] [--seed S] [--json FILE] [--stay]
#            [--redis URL] [--postgres URL] [--kafka URL] [--with-services | --with-cluster]
#   --visitors  how many come, 1 to 1000000; default 20000
#   --seats     how many of the arena's 15,000 seats are sold; default 5000
#   --seed      what the crowd is like follows from it, a whole number; default 1
#   --json      writes the reports of herd and audit to a file
#   --stay      leaves everything running afterwards, until Ctrl-C
#   --redis     the line and the first to meet holds are there, not in memory, and what is read most:
#               a server, or a cluster (redis://HOST:PORT?cluster=1); keys have a prefix of the sale, and stay
#   --postgres  the ledgers are there, not in SQLite: in a database made for the sale and dropped
#   --kafka     events go through it; topics are made, with a prefix of the sale, and stay
#   --with-services  starts Redis, PostgreSQL 15 and Kafka for the sale, by tests/services/run.sh
#   --with-cluster   the same with a Redis Cluster of six, PostgreSQL 18 and Kafka
#
# Exit status: 0 when herd and audit are clean, 1 when one is not, 2 when it could not run.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
caller=$PWD
cd "$root"
. .ci/tools.sh

visitors=20000 seats=5000 seed=1 json="" stay="" redis="" postgres="" kafka=""
hold_ms=20000 # short, so that what is abandoned comes back during the sale; but longer than a payment takes

usage() {
    sed -n '3,/^# Exit/s/^# \{0,1\}//p' "$root/examples/quickstart.sh"
}

wrong() {
    echo "quickstart: $*; --help lists what there is" >&2
    exit 2
}

# number OPTION VALUE LOW HIGH
number() {
    [[ $2 =~ ^[0-9]{1,9}$ ]] && [ "$2" -ge "$3" ] && [ "$2" -le "$4" ] ||
        wrong "$1 is a number from $3 to $4, not '$2'"
}

# with_services OPTION SERVERS COMMAND ARG...: this script again with the rest of ARG, beside servers
# that end with it; COMMAND runs it with its arguments and their URLs
with_services() {
    local option=$1 servers=$2 command=$3 kept=()
    shift 3
    for word in "$@"; do [ "$word" = "$option" ] || kept+=("$word"); done
    cd "$caller"
    # shellcheck disable=SC2086
    exec "$root/tests/services/run.sh" $servers -- bash -c "$command" - "$root/examples/quickstart.sh" "${kept[@]}"
}
# shellcheck disable=SC2016
case " $* " in
*" --with-services "*) with_services --with-services "redis postgres15 kafka" '"$@" --redis "$TICKETQ_TEST_REDIS" \
    --postgres "$TICKETQ_TEST_POSTGRES" --kafka "$TICKETQ_TEST_KAFKA"' "$@" ;;
*" --with-cluster "*) with_services --with-cluster "cluster postgres18 kafka" '"$@" --kafka "$TICKETQ_TEST_KAFKA" \
    --redis "$TICKETQ_TEST_REDIS_CLUSTER?cluster=1" --postgres "$TICKETQ_TEST_POSTGRES18"' "$@" ;;
esac

while [ $# -gt 0 ]; do
    case $1 in
    --visitors | --seats | --seed | --json | --redis | --postgres | --kafka) [ $# -ge 2 ] || wrong "$1 needs a value"; printf -v "${1#--}" %s "$2"; shift 2 ;;
    --stay) stay=1; shift ;;
    --help | -h) usage; exit 0 ;;
    *) wrong "no such option: $1" ;;
    esac
done
number --visitors "$visitors" 1 1000000
number --seats "$seats" 1 15000
number --seed "$seed" 0 999999999
visitors=$((10#$visitors)) seats=$((10#$seats)) seed=$((10#$seed))
case $json in "" | /*) ;; *) json=$caller/$json ;; esac

# shellcheck disable=SC2086
need_packages $build_packages check curl || exit 2 # check: the folder serves tests and figures too
[ -z "$postgres" ] || need_packages postgresql-client || exit 2
need_meson || exit 2
build_targets="servers/ticketqd/ticketqd servers/sandbox/ticketq-sandbox examples/herd/ticketq-herd"
build_in build-release --buildtype=release || exit 2
bin=$root/build-release

work=$(mktemp -d "${TMPDIR:-/tmp}/ticketq.XXXXXX")
pids="" database=""
finish() {
    # Last started, first stopped; only what was started here.
    for pid in $pids; do kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true; done
    [ -z "$database" ] || psql -Xqc "DROP DATABASE $database WITH (FORCE)" "$postgres" || true
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

fail() {
    echo "quickstart: $*" >&2
    tail -n 20 "$work"/*.log >&2 2>/dev/null || true
    exit 2
}

secret() {
    head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n'
}

# The member of a JSON object: member FILE NAME[.NAME...]
member() {
    python3 -c 'import functools, json, sys
print(functools.reduce(lambda node, name: node[int(name) if name.isdigit() else name],
                       sys.argv[2].split("."), json.load(open(sys.argv[1]))))' "$1" "$2"
}

free_port() {
    python3 -c 'import socket, sys
for port in range(int(sys.argv[1]), 32000):
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        print(port)
        break' "$1"
}

# start NAME PROGRAM ARG...: waits until it is ready
start() {
    local name=$1 tries=0
    shift
    "$@" --ready-file "$work/$name.ready" >"$work/$name.log" 2>&1 &
    pids="$! $pids"
    until [ -s "$work/$name.ready" ]; do
        kill -0 "${pids%% *}" 2>/dev/null || fail "$name did not start"
        tries=$((tries + 1))
        [ "$tries" -lt 200 ] || fail "$name is not ready after 20 s"
        sleep 0.1
    done
}

# post PATH JSON_OR_@FILE ANSWER_FILE, as administrator
post() {
    local status
    status=$(curl -sS -o "$3" -w '%{http_code}' -X POST "$url$1" -H 'Content-Type: application/json' \
        -H "Authorization: Bearer $admin" -H "Idempotency-Key: quickstart-$(secret)" --data-binary "$2") ||
        fail "POST $1 failed"
    [ "$status" = 201 ] || fail "POST $1: $status $(head -c 300 "$3")"
}

# The engines, and where the audit finds the ledgers.
sale=quickstart_$(head -c 6 /dev/urandom | od -An -tx1 | tr -d ' \n')
engines=() ledger=(--data "$work/data")
# with_prefix URL
with_prefix() {
    case $1 in *\?*) echo "$1&prefix=$sale." ;; *) echo "$1?prefix=$sale." ;; esac
}
if [ -n "$redis" ]; then
    line=$(with_prefix "$redis")
    engines+=(--room "${line%.}-" --hold "${line%.}-")
fi
[ -z "$kafka" ] || engines+=(--transport "$(with_prefix "$kafka")")
if [ -n "$postgres" ]; then
    hold_ms=60000
    psql -Xqc "CREATE DATABASE $sale" "$postgres" || fail "no database can be made at --postgres"
    database=$sale address=${postgres%%\?*}
    ledger=(--ledger "${address%/*}/$database${postgres#"$address"}")
    engines+=("${ledger[@]}")
fi

umask 077
secret >"$work/portone"
printf 'whsec_%s' "$(head -c 32 /dev/urandom | base64)" >"$work/webhook"
printf '{"keys":[%s]}\n' "$(for use in place pass access internal; do
    printf '%s{"kid":"%s-1","use":"%s","k":"%s"}' "${comma-}" $use $use "$(secret)"
    comma=,
done)" >"$work/keys.json"

port=$(free_port 8080)
url=http://127.0.0.1:$port
start sandbox "$bin/servers/sandbox/ticketq-sandbox" --listen 127.0.0.1:0 --data "$work/sandbox.db" \
    --secret "$work/portone" --webhook-url "$url/v1/webhooks/portone" --webhook-secret "$work/webhook"
sandbox=http://$(member "$work/sandbox.ready" listen)
mkdir "$work/data"
start ticketqd "$bin/servers/ticketqd/ticketqd" serve --data "$work/data" --listen "127.0.0.1:$port" \
    --internal 127.0.0.1:0 --ops 127.0.0.1:0 --keys "$work/keys.json" --portone "$sandbox" \
    --portone-secret "$work/portone" --webhook-secret "$work/webhook" --hold-ttl-ms "$hold_ms" "${engines[@]}"
admin=$("$bin/examples/herd/ticketq-herd" sign --keys "$work/keys.json" --subject quickstart --role admin)

# All who come are let in within about 75 seconds. A broker makes topics and groups first.
rate=$((visitors / 75 + 20))
opens=$(date -u -d "+$([ -n "$kafka" ] && echo 30 || echo 12) seconds" +%Y-%m-%dT%H:%M:%S.000Z)
post /v1/admin/venues @examples/venues/arena.json "$work/venue"
post /v1/admin/events "$(printf '{"title":"Opening night","venueId":"%s","currency":"KRW",
    "prices":{"VIP":198000,"R":165000,"S":143000,"A":121000,"B":99000},"seatsLimit":%d,
    "schedules":[{"startsAt":"%s","salesOpenAt":"%s","salesCloseAt":"%s","personLimit":4,
        "room":{"rate":%d,"burst":%d,"maxActive":%d,"pollMinMs":1000,"pollMaxMs":5000,"passMs":300000}}]}' \
    "$(member "$work/venue" venueId)" "$seats" "$(date -u -d '+30 days' +%Y-%m-%dT%H:%M:%S.000Z)" "$opens" \
    "$(date -u -d '+1 day' +%Y-%m-%dT%H:%M:%S.000Z)" "$rate" "$rate" $((rate * 20)))" "$work/event"
schedule=$(member "$work/event" schedules.0.scheduleId)
# Every service has heard of it.
for path in "queue/state?scheduleId=$schedule" "schedules/$schedule/seat-map"; do
    tries=0
    until curl -sf -o "$work/answer" "$url/v1/$path"; do
        tries=$((tries + 1))
        [ "$tries" -lt 300 ] || fail "the sale is not ready after a minute"
        sleep 0.2
    done
done
echo "selling $seats of 15,000 seats to $visitors visitors at $url from $opens" >&2

clean=0
"$bin/examples/herd/ticketq-herd" --url "$url" --sandbox "$sandbox" --schedule "$schedule" \
    --keys "$work/keys.json" --scenario examples/herd/onsale.json --visitors "$visitors" --seed "$seed" \
    --json "$work/herd.json" &
pids="$! $pids" # in the background, so that a signal to this script alone ends it at once
wait "$!" || clean=$?
pids=${pids#* }
[ "$clean" -le 1 ] || fail "the herd could not run"
echo
"$bin/servers/ticketqd/ticketqd" audit "${ledger[@]}" --portone "$sandbox" || clean=1
if [ -n "$json" ]; then
    "$bin/servers/ticketqd/ticketqd" audit --json "${ledger[@]}" --portone "$sandbox" >"$work/audit.json" || true
    printf '{"herd":%s,"audit":%s}\n' "$(cat "$work/herd.json")" "$(cat "$work/audit.json")" >"$json"
fi
if [ -n "$stay" ]; then
    ops=http://$(member "$work/ticketqd.ready" ops)
    cat >&2 <<END

ticketq stays, until Ctrl-C. Have a look, with servers/openapi.yaml beside it:
    curl $url/v1/events
    curl $url/v1/schedules/$schedule/seat-map
    curl $ops/metrics
The keys that sign its tokens: $work/keys.json
END
    while kill -0 "${pids%% *}" 2>/dev/null; do sleep 1; done
fi
exit "$clean"
