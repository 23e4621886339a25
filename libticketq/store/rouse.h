/* SPDX-License-Identifier: MIT */
/*
 * Ends a poll() of another thread: a descriptor that it waits for beside its sockets. A rouse
 * that finds nobody is kept for who polls next; many are as good as one. Threads: [any].
 */
#ifndef TQ_STORE_ROUSE_H
#define TQ_STORE_ROUSE_H

#include <errno.h>
#include <sys/eventfd.h>

#include "core/error.h"

/* `*out_fd` is to be closed; -1 when there is none. */
static inline int tq__rouse_open(int *out_fd, const char *origin, struct tq_error *err)
{
    *out_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return *out_fd >= 0 ? TQ_OK
                        : tq__fail_native(err, TQ_E_UNAVAILABLE, errno, origin, "no eventfd");
}

static inline void tq__rouse(int fd)
{
    eventfd_write(fd, 1); /* fails only when so many did that nobody has looked */
}

/* Forgets that it was roused; somebody else may have done so. */
static inline void tq__rouse_done(int fd)
{
    eventfd_t times;
    eventfd_read(fd, &times);
}

#endif
