/* SPDX-License-Identifier: MIT */
/*
 * What callers hand in: pointers that are required, counts, and sized structs of
 * callers that were compiled with another release. Every message names the argument.
 */
#ifndef TQ_CORE_ARGS_H
#define TQ_CORE_ARGS_H

#include <stdbool.h>

#include <ticketq/status.h>

/* The failure of TQ__REQUIRE(): the `place`-th of `names`, which commas separate, is NULL. */
int tq__args_missing(const char *names, size_t place, const char *origin, struct tq_error *err);

static inline int tq__args_require(const bool *given, size_t count, const char *names,
                                   const char *origin, struct tq_error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (!given[i]) {
            return tq__args_missing(names, i, origin, err);
        }
    }
    return TQ_OK;
}

/* TQ_OK, or TQ_E_INVALID naming the first that is NULL: TQ__REQUIRE("room", err, room, visit). */
#define TQ__REQUIRE(origin, err, ...)                                                              \
    tq__args_require((const bool[]){__VA_ARGS__}, sizeof((const bool[]){__VA_ARGS__}),             \
                     #__VA_ARGS__, (origin), (err))

/* TQ_OK when `count` is 1 to `max`, or TQ_E_LIMIT naming `what`. */
int tq__args_count(size_t count, size_t max, const char *what, const char *origin,
                   struct tq_error *err);

/*
 * Copy `source` into `target`, a struct of `target_size` of this release whose
 * first release had `first_size`. A shorter source leaves zeros; a longer one
 * must have a tail of zeros. TQ_E_INVALID for NULL, TQ_E_ABI otherwise.
 */
int tq__args_read(void *target, size_t target_size, size_t first_size, const void *source,
                  const char *what, const char *origin, struct tq_error *err);

/*
 * Check an array of sized structs, read or written: each must have at least
 * `first_size`, and all the same, by which they lie apart. TQ_E_INVALID for NULL.
 */
int tq__args_check(const void *array, size_t count, size_t first_size, const char *what,
                   const char *origin, struct tq_error *err);

/*
 * Copy `source`, a struct of `source_size` of this release, into the caller's
 * out struct, which was checked: as much as its `size` has room for; a longer one
 * is filled up with zeros.
 */
void tq__args_write(void *target, const void *source, size_t source_size);

/* The element of a checked array. */
static inline const void *tq__args_at(const void *array, size_t place)
{
    return (const char *)array + place * *(const size_t *)array;
}

#define TQ__READ(target, source, origin, err)                                                      \
    tq__args_read((target), sizeof *(target), sizeof *(target), (source), #source, (origin), (err))
#define TQ__CHECK(array, count, origin, err)                                                       \
    tq__args_check((array), (count), sizeof *(array), #array, (origin), (err))
#define TQ__WRITE(target, source) tq__args_write((target), (source), sizeof *(source))

#endif
