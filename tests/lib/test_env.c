/* SPDX-License-Identifier: MIT */
/*
 * An environment for tests. Time stands still unless the test moves it; the
 * random source is splitmix64 from a seed; allocation n fails where asked.
 */
#include "lib/test_env.h"

#include <stdlib.h>
#include <string.h>

#include <ticketq/system.h>

#define BEGIN_MS 1790000000000

static int64_t test_now(void *ctx)
{
    return ((struct test_env *)ctx)->now_ms;
}

static uint64_t next_random(struct test_env *test)
{
    uint64_t z = atomic_fetch_add(&test->seed, 0x9e3779b97f4a7c15u) + 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static int test_fill(void *ctx, void *bytes, size_t count)
{
    unsigned char *at = bytes;
    while (count > 0) {
        uint64_t word = next_random(ctx);
        size_t part = count < sizeof word ? count : sizeof word;
        memcpy(at, &word, part);
        at += part;
        count -= part;
    }
    return 0;
}

static int must_fail(struct test_env *test)
{
    long number = atomic_fetch_add(&test->allocations, 1) + 1;
    long fail_at = test->fail_at;
    return fail_at && (number == fail_at || (test->fail_forever && number > fail_at));
}

static void *test_alloc(void *ctx, size_t bytes)
{
    struct test_env *test = ctx;
    void *memory = must_fail(test) ? NULL : malloc(bytes);
    test->live += memory != NULL;
    return memory;
}

static void *test_resize(void *ctx, void *memory, size_t bytes)
{
    struct test_env *test = ctx;
    void *moved = must_fail(test) ? NULL : realloc(memory, bytes);
    test->live += moved && !memory;
    return moved;
}

static void test_release(void *ctx, void *memory)
{
    struct test_env *test = ctx;
    test->live -= memory != NULL;
    free(memory);
}

void test_env_init(struct test_env *test, uint64_t seed)
{
    memset(test, 0, sizeof *test);
    test->now_ms = BEGIN_MS;
    test->seed = seed;
}

struct tq_env test_env_of(struct test_env *test)
{
    struct tq_env env = tq_system_env();
    env.ctx = test;
    env.now_ms = test_now;
    env.random = test_fill;
    env.alloc = test_alloc;
    env.resize = test_resize;
    env.release = test_release;
    env.log = NULL;
    return env;
}

uint64_t test_random(struct test_env *test, uint64_t below)
{
    return next_random(test) % below;
}
