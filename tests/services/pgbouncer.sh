# SPDX-License-Identifier: MIT
# pgbouncer of Debian before PostgreSQL 15: a server connection per transaction. It refuses root.
# shellcheck shell=bash disable=SC2154

pgbouncer_install() {
    need_packages pgbouncer
    postgres15_install
}

# Whoever is not in the file of users is looked up in the database, so roles that a test creates may
# connect. A server that came back is tried after one second, not fifteen.
pgbouncer_start() {
    local folder=$run/pgbouncer
    if [ ! -d "$folder" ]; then
        mkdir "$folder" && echo '"ticketq" "ticketq"' >"$folder/users" || return 1
        cat >"$folder/pgbouncer.ini" <<EOF
[databases]
* = host=127.0.0.1 port=$(port postgres15)
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $(port pgbouncer)
unix_socket_dir =
auth_type = scram-sha-256
auth_file = users
auth_user = ticketq
admin_users = ticketq
pool_mode = transaction
max_client_conn = 1000
server_login_retry = 1
EOF
        postgres_give "$folder"
    fi
    launch pgbouncer "${lower[@]}" /usr/sbin/pgbouncer pgbouncer.ini
    await pgbouncer 60 "$postgres_debian/psql" -d "$(postgres_url pgbouncer)" -c 'select 1'
}

pgbouncer_stop() {
    halt pgbouncer TERM
}

pgbouncer_variables() {
    echo "TICKETQ_TEST_PGBOUNCER=$(postgres_url pgbouncer)"
}
