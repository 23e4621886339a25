/* SPDX-License-Identifier: MIT */
/*
 * app/metrics.c: the text as Prometheus reads it, sums from many threads, memory
 * that runs out.
 */
#include "app/metrics.h"

#include <pthread.h>
#include <string.h>

#include "lib/test_env.h"
#include "lib/unit.h"

static struct test_env test;
static struct tq_env env;
static struct tq_error err = TQ_ERROR_INIT;
static struct app_metrics *metrics;

static void begin(void)
{
    test_env_init(&test, 1);
    env = test_env_of(&test);
    assert_status(app_metrics_new(&env, &metrics, &err), TQ_OK);
}

static void end(void)
{
    app_metrics_free(metrics);
    ck_assert_int_eq(test.live, 0);
}

static void has(const char *line)
{
    struct tq__buf text = TQ__BUF(&env);
    app_metrics_write(metrics, &text);
    ck_assert_msg(text.data && strstr(text.data, line), "%s is not in\n%s", line, text.data);
    tq__buf_done(&text);
}

static double ask(void *arg)
{
    return *(double *)arg;
}

START_TEST(families__are_told)
{
    double depth = 2.5;
    begin();
    app_series_add(app_counter(metrics, "ticketq_holds_total", "Holds.", "outcome=\"ok\""), 3);
    app_series_add(app_counter(metrics, "ticketq_holds_total", "Holds.", "outcome=\"taken\""), 1);
    app_series_add(app_counter(metrics, "ticketq_holds_total", "Holds.", "outcome=\"ok\""), 4);
    app_series_set(app_gauge(metrics, "ticketq_level", "Level.", NULL), -7);
    app_gauge_ask(metrics, "ticketq_depth", "Depth.", NULL, ask, &depth);
    has("# HELP ticketq_holds_total Holds.\n# TYPE ticketq_holds_total counter\n"
        "ticketq_holds_total{outcome=\"ok\"} 7\nticketq_holds_total{outcome=\"taken\"} 1\n");
    has("# TYPE ticketq_level gauge\nticketq_level -7\n");
    has("ticketq_depth 2.5\n");
    end();
}
END_TEST

START_TEST(histograms__are_cumulative)
{
    begin();
    struct app_series *series = app_histogram(metrics, "ticketq_seconds", "Time.", "a=\"b\"");
    app_series_observe_us(series, 5000);
    app_series_observe_us(series, 5001);
    app_series_observe_us(series, 1000000);
    app_series_observe_us(series, 60000000);
    has("ticketq_seconds_bucket{a=\"b\",le=\"0.005\"} 1\n");
    has("ticketq_seconds_bucket{a=\"b\",le=\"0.01\"} 2\n");
    has("ticketq_seconds_bucket{a=\"b\",le=\"0.75\"} 2\n");
    has("ticketq_seconds_bucket{a=\"b\",le=\"1\"} 3\n");
    has("ticketq_seconds_bucket{a=\"b\",le=\"10\"} 3\n");
    has("ticketq_seconds_bucket{a=\"b\",le=\"+Inf\"} 4\n");
    has("ticketq_seconds_count{a=\"b\"} 4\n");
    end();
}
END_TEST

static void *count_many(void *arg)
{
    for (int i = 0; i < 10000; i++) {
        app_series_add(app_counter(arg, "ticketq_many_total", "Many.", NULL), 1);
    }
    return NULL;
}

START_TEST(threads__lose_nothing)
{
    pthread_t threads[4];
    begin();
    for (int i = 0; i < 4; i++) {
        pthread_create(&threads[i], NULL, count_many, metrics);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    has("ticketq_many_total 40000\n");
    end();
}
END_TEST

START_TEST(without_memory__a_series_is_silent)
{
    for (long n = 1; n <= 5; n++) {
        begin();
        test.fail_at = test.allocations + n;
        struct app_series *series = app_counter(metrics, "ticketq_a_total", "A.", "b=\"c\"");
        ck_assert_ptr_nonnull(series);
        app_series_add(series, 1);
        test.fail_at = 0;
        app_series_add(app_counter(metrics, "ticketq_a_total", "A.", "b=\"c\""), 1);
        has("ticketq_a_total{b=\"c\"} ");
        end();
    }
}
END_TEST

START_TEST(one_name__has_one_type)
{
    begin();
    app_series_add(app_counter(metrics, "ticketq_a", "A.", NULL), 1);
    app_series_set(app_gauge(metrics, "ticketq_a", "A.", NULL), 9);
    has("ticketq_a 1\n");
    end();
}
END_TEST

UNIT_MAIN("app.metrics", families__are_told, histograms__are_cumulative, threads__lose_nothing,
          without_memory__a_series_is_silent, one_name__has_one_type)
