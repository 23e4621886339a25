/* SPDX-License-Identifier: MIT */
/*
 * Wakes a loop from any thread. Apart from loop.c, because those that a loop
 * calls wake it: who answers, and who writes to a stream.
 */
#include "http/internal.h"

#include <errno.h>
#include <unistd.h>

void http__loop_wake(struct http_loop *loop)
{
    uint64_t one = 1;
    if (!pthread_equal(pthread_self(), loop->thread)) {
        while (write(loop->wake_fd, &one, sizeof one) < 0 && errno == EINTR) {
        }
    }
}
