/* SPDX-License-Identifier: MIT */
/*
 * Holds that run out: each is visited once, in order of time, within the limit,
 * whoever ended it; and a sweep that meets a confirmation.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "conform/hold_world.h"

static struct hold_world w;
static struct tq_error err = TQ_ERROR_INIT;

struct seen {
    unsigned count;
    unsigned stop_at;
    char ids[32][TQ_ID_SIZE];
    char seats[32][32];
};

static int note(void *arg, const struct tq_hold_row *row)
{
    struct seen *seen = arg;
    snprintf(seen->ids[seen->count], TQ_ID_SIZE, "%s", row->id);
    snprintf(seen->seats[seen->count], 32, "%s %s %s %zu", row->schedule, row->holder,
             row->seats[0], row->seats_count);
    return ++seen->count == seen->stop_at ? 77 : 0;
}

START_TEST(due_holds__are_visited_once_earliest_first)
{
    HOLD_MOVES_TIME();
    static const uint32_t ttl[] = {5000, 1000, 3000, 9000, 2000};
    struct tq_hold holds[5];
    struct seen seen = {0};
    uint32_t next_ms = 0;
    hold_world_open(&w, NULL);
    assert_status(tq_hold_sweep(w.book, 10, note, &seen, &next_ms, &err), TQ_EMPTY);
    ck_assert_uint_eq(next_ms, UINT32_MAX);
    for (unsigned i = 0; i < 5; i++) {
        char key[8], seats[16];
        snprintf(key, sizeof key, "k%u", i);
        snprintf(seats, sizeof seats, "s%u s%u", 2 * i, 2 * i + 1);
        struct tq_hold_request request = hold_request("ann", key, seats);
        request.ttl_ms = ttl[i];
        holds[i] = hold_ask(&w, &request);
    }
    assert_status(tq_hold_sweep(w.book, 10, note, &seen, &next_ms, &err), TQ_EMPTY);
    ck_assert_uint_eq(next_ms, 1000);
    world_advance(&w.world, 5000);
    assert_status(tq_hold_sweep(w.book, 3, note, &seen, &next_ms, &err), TQ_OK);
    ck_assert_uint_eq(seen.count, 3);
    assert_status(tq_hold_sweep(w.book, 3, note, &seen, &next_ms, &err), TQ_OK);
    ck_assert_uint_eq(seen.count, 4);
    ck_assert_uint_eq(next_ms, 4000);
    ck_assert_str_eq(seen.ids[0], holds[1].id);
    ck_assert_str_eq(seen.ids[1], holds[4].id);
    ck_assert_str_eq(seen.ids[2], holds[2].id);
    ck_assert_str_eq(seen.ids[3], holds[0].id);
    ck_assert_str_eq(seen.seats[0], "show-1 ann s2 2");
    assert_status(tq_hold_sweep(w.book, 3, note, &seen, &next_ms, &err), TQ_EMPTY);
    ck_assert_uint_eq(hold_map_of(&w).counts[TQ_SEAT_HOLD], 2);
    hold_world_close(&w);
}
END_TEST

START_TEST(a_hold_that_somebody_else_ended__is_visited_too)
{
    HOLD_MOVES_TIME();
    struct seen seen = {0};
    hold_world_open(&w, NULL);
    struct tq_hold first = hold_take(&w, "ann", "a", "s1 s2");
    struct tq_hold second = hold_take(&w, "ann", "b", "s3");
    world_advance(&w.world, 60000);
    assert_named(hold_take(&w, "bob", "b", "s1").status, TQ_OK);        /* ends the first */
    assert_named(hold_do(&w, TQ_HOLD_PIN, &second).status, TQ_EXPIRED); /* ends the second */
    assert_status(tq_hold_sweep(w.book, 10, note, &seen, NULL, &err), TQ_OK);
    ck_assert_uint_eq(seen.count, 2);
    ck_assert_int_eq(strcmp(seen.ids[0], first.id) == 0 || strcmp(seen.ids[1], first.id) == 0, 1);
    assert_status(tq_hold_sweep(w.book, 10, note, &seen, NULL, &err), TQ_EMPTY);
    hold_world_close(&w);
}
END_TEST

START_TEST(what_was_pinned_sold_or_released__is_not_visited)
{
    HOLD_MOVES_TIME();
    hold_world_open(&w, NULL);
    struct tq_hold pinned = hold_take(&w, "ann", "a", "s1");
    struct tq_hold sold = hold_take(&w, "ann", "b", "s2");
    struct tq_hold freed = hold_take(&w, "ann", "c", "s3");
    struct tq_hold longer = hold_take(&w, "ann", "d", "s4");
    hold_do(&w, TQ_HOLD_PIN, &pinned);
    hold_do(&w, TQ_HOLD_SETTLE, &sold);
    hold_do(&w, TQ_HOLD_RELEASE, &freed);
    world_advance(&w.world, 59999);
    hold_do(&w, TQ_HOLD_EXTEND, &longer);
    world_advance(&w.world, 59999);
    ck_assert_uint_eq(hold_sweep_all(&w), 0);
    world_advance(&w.world, 1);
    ck_assert_uint_eq(hold_sweep_all(&w), 1);
    hold_world_close(&w);
}
END_TEST

START_TEST(a_visitor__can_stop_and_can_call_the_book)
{
    HOLD_MOVES_TIME();
    struct seen seen = {.stop_at = 1};
    hold_world_open(&w, NULL);
    hold_take(&w, "ann", "a", "s1");
    world_advance(&w.world, 60000);
    ck_assert_int_eq(tq_hold_sweep(w.book, 10, note, &seen, NULL, &err), 77);
    ck_assert_uint_eq(hold_map_of(&w).counts[TQ_SEAT_HOLD], 0);
    assert_status(tq_hold_sweep(w.book, 0, note, &seen, NULL, &err), TQ_E_LIMIT);
    assert_status(tq_hold_sweep(w.book, TQ_BATCH_MAX + 1, note, &seen, NULL, &err), TQ_E_LIMIT);
    assert_status(tq_hold_sweep(w.book, TQ_BATCH_MAX, note, &seen, NULL, &err), TQ_EMPTY);
    hold_world_close(&w);
}
END_TEST

/* A thread confirms while another sweeps, as the time comes. */
struct race {
    struct tq_hold hold;
    atomic_int go;
    int status;
};

static void *confirm(void *arg)
{
    struct race *race = arg;
    struct tq_error failure = TQ_ERROR_INIT;
    struct tq_hold_result result = TQ_INIT(tq_hold_result);
    struct tq_hold_ref ref = hold_ref(&race->hold);
    while (!race->go) {
    }
    int rc = tq_hold_settle(w.book, &ref, 1, &result, &failure);
    race->status = rc < 0 ? rc : result.status;
    return NULL;
}

START_TEST(confirm_vs_expire_race__exactly_one_wins)
{
    HOLD_MOVES_TIME();
    unsigned won[2] = {0};
    hold_world_open(&w, NULL);
    for (int round = 0; round < 60; round++) {
        char key[8];
        pthread_t thread;
        unsigned swept = 0;
        struct race race = {.status = TQ_E_INTERNAL};
        snprintf(key, sizeof key, "k%d", round);
        race.hold = hold_take(&w, "ann", key, "s1 s2");
        assert_named(race.hold.status, TQ_OK);
        world_advance(&w.world, 59999);
        ck_assert_int_eq(pthread_create(&thread, NULL, confirm, &race), 0);
        race.go = 1;
        world_advance(&w.world, (uint32_t)round % 2);
        swept = hold_sweep_all(&w);
        pthread_join(thread, NULL);
        world_advance(&w.world, 1);
        swept += hold_sweep_all(&w);
        ck_assert_uint_eq(swept, race.status != TQ_OK);
        assert_named(race.status, swept ? TQ_EXPIRED : TQ_OK);
        won[swept]++;
        ck_assert_uint_eq(hold_map_of(&w).counts[TQ_SEAT_SOLD], swept ? 0 : 2);
        if (!swept) {
            assert_named(hold_do(&w, TQ_HOLD_GIVE_BACK, &race.hold).status, TQ_OK);
        }
    }
    ck_assert_uint_eq(won[0] + won[1], 60);
    hold_world_close(&w);
}
END_TEST

CONFORM_MAIN("hold.sweep", due_holds__are_visited_once_earliest_first,
             a_hold_that_somebody_else_ended__is_visited_too,
             what_was_pinned_sold_or_released__is_not_visited,
             a_visitor__can_stop_and_can_call_the_book, confirm_vs_expire_race__exactly_one_wins)
