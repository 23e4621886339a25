/* SPDX-License-Identifier: MIT */
/*
 * Who is let in: order, burst, rate, cap, leases inside, times, and the estimate.
 */
#include "conform/room/promise.h"

static void enter_many(struct room_world *w, unsigned first, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        ck_assert_int_eq(room_enter(w, room_name(first + i), NULL).status, TQ_OK);
    }
}

static unsigned count_inside(struct room_world *w, unsigned first, unsigned count)
{
    unsigned inside = 0;
    for (unsigned i = 0; i < count; i++) {
        inside += room_place(w, room_name(first + i)).visit == TQ_VISIT_ADMITTED;
    }
    return inside;
}

PROMISE(the_first_come_first, .rate = 3, .rate_per_ms = 600000)
{
    enter_many(w, 0, 10);
    ck_assert_uint_eq(room_tick(w).admitted, 3);
    ck_assert_uint_eq(count_inside(w, 0, 3), 3);
    ck_assert_uint_eq(count_inside(w, 3, 7), 0);
    struct tq_place place = room_place(w, "v3");
    ck_assert_uint_eq(place.ahead, 0);
    place = room_place(w, "v0");
    ck_assert_int_eq(place.wait_high_ms, 0);
    ck_assert_int_ne(place.pass[0], '\0');
    ck_assert_int_gt(place.pass_expires_ms, room_state(w).now_ms);
    ck_assert_int_eq(room_state(w).serving, room_place(w, "v2").sequence);
    ck_assert_uint_eq(room_state(w).admitted, 3);
}

PROMISE(the_burst_is_the_most_at_once, .rate = 1, .rate_per_ms = 600000, .burst = 5)
{
    enter_many(w, 0, 10);
    ck_assert_uint_eq(room_tick(w).admitted, 5);
    ck_assert_uint_eq(room_tick(w).admitted, 0);
}

PROMISE(the_rate_holds_however_often_one_ticks, .rate = 50, .rate_per_ms = 1000, .burst = 1)
{
    enter_many(w, 0, 100);
    int64_t begin_ms = room_state(w).now_ms;
    uint64_t admitted = 0;
    for (unsigned i = 0; i < 40; i++) {
        admitted += room_tick(w).admitted + room_tick(w).admitted;
        room_advance(w, 10);
    }
    admitted += room_tick(w).admitted;
    int64_t passed_ms = room_state(w).now_ms - begin_ms;
    ck_assert_uint_le(admitted, (uint64_t)passed_ms * 50 / 1000 + 1);
    if (!fixture_has_own_clock()) {
        ck_assert_uint_eq(admitted, 1 + 40 * 10 * 50 / 1000);
    }
}

PROMISE(nothing_is_rounded_away, .rate = 7, .rate_per_ms = 1000, .burst = 2)
{
    uint64_t admitted = 0;
    enter_many(w, 0, 40);
    if (fixture_has_own_clock()) {
        return;
    }
    for (unsigned i = 0; i <= 3000; i++) {
        room_advance(w, 1);
        admitted += room_tick(w).admitted;
    }
    ck_assert_uint_eq(admitted, 2 + 3 * 7);
}

PROMISE(the_cap_holds_and_a_slot_goes_on, .rate = 100, .max_active = 4)
{
    enter_many(w, 0, 10);
    ck_assert_uint_eq(room_tick(w).admitted, 4);
    ck_assert_uint_eq(room_tick(w).admitted, 0);
    ck_assert_int_eq(room_leave(w, "v1"), TQ_OK);
    ck_assert_uint_eq(room_state(w).active, 3);
    ck_assert_uint_eq(room_tick(w).admitted, 1);
    ck_assert_uint_eq(room_place(w, "v4").visit, TQ_VISIT_ADMITTED);
    ck_assert_uint_eq(room_state(w).active, 4);
}

PROMISE(silence_inside_frees_the_slot, .rate = 100, .max_active = 2, .active_ms = 1000)
{
    enter_many(w, 0, 4);
    int64_t let_in_ms = room_now(w);
    ck_assert_uint_eq(room_tick(w).admitted, 2);
    room_advance(w, 600);
    int64_t asked_ms = room_now(w);
    struct tq_place kept = room_place(w, "v0");
    if (room_is_late(w, let_in_ms, 1000)) {
        return;
    }
    ck_assert_uint_eq(kept.visit, TQ_VISIT_ADMITTED);
    room_advance(w, 600);
    struct tq_room_tick tick = room_tick(w);
    struct tq_place next = room_place(w, "v2");
    if (room_is_late(w, asked_ms, 1000)) {
        return;
    }
    ck_assert_uint_eq(tick.freed, 1);
    ck_assert_uint_eq(tick.admitted, 1);
    ck_assert_int_eq(room_place(w, "v1").status, TQ_GONE);
    ck_assert_uint_eq(next.visit, TQ_VISIT_ADMITTED);
}

PROMISE(no_renewal_outlives_the_longest_stay, .rate = 100, .active_ms = 500, .pass_ms = 1000)
{
    enter_many(w, 0, 1);
    int64_t asked_ms = room_now(w);
    room_tick(w);
    int64_t begin_ms = room_state(w).now_ms;
    for (int64_t stay_ms = 0; stay_ms < 1000; stay_ms = room_state(w).now_ms - begin_ms) {
        int64_t before_ms = asked_ms;
        asked_ms = room_now(w);
        struct tq_place place = room_place(w, "v0");
        if (room_is_late(w, before_ms, 500)) {
            return;
        }
        ck_assert(place.visit == TQ_VISIT_ADMITTED || stay_ms > 700);
        ck_assert_int_le(place.pass_expires_ms, begin_ms + 1000);
        room_advance(w, 250);
    }
    ck_assert_int_eq(room_place(w, "v0").status, TQ_GONE);
}

PROMISE(who_was_inside_lines_up_anew, .rate = 100, .max_active = 1)
{
    enter_many(w, 0, 3);
    room_tick(w);
    struct tq_place inside = room_place(w, "v0");
    room_leave(w, "v0");
    struct tq_place back = room_enter(w, "v0", inside.token);
    ck_assert_uint_eq(back.visit, TQ_VISIT_WAITING);
    assert_ahead(back.ahead, 2);
    room_leave(w, "v0");
    back = room_enter(w, "v0", inside.pass);
    ck_assert_uint_eq(back.visit, TQ_VISIT_WAITING);
    assert_ahead(back.ahead, 2);
}

PROMISE(the_silent_give_their_turn_away, .rate = 1, .rate_per_ms = 900000, .waiting_ms = 1000,
        .burst = 1, .open_ms = FAR_FUTURE)
{
    int64_t entered_ms = room_now(w);
    enter_many(w, 0, 5);
    room_advance(w, 600);
    int64_t asked_ms = room_now(w);
    room_place(w, "v3");
    if (room_is_late(w, entered_ms, 1000)) {
        return;
    }
    room_advance(w, 600);
    room_order(w, TQ_ROOM_SET_OPEN, 0, NULL);
    uint32_t admitted = room_tick(w).admitted;
    if (room_is_late(w, asked_ms, 1000)) {
        return;
    }
    ck_assert_uint_eq(admitted, 1);
    ck_assert_uint_eq(room_place(w, "v3").visit, TQ_VISIT_ADMITTED);
}

PROMISE(nobody_is_let_in_before_it_opens, .rate = 100, .open_ms = FAR_FUTURE)
{
    enter_many(w, 0, 3);
    ck_assert_uint_eq(room_tick(w).admitted, 0);
    ck_assert_int_ge(room_place(w, "v0").wait_low_ms, 86400000);
    int64_t asked_ms = room_state(w).now_ms;
    room_order(w, TQ_ROOM_SET_OPEN, asked_ms + 500, NULL);
    uint32_t early = room_tick(w).admitted;
    if (room_is_late(w, asked_ms, 500)) {
        return;
    }
    ck_assert_uint_eq(early, 0);
    room_advance(w, 500);
    ck_assert_uint_eq(room_tick(w).admitted, 3);
}

PROMISE(a_tick_with_nothing_to_do_is_empty, .rate = 1)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct tq_room_tick tick = TQ_INIT(tq_room_tick);
    assert_status(tq_room_tick(w->room, &tick, &err), TQ_EMPTY);
    ck_assert_uint_eq(tick.admitted + tick.skipped + tick.freed, 0);
    ck_assert_uint_le(tick.next_ms, 1000);
}

PROMISE(two_handles_are_one_room, .rate = 5, .rate_per_ms = 600000)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct tq_room_tick tick = TQ_INIT(tq_room_tick);
    tq_room *other = NULL;
    enter_many(w, 0, 20);
    assert_status(tq_room_open(w->store, w->keys, ROOM_ID, NULL, &other, &err), TQ_OK);
    assert_status(tq_room_tick(other, &tick, &err), TQ_OK);
    ck_assert_uint_eq(tick.admitted, 5);
    ck_assert_uint_eq(room_tick(w).admitted, 0);
    tq_room_close(other);
}

PROMISE(a_new_policy_moves_nobody, .rate = 3, .rate_per_ms = 600000)
{
    enter_many(w, 0, 10);
    room_tick(w);
    struct tq_room_state before = room_state(w);
    room_world_room(
        w, TQ_ARGS(tq_room_policy, .rate = 50, .rate_per_ms = 600000, .first_sequence = 100));
    struct tq_room_state after = room_state(w);
    ck_assert_uint_eq(after.rate, 50);
    ck_assert_uint_eq(after.waiting, before.waiting);
    ck_assert_uint_eq(after.active, before.active);
    ck_assert_uint_eq(room_tick(w).admitted, 0); /* no gift of a new burst */
    assert_next(room_enter(w, "late", NULL).sequence, 99);
}

CONFORM_MAIN("conform.room.admit", the_first_come_first, the_burst_is_the_most_at_once,
             the_rate_holds_however_often_one_ticks, nothing_is_rounded_away,
             the_cap_holds_and_a_slot_goes_on, silence_inside_frees_the_slot,
             no_renewal_outlives_the_longest_stay, who_was_inside_lines_up_anew,
             the_silent_give_their_turn_away, nobody_is_let_in_before_it_opens,
             a_tick_with_nothing_to_do_is_empty, two_handles_are_one_room,
             a_new_policy_moves_nobody)
