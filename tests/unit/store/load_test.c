/* SPDX-License-Identifier: MIT */
/*
 * store/memory/load.c: what a front believes of the ledger's rows, row by row,
 * against what it knows itself; limits; what cannot be.
 */
#include "store/memory/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/test_env.h"
#include "lib/unit.h"
#include "store/builtin.h"

static struct test_env test;
static struct tq_env env;
static struct tq_error err = TQ_ERROR_INIT;
static struct memory_state state;
static const struct tq_hold_driver *front;
static const char *const seats[] = {"a", "b", "c"};

static void open_front(void)
{
    static struct tq_store_config config = {.size = sizeof config, .path = "", .query = ""};
    test_env_init(&test, 1);
    env = test_env_of(&test);
    config.env = &env;
    memset(&state, 0, sizeof state);
    front = tq__memory_driver.hold;
    assert_status(tq__memory_driver.open(&state, &config, &err), TQ_OK);
}

static void close_front(void)
{
    tq__memory_driver.close(&state);
    ck_assert_int_eq(test.live, 0);
}

static struct tq_front_lease row(const char *id, uint64_t fence, uint32_t seat_state, int ended)
{
    return (struct tq_front_lease){.size = sizeof(struct tq_front_lease),
                                   .id = id,
                                   .holder = "ann",
                                   .request_key = id,
                                   .seats = seats,
                                   .seats_count = 2,
                                   .state = seat_state,
                                   .fence = fence,
                                   .granted_ms = test.now_ms,
                                   .expires_ms =
                                       seat_state == TQ_SEAT_HOLD ? test.now_ms + 1000 : 0,
                                   .ended = ended};
}

static int load_from(uint32_t is_past, const struct tq_front_lease *leases, size_t count,
                     uint64_t fence)
{
    const struct tq_front_load all = {.size = sizeof all,
                                      .schedule = "s",
                                      .seats = seats,
                                      .seats_count = 3,
                                      .leases = leases,
                                      .leases_count = count,
                                      .fence = fence,
                                      .is_truth = 1,
                                      .is_past = is_past};
    return front->load(&state, &all, &err);
}

static int load(const struct tq_front_lease *leases, size_t count, uint64_t fence)
{
    return load_from(0, leases, count, fence);
}

/* States of a, b, c as text. */
static const char *map(void)
{
    static char text[4];
    uint8_t bits = 0;
    struct tq_seat_map out = {.size = sizeof out, .bits = &bits, .bits_bytes = 1};
    assert_status(front->map(&state, "s", &out, &err), TQ_OK);
    for (int i = 0; i < 3; i++) {
        text[i] = "-hps"[bits >> 2 * i & 3];
    }
    return text;
}

static struct tq_hold claim(const char *id)
{
    struct tq_hold hold = TQ_INIT(tq_hold);
    struct tq_front_claim wish = {.size = sizeof wish,
                                  .schedule = "s",
                                  .holder = "ann",
                                  .request_key = id,
                                  .id = id,
                                  .seats = seats,
                                  .seats_count = 2,
                                  .ttl_ms = 1000};
    assert_status(front->claim(&state, &wish, 1, &hold, &err), TQ_OK);
    return hold;
}

static int change(uint32_t verb, const char *id, uint64_t fence)
{
    struct tq_hold_result result = TQ_INIT(tq_hold_result);
    struct tq_front_change order = {.size = sizeof order,
                                    .schedule = "s",
                                    .id = id,
                                    .holder = "ann",
                                    .fence = fence,
                                    .verb = verb};
    assert_status(front->change(&state, &order, 1, &result, &err), TQ_OK);
    return result.status;
}

START_TEST(rows__are_taken_over_forwards_only)
{
    static const struct {
        uint32_t first, second; /* states of two loads of one hold */
        const char *expected;
    } cases[] = {
        {TQ_SEAT_HOLD, TQ_SEAT_HOLD, "hh-"},   {TQ_SEAT_HOLD, TQ_SEAT_PAYING, "pp-"},
        {TQ_SEAT_PAYING, TQ_SEAT_HOLD, "pp-"}, {TQ_SEAT_SOLD, TQ_SEAT_PAYING, "ss-"},
        {TQ_SEAT_PAYING, TQ_SEAT_SOLD, "ss-"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        open_front();
        struct tq_front_lease lease = row("h", 5, cases[i].first, TQ_OK);
        assert_status(load(&lease, 1, 5), TQ_OK);
        lease = row("h", 5, cases[i].second, TQ_OK);
        assert_status(load(&lease, 1, 5), TQ_REPEAT);
        ck_assert_str_eq(map(), cases[i].expected);
        close_front();
    }
}
END_TEST

START_TEST(a_row_that_ended__ends_here_and_answers_its_key)
{
    open_front();
    struct tq_front_lease lease = row("h", 5, TQ_SEAT_PAYING, TQ_OK);
    assert_status(load(&lease, 1, 5), TQ_OK);
    struct tq_front_lease both[] = {row("h", 5, 0, TQ_RELEASED), row("x", 4, 0, TQ_EXPIRED)};
    assert_status(load(both, 2, 5), TQ_REPEAT);
    ck_assert_str_eq(map(), "---");
    ck_assert_int_eq(claim("h").status, TQ_RELEASED);
    ck_assert_int_eq(claim("x").status, TQ_EXPIRED);
    assert_status(load(&lease, 1, 5), TQ_REPEAT); /* an older look at it does not revive it */
    ck_assert_str_eq(map(), "---");
    lease.fence = 6; /* but a retake does */
    assert_status(load(&lease, 1, 6), TQ_REPEAT);
    ck_assert_str_eq(map(), "pp-");
    assert_status(load(both, 2, 5), TQ_REPEAT); /* and an older end does not end it */
    ck_assert_str_eq(map(), "pp-");
    close_front();
}
END_TEST

START_TEST(a_claim__yields_to_a_row_and_a_ticket_does_not)
{
    open_front();
    assert_status(load(NULL, 0, 0), TQ_OK);
    struct tq_hold claimed = claim("mine");
    ck_assert_int_eq(claimed.status, TQ_OK);
    struct tq_front_lease lease = row("h", 5, TQ_SEAT_HOLD, TQ_OK);
    assert_status(load(&lease, 1, 5), TQ_REPEAT);
    ck_assert_int_eq(change(TQ_HOLD_PIN, "mine", claimed.fence), TQ_GONE);
    ck_assert_int_eq(change(TQ_HOLD_PIN, "h", 5), TQ_OK);
    struct tq_front_lease older = row("old", 4, TQ_SEAT_HOLD, TQ_OK);
    assert_status(load(&older, 1, 4), TQ_REPEAT);
    ck_assert_int_eq(change(TQ_HOLD_SETTLE, "h", 5), TQ_OK);
    struct tq_front_lease higher = row("new", 6, TQ_SEAT_HOLD, TQ_OK);
    assert_status(load(&higher, 1, 6), TQ_REPEAT);
    ck_assert_str_eq(map(), "hh-");
    close_front();
}
END_TEST

START_TEST(what_has_no_timer__is_freed_when_the_ledger_has_it_not)
{
    open_front();
    struct tq_front_lease lease = row("h", 5, TQ_SEAT_PAYING, TQ_OK);
    assert_status(load(&lease, 1, 5), TQ_OK);
    assert_status(load(NULL, 0, 4), TQ_REPEAT); /* a look from before it */
    ck_assert_str_eq(map(), "pp-");
    assert_status(load(NULL, 0, 5), TQ_REPEAT);
    ck_assert_str_eq(map(), "---");
    assert_status(load(&lease, 1, 5), TQ_REPEAT);
    lease = row("x", 6, TQ_SEAT_SOLD, TQ_OK);
    assert_status(load(&lease, 1, 6), TQ_REPEAT);
    assert_status(load_from(1, NULL, 0, 4), TQ_REPEAT); /* the ledger went back behind it */
    ck_assert_str_eq(map(), "---");
    assert_status(load(&lease, 1, 6), TQ_REPEAT); /* no: it was recorded behind that look */
    ck_assert_str_eq(map(), "ss-");
    assert_status(load_from(1, NULL, 0, 4), TQ_REPEAT);
    claim("mine");
    assert_status(load(NULL, 0, UINT64_MAX >> 1), TQ_REPEAT); /* a claim has its time */
    ck_assert_str_eq(map(), "hh-");
    close_front();
}
END_TEST

START_TEST(the_timer_of_a_front__proves_nothing_to_the_ledger)
{
    open_front();
    struct tq_front_lease lease = row("h", 5, TQ_SEAT_HOLD, TQ_OK);
    assert_status(load(&lease, 1, 5), TQ_OK);
    test.now_ms += 1000;
    ck_assert_int_eq(change(TQ_HOLD_PIN, "h", 5), TQ_EXPIRED);
    assert_status(load(&lease, 1, 5), TQ_REPEAT); /* the same time: it has ended */
    ck_assert_str_eq(map(), "---");
    lease.expires_ms += 5000; /* it had been extended */
    assert_status(load(&lease, 1, 5), TQ_REPEAT);
    ck_assert_str_eq(map(), "hh-");
    test.now_ms += 5000;
    ck_assert_int_eq(change(TQ_HOLD_PIN, "h", 5), TQ_EXPIRED);
    struct tq_front_lease other = row("x", 4, 0, TQ_EXPIRED), older = row("x", 4, TQ_SEAT_HOLD, 0);
    other.expires_ms = older.expires_ms;
    assert_status(load(&other, 1, 5), TQ_REPEAT); /* that of the ledger does, to an older look */
    assert_status(load(&older, 1, 5), TQ_REPEAT);
    ck_assert_str_eq(map(), "---");
    lease.state = TQ_SEAT_SOLD; /* it had been sold */
    assert_status(load(&lease, 1, 5), TQ_REPEAT);
    ck_assert_str_eq(map(), "ss-");
    close_front();
}
END_TEST

START_TEST(a_schedule__has_so_many_seats_and_not_one_more)
{
    static char names[TQ_SCHEDULE_SEATS_MAX + 1][8];
    const char **all = calloc(TQ_SCHEDULE_SEATS_MAX + 1, sizeof *all);
    struct tq_front_load many = {.size = sizeof many, .schedule = "m", .seats = all};
    for (int i = 0; i <= TQ_SCHEDULE_SEATS_MAX; i++) {
        snprintf(names[i], sizeof names[i], "%d", i);
        all[i] = names[i];
    }
    open_front();
    many.seats_count = TQ_SCHEDULE_SEATS_MAX + 1;
    assert_status(front->load(&state, &many, &err), TQ_E_LIMIT);
    many.seats_count = TQ_SCHEDULE_SEATS_MAX - 1;
    assert_status(front->load(&state, &many, &err), TQ_OK);
    many.seats_count++;
    assert_status(front->load(&state, &many, &err), TQ_OK);
    many.seats_count++;
    assert_status(front->load(&state, &many, &err), TQ_E_LIMIT);
    close_front();
    free(all);
}
END_TEST

START_TEST(a_row_with_an_unknown_seat__is_corrupt)
{
    static const char *const strange[] = {"a", "z"};
    open_front();
    struct tq_front_lease lease = row("h", 5, TQ_SEAT_HOLD, TQ_OK);
    lease.seats = strange;
    assert_status(load(&lease, 1, 5), TQ_E_CORRUPT);
    ck_assert_ptr_nonnull(strstr(err.message, "z"));
    close_front();
}
END_TEST

UNIT_MAIN("store.load", rows__are_taken_over_forwards_only,
          a_row_that_ended__ends_here_and_answers_its_key,
          a_claim__yields_to_a_row_and_a_ticket_does_not,
          what_has_no_timer__is_freed_when_the_ledger_has_it_not,
          the_timer_of_a_front__proves_nothing_to_the_ledger,
          a_schedule__has_so_many_seats_and_not_one_more, a_row_with_an_unknown_seat__is_corrupt)
