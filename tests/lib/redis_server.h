/* SPDX-License-Identifier: MIT */
/*
 * A Redis server of this process's own, to be killed, paused and started again; its clock
 * may stand still until it is moved. It ends with the process, and keeps nothing on disk but
 * what it is told to SAVE, for as long.
 */
#ifndef TESTS_LIB_REDIS_SERVER_H
#define TESTS_LIB_REDIS_SERVER_H

#include <stdint.h>

/* The port; 0: there is no redis-server. `still_clock`: the path of that module, or NULL. */
unsigned redis_server_start(const char *still_clock);
/* At the end of the process it stops by itself. */
void redis_server_stop(void);
void redis_server_kill(void);
/* After a kill, at the same port; returns when it listens. */
void redis_server_again(void);
void redis_server_pause(void);
void redis_server_resume(void);
/* Nothing can be added to any of its files, until there is room again. */
void redis_server_fill_disk(int is_full);
void redis_server_set_clock(int64_t now_ms);

#endif
