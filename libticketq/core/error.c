/* SPDX-License-Identifier: MIT */
/*
 * Fills the caller's error record.
 *
 * The flags follow from the status, so that nobody has to remember them: what
 * was certainly not applied may be retried, what was perhaps applied says so.
 * Messages are cut to the record's size and cleaned of control characters.
 * Threads: [pure].
 */
#include "core/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static uint32_t flags_of(int status)
{
    switch (status) {
    case TQ_E_BUSY:
    case TQ_E_UNAVAILABLE:
    case TQ_E_NOMEM:
        return TQ_ERROR_RETRY;
    case TQ_E_UNKNOWN:
        return TQ_ERROR_MAYBE_APPLIED;
    default:
        return 0;
    }
}

static void clean(char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20) {
            *text = ' ';
        }
    }
}

static int fill(struct tq_error *err, int status, int64_t native, const char *origin,
                const char *format, va_list args)
{
    if (!err || err->size < sizeof *err) {
        return status;
    }
    err->status = status;
    err->flags = flags_of(status);
    err->native = native;
    snprintf(err->origin, sizeof err->origin, "%s", origin);
    vsnprintf(err->message, sizeof err->message, format, args);
    clean(err->message);
    return status;
}

int tq__fail(struct tq_error *err, int status, const char *origin, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fill(err, status, 0, origin, format, args);
    va_end(args);
    return status;
}

int tq__fail_native(struct tq_error *err, int status, int64_t native, const char *origin,
                    const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fill(err, status, native, origin, format, args);
    va_end(args);
    return status;
}
