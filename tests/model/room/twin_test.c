/* SPDX-License-Identifier: MIT */
/*
 * Random batches on a room of the fixture's store and on one in memory, at the
 * same time and with the same tokens: every answer is the same. Batches mix newcomers, those
 * who are known, those who come twice and those who show a token; the room has
 * a small line, leases that end, and a store that is lost now and then.
 */
#include <stdio.h>
#include <string.h>

#include "conform/room_world.h"

#define PEOPLE 160
#define BATCH_TOP 48
#define OPERATIONS 150
#define WORLDS 40

static struct room_world w;      /* the fixture's */
static struct room_world memory; /* its room and store only */
static struct test_env dice;
static char names[PEOPLE][16];
static char tokens[PEOPLE][TQ_TOKEN_SIZE];
static unsigned long met_waiting, met_inside, met_refused, met_rush;

static uint64_t roll(uint64_t below)
{
    return test_random(&dice, below);
}

/* ---- two rooms ---- */

static void open_memory(const struct tq_room_policy *policy)
{
    struct tq_error err = TQ_ERROR_INIT;
    assert_status(tq_store_open(&w.world.env, TQ_ARGS(tq_store_options, .url = "memory:"),
                                &memory.store, &err),
                  TQ_OK);
    assert_status(tq_room_open(memory.store, w.keys, ROOM_ID, policy, &memory.room, &err), TQ_OK);
}

static void close_memory(void)
{
    tq_room_close(memory.room);
    tq_store_close(memory.store);
    memory.room = NULL;
    memory.store = NULL;
}

static struct tq_room_policy random_policy(void)
{
    return (struct tq_room_policy){
        .size = sizeof(struct tq_room_policy),
        .rate = 1 + (uint32_t)roll(20),
        .rate_per_ms = 500,
        .max_active = 5 + (uint32_t)roll(60),
        .capacity = 20 + (uint32_t)roll(PEOPLE),
        .waiting_ms = 2000 + (uint32_t)roll(2) * 60000,
        .active_ms = 3000,
        .pass_ms = 8000,
        .poll_min_ms = 1,
        .poll_max_ms = 1000,
    };
}

/* ---- the same, twice ---- */

static void check_places(const struct tq_place *a, const struct tq_place *b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ck_assert_int_eq(a[i].status, b[i].status);
        ck_assert_uint_eq(a[i].visit, b[i].visit);
        ck_assert_int_eq(a[i].sequence, b[i].sequence);
        ck_assert_uint_eq(a[i].ahead, b[i].ahead);
        ck_assert_int_eq(a[i].pass_expires_ms, b[i].pass_expires_ms);
        met_waiting += a[i].status == TQ_OK && a[i].visit == TQ_VISIT_WAITING;
        met_inside += a[i].status == TQ_OK && a[i].visit == TQ_VISIT_ADMITTED;
        met_refused += a[i].status != TQ_OK;
    }
}

typedef int ask_fn(tq_room *room, const struct tq_visitor *visitors, size_t count,
                   struct tq_place *out_places, struct tq_error *err);

static void ask_both(ask_fn *ask, const struct tq_visitor *visitors, const unsigned *who,
                     size_t count)
{
    static struct tq_place places[2][BATCH_TOP];
    struct tq_error err = TQ_ERROR_INIT;
    for (size_t i = 0; i < count; i++) {
        places[0][i].size = places[1][i].size = sizeof(struct tq_place);
    }
    assert_status(ask(w.room, visitors, count, places[0], &err), TQ_OK);
    assert_status(ask(memory.room, visitors, count, places[1], &err), TQ_OK);
    check_places(places[0], places[1], count);
    for (size_t i = 0; i < count; i++) {
        const struct tq_place *place = &places[0][i];
        if (place->status == TQ_OK) {
            memcpy(tokens[who[i]], place->pass[0] ? place->pass : place->token, TQ_TOKEN_SIZE);
        }
    }
}

static void check_state(void)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct tq_room_state a = TQ_INIT(tq_room_state), b = TQ_INIT(tq_room_state);
    assert_status(tq_room_state(w.room, &a, &err), TQ_OK);
    assert_status(tq_room_state(memory.room, &b, &err), TQ_OK);
    a.poll_after_ms = b.poll_after_ms = 0; /* spread by chance */
    ck_assert_mem_eq(&a, &b, sizeof a);
}

/* Newcomers in a row, or anybody with whatever he has. */
static void enter_batch(int is_rush)
{
    struct tq_visitor visitors[BATCH_TOP];
    unsigned who[BATCH_TOP];
    size_t count = 1 + roll(BATCH_TOP);
    unsigned first = (unsigned)roll(PEOPLE);
    for (size_t i = 0; i < count; i++) {
        who[i] = is_rush ? (first + (unsigned)i) % PEOPLE : (unsigned)roll(PEOPLE);
        const char *token = is_rush || roll(3) == 0 ? NULL : tokens[who[i]];
        visitors[i] = (struct tq_visitor){sizeof *visitors, names[who[i]], token};
    }
    met_rush += is_rush && count > 8;
    ask_both(tq_room_enter, visitors, who, count);
}

static void place_batch(void)
{
    struct tq_visitor visitors[BATCH_TOP];
    unsigned who[BATCH_TOP];
    size_t count = 1 + roll(BATCH_TOP);
    for (size_t i = 0; i < count; i++) {
        who[i] = (unsigned)roll(PEOPLE);
        visitors[i] = (struct tq_visitor){sizeof *visitors, names[who[i]], NULL};
    }
    ask_both(tq_room_place, visitors, who, count);
}

static void leave_batch(void)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct tq_visitor visitors[BATCH_TOP];
    int32_t statuses[2][BATCH_TOP];
    size_t count = 1 + roll(6);
    for (size_t i = 0; i < count; i++) {
        visitors[i] = (struct tq_visitor){sizeof *visitors, names[roll(PEOPLE)], NULL};
    }
    assert_status(tq_room_leave(w.room, visitors, count, statuses[0], &err), TQ_OK);
    assert_status(tq_room_leave(memory.room, visitors, count, statuses[1], &err), TQ_OK);
    ck_assert_mem_eq(statuses[0], statuses[1], count * sizeof statuses[0][0]);
}

static void tick_both(void)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct tq_room_tick a = TQ_INIT(tq_room_tick), b = TQ_INIT(tq_room_tick);
    int rc = tq_room_tick(memory.room, &b, &err);
    assert_status(tq_room_tick(w.room, &a, &err), rc);
    ck_assert_mem_eq(&a, &b, sizeof a);
}

static void order_both(void)
{
    static const uint32_t orders[] = {TQ_ROOM_ADVANCE, TQ_ROOM_SET_RATE, TQ_ROOM_SET_CAP,
                                      TQ_ROOM_RESET,   TQ_ROOM_DRAIN,    TQ_ROOM_RESUME};
    struct tq_error err = TQ_ERROR_INIT;
    struct tq_room_action action = TQ_INIT(tq_room_action);
    action.order = orders[roll(sizeof orders / sizeof *orders)];
    action.value = 1 + (int64_t)roll(30);
    snprintf(action.actor, sizeof action.actor, "operator");
    assert_status(tq_room_operate(w.room, &action, &err), TQ_OK);
    assert_status(tq_room_operate(memory.room, &action, &err), TQ_OK);
    action.order = TQ_ROOM_RESUME;
    assert_status(tq_room_operate(w.room, &action, &err), TQ_OK);
    assert_status(tq_room_operate(memory.room, &action, &err), TQ_OK);
}

/* Both forget; those who come back later show their tokens. */
static void forget_both(struct tq_room_policy policy)
{
    policy.first_sequence = (int64_t)roll(2) * 1000;
    policy.recovery_ms = (uint32_t)roll(2) * 400;
    close_memory();
    room_world_forget(&w, &policy);
    open_memory(&policy);
}

static void do_one(const struct tq_room_policy *policy)
{
    switch (roll(16)) {
    case 0:
    case 1:
    case 2:
        enter_batch(1);
        break;
    case 3:
    case 4:
    case 5:
        enter_batch(0);
        break;
    case 6:
    case 7:
    case 8:
        place_batch();
        break;
    case 9:
        leave_batch();
        break;
    case 10:
    case 11:
        tick_both();
        break;
    case 12:
    case 13:
        room_advance(&w, (uint32_t)(1 + roll(900)));
        tick_both();
        break;
    case 14:
        order_both();
        break;
    default:
        if (roll(4) == 0) {
            forget_both(*policy);
        }
    }
    check_state();
}

START_TEST(batches_are_answered_as_in_memory)
{
    for (unsigned i = 0; i < PEOPLE; i++) {
        snprintf(names[i], sizeof names[i], "p%u", i);
    }
    for (uint64_t seed = 1; seed <= WORLDS; seed++) {
        test_env_init(&dice, seed);
        struct tq_room_policy policy = random_policy();
        memset(tokens, 0, sizeof tokens);
        room_world_open(&w, seed, &policy);
        open_memory(&policy);
        for (int i = 0; i < OPERATIONS; i++) {
            do_one(&policy);
        }
        close_memory();
        room_world_close(&w);
    }
    ck_assert_uint_ge(met_waiting, 1000);
    ck_assert_uint_ge(met_inside, 1000);
    ck_assert_uint_ge(met_refused, 1000);
    ck_assert_uint_ge(met_rush, 100);
}
END_TEST

CONFORM_MAIN("model.room.twin", batches_are_answered_as_in_memory)
