/* SPDX-License-Identifier: MIT */
/*
 * Who gets seats: all or nothing, request keys, fences, limits, batches.
 */
#include <stdio.h>
#include <string.h>

#include "conform/hold_world.h"

static struct hold_world w;
static struct tq_error err = TQ_ERROR_INIT;

START_TEST(multi_seat_partial__none_is_held_and_the_taken_are_named)
{
    hold_world_open(&w, NULL);
    assert_named(hold_take(&w, "ann", "a", "s3").status, TQ_OK);
    struct tq_hold hold = hold_take(&w, "bob", "b", "s1 s2 s3 s4");
    assert_named(hold.status, TQ_TAKEN);
    ck_assert_uint_eq(hold.taken, 1u << 2);
    ck_assert_str_eq(hold.id, "");
    ck_assert_int_le(hold.expires_ms - hold.granted_ms, 60000);
    ck_assert_int_gt(hold.expires_ms - hold.granted_ms, 50000);
    ck_assert_uint_eq(hold_map_of(&w).counts[TQ_SEAT_HOLD], 1);
    assert_named(hold_take(&w, "bob", "b", "s1 s2 s4").status, TQ_OK);
    struct hold_map map = hold_map_of(&w);
    ck_assert_uint_eq(map.counts[TQ_SEAT_AVAILABLE], HOLD_SEATS - 4);
    ck_assert_uint_eq(map.seats[2], TQ_SEAT_HOLD);
    ck_assert_uint_eq(map.seats[5], TQ_SEAT_AVAILABLE);
    hold_world_close(&w);
}
END_TEST

START_TEST(lost_ack_acquire__the_same_key_gets_the_same_hold)
{
    hold_world_open(&w, NULL);
    struct tq_hold first = hold_take(&w, "ann", "a", "s1 s2");
    struct tq_hold again = hold_take(&w, "ann", "a", "s1 s2");
    assert_named(again.status, TQ_REPEAT);
    ck_assert_str_eq(again.id, first.id);
    ck_assert_uint_eq(again.fence, first.fence);
    ck_assert_int_eq(again.expires_ms, first.expires_ms);
    assert_named(hold_take(&w, "ann", "a", "s1 s3").status, TQ_REFUSED);
    assert_named(hold_take(&w, "ann", "a", "s1").status, TQ_REFUSED);
    assert_named(hold_take(&w, "bob", "a", "s4").status, TQ_OK); /* another holder's key */
    ck_assert_uint_eq(hold_map_of(&w).counts[TQ_SEAT_HOLD], 3);
    hold_world_close(&w);
}
END_TEST

START_TEST(a_key__tells_how_its_hold_ended_until_it_is_forgotten)
{
    HOLD_MOVES_TIME();
    hold_world_open(&w, NULL);
    struct tq_hold freed = hold_take(&w, "ann", "a", "s1");
    struct tq_hold sold = hold_take(&w, "ann", "b", "s2");
    assert_named(hold_take(&w, "ann", "c", "s3").status, TQ_OK);
    hold_do(&w, TQ_HOLD_RELEASE, &freed);
    hold_do(&w, TQ_HOLD_SETTLE, &sold);
    world_advance(&w.world, 60000);
    assert_named(hold_take(&w, "ann", "a", "s1").status, TQ_RELEASED);
    assert_named(hold_take(&w, "ann", "b", "s2").status, TQ_SETTLED);
    assert_named(hold_take(&w, "ann", "c", "s3").status, TQ_EXPIRED);
    ck_assert_uint_eq(hold_sweep_all(&w), 1);
    assert_named(hold_take(&w, "ann", "c", "s3").status, TQ_EXPIRED);
    ck_assert_uint_eq(hold_map_of(&w).counts[TQ_SEAT_HOLD], 0);
    world_advance(&w.world, TQ_HOLD_KEEP_MS);
    /* Fronts forget while holds end, ledgers while they sweep. */
    struct tq_hold last = hold_take(&w, "bob", "z", "s9");
    hold_do(&w, TQ_HOLD_RELEASE, &last);
    hold_sweep_all(&w);
    assert_named(hold_take(&w, "ann", "a", "s1").status, TQ_OK);
    assert_named(hold_take(&w, "ann", "c", "s3").status, TQ_OK);
    assert_named(hold_take(&w, "ann", "b", "s2").status, TQ_SETTLED);
    hold_world_close(&w);
}
END_TEST

START_TEST(re_entrancy__the_holders_own_seat_is_taken_under_another_key)
{
    hold_world_open(&w, NULL);
    assert_named(hold_take(&w, "ann", "a", "s1").status, TQ_OK);
    assert_named(hold_take(&w, "ann", "b", "s1").status, TQ_TAKEN);
    assert_named(hold_take(&w, "ann", "b", "s2").status, TQ_OK);
    hold_world_close(&w);
}
END_TEST

START_TEST(fences__grow_with_every_grant)
{
    uint64_t last = 0;
    hold_world_open(&w, NULL);
    for (int i = 0; i < 50; i++) {
        char key[8];
        snprintf(key, sizeof key, "k%d", i);
        struct tq_hold hold = hold_take(&w, "ann", key, i % 2 ? "s1" : "s1 s2");
        assert_named(hold.status, TQ_OK);
        ck_assert_uint_gt(hold.fence, last);
        last = hold.fence;
        assert_named(hold_do(&w, TQ_HOLD_RELEASE, &hold).status, TQ_OK);
    }
    hold_world_close(&w);
}
END_TEST

START_TEST(an_expired_hold__is_in_nobodys_way_and_cannot_come_back)
{
    HOLD_MOVES_TIME();
    hold_world_open(&w, NULL);
    struct tq_hold first = hold_take(&w, "ann", "a", "s1 s2");
    world_advance(&w.world, 59999);
    assert_named(hold_take(&w, "bob", "b", "s2").status, TQ_TAKEN);
    world_advance(&w.world, 1);
    struct tq_hold second = hold_take(&w, "bob", "b", "s2");
    assert_named(second.status, TQ_OK);
    ck_assert_uint_gt(second.fence, first.fence);
    assert_named(hold_do(&w, TQ_HOLD_RELEASE, &first).status, TQ_EXPIRED);
    assert_named(hold_do(&w, TQ_HOLD_EXTEND, &first).status, TQ_EXPIRED);
    ck_assert_uint_eq(hold_map_of(&w).seats[2], TQ_SEAT_HOLD);
    ck_assert_uint_eq(hold_map_of(&w).seats[1], TQ_SEAT_AVAILABLE);
    ck_assert_uint_eq(hold_sweep_all(&w), 1);
    hold_world_close(&w);
}
END_TEST

START_TEST(the_holders_limit__counts_hold_paying_and_sold_together)
{
    HOLD_MOVES_TIME();
    hold_world_open(&w, TQ_ARGS(tq_book_options, .seats_limit = 4));
    struct tq_hold sold = hold_take(&w, "ann", "a", "s1");
    struct tq_hold paying = hold_take(&w, "ann", "b", "s2");
    struct tq_hold held = hold_take(&w, "ann", "c", "s3");
    hold_do(&w, TQ_HOLD_SETTLE, &sold);
    hold_do(&w, TQ_HOLD_PIN, &paying);
    assert_named(hold_take(&w, "ann", "d", "s4 s5").status, TQ_FULL);
    struct tq_hold fourth = hold_take(&w, "ann", "d", "s4");
    assert_named(fourth.status, TQ_OK);
    assert_named(hold_take(&w, "ann", "e", "s5").status, TQ_FULL);
    assert_named(hold_take(&w, "bob", "e", "s5 s6 s7 s8").status, TQ_OK);
    assert_named(hold_take(&w, "eve", "e", "s9 s10 s11 s12 s13").status, TQ_FULL);
    hold_do(&w, TQ_HOLD_RELEASE, &held);
    assert_named(hold_take(&w, "ann", "f", "s9").status, TQ_OK);
    world_advance(&w.world, 60000);
    assert_named(hold_take(&w, "ann", "g", "s3 s5 s6").status, TQ_FULL); /* 2 are for good */
    assert_named(hold_take(&w, "ann", "g", "s3 s5").status, TQ_OK);
    hold_world_close(&w);
}
END_TEST

START_TEST(what_is_not_known__is_gone)
{
    hold_world_open(&w, NULL);
    struct tq_hold hold = hold_take(&w, "ann", "a", "s1 sX s2");
    assert_named(hold.status, TQ_GONE);
    ck_assert_uint_eq(hold.taken, 1u << 1);
    struct tq_hold_request request = hold_request("ann", "a", "s1");
    request.schedule = "elsewhere";
    hold = hold_ask(&w, &request);
    assert_named(hold.status, TQ_GONE);
    ck_assert_uint_eq(hold.taken, 0);
    assert_named(hold_take(&w, "ann", "a", "s1").status, TQ_OK);
    hold_world_close(&w);
}
END_TEST

START_TEST(a_batch__does_what_one_by_one_would_do)
{
    static const char *const seats[] = {"s0 s1", "s1 s2", "s2 s3", "s3", "s9 sX", "s0", "s15"};
    static const int expected[] = {TQ_OK, TQ_TAKEN, TQ_OK, TQ_TAKEN, TQ_GONE, TQ_TAKEN, TQ_OK};
    enum { COUNT = sizeof expected / sizeof *expected };
    struct tq_hold_request requests[COUNT];
    struct tq_hold holds[COUNT];
    char keys[COUNT][8];
    hold_world_open(&w, NULL);
    for (int i = 0; i < COUNT; i++) {
        snprintf(keys[i], sizeof keys[i], "k%d", i);
        requests[i] = hold_request("ann", keys[i], seats[i]);
        holds[i].size = sizeof holds[i];
    }
    requests[6].request_key = keys[0]; /* the key of the first, for another seat */
    assert_status(tq_hold_acquire(w.book, requests, COUNT, holds, &err), TQ_OK);
    for (int i = 0; i < COUNT; i++) {
        assert_named(holds[i].status, i == 6 ? TQ_REFUSED : expected[i]);
    }
    ck_assert_uint_eq(holds[1].taken, 1);
    ck_assert_uint_gt(holds[2].fence, 0);
    ck_assert_uint_ne(holds[2].fence, holds[0].fence);
    ck_assert_uint_eq(hold_map_of(&w).counts[TQ_SEAT_HOLD], 4);
    hold_world_close(&w);
}
END_TEST

START_TEST(a_key_twice_in_a_batch__is_one_hold)
{
    struct tq_hold_request requests[2] = {hold_request("ann", "a", "s1 s2"),
                                          hold_request("ann", "a", "s1 s2")};
    struct tq_hold holds[2] = {TQ_INIT(tq_hold), TQ_INIT(tq_hold)};
    hold_world_open(&w, NULL);
    assert_status(tq_hold_acquire(w.book, requests, 2, holds, &err), TQ_OK);
    assert_named(holds[0].status, TQ_OK);
    assert_named(holds[1].status, TQ_REPEAT);
    ck_assert_str_eq(holds[0].id, holds[1].id);
    ck_assert_uint_eq(holds[0].fence, holds[1].fence);
    assert_named(hold_do(&w, TQ_HOLD_SETTLE, &holds[1]).status, TQ_OK);
    ck_assert_uint_eq(hold_map_of(&w).counts[TQ_SEAT_SOLD], 2);
    hold_world_close(&w);
}
END_TEST

START_TEST(a_large_batch__is_one_call)
{
    enum { COUNT = 300, EACH = 4 };
    static char names[COUNT * EACH][8], keys[COUNT][8];
    static const char *seats[COUNT * EACH];
    static struct tq_hold_request requests[COUNT];
    static struct tq_hold holds[COUNT];
    struct tq_seat_map map = TQ_INIT(tq_seat_map);
    hold_world_open(&w, NULL);
    for (int i = 0; i < COUNT * EACH; i++) {
        snprintf(names[i], sizeof names[i], "n%d", i);
        seats[i] = names[i];
    }
    assert_status(tq_book_define(w.book, "large", seats, COUNT * EACH, &err), TQ_OK);
    for (int i = 0; i < COUNT; i++) {
        snprintf(keys[i], sizeof keys[i], "k%d", i);
        requests[i] = (struct tq_hold_request){.size = sizeof requests[i],
                                               .schedule = "large",
                                               .holder = "ann",
                                               .request_key = keys[i],
                                               .seats = seats + (size_t)i * EACH,
                                               .seats_count = EACH};
        holds[i].size = sizeof holds[i];
    }
    assert_status(tq_hold_acquire(w.book, requests, COUNT, holds, &err), TQ_OK);
    for (int i = 0; i < COUNT; i++) {
        assert_named(holds[i].status, TQ_OK);
        ck_assert(i == 0 || holds[i].fence > holds[i - 1].fence);
    }
    uint64_t first = holds[0].fence, last = holds[COUNT - 2].fence;
    /* Again, but for one, which is new among known ones and wants what is taken. */
    requests[COUNT - 1].request_key = "new";
    assert_status(tq_hold_acquire(w.book, requests, COUNT, holds, &err), TQ_OK);
    for (int i = 0; i < COUNT; i++) {
        assert_named(holds[i].status, i == COUNT - 1 ? TQ_TAKEN : TQ_REPEAT);
    }
    ck_assert(holds[0].fence == first && holds[COUNT - 2].fence == last);
    assert_status(tq_book_map(w.book, "large", &map, &err), TQ_OK);
    ck_assert_uint_eq(map.counts[TQ_SEAT_HOLD], COUNT * EACH);
    hold_world_close(&w);
}
END_TEST

START_TEST(seats__are_appended_and_the_map_keeps_their_order)
{
    static const char *const more[] = {"s15", "t1", "s0", "t0"};
    uint8_t bits[5];
    struct tq_seat_map map = {.size = sizeof map, .bits = bits, .bits_bytes = sizeof bits};
    hold_world_open(&w, NULL);
    uint64_t version = hold_map_of(&w).version;
    assert_status(tq_book_define(w.book, HOLD_SCHEDULE, more, 4, &err), TQ_OK);
    assert_status(tq_book_define(w.book, HOLD_SCHEDULE, more, 4, &err), TQ_REPEAT);
    assert_named(hold_take(&w, "ann", "a", "t0").status, TQ_OK);
    assert_status(tq_book_map(w.book, HOLD_SCHEDULE, &map, &err), TQ_OK);
    ck_assert_uint_gt(map.version, version);
    ck_assert_uint_eq(map.seats_count, HOLD_SEATS + 2);
    ck_assert_uint_eq(map.counts[TQ_SEAT_AVAILABLE], HOLD_SEATS + 1);
    ck_assert_uint_eq(bits[4], TQ_SEAT_HOLD << 2);
    map.bits_bytes = 1;
    bits[1] = 0xff;
    assert_status(tq_book_map(w.book, HOLD_SCHEDULE, &map, &err), TQ_OK);
    ck_assert_uint_eq(map.bits_bytes, 5);
    ck_assert_uint_eq(bits[1], 0xff);
    assert_status(tq_book_map(w.book, "elsewhere", &map, &err), TQ_GONE);
    hold_world_close(&w);
}
END_TEST

START_TEST(key_injection__ids_that_could_break_out_are_refused)
{
    char long_id[TQ_ID_MAX + 2] = {0};
    memset(long_id, 'x', TQ_ID_MAX + 1);
    const char *const bad[] = {"", "a}b", "a b", "a{b", "a'b", "a\nb", long_id};
    struct tq_hold hold = TQ_INIT(tq_hold);
    hold_world_open(&w, NULL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct tq_hold_request request = hold_request("ann", "a", "s1");
        request.schedule = bad[i];
        assert_status(tq_hold_acquire(w.book, &request, 1, &hold, &err), TQ_E_INVALID);
        request = hold_request(bad[i], "a", "s1");
        assert_status(tq_hold_acquire(w.book, &request, 1, &hold, &err), TQ_E_INVALID);
        request = hold_request("ann", bad[i], "s1");
        assert_status(tq_hold_acquire(w.book, &request, 1, &hold, &err), TQ_E_INVALID);
    }
    hold_world_close(&w);
}
END_TEST

CONFORM_MAIN("hold.grant", multi_seat_partial__none_is_held_and_the_taken_are_named,
             lost_ack_acquire__the_same_key_gets_the_same_hold,
             a_key__tells_how_its_hold_ended_until_it_is_forgotten,
             re_entrancy__the_holders_own_seat_is_taken_under_another_key,
             fences__grow_with_every_grant, an_expired_hold__is_in_nobodys_way_and_cannot_come_back,
             the_holders_limit__counts_hold_paying_and_sold_together, what_is_not_known__is_gone,
             a_batch__does_what_one_by_one_would_do, a_key_twice_in_a_batch__is_one_hold,
             a_large_batch__is_one_call, seats__are_appended_and_the_map_keeps_their_order,
             key_injection__ids_that_could_break_out_are_refused)
