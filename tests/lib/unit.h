/* SPDX-License-Identifier: MIT */
/*
 * The frame of every test program: a suite of Check tests and a main().
 *
 *     START_TEST(claim__in_words) { ... } END_TEST
 *     UNIT_MAIN("core.url", claim__in_words, another)
 */
#ifndef TESTS_LIB_UNIT_H
#define TESTS_LIB_UNIT_H

#include <check.h>
#include <stdlib.h>

/* Runs what a program has; returns its exit status. */
static inline int unit_run(const char *name, TCase *tcase)
{
    Suite *suite = suite_create(name);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

static inline int unit_main(const char *name, const TTest *const *tests, size_t tests_count)
{
    TCase *tcase = tcase_create(name);
    tcase_set_timeout(tcase, 300);
    for (size_t i = 0; i < tests_count; i++) {
        tcase_add_test(tcase, tests[i]);
    }
    return unit_run(name, tcase);
}

#define UNIT_MAIN(name, ...)                                                                       \
    int main(void)                                                                                 \
    {                                                                                              \
        const TTest *const tests[] = {__VA_ARGS__};                                                \
        return unit_main(name, tests, sizeof tests / sizeof *tests);                               \
    }

/* Asserts the exact status of a call that has `err` in scope, and shows its message. */
#define assert_status(expression, expected)                                                        \
    do {                                                                                           \
        int assert_rc = (expression);                                                              \
        ck_assert_msg(assert_rc == (expected), "%s: %s, expected %s (%s: %s)", #expression,        \
                      tq_status_name(assert_rc), tq_status_name(expected), err.origin,             \
                      err.message);                                                                \
    } while (0)

#endif
