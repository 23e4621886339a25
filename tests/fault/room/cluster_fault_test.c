/* SPDX-License-Identifier: MIT */
/*
 * Rooms on a Redis Cluster (TICKETQ_TEST_REDIS_CLUSTER) under load while the slot of
 * the room moves key by key to another master, its master hands over to its
 * replica, and its master stops and is replaced.
 */
#include <unistd.h>

#include <ticketq/driver/room.h>

#include "lib/redis_cluster.h"
#include "lib/room_rush.h"
#include "lib/unit.h"

#define ROOM "show" /* of rush_begin() */

static struct rush rush;

static void begin(const char *options)
{
    char url[1024];
    redis_cluster_url(url, sizeof url, options);
    rush_begin(&rush, url);
}

static void move_there_and_back(void)
{
    redis_cluster_move(ROOM);
    usleep(50000);
    redis_cluster_move(ROOM);
}

static void hand_over(void)
{
    redis_cluster_hand_over(ROOM);
}

static void replace(void)
{
    redis_cluster_replace(ROOM);
}

START_TEST(a_slot_moves__and_nobody_notices)
{
    begin("&wait_ms=20000");
    rush_run(&rush, move_there_and_back);
    ck_assert_uint_eq(rush.unavailable + rush.unknown, 0);
    rush_check(&rush);
    ck_assert_int_eq(rush_state(&rush).tail % TQ_ROOM_LOSS_GAP, RUSH_VISITORS);
    rush_end(&rush);
}
END_TEST

START_TEST(a_master_hands_over__and_nobody_is_refused)
{
    begin("&wait_ms=20000");
    rush_run(&rush, hand_over);
    ck_assert_uint_eq(rush.unavailable, 0);
    rush_check(&rush);
    ck_assert_int_gt(rush_state(&rush).tail, TQ_ROOM_LOSS_GAP); /* nobody knows what was lost */
    rush_end(&rush);
}
END_TEST

/* What the replica had not heard of is lost: those come back by their places. */
START_TEST(a_master_is_replaced__and_everybody_has_a_place)
{
    begin("&wait_ms=1000&timeout_ms=500");
    rush_run(&rush, replace);
    rush_again(&rush);
    rush_check(&rush);
    rush_end(&rush);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_slot_moves__and_nobody_notices,
        a_master_hands_over__and_nobody_is_refused,
        a_master_is_replaced__and_everybody_has_a_place,
    };
    return redis_cluster_is_there()
               ? unit_main("fault.room.cluster", tests, sizeof tests / sizeof *tests)
               : EXIT_SUCCESS;
}
