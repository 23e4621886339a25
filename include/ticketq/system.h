/* SPDX-License-Identifier: MIT */
/**
 * @file ticketq/system.h
 * @brief An environment made from the operating system (Linux, C only).
 *
 * The functions are inline, so that they become part of the host and not of the
 * library, which stays free of clocks and randomness of its own. They call what
 * ISO C lacks: with -std=c11, define _GNU_SOURCE before the first header.
 *
 *     struct tq_env env = tq_system_env();
 */
#ifndef TICKETQ_SYSTEM_H
#define TICKETQ_SYSTEM_H

#include <limits.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <ticketq/env.h>

#ifndef CLOCK_REALTIME
#error "ticketq/system.h: compile with -std=gnu11, or define _GNU_SOURCE before the first header"
#endif

static inline int64_t tq_system_now_ms(void *ctx)
{
    struct timespec now;
    (void)ctx;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline int tq_system_random(void *ctx, void *bytes, size_t count)
{
    (void)ctx;
    unsigned char *at = (unsigned char *)bytes;
    while (count > 0) {
        ssize_t got = getrandom(at, count, 0);
        if (got <= 0) {
            return -1;
        }
        at += got;
        count -= (size_t)got;
    }
    return 0;
}

static inline void *tq_system_alloc(void *ctx, size_t bytes)
{
    (void)ctx;
    return malloc(bytes);
}

static inline void *tq_system_resize(void *ctx, void *memory, size_t bytes)
{
    (void)ctx;
    return realloc(memory, bytes);
}

static inline void tq_system_release(void *ctx, void *memory)
{
    (void)ctx;
    free(memory);
}

static inline void tq_system_log(void *ctx, int level, const char *origin, const char *message)
{
    (void)ctx;
    if (level >= TQ_LOG_WARN) {
        fprintf(stderr, "ticketq: %s: %s\n", origin, message);
    }
}

static inline void tq_system_park(void *ctx, const uint32_t *word, uint32_t expected,
                                  uint32_t timeout_ms)
{
    struct timespec timeout = {(time_t)(timeout_ms / 1000),
                               (long)(timeout_ms % 1000) * 1000000L};
    (void)ctx;
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, &timeout, NULL, 0);
}

static inline void tq_system_unpark(void *ctx, const uint32_t *word)
{
    (void)ctx;
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

/** The operating system's clock, randomness, heap and futex; warnings go to stderr. */
static inline struct tq_env tq_system_env(void)
{
    struct tq_env env = {
        sizeof env,        NULL,           tq_system_now_ms, tq_system_random, tq_system_alloc,
        tq_system_resize,  tq_system_release, tq_system_log,  tq_system_park,   tq_system_unpark,
    };
    return env;
}

#endif /* TICKETQ_SYSTEM_H */
