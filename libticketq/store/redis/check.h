/* SPDX-License-Identifier: MIT */
/*
 * Whether a server is one that the driver can trust.
 */
#ifndef TQ_STORE_REDIS_CHECK_H
#define TQ_STORE_REDIS_CHECK_H

#include <ticketq/env.h>
#include <ticketq/status.h>

#include "store/redis/address.h"

/* `info` is the reply to INFO. TQ_OK, with warnings in the log; TQ_E_UNSUPPORTED, TQ_E_INVALID. */
int tq__redis_check(const char *info, const struct redis_target *target, const struct tq_env *env,
                    struct tq_error *err);

#endif
