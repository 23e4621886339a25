/* SPDX-License-Identifier: MIT */
/*
 * What an operator can do to a room, and that the audit trail tells of it.
 */
#include "conform/room/promise.h"

#include <stdio.h>
#include <string.h>

static void enter_many(struct room_world *w, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        ck_assert_int_eq(room_enter(w, room_name(i), NULL).status, TQ_OK);
    }
}

PROMISE(a_pause_stops_and_a_resume_goes_on, .rate = 100)
{
    enter_many(w, 3);
    room_order(w, TQ_ROOM_PAUSE, 0, NULL);
    ck_assert_uint_eq(room_state(w).is_paused, 1);
    ck_assert_uint_eq(room_tick(w).admitted, 0);
    ck_assert_int_eq(room_place(w, "v1").wait_high_ms, -1);
    ck_assert_int_eq(room_enter(w, "late", NULL).status, TQ_OK);
    room_order(w, TQ_ROOM_RESUME, 0, NULL);
    ck_assert_uint_eq(room_state(w).is_paused, 0);
    ck_assert_uint_eq(room_tick(w).admitted, 4);
}

PROMISE(a_new_rate_is_no_gift, .rate = 1, .rate_per_ms = 600000, .burst = 20)
{
    enter_many(w, 50);
    ck_assert_uint_eq(room_tick(w).admitted, 20);
    room_advance(w, 500); /* at the old rate */
    int64_t before_ms = room_now(w);
    room_order(w, TQ_ROOM_SET_RATE, 60000, NULL);
    ck_assert_uint_eq(room_state(w).rate, 60000);
    uint32_t admitted = room_tick(w).admitted;
    ck_assert_int_le(admitted, 1 + (room_now(w) - before_ms) * 60000 / 600000);
    room_advance(w, 1000);
    ck_assert_uint_ge(room_tick(w).admitted, 10);
}

PROMISE(a_lower_cap_throws_nobody_out, .rate = 100, .max_active = 5)
{
    enter_many(w, 10);
    ck_assert_uint_eq(room_tick(w).admitted, 5);
    room_order(w, TQ_ROOM_SET_CAP, 3, NULL);
    ck_assert_uint_eq(room_state(w).active, 5);
    room_leave(w, "v0");
    room_leave(w, "v1");
    ck_assert_uint_eq(room_tick(w).admitted, 0);
    room_leave(w, "v2");
    ck_assert_uint_eq(room_tick(w).admitted, 1);
    room_order(w, TQ_ROOM_SET_CAP, 7, NULL);
    ck_assert_uint_eq(room_tick(w).admitted, 4);
}

PROMISE(advance_is_above_rate_and_cap, .rate = 1, .rate_per_ms = 600000, .max_active = 1)
{
    enter_many(w, 10);
    ck_assert_uint_eq(room_tick(w).admitted, 1);
    room_order(w, TQ_ROOM_PAUSE, 0, NULL);
    room_order(w, TQ_ROOM_ADVANCE, 4, NULL);
    struct tq_room_state state = room_state(w);
    ck_assert_uint_eq(state.active, 5);
    ck_assert_int_eq(state.serving, room_place(w, "v4").sequence);
    ck_assert_uint_eq(room_place(w, "v4").visit, TQ_VISIT_ADMITTED);
    ck_assert_uint_eq(room_place(w, "v5").visit, TQ_VISIT_WAITING);
    room_order(w, TQ_ROOM_ADVANCE, TQ_BATCH_MAX, NULL); /* more than there are */
    ck_assert_uint_eq(room_state(w).active, 10);
    ck_assert_uint_eq(room_state(w).waiting, 0);
}

PROMISE(a_drain_takes_no_newcomers, .rate = 1, .rate_per_ms = 600000, .waiting_ms = 1000)
{
    int64_t begin_ms = room_now(w);
    enter_many(w, 2);
    struct tq_place silent = room_enter(w, "silent", NULL);
    ck_assert_int_eq(room_order(w, TQ_ROOM_DRAIN, 0, NULL), TQ_OK);
    ck_assert_uint_eq(room_state(w).is_draining, 1);
    ck_assert_int_eq(room_enter(w, "late", NULL).status, TQ_CLOSED);
    struct tq_place known = room_enter(w, "v1", NULL);
    uint32_t admitted = room_tick(w).admitted;
    if (room_is_late(w, begin_ms, 1000)) {
        return;
    }
    ck_assert_int_eq(known.status, TQ_OK);
    ck_assert_uint_eq(admitted, 1);
    room_advance(w, 1000);
    ck_assert_int_eq(room_enter(w, "silent", silent.token).sequence, silent.sequence);
    room_order(w, TQ_ROOM_RESUME, 0, NULL);
    ck_assert_int_eq(room_enter(w, "late", NULL).status, TQ_OK);
}

PROMISE(a_reset_empties_and_the_rate_still_holds, .rate = 4, .rate_per_ms = 600000)
{
    enter_many(w, 10);
    int64_t last = room_place(w, "v9").sequence;
    ck_assert_uint_eq(room_tick(w).admitted, 4);
    room_order(w, TQ_ROOM_RESET, 0, NULL);
    struct tq_room_state state = room_state(w);
    ck_assert_uint_eq(state.waiting + state.active, 0);
    ck_assert_uint_eq(state.admitted, 4);
    ck_assert_int_eq(state.tail, last);
    enter_many(w, 10);
    assert_next(room_place(w, "v0").sequence, last);
    ck_assert_uint_eq(room_tick(w).admitted, 0);
}

PROMISE(a_request_key_is_carried_out_once, .rate = 1, .rate_per_ms = 600000, .burst = 1)
{
    enter_many(w, 10);
    ck_assert_int_eq(room_order(w, TQ_ROOM_ADVANCE, 2, "key-1"), TQ_OK);
    ck_assert_int_eq(room_order(w, TQ_ROOM_ADVANCE, 2, "key-1"), TQ_REPEAT);
    ck_assert_uint_eq(room_state(w).active, 2);
    ck_assert_int_eq(room_order(w, TQ_ROOM_ADVANCE, 2, "key-2"), TQ_OK);
    ck_assert_int_eq(room_order(w, TQ_ROOM_ADVANCE, 2, NULL), TQ_OK);
    ck_assert_int_eq(room_order(w, TQ_ROOM_ADVANCE, 2, NULL), TQ_OK);
    ck_assert_uint_eq(room_state(w).active, 8);
}

struct trail {
    uint64_t next; /* the number that must come */
    unsigned count;
    unsigned stop_at;
    int64_t last_ms;
    struct tq_room_action last;
};

static int read_trail(void *arg, const struct tq_room_action *action)
{
    struct trail *trail = arg;
    ck_assert_uint_eq(action->number, trail->next);
    ck_assert_int_ge(action->at_ms, trail->last_ms);
    trail->next++;
    trail->last_ms = action->at_ms;
    trail->last = *action;
    return ++trail->count == trail->stop_at ? 42 : 0;
}

PROMISE(the_trail_is_complete_and_in_order, .rate = 1)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct trail all = {.next = 1}, some = {.next = 31}, stop = {.next = 1, .stop_at = 3};
    assert_status(tq_room_audit(w->room, 0, read_trail, &all, &err), TQ_OK);
    ck_assert_uint_eq(all.count, 0);
    for (unsigned i = 1; i <= 40; i++) {
        room_order(w, TQ_ROOM_SET_RATE, i, NULL);
    }
    assert_status(tq_room_audit(w->room, 0, read_trail, &all, &err), TQ_OK);
    ck_assert_uint_eq(all.count, 40);
    ck_assert_uint_eq(all.last.order, TQ_ROOM_SET_RATE);
    ck_assert_int_eq(all.last.value, 40);
    ck_assert_str_eq(all.last.actor, "operator");
    ck_assert_str_eq(all.last.reason, "because");
    assert_status(tq_room_audit(w->room, 30, read_trail, &some, &err), TQ_OK);
    ck_assert_uint_eq(some.count, 10);
    ck_assert_int_eq(tq_room_audit(w->room, 0, read_trail, &stop, &err), 42);
    ck_assert_uint_eq(stop.count, 3);
}

PROMISE(the_trail_keeps_the_newest, .rate = 1)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct trail all = {.next = 1};
    for (unsigned i = 1; i <= TQ_ROOM_AUDIT_MAX; i++) {
        room_order(w, TQ_ROOM_PAUSE, 0, i == 1 ? "first" : i == 2 ? "second" : NULL);
    }
    assert_status(tq_room_audit(w->room, 0, read_trail, &all, &err), TQ_OK);
    ck_assert_uint_eq(all.count, TQ_ROOM_AUDIT_MAX);
    ck_assert_int_eq(room_order(w, TQ_ROOM_PAUSE, 0, "first"), TQ_REPEAT);
    ck_assert_int_eq(room_order(w, TQ_ROOM_PAUSE, 0, NULL), TQ_OK);
    ck_assert_int_eq(room_order(w, TQ_ROOM_PAUSE, 0, "second"), TQ_REPEAT);
    struct trail rest = {.next = 2};
    assert_status(tq_room_audit(w->room, 0, read_trail, &rest, &err), TQ_OK);
    ck_assert_uint_eq(rest.count, TQ_ROOM_AUDIT_MAX);
    ck_assert_int_eq(room_order(w, TQ_ROOM_PAUSE, 0, "first"), TQ_OK); /* forgotten by now */
}

CONFORM_MAIN("conform.room.orders", a_pause_stops_and_a_resume_goes_on, a_new_rate_is_no_gift,
             a_lower_cap_throws_nobody_out, advance_is_above_rate_and_cap,
             a_drain_takes_no_newcomers, a_reset_empties_and_the_rate_still_holds,
             a_request_key_is_carried_out_once, the_trail_is_complete_and_in_order,
             the_trail_keeps_the_newest)
