#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Each public header compiles alone, as pedantic C11 and as C++11.
# usage: headers.sh INCLUDE_DIR CC...
set -eu
include=$1
shift
cd "$include"
for header in $(find ticketq -name '*.h' | sort); do
    echo "#include <$header>" | "$@" -x c -std=c11 -pedantic -Wall -Wextra -Werror -D_GNU_SOURCE \
        -I. -fsyntax-only -
    case $header in ticketq/system.h) continue ;; esac
    if command -v g++ >/dev/null; then
        echo "#include <$header>" | g++ -x c++ -std=c++11 -pedantic -Wall -Wextra -Werror -I. \
            -fsyntax-only -
    fi
done
