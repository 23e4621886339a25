/* SPDX-License-Identifier: MIT */
/*
 * servers/event/event.c: a schedule's status follows from the clock.
 */
#include "event/event.h"
#include "lib/unit.h"

START_TEST(event_status__turns_at_its_instants)
{
    ck_assert_str_eq(event_status(999, 1000, 2000), "UPCOMING");
    ck_assert_str_eq(event_status(1000, 1000, 2000), "ONGOING");
    ck_assert_str_eq(event_status(1999, 1000, 2000), "ONGOING");
    ck_assert_str_eq(event_status(2000, 1000, 2000), "ENDED");
    ck_assert_str_eq(event_status(INT64_MAX, 1000, 2000), "ENDED");
}
END_TEST

UNIT_MAIN("servers.event.event", event_status__turns_at_its_instants)
