/* SPDX-License-Identifier: MIT */
/*
 * Every public operation of a room fails at every point: the n-th allocation,
 * for each n, and the n-th call of the driver, before and after it took effect.
 * After each failure the room is lawful, the same request again has one effect,
 * and the end is the one that a run without failures comes to.
 */
#include "conform/room_world.h"

#include <string.h>

#include "core/env.h"
#include "lib/fault_room.h"

#define CROWD 40 /* more than a batch that lies on the stack */

/* One operation in a world that is ready for it: a result like the library's. */
typedef int operation(struct room_world *w, struct tq_error *err);

static const struct tq_room_policy policy = {
    .size = sizeof policy, .rate = 3, .rate_per_ms = 600000, .max_active = 100, .waiting_ms = 1000};

static struct tq_visitor visitors[CROWD];
static struct tq_place places[CROWD];
static char old_token[TQ_TOKEN_SIZE], old_pass[TQ_TOKEN_SIZE];

static void crowd_init(void)
{
    static char names[CROWD][16];
    for (unsigned i = 0; i < CROWD; i++) {
        memcpy(names[i], room_name(i), sizeof names[i]);
        visitors[i] = (struct tq_visitor){.size = sizeof *visitors, .id = names[i]};
        places[i].size = sizeof *places;
    }
}

static int enter_crowd(struct room_world *w, struct tq_error *err)
{
    return tq_room_enter(w->room, visitors, CROWD, places, err);
}

static int enter_back(struct room_world *w, struct tq_error *err)
{
    struct tq_visitor back[2] = {
        {.size = sizeof *back, .id = "with-place", .token = old_token},
        {.size = sizeof *back, .id = "with-pass", .token = old_pass},
    };
    return tq_room_enter(w->room, back, 2, places, err);
}

static int place_crowd(struct room_world *w, struct tq_error *err)
{
    return tq_room_place(w->room, visitors, CROWD, places, err);
}

static int leave_some(struct room_world *w, struct tq_error *err)
{
    int32_t statuses[CROWD];
    return tq_room_leave(w->room, visitors, CROWD / 2, statuses, err);
}

static int tick_once(struct room_world *w, struct tq_error *err)
{
    struct tq_room_tick tick = TQ_INIT(tq_room_tick);
    return tq_room_tick(w->room, &tick, err);
}

static int read_state(struct room_world *w, struct tq_error *err)
{
    struct tq_room_state state = TQ_INIT(tq_room_state);
    return tq_room_state(w->room, &state, err);
}

static int advance_five(struct room_world *w, struct tq_error *err)
{
    struct tq_room_action action = {.size = sizeof action,
                                    .order = TQ_ROOM_ADVANCE,
                                    .value = 5,
                                    .actor = "operator",
                                    .request_key = "once"};
    return tq_room_operate(w->room, &action, err);
}

static int ignore_action(void *arg, const struct tq_room_action *action)
{
    (void)arg;
    (void)action;
    return 0;
}

static int read_audit(struct room_world *w, struct tq_error *err)
{
    return tq_room_audit(w->room, 0, ignore_action, NULL, err);
}

static int open_again(struct room_world *w, struct tq_error *err)
{
    tq_room *room = NULL;
    int rc = tq_room_open(w->store, w->keys, ROOM_ID, &policy, &room, err);
    tq_room_close(room);
    return rc;
}

static int open_new(struct room_world *w, struct tq_error *err)
{
    tq_room *room = NULL;
    int rc = tq_room_open(w->store, w->keys, "another", NULL, &room, err);
    tq_room_close(room);
    return rc;
}

/* What the room must be after the operation has succeeded, at last. */
static const struct step {
    operation *run;
    int is_crowd_there; /* before */
    uint64_t waiting, active;
    int64_t tail;
    long allocations; /* at least */
} steps[] = {
    {enter_crowd, 0, CROWD, 0, CROWD + 2, CROWD},  {enter_back, 0, 1, 1, 2, 5},
    {place_crowd, 1, CROWD, 0, CROWD + 2, 1},      {leave_some, 1, CROWD / 2, 0, CROWD + 2, 1},
    {tick_once, 1, CROWD - 3, 3, CROWD + 2, 0},    {read_state, 1, CROWD, 0, CROWD + 2, 0},
    {advance_five, 1, CROWD - 5, 5, CROWD + 2, 1}, {read_audit, 1, CROWD, 0, CROWD + 2, 0},
    {open_again, 1, CROWD, 0, CROWD + 2, 1},       {open_new, 1, CROWD, 0, CROWD + 2, 2},
};
#define STEPS (int)(sizeof steps / sizeof *steps)

/* A world in which numbers 1 and 2 were given to two who show their tokens again. */
static void begin(struct room_world *w, const struct step *step)
{
    fault_room_set(FAULT_ROOM_NONE, 0);
    crowd_init();
    room_world_open(w, 3, &policy);
    struct tq_place pass = room_enter(w, "with-pass", NULL);
    struct tq_place place = room_enter(w, "with-place", NULL);
    room_order(w, TQ_ROOM_ADVANCE, 1, NULL);
    pass = room_place(w, "with-pass");
    memcpy(old_token, place.token, sizeof old_token);
    memcpy(old_pass, pass.pass, sizeof old_pass);
    struct tq_room_policy floor = policy;
    floor.first_sequence = 3;
    room_world_forget(w, &floor);
    if (step->is_crowd_there) {
        struct tq_error err = TQ_ERROR_INIT;
        assert_status(enter_crowd(w, &err), TQ_OK);
    }
}

/* Nothing is counted wrong, whatever has just failed. */
static void check_lawful(struct room_world *w)
{
    struct tq_room_state state = room_state(w);
    ck_assert_uint_le(state.waiting + state.active, CROWD + 2);
    ck_assert_int_le(state.serving, state.tail);
    ck_assert_int_le(state.tail, (CROWD + 2) * fixture_shards());
}

static void check_end(struct room_world *w, const struct step *step)
{
    struct tq_room_state state = room_state(w);
    ck_assert_uint_eq(state.waiting, step->waiting);
    ck_assert_uint_eq(state.active, step->active);
    int has_gaps = step->run == enter_back || fixture_shards() > 1;
    ck_assert_int_eq(state.tail, has_gaps ? state.tail : step->tail);
    uint64_t ahead = 0;
    for (unsigned i = 0; i < CROWD; i++) { /* the line has no holes and nobody twice */
        struct tq_place place = room_place(w, visitors[i].id);
        if (place.status == TQ_OK && place.visit == TQ_VISIT_WAITING) {
            assert_ahead(place.ahead, ahead++ + (step->run == enter_back));
        }
    }
    room_order(w, TQ_ROOM_ADVANCE, TQ_BATCH_MAX, NULL);
    ck_assert_uint_eq(room_state(w).active, step->waiting + step->active);
}

START_TEST(the_nth_allocation_fails)
{
    const struct step *step = &steps[_i];
    long failed = 0;
    for (int is_over = 0, n = 1; !is_over; n++) {
        struct room_world w = {.driver = NULL};
        struct tq_error err = TQ_ERROR_INIT;
        begin(&w, step);
        w.world.test.fail_at = w.world.test.allocations + n;
        int rc = step->run(&w, &err);
        is_over = w.world.test.allocations < w.world.test.fail_at;
        w.world.test.fail_at = 0;
        if (rc < 0) {
            ck_assert_msg(rc == TQ_E_NOMEM || rc == TQ_E_UNKNOWN, "%s", tq_status_name(rc));
            failed++;
            check_lawful(&w);
            ck_assert_int_ge(step->run(&w, &err), 0);
        }
        check_end(&w, step);
        room_world_close(&w);
    }
    /* A server's line is not in our memory. */
    ck_assert_int_ge(failed, fixture_is_remote() ? 0 : step->allocations);
}
END_TEST

static void fail_call(const struct step *step, enum fault_room_kind kind, int expected)
{
    struct room_world w = {.driver = &fault_room_driver};
    struct tq_error err = TQ_ERROR_INIT;
    begin(&w, step);
    fault_room_set(FAULT_ROOM_NONE, 0);
    ck_assert_int_ge(step->run(&w, &err), 0);
    long calls = fault_room_calls();
    check_end(&w, step);
    room_world_close(&w);
    ck_assert_int_ge(calls, 1);
    for (long n = 1; n <= calls; n++) {
        begin(&w, step);
        fault_room_set(kind, n);
        int rc = step->run(&w, &err);
        ck_assert_msg(rc == expected, "%s", tq_status_name(rc));
        fault_room_set(FAULT_ROOM_NONE, 0);
        check_lawful(&w);
        ck_assert_int_ge(step->run(&w, &err), 0);
        check_end(&w, step);
        room_world_close(&w);
    }
}

START_TEST(the_nth_call_fails_before_it_took_effect)
{
    fail_call(&steps[_i], FAULT_ROOM_BEFORE, TQ_E_UNAVAILABLE);
}
END_TEST

START_TEST(the_answer_of_the_nth_call_is_lost)
{
    fail_call(&steps[_i], FAULT_ROOM_AFTER, TQ_E_UNKNOWN);
}
END_TEST

START_TEST(a_room_that_the_store_lost_is_opened_again)
{
    const struct step *step = &steps[_i];
    struct room_world w = {.driver = &fault_room_driver};
    struct tq_error err = TQ_ERROR_INIT;
    begin(&w, step);
    fault_room_set(FAULT_ROOM_LOST, 1);
    ck_assert_int_ge(step->run(&w, &err), 0);
    fault_room_set(FAULT_ROOM_NONE, 0);
    check_lawful(&w);
    ck_assert_int_ge(step->run(&w, &err), 0);
    ck_assert_int_eq(room_enter(&w, "after", NULL).status, TQ_OK);
    room_world_close(&w);
}
END_TEST

START_TEST(numbers_and_epoch_go_on_after_a_loss)
{
    struct room_world w = {.driver = &fault_room_driver};
    fault_room_set(FAULT_ROOM_NONE, 0);
    room_world_open(&w, 3, &policy);
    struct tq_place old = room_enter(&w, "old", NULL);
    room_order(&w, TQ_ROOM_RESET, 0, NULL);
    ck_assert_int_eq(room_state(&w).epoch, 2);
    struct tq_place a = room_enter(&w, "a", NULL);
    room_enter(&w, "b", NULL);
    fault_room_set(FAULT_ROOM_LOST, 1);
    ck_assert_int_eq(room_enter(&w, "c", NULL).sequence, 4);
    ck_assert_int_eq(room_state(&w).epoch, 2);
    ck_assert_int_eq(room_enter(&w, "old", old.token).status, TQ_REFUSED);
    ck_assert_int_eq(room_enter(&w, "a", a.token).sequence, a.sequence);
    ck_assert_uint_eq(room_place(&w, "c").ahead, 1);
    room_world_close(&w);
}
END_TEST

START_TEST(a_store_that_keeps_nothing_is_not_there)
{
    const struct step *step = &steps[_i];
    struct room_world w = {.driver = &fault_room_driver};
    struct tq_error err = TQ_ERROR_INIT;
    begin(&w, step);
    fault_room_set(FAULT_ROOM_DEAF, 1);
    int is_open = step->run == open_again || step->run == open_new;
    ck_assert_int_eq(step->run(&w, &err), is_open ? TQ_OK : TQ_E_UNAVAILABLE);
    fault_room_set(FAULT_ROOM_NONE, 0);
    check_lawful(&w);
    room_world_close(&w);
}
END_TEST

/* The driver that fails on purpose is around the one in memory. */
int main(int arguments_count, char **arguments)
{
    fixture_choose(arguments_count > 1 ? arguments[1] : "memory");
    TCase *tcase = tcase_create("fault.room");
    tcase_set_timeout(tcase, 300);
    tcase_add_loop_test(tcase, the_nth_allocation_fails, 0, STEPS);
    if (!fixture_is_remote()) {
        tcase_add_loop_test(tcase, the_nth_call_fails_before_it_took_effect, 0, STEPS);
        tcase_add_loop_test(tcase, the_answer_of_the_nth_call_is_lost, 0, STEPS);
        tcase_add_loop_test(tcase, a_room_that_the_store_lost_is_opened_again, 0, STEPS);
        tcase_add_loop_test(tcase, a_store_that_keeps_nothing_is_not_there, 0, STEPS);
        tcase_add_test(tcase, numbers_and_epoch_go_on_after_a_loss);
    }
    return unit_run("fault.room", tcase);
}
