# SPDX-License-Identifier: MIT
# Redis 7 of Debian. Everything written survives a kill: the append-only file is in the page cache.
# shellcheck shell=bash disable=SC2154

redis_install() {
    need_packages redis-server redis-tools
}

# redis_launch PROCESS OPTION...
redis_launch() {
    local process=$1
    shift
    launch "$process" redis-server --bind 127.0.0.1 --port "$(port "$process")" --save "" \
        --appendonly yes --repl-diskless-sync-delay 0 --enable-debug-command local "$@"
    await "$process" 60 redis_answers "$process"
}

redis_answers() {
    [ "$(redis-cli -p "$(port "$1")" ping)" = PONG ] # while it loads, another word
}

redis_start() {
    redis_launch redis
}

redis_stop() {
    halt redis TERM
}

redis_variables() {
    echo "TICKETQ_TEST_REDIS=redis://127.0.0.1:$(port redis)"
}
