/* SPDX-License-Identifier: MIT */
/*
 * The front loses its memory, or was told wrong: the ledger brings it back, no
 * seat gets a second owner, no fence falls. A front alone starts empty but above
 * its old fences.
 */
#include <string.h>

#include "conform/hold_world.h"
#include "core/error.h"

static struct hold_world w;
static struct tq_error err = TQ_ERROR_INIT;

/* A world with something to lose, or nothing to test. */
static int has_both(void)
{
    hold_world_open(&w, NULL);
    if (w.front && w.ledger) {
        return 1;
    }
    hold_world_close(&w);
    return 0;
}

START_TEST(restart_amnesia__nothing_is_lost_and_nobody_gets_in_between)
{
    if (!has_both()) {
        return;
    }
    struct tq_hold held = hold_take(&w, "ann", "a", "s1 s2");
    struct tq_hold paying = hold_take(&w, "ann", "b", "s3");
    struct tq_hold sold = hold_take(&w, "ann", "c", "s4");
    struct tq_hold ended = hold_take(&w, "ann", "d", "s5");
    hold_do(&w, TQ_HOLD_PIN, &paying);
    hold_do(&w, TQ_HOLD_SETTLE, &sold);
    hold_do(&w, TQ_HOLD_RELEASE, &ended);
    struct hold_map before = hold_map_of(&w);
    world_advance(&w.world, 1);
    hold_world_lose_front(&w);
    assert_named(hold_take(&w, "bob", "x", "s2 s3 s4 s5").status, TQ_TAKEN); /* nothing defined */
    struct hold_map after = hold_map_of(&w);
    ck_assert_int_eq(memcmp(before.seats, after.seats, sizeof before.seats), 0);
    ck_assert_uint_gt(after.version, before.version);
    assert_named(hold_take(&w, "ann", "a", "s1 s2").status, TQ_REPEAT);
    assert_named(hold_take(&w, "ann", "d", "s5").status, TQ_RELEASED); /* the ledger remembers */
    assert_named(hold_do(&w, TQ_HOLD_SETTLE, &held).status, TQ_OK);
    assert_named(hold_do(&w, TQ_HOLD_RELEASE, &paying).status, TQ_OK);
    assert_named(hold_take(&w, "bob", "y", "s3 s5").status, TQ_OK);
    hold_world_close(&w);
}
END_TEST

START_TEST(restart_amnesia__the_map_alone_brings_a_schedule_back)
{
    HOLD_MOVES_TIME();
    if (!has_both()) {
        return;
    }
    assert_named(hold_take(&w, "ann", "a", "s1").status, TQ_OK);
    hold_world_lose_front(&w);
    ck_assert_uint_eq(hold_map_of(&w).counts[TQ_SEAT_HOLD], 1);
    hold_world_lose_front(&w);
    ck_assert_uint_eq(hold_sweep_all(&w), 0);
    world_advance(&w.world, 60000);
    ck_assert_uint_eq(hold_sweep_all(&w), 1);
    ck_assert_uint_eq(hold_map_of(&w).counts[TQ_SEAT_HOLD], 0);
    hold_world_close(&w);
}
END_TEST

START_TEST(fence_regression__new_fences_are_above_the_ledgers)
{
    if (!has_both()) {
        return;
    }
    struct tq_hold old = hold_take(&w, "ann", "a", "s1");
    assert_named(hold_do(&w, TQ_HOLD_RELEASE, &old).status, TQ_OK);
    w.world.test.now_ms -= 3600000; /* the clock that fronts begin to count from */
    hold_world_lose_front(&w);
    struct tq_hold young = hold_take(&w, "bob", "b", "s1");
    assert_named(young.status, TQ_OK);
    ck_assert_uint_gt(young.fence, old.fence);
    assert_named(hold_do(&w, TQ_HOLD_SETTLE, &young).status, TQ_OK);
    assert_named(hold_do(&w, TQ_HOLD_SETTLE, &old).status, TQ_RELEASED);
    hold_world_close(&w);
}
END_TEST

START_TEST(fence_regression__a_front_alone_goes_on_above_too)
{
    hold_world_open(&w, NULL);
    if (!w.ledger && !fixture_has_own_clock()) {
        static const char *const seats[] = {"s1"};
        struct tq_hold old = hold_take(&w, "ann", "a", "s1");
        world_advance(&w.world, 1);
        tq_book_close(w.book);
        tq_store_close(w.front);
        world_forget(&w.world);
        w.front = world_store(&w.world);
        w.book = hold_world_book(&w);
        assert_status(tq_book_define(w.book, HOLD_SCHEDULE, seats, 1, &err), TQ_OK);
        ck_assert_uint_gt(hold_take(&w, "bob", "b", "s1").fence, old.fence);
    }
    hold_world_close(&w);
}
END_TEST

/* Two fronts on one ledger, each granting the same seat. */
START_TEST(failover_loses_hold__the_ledger_lets_one_in)
{
    if (!has_both()) {
        return;
    }
    tq_book *first = w.book;
    tq_store *first_front = w.front;
    w.front = world_front(&w.world);
    w.book = hold_world_book(&w);
    ck_assert_uint_eq(hold_map_of(&w).counts[TQ_SEAT_AVAILABLE], HOLD_SEATS);
    struct tq_hold here = hold_take(&w, "ann", "a", "s1");
    assert_named(here.status, TQ_OK);
    tq_book *second = w.book;
    w.book = first;
    struct tq_hold there = hold_take(&w, "bob", "b", "s1");
    assert_named(there.status, TQ_TAKEN);
    ck_assert_str_eq(there.id, "");
    ck_assert_uint_eq(hold_map_of(&w).seats[1], TQ_SEAT_HOLD); /* and it has learnt who has it */
    assert_named(hold_do(&w, TQ_HOLD_SETTLE, &here).status, TQ_OK);
    tq_book_close(second);
    tq_store_close(first_front);
    hold_world_close(&w);
}
END_TEST

START_TEST(an_untold_front__is_corrected_by_the_next_define)
{
    if (!has_both()) {
        return;
    }
    /* Another process, with a front of its own, sells s2 and takes s1 back. */
    struct tq_hold sold = hold_take(&w, "ann", "a", "s1");
    assert_named(hold_do(&w, TQ_HOLD_SETTLE, &sold).status, TQ_OK);
    tq_book *first = w.book;
    tq_store *first_front = w.front;
    w.front = world_front(&w.world);
    w.book = hold_world_book(&w);
    struct tq_hold other = hold_take(&w, "bob", "b", "s2");
    assert_named(hold_do(&w, TQ_HOLD_SETTLE, &other).status, TQ_OK);
    assert_named(hold_do(&w, TQ_HOLD_GIVE_BACK, &sold).status, TQ_OK);
    tq_book_close(w.book);
    tq_store_close(w.front);
    w.book = first;
    w.front = first_front;
    static const char *const seats[] = {"s1"};
    ck_assert_uint_eq(hold_map_of(&w).seats[1], TQ_SEAT_SOLD);
    assert_status(tq_book_define(w.book, HOLD_SCHEDULE, seats, 1, &err), TQ_REPEAT);
    struct hold_map map = hold_map_of(&w);
    ck_assert_uint_eq(map.seats[1], TQ_SEAT_AVAILABLE);
    ck_assert_uint_eq(map.seats[2], TQ_SEAT_SOLD);
    assert_named(hold_take(&w, "eve", "e", "s1").status, TQ_OK);
    hold_world_close(&w);
}
END_TEST

struct went_back {
    const char *id;
    uint32_t state;
};

static int go_back(tq_tx *tx, void *arg, struct tq_error *error)
{
    const struct went_back *to = arg;
    const struct tq_value params[] = {tq_text(to->id), tq_int(to->state),
                                      tq_int(tq_tx_now_ms(tx) + 60000)};
    TQ_TRY(tq_tx_exec(tx,
                      "UPDATE tq_holds SET state = $2, ended_ms = NULL,"
                      " expires_ms = CASE WHEN $2 = 1 THEN CAST($3 AS BIGINT) ELSE 0 END"
                      " WHERE id = $1",
                      params, 3, NULL, NULL, error));
    return tq_tx_exec(tx,
                      "UPDATE tq_hold_seats SET hold = $1 WHERE seat ="
                      " (SELECT seats FROM tq_holds WHERE id = $1)",
                      params, 1, NULL, NULL, error);
}

/* The ledger lacks the last that was done with each hold; the next define brings the front there.
 */
START_TEST(a_ledger_that_went_back__takes_the_front_along)
{
    static const uint32_t before[] = {TQ_SEAT_SOLD, TQ_SEAT_PAYING, TQ_SEAT_HOLD, TQ_SEAT_PAYING};
    static const char *const names[] = {"s0", "s1", "s2", "s3"};
    struct tq_hold holds[4];
    if (!has_both()) {
        return;
    }
    for (int i = 0; i < 4; i++) {
        holds[i] = hold_take(&w, "ann", names[i], names[i]);
        assert_named(hold_do(&w, TQ_HOLD_PIN, &holds[i]).status, TQ_OK);
    }
    assert_named(hold_do(&w, TQ_HOLD_SETTLE, &holds[0]).status, TQ_OK);
    assert_named(hold_do(&w, TQ_HOLD_GIVE_BACK, &holds[0]).status, TQ_OK);
    assert_named(hold_do(&w, TQ_HOLD_SETTLE, &holds[1]).status, TQ_OK);
    assert_named(hold_do(&w, TQ_HOLD_RELEASE, &holds[3]).status, TQ_OK);
    for (int i = 0; i < 4; i++) {
        struct went_back to = {holds[i].id, before[i]};
        assert_status(tq_ledger_run(w.ledger, go_back, &to, &err), TQ_OK);
    }
    assert_status(tq_book_define(w.book, HOLD_SCHEDULE, names, 4, &err), TQ_REPEAT);
    struct hold_map map = hold_map_of(&w);
    for (int i = 0; i < 4; i++) {
        ck_assert_uint_eq(map.seats[i], before[i]);
        assert_named(hold_take(&w, "bob", names[i], names[i]).status, TQ_TAKEN);
    }
    hold_world_close(&w);
}
END_TEST

START_TEST(a_front_that_contradicts__is_believed_only_once)
{
    if (!has_both()) {
        return;
    }
    tq_book *first = w.book;
    tq_store *first_front = w.front;
    w.front = world_front(&w.world);
    w.book = hold_world_book(&w);
    struct tq_hold pinned = hold_take(&w, "bob", "b", "s2 s3");
    assert_named(hold_do(&w, TQ_HOLD_PIN, &pinned).status, TQ_OK);
    tq_book_close(w.book);
    tq_store_close(w.front);
    w.book = first;
    w.front = first_front;
    assert_named(hold_do(&w, TQ_HOLD_SETTLE, &pinned).status, TQ_OK); /* its front knows no such */
    ck_assert_uint_eq(hold_map_of(&w).counts[TQ_SEAT_SOLD], 2);
    hold_world_close(&w);
}
END_TEST

CONFORM_MAIN("hold.rebuild", restart_amnesia__nothing_is_lost_and_nobody_gets_in_between,
             restart_amnesia__the_map_alone_brings_a_schedule_back,
             fence_regression__new_fences_are_above_the_ledgers,
             fence_regression__a_front_alone_goes_on_above_too,
             failover_loses_hold__the_ledger_lets_one_in,
             an_untold_front__is_corrected_by_the_next_define,
             a_ledger_that_went_back__takes_the_front_along,
             a_front_that_contradicts__is_believed_only_once)
