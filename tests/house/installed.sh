#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What is installed is enough: a program that knows only pkg-config builds, against the shared
# library and against the archive, and runs.
# usage: installed.sh MESON BUILD PROGRAM.c CC...
set -eu
meson=$1 build=$2 program=$3
shift 3
command -v pkg-config >/dev/null || exit 77
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
DESTDIR=$root "$meson" install -C "$build" --no-rebuild --quiet
pc=$(find "$root" -name ticketq.pc)
export PKG_CONFIG_PATH=${pc%/*}
libs=${PKG_CONFIG_PATH%/pkgconfig}
ask() {
    pkg-config --define-variable=prefix="$root/$(pkg-config --variable=prefix ticketq)" "$@" ticketq
}
"$@" "$program" $(ask --cflags --libs) -o "$root/shared"
LD_LIBRARY_PATH=$libs "$root/shared"
rm "$libs"/libticketq.so*
"$@" "$program" $(ask --cflags) $(ask --static --libs) -o "$root/static"
"$root/static"
