/* SPDX-License-Identifier: MIT */
/*
 * What callers hand in. The rule of the library: a handle or a required pointer
 * that is NULL is TQ_E_INVALID, never a crash (base.h).
 *
 * Sized structs across releases: every sized struct begins with its size as
 * the caller was compiled. Older callers get defaults (zero) for what they do
 * not know; newer ones are accepted as long as they do not use what we do not
 * know. Elements of an array lie as far apart as the first says it is long, so
 * the others must say the same. Threads: [pure].
 */
#include "core/args.h"

#include <string.h>

#include "core/error.h"

#define STRUCT_BYTES_MAX 8192

int tq__args_missing(const char *names, size_t place, const char *origin, struct tq_error *err)
{
    for (; place > 0; place--) {
        names += strcspn(names, ",") + 2; /* the preprocessor writes a comma and a space */
    }
    const char *end = names + strcspn(names, ",");
    const char *arrow = memrchr(names, '>', (size_t)(end - names));
    const char *name = arrow ? arrow + 1 : names;
    return tq__fail(err, TQ_E_INVALID, origin, "%.*s is NULL", (int)(end - name), name);
}

int tq__args_count(size_t count, size_t max, const char *what, const char *origin,
                   struct tq_error *err)
{
    return count >= 1 && count <= max ? TQ_OK
                                      : tq__fail(err, TQ_E_LIMIT, origin,
                                                 "%s is %zu, expected 1 to %zu", what, count, max);
}

static size_t size_of(const void *sized)
{
    size_t size;
    memcpy(&size, sized, sizeof size);
    return size;
}

int tq__args_read(void *target, size_t target_size, size_t first_size, const void *source,
                  const char *what, const char *origin, struct tq_error *err)
{
    TQ_TRY(tq__args_check(source, 1, first_size, what, origin, err));
    size_t size = size_of(source);
    for (size_t i = target_size; i < size; i++) {
        if (((const unsigned char *)source)[i]) {
            return tq__fail(err, TQ_E_ABI, origin, "byte %zu of %s is of a newer release", i, what);
        }
    }
    memset(target, 0, target_size);
    memcpy(target, source, size < target_size ? size : target_size);
    memcpy(target, &target_size, sizeof target_size);
    return TQ_OK;
}

int tq__args_check(const void *array, size_t count, size_t first_size, const char *what,
                   const char *origin, struct tq_error *err)
{
    if (!array) {
        return tq__fail(err, TQ_E_INVALID, origin, "%s is NULL", what);
    }
    size_t size = size_of(array);
    if (size < first_size || size > STRUCT_BYTES_MAX || (count > 1 && size % _Alignof(int64_t))) {
        return tq__fail(err, TQ_E_ABI, origin, "%s has size %zu, expected %zu", what, size,
                        first_size);
    }
    for (size_t i = 1; i < count; i++) {
        if (size_of((const char *)array + i * size) != size) {
            return tq__fail(err, TQ_E_ABI, origin, "%s[%zu] has another size than the first", what,
                            i);
        }
    }
    return TQ_OK;
}

void tq__args_write(void *target, const void *source, size_t source_size)
{
    size_t size = size_of(target);
    memset(target, 0, size);
    memcpy(target, source, size < source_size ? size : source_size);
    memcpy(target, &size, sizeof size);
}
