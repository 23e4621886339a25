/* SPDX-License-Identifier: MIT */
/*
 * A sale in simulated time, on the fixture's store: a herd at the opening and a
 * tail, who ask when they were told to; some fall silent, leave, refresh, stay
 * inside too long or hand their slot back; three tickers; an operator who
 * meddles. The checker (lib/room_checker.c) watches every answer. In the end
 * nobody who kept asking has waited in vain, and the estimates were true.
 */
#include "conform/room_world.h"
#include "lib/room_checker.h"

#define VISITORS 700
#define STEP_MS 20
#define SALE_MS 240000
#define TICKERS 3

enum habit { FAITHFUL, SILENT, LEAVER, REFRESHER, HABITS };

struct person {
    enum habit habit;
    int64_t comes_ms, asks_ms, turns_ms; /* when the habit shows */
    int64_t first_ms, low_ms, high_ms;   /* the first answer */
    int64_t admitted_ms;
    int is_done;
};

struct sale {
    struct room_world w;
    struct room_checker checker;
    struct person people[VISITORS];
    int64_t ticks_ms[TICKERS];
    int64_t begin_ms;
};

static struct sale sale;

static const struct tq_room_policy policy = {.size = sizeof policy,
                                             .rate = 8,
                                             .rate_per_ms = 1000,
                                             .burst = 8,
                                             .max_active = 60,
                                             .capacity = 100000,
                                             .waiting_ms = 9000,
                                             .active_ms = 9000,
                                             .pass_ms = 30000,
                                             .poll_min_ms = 500,
                                             .poll_max_ms = 3000};

static uint64_t chance(uint64_t below)
{
    return test_random(&sale.w.world.test, below);
}

static void sale_begin(uint64_t seed, uint32_t pass_ms)
{
    struct tq_room_policy use = policy;
    use.pass_ms = pass_ms;
    room_world_open(&sale.w, seed, &use);
    sale.begin_ms = room_state(&sale.w).now_ms;
    checker_begin(&sale.checker, &use, sale.begin_ms);
    for (unsigned i = 0; i < VISITORS; i++) {
        struct person *person = &sale.people[i];
        int64_t comes_ms = (int64_t)chance(i % 4 ? 2000 : 60000);
        *person = (struct person){.habit = chance(10) < 6 ? FAITHFUL : (enum habit)chance(HABITS),
                                  .comes_ms = sale.begin_ms + comes_ms};
        person->asks_ms = person->comes_ms;
        person->turns_ms = person->comes_ms + (int64_t)chance(40000);
    }
    for (unsigned i = 0; i < TICKERS; i++) {
        sale.ticks_ms[i] = sale.begin_ms + 7 * i;
    }
}

static void holds(const char *broken, unsigned visitor)
{
    ck_assert_msg(!broken, "visitor %u: %s", visitor, broken);
}

static void note_answer(struct person *person, const struct tq_place *place, int64_t now_ms)
{
    if (!person->first_ms && place->status == TQ_OK) {
        person->first_ms = now_ms;
        person->low_ms = place->wait_low_ms;
        person->high_ms = place->wait_high_ms;
    }
    if (place->visit == TQ_VISIT_ADMITTED && !person->admitted_ms) {
        person->admitted_ms = now_ms;
        person->turns_ms = now_ms + (int64_t)chance(15000); /* how long it shops */
    }
    person->asks_ms = now_ms + place->poll_after_ms;
}

/* Leaves for good; whoever comes to the end of the visit does. */
static void go(unsigned i)
{
    room_leave(&sale.w, room_name(i));
    checker_out(&sale.checker, i);
    sale.people[i].is_done = 1;
}

static void live(unsigned i, int64_t now_ms)
{
    struct person *person = &sale.people[i];
    int has_turned = now_ms >= person->turns_ms;
    if (person->is_done || now_ms < person->asks_ms) {
        return;
    }
    if (has_turned && person->habit == SILENT) {
        person->is_done = 1;
        checker_out(&sale.checker, i);
        return;
    }
    if (has_turned && (person->habit == LEAVER || person->admitted_ms)) {
        go(i);
        return;
    }
    int enters = !person->first_ms || (person->habit == REFRESHER && chance(3) == 0);
    struct tq_place place =
        enters ? room_enter(&sale.w, room_name(i), NULL) : room_place(&sale.w, room_name(i));
    if (place.status == TQ_GONE && person->admitted_ms) { /* stayed too long */
        go(i);
        return;
    }
    ck_assert_int_eq(place.status, TQ_OK);
    holds(checker_place(&sale.checker, i, &place), i);
    note_answer(person, &place, now_ms);
}

static void tick_all(int64_t now_ms)
{
    for (unsigned i = 0; i < TICKERS; i++) {
        if (now_ms < sale.ticks_ms[i]) {
            continue;
        }
        struct tq_room_tick tick = room_tick(&sale.w);
        holds(checker_tick(&sale.checker, tick.admitted, room_state(&sale.w).active), 0);
        sale.ticks_ms[i] = now_ms + tick.next_ms;
    }
}

static void meddle(void)
{
    static const uint32_t rates[] = {3, 8, 20}, caps[] = {30, 60, 90};
    uint32_t rate = rates[chance(3)], cap = caps[chance(3)];
    switch (chance(400)) {
    case 0:
        room_order(&sale.w, TQ_ROOM_SET_RATE, rate, NULL);
        checker_rate(&sale.checker, rate);
        break;
    case 1:
        room_order(&sale.w, TQ_ROOM_SET_CAP, cap, NULL);
        checker_cap(&sale.checker, cap);
        break;
    case 2:
        room_order(&sale.w, TQ_ROOM_ADVANCE, 1 + (int64_t)chance(10), NULL);
        break;
    case 3:
        room_order(&sale.w, TQ_ROOM_PAUSE, 0, NULL);
        break;
    case 4:
    case 5:
    case 6:
        room_order(&sale.w, TQ_ROOM_RESUME, 0, NULL);
        break;
    default:
        break;
    }
}

static void run(uint64_t seed, uint32_t pass_ms, int has_operator)
{
    sale_begin(seed, pass_ms);
    for (int64_t now_ms = sale.begin_ms; now_ms < sale.begin_ms + SALE_MS; now_ms += STEP_MS) {
        tick_all(now_ms);
        for (unsigned i = 0; i < VISITORS; i++) {
            live(i, now_ms);
        }
        if (has_operator) {
            meddle();
        }
        room_advance(&sale.w, STEP_MS);
        checker_clock(&sale.checker, now_ms + STEP_MS);
    }
}

static void check_end(void)
{
    uint64_t admitted = 0;
    for (unsigned i = 0; i < VISITORS; i++) {
        struct person *person = &sale.people[i];
        admitted += person->admitted_ms != 0;
        if (person->habit == FAITHFUL || person->habit == REFRESHER) {
            ck_assert_msg(person->admitted_ms, "visitor %u waited in vain", i);
        }
    }
    struct tq_room_state state = room_state(&sale.w);
    ck_assert_uint_eq(state.waiting + state.active, 0);
    ck_assert_uint_ge(state.admitted, admitted); /* some did not come back to see it */
    ck_assert_uint_ge(state.skipped, 10);
    room_world_close(&sale.w);
}

START_TEST(nobody_waits_in_vain_and_every_promise_holds)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        run(seed, seed == 1 ? 5000 : 30000, seed > 1);
        if (seed > 1) { /* whatever the operator left */
            room_order(&sale.w, TQ_ROOM_RESUME, 0, NULL);
        }
        check_end();
    }
}
END_TEST

START_TEST(the_first_estimate_is_true_for_nine_of_ten)
{
    unsigned count = 0, is_true = 0;
    run(11, 30000, 0);
    for (unsigned i = 0; i < VISITORS; i++) {
        struct person *person = &sale.people[i];
        if (!person->admitted_ms) {
            continue;
        }
        int64_t waited_ms = person->admitted_ms - person->first_ms;
        count++; /* it takes a poll to learn that one is inside */
        is_true += waited_ms >= person->low_ms / 2 &&
                   waited_ms <= person->high_ms + (int64_t)policy.poll_max_ms;
    }
    ck_assert_uint_ge(count, VISITORS / 2);
    ck_assert_msg(is_true * 10 >= count * 9, "true for %u of %u", is_true, count);
    check_end();
}
END_TEST

CONFORM_MAIN("model.room.sale", nobody_waits_in_vain_and_every_promise_holds,
             the_first_estimate_is_true_for_nine_of_ten)
