/* SPDX-License-Identifier: MIT */
/*
 * What every room driver promises about the line: numbers, places, tokens,
 * silence, leaving, limits.
 */
#include "conform/room/promise.h"

#include <stdio.h>
#include <string.h>

PROMISE(numbers_are_in_order_of_arrival, .rate = 1)
{
    int64_t last = 0;
    for (unsigned i = 1; i <= 200; i++) {
        struct tq_place place = room_enter(w, room_name(i), NULL);
        ck_assert_int_eq(place.status, TQ_OK);
        ck_assert_uint_eq(place.visit, TQ_VISIT_WAITING);
        assert_next(place.sequence, last);
        assert_ahead(place.ahead, i - 1);
        last = place.sequence;
        ck_assert_int_eq(place.pass_expires_ms, 0);
        ck_assert_str_eq(place.pass, "");
    }
}

PROMISE(entering_again_changes_nothing, .rate = 1)
{
    room_enter(w, "a", NULL);
    struct tq_place first = room_enter(w, "b", NULL);
    struct tq_place last = room_enter(w, "c", NULL);
    struct tq_place again = room_enter(w, "b", NULL);
    ck_assert_int_eq(again.sequence, first.sequence);
    ck_assert_uint_eq(again.ahead, first.ahead);
    ck_assert_uint_eq(room_state(w).waiting, 3);
    ck_assert_int_eq(room_state(w).tail, last.sequence);
}

/* In each shard one behind the other; who stands in the batch twice has one place. */
static void check_order(const struct tq_place *places, unsigned count, unsigned people)
{
    int64_t next[TQ_ROOM_SHARDS_MAX];
    uint64_t ahead[TQ_ROOM_SHARDS_MAX] = {0};
    unsigned shards = fixture_shards();
    for (unsigned i = 0; i < shards; i++) {
        next[i] = i + 1;
    }
    for (unsigned i = 0; i < people; i++) {
        unsigned shard = (unsigned)(places[i].sequence - 1) % shards;
        ck_assert_int_eq(places[i].status, TQ_OK);
        ck_assert_int_eq(places[i].sequence, next[shard]);
        ck_assert_uint_eq(places[i].ahead, ahead[shard]);
        next[shard] += shards;
        ahead[shard] += shards;
    }
    for (unsigned i = people; i < count; i++) {
        ck_assert_int_eq(places[i].sequence, places[i - people].sequence);
    }
}

PROMISE(a_batch_lines_up_in_its_order, .rate = 1)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct tq_visitor visitors[100];
    static struct tq_place places[100];
    static char ids[100][16];
    for (unsigned i = 0; i < 100; i++) {
        snprintf(ids[i], sizeof ids[i], "v%u", i % 90); /* ten stand in it twice */
        visitors[i] = (struct tq_visitor){.size = sizeof *visitors, .id = ids[i]};
        places[i].size = sizeof *places;
    }
    assert_status(tq_room_enter(w->room, visitors, 100, places, &err), TQ_OK);
    check_order(places, 100, 90);
    assert_status(tq_room_place(w->room, visitors, 100, places, &err), TQ_OK);
    check_order(places, 100, 90);
    ck_assert_uint_eq(room_state(w).waiting, 90);
}

PROMISE(who_is_not_there_is_gone, .rate = 1)
{
    struct tq_place place = room_place(w, "nobody");
    ck_assert_int_eq(place.status, TQ_GONE);
    ck_assert_uint_eq(place.visit, TQ_VISIT_NONE);
    ck_assert_str_eq(place.token, "");
    ck_assert_int_eq(room_leave(w, "nobody"), TQ_GONE);
}

PROMISE(leaving_moves_those_behind, .rate = 1)
{
    for (unsigned i = 1; i <= 10; i++) {
        room_enter(w, room_name(i), NULL);
    }
    uint64_t before = room_place(w, "v2").ahead;
    ck_assert_int_eq(room_leave(w, "v3"), TQ_OK);
    ck_assert_int_eq(room_leave(w, "v3"), TQ_GONE);
    ck_assert_uint_eq(room_place(w, "v2").ahead, before);
    assert_ahead(room_place(w, "v4").ahead, 2);
    ck_assert_int_eq(room_place(w, "v3").status, TQ_GONE);
}

PROMISE(who_left_lines_up_anew, .rate = 1)
{
    struct tq_place place = room_enter(w, "a", NULL);
    struct tq_place last = room_enter(w, "b", NULL);
    room_leave(w, "a");
    struct tq_place back = room_enter(w, "a", place.token);
    ck_assert_int_eq(back.status, TQ_OK);
    assert_next(back.sequence, last.sequence);
    assert_ahead(back.ahead, 1);
}

PROMISE(silence_skips_and_asking_keeps, .rate = 1, .rate_per_ms = 600000, .waiting_ms = 1000)
{
    int64_t begin_ms = room_now(w);
    room_enter(w, "silent", NULL);
    room_enter(w, "polls", NULL);
    room_enter(w, "enters", NULL);
    room_tick(w); /* the burst of one: "silent" is inside; the next two wait */
    room_enter(w, "quiet", NULL);
    room_advance(w, 600);
    int64_t asked_ms = room_now(w);
    struct tq_place polls = room_place(w, "polls"), enters = room_enter(w, "enters", NULL);
    if (room_is_late(w, begin_ms, 1000)) {
        return;
    }
    ck_assert_int_eq(polls.status, TQ_OK);
    ck_assert_int_eq(enters.status, TQ_OK);
    room_advance(w, 600);
    enters = room_place(w, "enters");
    struct tq_place late = room_enter(w, "late", NULL);
    uint64_t skipped = room_state(w).skipped;
    if (room_is_late(w, asked_ms, 1000)) {
        return;
    }
    assert_ahead(enters.ahead, 1);
    assert_ahead(late.ahead, 2);
    ck_assert_int_eq(room_place(w, "quiet").status, TQ_GONE);
    ck_assert_uint_eq(skipped, 1);
}

PROMISE(a_lease_ends_at_its_instant, .rate = 1, .waiting_ms = 1000)
{
    room_enter(w, "a", NULL);
    if (!fixture_has_own_clock()) {
        room_advance(w, 999);
        ck_assert_int_eq(room_place(w, "a").status, TQ_OK);
    }
    room_advance(w, 1000);
    ck_assert_int_eq(room_place(w, "a").status, TQ_GONE);
}

PROMISE(a_tick_tells_whom_it_skipped, .rate = 1, .waiting_ms = 1000, .open_ms = FAR_FUTURE)
{
    int64_t begin_ms = room_now(w);
    room_enter(w, "a", NULL);
    room_enter(w, "b", NULL);
    if (room_is_late(w, begin_ms, 1000)) {
        return;
    }
    room_advance(w, 1000);
    struct tq_room_tick tick = room_tick(w);
    ck_assert_uint_eq(tick.skipped, 2);
    ck_assert_uint_eq(room_tick(w).skipped, 0);
    ck_assert_uint_eq(room_state(w).skipped, 2);
}

PROMISE(the_silent_get_their_number_back, .rate = 1, .waiting_ms = 1000, .open_ms = FAR_FUTURE)
{
    int64_t begin_ms = room_now(w);
    struct tq_place a = room_enter(w, "a", NULL);
    room_enter(w, "b", NULL);
    room_advance(w, 600);
    int64_t asked_ms = room_now(w);
    room_place(w, "b");
    if (room_is_late(w, begin_ms, 1000)) {
        return;
    }
    room_advance(w, 600);
    struct tq_place alone = room_place(w, "b");
    struct tq_place back = room_enter(w, "a", a.token);
    struct tq_place second = room_place(w, "b");
    if (room_is_late(w, asked_ms, 1000)) {
        return;
    }
    ck_assert_uint_eq(alone.ahead, 0);
    ck_assert_int_eq(back.sequence, a.sequence);
    ck_assert_uint_eq(back.ahead, 0);
    assert_ahead(second.ahead, 1);
}

PROMISE(the_line_is_as_long_as_the_capacity, .rate = 1, .capacity = 3, .waiting_ms = 1000)
{
    if (fixture_shards() > 1) { /* shards_test.c */
        return;
    }
    int64_t begin_ms = room_now(w);
    struct tq_place a = room_enter(w, "a", NULL);
    room_enter(w, "b", NULL);
    ck_assert_int_eq(room_enter(w, "c", NULL).status, TQ_OK);
    struct tq_place full = room_enter(w, "d", NULL);
    struct tq_place known = room_enter(w, "c", NULL);
    if (room_is_late(w, begin_ms, 1000)) {
        return;
    }
    ck_assert_int_eq(full.status, TQ_FULL);
    ck_assert_uint_eq(full.visit, TQ_VISIT_NONE);
    ck_assert_int_eq(full.sequence, 0);
    ck_assert_int_eq(known.status, TQ_OK);
    room_leave(w, "b");
    ck_assert_int_eq(room_enter(w, "d", NULL).status, TQ_OK);
    room_leave(w, "c");
    room_advance(w, 1000);
    begin_ms = room_now(w);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_int_eq(room_enter(w, room_name(i), NULL).status, TQ_OK);
    }
    full = room_enter(w, "e", NULL);
    ck_assert(full.status == TQ_FULL || room_is_late(w, begin_ms, 1000));
    ck_assert_int_eq(room_enter(w, "a", a.token).status, TQ_OK); /* was promised */
}

PROMISE(a_closed_room_takes_nobody, .rate = 1, .waiting_ms = 60000)
{
    room_enter(w, "a", NULL);
    room_order(w, TQ_ROOM_SET_CLOSE, room_state(w).now_ms, NULL);
    ck_assert_int_eq(room_enter(w, "b", NULL).status, TQ_CLOSED);
    ck_assert_int_eq(room_enter(w, "a", NULL).status, TQ_OK);
    struct tq_place place = room_place(w, "a");
    ck_assert_int_eq(place.status, TQ_OK);
    ck_assert_int_eq(place.wait_low_ms, -1);
    ck_assert_uint_eq(room_tick(w).admitted, 0);
    room_order(w, TQ_ROOM_SET_CLOSE, 0, NULL);
    ck_assert_int_eq(room_enter(w, "b", NULL).status, TQ_OK);
    ck_assert_uint_eq(room_tick(w).admitted, 1);
}

CONFORM_MAIN("conform.room.line", numbers_are_in_order_of_arrival, entering_again_changes_nothing,
             a_batch_lines_up_in_its_order, who_is_not_there_is_gone, leaving_moves_those_behind,
             who_left_lines_up_anew, silence_skips_and_asking_keeps, a_lease_ends_at_its_instant,
             a_tick_tells_whom_it_skipped, the_silent_get_their_number_back,
             the_line_is_as_long_as_the_capacity, a_closed_room_takes_nobody)
