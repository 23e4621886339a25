/* SPDX-License-Identifier: MIT */
/**
 * @file ticketq/base.h
 * @brief Version, limits, and the conventions that every header shares.
 *
 * Results: `int`; TQ_OK is 0, a positive value is an outcome of the domain that
 * the direct caller decides on, a negative value is a failure (status.h).
 *
 * Structs: a visible struct starts with `size`. Fill requests and options with
 * TQ_ARGS(), outs with TQ_INIT(); zero means the default. One that is longer than
 * this release's is accepted while what is not known is zero, all elements of an
 * array alike (those of hold.h have exactly the size of the release); otherwise
 * TQ_E_ABI. Four small ones have no size and will not grow: tq_value, tq_header,
 * tq_saga_state, tq_saga_cell. Outs are written on success only.
 *
 * Arguments: a handle, a function or another required pointer that is NULL is
 * TQ_E_INVALID, a count or a limit out of range TQ_E_LIMIT; the record names it and
 * nothing was done. A function that gives no status takes NULL: closing does
 * nothing, asking gives 0 or NULL. `err` may always be NULL.
 *
 * Ownership words: Borrowed (until the call returns), Copied, Taken (by the
 * library on success), Written (by the library).
 *
 * Thread words: [any] any thread, also at the same time on one object; [serial]
 * any thread, one call at a time per object; [own] the creating thread only;
 * [pure] no shared state.
 */
#ifndef TICKETQ_BASE_H
#define TICKETQ_BASE_H

#include <stddef.h>
#include <stdint.h>

#define TQ_VERSION_MAJOR 0
#define TQ_VERSION_MINOR 1
#define TQ_VERSION_PATCH 0
#define TQ_VERSION_STRING "0.1.0"

#ifdef __cplusplus
#define TQ_BEGIN_DECLS extern "C" {
#define TQ_END_DECLS }
#else
#define TQ_BEGIN_DECLS
#define TQ_END_DECLS
#endif

#if defined(__GNUC__)
#define TQ_API __attribute__((visibility("default")))
#define TQ_MUST_CHECK __attribute__((warn_unused_result))
#else
#define TQ_API
#define TQ_MUST_CHECK
#endif

/** A const pointer to a struct with `size` filled in: `TQ_ARGS(tq_x, .field = 1)`. */
#define TQ_ARGS(type, ...) (&(const struct type){.size = sizeof(struct type), __VA_ARGS__})

/** An initialiser for a visible struct: `struct tq_x x = TQ_INIT(tq_x);`. */
#define TQ_INIT(type)                                                                              \
    {                                                                                              \
        .size = sizeof(struct type)                                                                \
    }

/** Longest identifier in bytes: `[A-Za-z0-9_-]{1,64}`. Ids are opaque strings. */
#define TQ_ID_MAX 64
/** Room for an identifier and its terminating NUL. */
#define TQ_ID_SIZE (TQ_ID_MAX + 1)
/** Most elements in one call that takes an array. */
#define TQ_BATCH_MAX 4096
/** Most seats in one hold. */
#define TQ_HOLD_SEATS_MAX 32
/** Longest token in bytes, without the NUL. */
#define TQ_TOKEN_MAX 1023
/** Room for a token and its terminating NUL. */
#define TQ_TOKEN_SIZE (TQ_TOKEN_MAX + 1)
/** Longest event payload in bytes. */
#define TQ_EVENT_PAYLOAD_MAX 65536
/** Longest URL of a store or a transport in bytes. */
#define TQ_URL_MAX 1024

TQ_BEGIN_DECLS

/**
 * Give the version of the library at run time.
 *
 * Threads: [pure].
 * @return A static string such as "0.1.0".
 * @since 0.1
 */
TQ_API const char *tq_version(void);

TQ_END_DECLS
#endif /* TICKETQ_BASE_H */
