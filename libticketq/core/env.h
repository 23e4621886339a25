/* SPDX-License-Identifier: MIT */
/*
 * Short forms of what the host supplies (ticketq/env.h).
 */
#ifndef TQ_CORE_ENV_H
#define TQ_CORE_ENV_H

#include <ticketq/env.h>
#include <ticketq/status.h>

/* Copy and check a host's environment. */
int tq__env_read(struct tq_env *target, const struct tq_env *env, struct tq_error *err);

int64_t tq__now_ms(const struct tq_env *env);
/* TQ_OK or TQ_E_UNAVAILABLE. */
int tq__random(const struct tq_env *env, void *bytes, size_t count, struct tq_error *err);
/* Zeroed memory for `count` elements, checked for overflow; NULL when there is none. */
void *tq__alloc(const struct tq_env *env, size_t count, size_t size);
void *tq__resize(const struct tq_env *env, void *memory, size_t count, size_t size);
void tq__release(const struct tq_env *env, void *memory);
/* A copy of a string; NULL when there is no memory. */
char *tq__strdup(const struct tq_env *env, const char *text);
void tq__log(const struct tq_env *env, int level, const char *origin, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* True when the host can wait. */
int tq__can_park(const struct tq_env *env);

/* The one message for out of memory. */
int tq__nomem(const char *origin, struct tq_error *err);

#endif
