/* SPDX-License-Identifier: MIT */
/*
 * A Redis server of this process's own, whose clock stands still until it is moved.
 * It ends with the process.
 */
#ifndef TESTS_LIB_REDIS_SERVER_H
#define TESTS_LIB_REDIS_SERVER_H

#include <stdint.h>

/* The port; 0: there is no redis-server to start. `preload` is the path of still_clock. */
unsigned redis_server_start(const char *preload);
void redis_server_set_clock(int64_t now_ms);

#endif
