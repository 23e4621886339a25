/* SPDX-License-Identifier: MIT */
/**
 * @file ticketq/env.h
 * @brief Clock, randomness, memory, log and waiting, all supplied by the host.
 *
 * The library has none of its own: it reads no clock, starts no thread and
 * looks at no environment variable. <ticketq/system.h> fills this record from
 * the operating system; a test fills it with a clock that it moves by hand and
 * an allocator that fails on purpose.
 *
 * The record is copied when something is opened with it; `ctx` stays the
 * host's and must outlive what was opened.
 */
#ifndef TICKETQ_ENV_H
#define TICKETQ_ENV_H

#include <ticketq/base.h>

/** Levels of the log. */
enum tq_log_level { TQ_LOG_DEBUG = 0, TQ_LOG_INFO = 1, TQ_LOG_WARN = 2, TQ_LOG_ERROR = 3 };

/** What the library takes from its host. Every function may be called from any thread. */
struct tq_env {
    size_t size; /**< sizeof(struct tq_env). */
    void *ctx;   /**< First argument of every function below. */

    /** Required. Milliseconds since the Unix epoch. */
    int64_t (*now_ms)(void *ctx);
    /** Required. Fill `bytes` with unpredictable bytes; 0, or non-zero on failure. */
    int (*random)(void *ctx, void *bytes, size_t count);
    /** Required. Like malloc: NULL when there is no memory. */
    void *(*alloc)(void *ctx, size_t bytes);
    /** Required. Like realloc. */
    void *(*resize)(void *ctx, void *memory, size_t bytes);
    /** Required. Like free; takes NULL. */
    void (*release)(void *ctx, void *memory);
    /** Optional. One line, no newline, no secrets. `level` is an enum tq_log_level. */
    void (*log)(void *ctx, int level, const char *origin, const char *message);
    /**
     * Optional. Sleep while `*word` equals `expected`, at most `timeout_ms`; may
     * wake early. Without it nothing waits: a call that would wait returns at once.
     */
    void (*park)(void *ctx, const uint32_t *word, uint32_t expected, uint32_t timeout_ms);
    /** Optional, together with park. Wake every thread that is parked on `word`. */
    void (*unpark)(void *ctx, const uint32_t *word);
};

#endif /* TICKETQ_ENV_H */
