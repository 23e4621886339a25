/* SPDX-License-Identifier: MIT */
/*
 * Reading sized structs of callers that were compiled with another release.
 */
#ifndef TQ_CORE_ARGS_H
#define TQ_CORE_ARGS_H

#include <ticketq/status.h>

/*
 * Copy `source` into `target`, a struct of `target_size` of this release whose
 * first release had `first_size`. A shorter source leaves zeros; a longer one
 * must have a tail of zeros. TQ_E_INVALID for NULL, TQ_E_ABI otherwise.
 */
int tq__args_read(void *target, size_t target_size, size_t first_size, const void *source,
                  const char *origin, struct tq_error *err);

/*
 * Copy `source`, a struct of `source_size` of this release, into the caller's
 * out struct: as much as its `size` has room for; a longer one is filled up with
 * zeros. TQ_E_INVALID for NULL, TQ_E_ABI when it is shorter than `first_size`.
 */
int tq__args_write(void *target, size_t first_size, const void *source, size_t source_size,
                   const char *origin, struct tq_error *err);

#define TQ__READ(target, source, origin, err)                                                      \
    tq__args_read((target), sizeof *(target), sizeof *(target), (source), (origin), (err))
#define TQ__WRITE(target, source, origin, err)                                                     \
    tq__args_write((target), sizeof *(target), (source), sizeof *(source), (origin), (err))

#endif
