/* SPDX-License-Identifier: MIT */
/*
 * An environment for tests: a clock that is moved by hand, a seeded random
 * source, an allocator that counts and fails on purpose.
 */
#ifndef TESTS_LIB_TEST_ENV_H
#define TESTS_LIB_TEST_ENV_H

#include <stdatomic.h>

#include <ticketq/env.h>

struct test_env {
    atomic_llong now_ms;
    atomic_ullong seed;
    atomic_long allocations; /* calls so far */
    atomic_long live;        /* blocks not given back */
    atomic_long fail_at;     /* this allocation fails (1 is the first); 0: none */
    atomic_int fail_forever; /* and every one after it */
};

/* A world that begins at a fixed time, with threads that can park. */
void test_env_init(struct test_env *test, uint64_t seed);
struct tq_env test_env_of(struct test_env *test);
/* A number in 0..below-1 from the test's own seed. */
uint64_t test_random(struct test_env *test, uint64_t below);

#endif
