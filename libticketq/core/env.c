/* SPDX-License-Identifier: MIT */
/*
 * The only place that calls the host's functions for memory, time and chance.
 * Threads: [any], as the host's functions are.
 */
#include "core/env.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/args.h"
#include "core/error.h"

int tq__env_read(struct tq_env *target, const struct tq_env *env, struct tq_error *err)
{
    TQ_TRY(TQ__READ(target, env, "env", err));
    if (!target->now_ms || !target->random || !target->alloc || !target->resize ||
        !target->release) {
        return tq__fail(err, TQ_E_INVALID, "env", "a required function is NULL");
    }
    if (!target->park != !target->unpark) {
        return tq__fail(err, TQ_E_INVALID, "env", "park and unpark go together");
    }
    return TQ_OK;
}

int64_t tq__now_ms(const struct tq_env *env)
{
    return env->now_ms(env->ctx);
}

int tq__random(const struct tq_env *env, void *bytes, size_t count, struct tq_error *err)
{
    if (env->random(env->ctx, bytes, count)) {
        return tq__fail(err, TQ_E_UNAVAILABLE, "env", "there is no randomness");
    }
    return TQ_OK;
}

void *tq__alloc(const struct tq_env *env, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        return NULL;
    }
    void *memory = env->alloc(env->ctx, bytes ? bytes : 1);
    if (memory) {
        memset(memory, 0, bytes);
    }
    return memory;
}

void *tq__resize(const struct tq_env *env, void *memory, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        return NULL;
    }
    return env->resize(env->ctx, memory, bytes ? bytes : 1);
}

void tq__release(const struct tq_env *env, void *memory)
{
    env->release(env->ctx, memory);
}

char *tq__strdup(const struct tq_env *env, const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = tq__alloc(env, bytes, 1);
    if (copy) {
        memcpy(copy, text, bytes);
    }
    return copy;
}

void tq__log(const struct tq_env *env, int level, const char *origin, const char *format, ...)
{
    char message[256];
    va_list args;
    if (!env->log) {
        return;
    }
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    env->log(env->ctx, level, origin, message);
}

int tq__can_park(const struct tq_env *env)
{
    return env->park != NULL;
}

int tq__nomem(const char *origin, struct tq_error *err)
{
    return tq__fail(err, TQ_E_NOMEM, origin, "out of memory");
}
