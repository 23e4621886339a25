/* SPDX-License-Identifier: MIT */
/*
 * Holds on a Redis Cluster (TICKETQ_TEST_REDIS_CLUSTER) before a ledger, under load, while the
 * slot of the schedule moves key by key, its master hands over, is replaced, or is replaced by a
 * replica that has not heard of the latest holds. No seat has two owners meanwhile, and
 * afterwards the front is what the ledger is. The names begin with the row of
 * tests/fault/README.md.
 */
#include <stdio.h>
#include <unistd.h>

#include "lib/hold_rush.h"
#include "lib/redis_cluster.h"
#include "lib/unit.h"

#define TAG HOLD_RUSH_SCHEDULE

static struct hold_rush rush;

static void rush_through(const char *options, void (*disturb)(void))
{
    char url[1024];
    redis_cluster_url(url, sizeof url, options);
    hold_rush_begin(&rush, url, "sqlite::memory:");
    hold_rush_run(&rush, disturb);
    hold_rush_check(&rush);
}

static void wait_a_little(void)
{
    usleep(300000);
}

static void move_there_and_back(void)
{
    redis_cluster_move(TAG);
    usleep(50000);
    redis_cluster_move(TAG);
}

START_TEST(f31_slot_moves__nobody_notices)
{
    rush_through("&wait_ms=20000", move_there_and_back);
    ck_assert_uint_eq(rush.unavailable + rush.unknown, 0);
    hold_rush_end(&rush);
}
END_TEST

static void hand_over(void)
{
    redis_cluster_hand_over(TAG);
}

START_TEST(f30_master_hands_over__scripts_are_there_and_nobody_is_refused)
{
    rush_through("&wait_ms=20000", hand_over);
    ck_assert_uint_eq(rush.unavailable, 0);
    hold_rush_end(&rush);
}
END_TEST

static void replace(void)
{
    redis_cluster_replace(TAG);
}

START_TEST(f04_master_is_replaced__the_ledger_decides)
{
    rush_through("&wait_ms=1000&timeout_ms=500", replace);
    hold_rush_end(&rush);
}
END_TEST

static void promote_deaf(void)
{
    redis_cluster_promote_deaf(TAG, wait_a_little);
}

/* Also F32: who has an old map goes on at the demoted master for a moment. */
START_TEST(f04_f07_f32_promoted_with_lost_writes__no_seat_has_two_owners)
{
    rush_through("&wait_ms=20000", promote_deaf);
    hold_rush_end(&rush);
}
END_TEST

static void slow_replica(void)
{
    redis_cluster_slow_replica(TAG, wait_a_little);
}

START_TEST(f07_slow_replica__nobody_waits_for_it)
{
    rush_through("&wait_ms=20000", slow_replica);
    ck_assert_uint_eq(rush.unavailable + rush.unknown, 0);
    hold_rush_end(&rush);
}
END_TEST

static void unassign(void)
{
    redis_cluster_unassign(TAG, wait_a_little);
}

START_TEST(f34_clusterdown__is_waited_for_and_had_no_effect)
{
    rush_through("&wait_ms=20000", unassign);
    ck_assert_uint_eq(rush.unavailable + rush.unknown, 0);
    hold_rush_end(&rush);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        f31_slot_moves__nobody_notices,
        f30_master_hands_over__scripts_are_there_and_nobody_is_refused,
        f04_master_is_replaced__the_ledger_decides,
        f04_f07_f32_promoted_with_lost_writes__no_seat_has_two_owners,
        f07_slow_replica__nobody_waits_for_it,
        f34_clusterdown__is_waited_for_and_had_no_effect,
    };
    return redis_cluster_is_there()
               ? unit_main("fault.hold.cluster", tests, sizeof tests / sizeof *tests)
               : EXIT_SUCCESS;
}
