/* SPDX-License-Identifier: MIT */
/*
 * How failures are reported inside the library.
 *
 * The place that sees a failure first fills the caller's record with
 * tq__fail(); everyone above passes the result on with TQ_TRY(). TQ_TRY is the
 * only macro that returns, and only on a negative result. Locals that own
 * something are NULL at declaration and marked TQ_AUTO(type); ownership leaves
 * with tq__take().
 */
#ifndef TQ_CORE_ERROR_H
#define TQ_CORE_ERROR_H

#include <stddef.h>

#include <ticketq/status.h>

/* Fill the record (which may be NULL) and return the status. */
int tq__fail(struct tq_error *err, int status, const char *origin, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The same with the code of whoever is below us. */
int tq__fail_native(struct tq_error *err, int status, int64_t native, const char *origin,
                    const char *format, ...) __attribute__((format(printf, 5, 6)));

#define TQ_TRY(expression)                                                                         \
    do {                                                                                           \
        int tq__rc = (expression);                                                                 \
        if (tq__rc < 0) {                                                                          \
            return tq__rc;                                                                         \
        }                                                                                          \
    } while (0)

/* A local that owns: `TQ_AUTO(tq_store) *store = NULL;` needs tq__auto_tq_store(). */
#define TQ_AUTO(type) __attribute__((cleanup(tq__auto_##type))) type

/* Declares the cleanup of a pointer type from its destructor. */
#define TQ_AUTO_DEFINE(type, destroy)                                                              \
    static inline void tq__auto_##type(type **owned)                                               \
    {                                                                                              \
        if (*owned) {                                                                              \
            destroy(*owned);                                                                       \
        }                                                                                          \
    }

/* Hand over what a TQ_AUTO local owns. */
#define tq__take(pointer)                                                                          \
    ({                                                                                             \
        __typeof__(*(pointer)) tq__taken = *(pointer);                                             \
        *(pointer) = NULL;                                                                         \
        tq__taken;                                                                                 \
    })

#endif
