# SPDX-License-Identifier: MIT
# Sourced by the two commands: installs what a fresh Debian machine lacks.
#
# need_packages NAME...       what Debian has and this machine lacks (root or sudo); starts no server
# need_meson                  sets MESON to one that reads meson.options (1.1 or newer)
# configure_in FOLDER OPT...  once
# build_in FOLDER OPT...      as well, then builds $build_targets, all when that is empty

# shellcheck shell=bash disable=SC2034
tools_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tools_cache=${XDG_CACHE_HOME:-$HOME/.cache}/ticketq
build_packages="build-essential ninja-build pkg-config python3 python3-venv libcjson-dev libssl-dev
  libsqlite3-dev libmicrohttpd-dev libcurl4-openssl-dev libhiredis-dev libpq-dev librdkafka-dev"

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

# Debian starts a server as soon as its package is there, unless this policy says no.
# shellcheck disable=SC2016
install_idle='
    policy=/usr/sbin/policy-rc.d
    if [ ! -e $policy ]; then
        trap "rm -f $policy" EXIT
        trap "exit 1" INT TERM
        printf "#!/bin/sh\nexit 101\n" >$policy && chmod 755 $policy
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@"'

need_packages() {
    local name missing=""
    for name in "$@"; do
        dpkg-query -W -f='${Status}' "$name" 2>/dev/null | grep -q 'ok installed' ||
            missing="$missing $name"
    done
    [ -z "$missing" ] && return 0
    echo "installing:$missing" >&2
    # shellcheck disable=SC2086
    as_root sh -c "$install_idle" sh $missing >&2
}

meson_is_new() {
    "$1" --version 2>/dev/null | awk -F. '{exit !($1 > 1 || ($1 == 1 && $2 >= 1))}'
}

# Debian 12 has Meson 1.0, which does not read meson.options; then a newer one comes from PyPI.
need_meson() {
    if command -v meson >/dev/null && meson_is_new "$(command -v meson)"; then
        MESON=$(command -v meson)
        return 0
    fi
    MESON=$tools_cache/meson/bin/meson
    [ -x "$MESON" ] && meson_is_new "$MESON" && return 0
    echo "installing: meson (from PyPI, into $tools_cache)" >&2
    mkdir -p "$tools_cache" && /usr/bin/python3 -m venv "$tools_cache/meson" >&2 &&
        "$tools_cache/meson/bin/pip" --quiet install 'meson>=1.3,<2' >&2
}

configure_in() {
    local folder=$1
    shift
    [ -f "$folder/build.ninja" ] || "$MESON" setup "$folder" "$tools_root" "$@" >&2
}

build_in() {
    # shellcheck disable=SC2086
    configure_in "$@" && ninja -C "$1" ${build_targets-} >&2
}
