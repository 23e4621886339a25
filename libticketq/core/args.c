/* SPDX-License-Identifier: MIT */
/*
 * Sized structs across releases: every visible struct begins with its size as
 * the caller was compiled. Older callers get defaults (zero) for what they do
 * not know; newer ones are accepted as long as they do not use what we do not
 * know. Threads: [pure].
 */
#include "core/args.h"

#include <string.h>

#include "core/error.h"

#define STRUCT_BYTES_MAX 8192

int tq__args_read(void *target, size_t target_size, size_t first_size, const void *source,
                  const char *origin, struct tq_error *err)
{
    size_t size;
    if (!source) {
        return tq__fail(err, TQ_E_INVALID, origin, "a required struct is NULL");
    }
    memcpy(&size, source, sizeof size);
    if (size < first_size || size > STRUCT_BYTES_MAX) {
        return tq__fail(err, TQ_E_ABI, origin, "a struct has size %zu, expected %zu", size,
                        target_size);
    }
    for (size_t i = target_size; i < size; i++) {
        if (((const unsigned char *)source)[i]) {
            return tq__fail(err, TQ_E_ABI, origin, "byte %zu of a struct is of a newer release", i);
        }
    }
    memset(target, 0, target_size);
    memcpy(target, source, size < target_size ? size : target_size);
    memcpy(target, &target_size, sizeof target_size);
    return TQ_OK;
}

int tq__args_write(void *target, size_t first_size, const void *source, size_t source_size,
                   const char *origin, struct tq_error *err)
{
    size_t size;
    if (!target) {
        return tq__fail(err, TQ_E_INVALID, origin, "a struct for the result is NULL");
    }
    memcpy(&size, target, sizeof size);
    if (size < first_size || size > STRUCT_BYTES_MAX) {
        return tq__fail(err, TQ_E_ABI, origin, "a struct has size %zu, expected %zu", size,
                        source_size);
    }
    memset(target, 0, size);
    memcpy(target, source, size < source_size ? size : source_size);
    memcpy(target, &size, sizeof size);
    return TQ_OK;
}
