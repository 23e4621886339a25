/* SPDX-License-Identifier: MIT */
/*
 * Every public operation on holds fails at every point, in each arrangement: the
 * n-th allocation, for each n; the n-th call of the front and the n-th call of
 * the ledger, before and after it took effect. After each failure the map is
 * lawful, the same request again has one effect, and the end is the one that a
 * run without failures comes to; nothing leaks.
 */
#include "conform/hold_world.h"

#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "lib/fault_hold.h"
#include "lib/fault_ledger.h"

static struct hold_world w;
static struct tq_hold prepared; /* what `prepare` left behind */

typedef int operation(struct tq_error *err);

/* A status of an element is as good as a result. */
static int judge(int rc, int status)
{
    return rc < 0 ? rc : status;
}

static int acquire_batch(struct tq_error *err)
{
    struct tq_hold_request requests[3] = {hold_request("ann", "b1", "s4 s5"),
                                          hold_request("bob", "b2", "s6"),
                                          hold_request("eve", "b3", "s5 s7")};
    struct tq_hold holds[3] = {TQ_INIT(tq_hold), TQ_INIT(tq_hold), TQ_INIT(tq_hold)};
    int rc = tq_hold_acquire(w.book, requests, 3, holds, err);
    if (rc == TQ_OK) {
        ck_assert(holds[0].status == TQ_OK || holds[0].status == TQ_REPEAT);
        ck_assert(holds[1].status == TQ_OK || holds[1].status == TQ_REPEAT);
        assert_named(holds[2].status, TQ_TAKEN);
    }
    return rc;
}

static int acquire_waiting(struct tq_error *err)
{
    struct tq_hold_request request = hold_request("ann", "b1", "s4 s5 s6");
    struct tq_hold hold = TQ_INIT(tq_hold);
    request.wait_ms = 1000;
    int rc = tq_hold_acquire(w.book, &request, 1, &hold, err);
    return judge(rc, hold.status);
}

static int change(uint32_t verb, struct tq_error *err)
{
    static int (*const verbs[])(tq_book *, const struct tq_hold_ref *, size_t,
                                struct tq_hold_result *, struct tq_error *) = {
        [TQ_HOLD_PIN] = tq_hold_pin,         [TQ_HOLD_SETTLE] = tq_hold_settle,
        [TQ_HOLD_RELEASE] = tq_hold_release, [TQ_HOLD_EXTEND] = tq_hold_extend,
        [TQ_HOLD_RETAKE] = tq_hold_retake,   [TQ_HOLD_GIVE_BACK] = tq_hold_give_back,
    };
    struct tq_hold_ref ref = hold_ref(&prepared);
    struct tq_hold_result result = TQ_INIT(tq_hold_result);
    int rc = verbs[verb](w.book, &ref, 1, &result, err);
    return judge(rc, result.status);
}

static int pin(struct tq_error *err)
{
    return change(TQ_HOLD_PIN, err);
}

static int settle(struct tq_error *err)
{
    return change(TQ_HOLD_SETTLE, err);
}

static int release(struct tq_error *err)
{
    return change(TQ_HOLD_RELEASE, err);
}

static int extend(struct tq_error *err)
{
    return change(TQ_HOLD_EXTEND, err);
}

static int retake(struct tq_error *err)
{
    return change(TQ_HOLD_RETAKE, err);
}

static int give_back(struct tq_error *err)
{
    return change(TQ_HOLD_GIVE_BACK, err);
}

static int sweep(struct tq_error *err)
{
    int rc = tq_hold_sweep(w.book, 10, NULL, NULL, NULL, err);
    return rc == TQ_EMPTY ? TQ_REPEAT : rc;
}

static int map(struct tq_error *err)
{
    uint8_t bits[8];
    struct tq_seat_map out = {.size = sizeof out, .bits = bits, .bits_bytes = sizeof bits};
    return tq_book_map(w.book, HOLD_SCHEDULE, &out, err);
}

static int define(struct tq_error *err)
{
    static const char *const seats[] = {"s0", "s1", "s2", "s3"};
    return tq_book_define(w.book, HOLD_SCHEDULE, seats, 4, err);
}

static int define_new(struct tq_error *err)
{
    static const char *const seats[] = {"a", "b", "c", "d"};
    struct tq_seat_map out = TQ_INIT(tq_seat_map);
    TQ_TRY(tq_book_define(w.book, "another", seats, 4, err));
    TQ_TRY(tq_book_map(w.book, "another", &out, err));
    ck_assert_uint_eq(out.seats_count, 4);
    return TQ_OK;
}

static int open_book(struct tq_error *err)
{
    struct tq_book_options options = {.size = sizeof options, .front = w.front, .ledger = w.ledger};
    tq_book *book = NULL;
    int rc = tq_book_open(&w.world.env, &options, &book, err);
    tq_book_close(book);
    return rc;
}

/* The three steps of a host with a transaction of its own. */
struct recording {
    struct tq_hold_request request;
    struct tq_hold claim;
    struct tq_hold hold;
};

static int record(tq_tx *tx, void *arg, struct tq_error *err)
{
    struct recording *recording = arg;
    recording->hold = recording->claim;
    return tq_hold_record(tx, w.book, &recording->request, 1, &recording->hold, err);
}

static int host_records(struct tq_error *err)
{
    struct recording recording = {.request = hold_request("ann", "b1", "s4 s5 s6"),
                                  .claim = TQ_INIT(tq_hold)};
    int rc = tq_hold_claim(w.book, &recording.request, 1, &recording.claim, err);
    if (rc < 0 || !w.ledger) {
        return judge(rc, recording.claim.status);
    }
    rc = tq_ledger_run(w.ledger, record, &recording, err);
    if (rc < 0 && rc != TQ_E_UNKNOWN && recording.claim.status == TQ_OK) {
        struct tq_hold_ref ref = hold_ref(&recording.claim);
        tq_hold_reflect(w.book, TQ_HOLD_WITHDRAW, &ref, 1, NULL);
    }
    return judge(rc, recording.hold.status);
}

enum before { HELD, PINNED, SOLD, ENDED, DUE, LOST };

static const struct step {
    const char *name;
    operation *run;
    enum before before; /* of the hold of "s1 s2" */
    uint32_t counts[4]; /* after success */
} steps[] = {
    {"acquire_batch", acquire_batch, HELD, {11, 5, 0, 0}},
    {"acquire_waiting", acquire_waiting, HELD, {11, 5, 0, 0}},
    {"acquire_after_loss", acquire_batch, LOST, {11, 3, 2, 0}},
    {"acquire_over_due", acquire_batch, DUE, {13, 3, 0, 0}},
    {"pin", pin, HELD, {14, 0, 2, 0}},
    {"settle", settle, HELD, {14, 0, 0, 2}},
    {"settle_pinned", settle, PINNED, {14, 0, 0, 2}},
    {"release", release, PINNED, {16, 0, 0, 0}},
    {"extend", extend, HELD, {14, 2, 0, 0}},
    {"retake", retake, ENDED, {14, 0, 2, 0}},
    {"give_back", give_back, SOLD, {16, 0, 0, 0}},
    {"sweep", sweep, DUE, {16, 0, 0, 0}},
    {"map", map, HELD, {14, 2, 0, 0}},
    {"map_after_loss", map, LOST, {14, 0, 2, 0}},
    {"define", define, HELD, {14, 2, 0, 0}},
    {"define_new", define_new, HELD, {14, 2, 0, 0}},
    {"open_book", open_book, HELD, {14, 2, 0, 0}},
    {"host_records", host_records, HELD, {11, 5, 0, 0}},
};
#define STEPS (int)(sizeof steps / sizeof *steps)

static void begin(const struct step *step)
{
    fault_hold_set(FAULT_HOLD_NONE, 0);
    fault_plan_set(FAULT_NONE, 0, 0);
    hold_world_open_on(&w, &fault_hold_driver, &fault_ledger_driver);
    prepared = hold_take(&w, "ann", "a", "s1 s2");
    world_advance(&w.world, 1000);
    if (step->before == PINNED || step->before == LOST) {
        assert_named(hold_do(&w, TQ_HOLD_PIN, &prepared).status, TQ_OK);
    } else if (step->before == SOLD) {
        assert_named(hold_do(&w, TQ_HOLD_SETTLE, &prepared).status, TQ_OK);
    } else if (step->before == ENDED) {
        assert_named(hold_do(&w, TQ_HOLD_RELEASE, &prepared).status, TQ_OK);
    } else if (step->before == DUE) {
        world_advance(&w.world, 60000);
    }
    if (step->before == LOST && w.front && w.ledger) {
        hold_world_lose_front(&w);
    }
}

static void stop_faults(void)
{
    w.world.test.fail_at = 0;
    fault_hold_set(FAULT_HOLD_NONE, 0);
    fault_plan_set(FAULT_NONE, 0, 0);
}

/* After the operation came to `rc`: once more if it failed, and look at the end. */
static void finish(const struct step *step, int rc, long n)
{
    stop_faults();
    world_advance(&w.world, 200); /* a moment for doubts */
    ck_assert_msg(rc >= TQ_OK || rc == TQ_E_NOMEM || rc == TQ_E_UNAVAILABLE || rc == TQ_E_UNKNOWN,
                  "%s %ld: %s", step->name, n, tq_status_name(rc));
    if (rc < 0) {
        struct tq_error err = TQ_ERROR_INIT;
        hold_map_of(&w); /* lawful: its bits and counts agree */
        rc = step->run(&err);
    }
    ck_assert_msg(rc == TQ_OK || rc == TQ_REPEAT, "%s %ld: %s", step->name, n, tq_status_name(rc));
    if (step->before == DUE) {
        hold_sweep_all(&w);
    }
    struct hold_map end = hold_map_of(&w);
    ck_assert_msg(memcmp(end.counts, step->counts, sizeof end.counts) == 0, "%s %ld: %u %u %u %u",
                  step->name, n, end.counts[0], end.counts[1], end.counts[2], end.counts[3]);
    hold_world_close(&w);
}

START_TEST(the_nth_allocation_fails)
{
    const struct step *step = &steps[_i];
    long failed = 0;
    for (int is_over = 0, n = 1; !is_over; n++) {
        struct tq_error err = TQ_ERROR_INIT;
        begin(step);
        w.world.test.fail_at = w.world.test.allocations + n;
        int rc = step->run(&err);
        is_over = w.world.test.allocations < w.world.test.fail_at;
        failed += rc < 0;
        ck_assert_msg(rc != TQ_E_UNAVAILABLE, "%s: %s", step->name, err.message);
        finish(step, rc, n);
    }
    ck_assert_msg(failed > 0 || step->run == map || step->run == sweep, "%s", step->name);
}
END_TEST

static void fail_front(const struct step *step, enum fault_hold_kind kind)
{
    for (int is_over = 0, n = 1; !is_over; n++) {
        struct tq_error err = TQ_ERROR_INIT;
        begin(step);
        fault_hold_set(kind, n);
        int rc = step->run(&err);
        is_over = fault_hold_calls() < n;
        finish(step, rc, n);
    }
}

START_TEST(the_nth_call_of_the_front_fails)
{
    fail_front(&steps[_i], FAULT_HOLD_BEFORE);
    fail_front(&steps[_i], FAULT_HOLD_AFTER);
}
END_TEST

static void fail_ledger(const struct step *step, int kind)
{
    for (int is_over = 0, n = 1; !is_over; n++) {
        struct tq_error err = TQ_ERROR_INIT;
        begin(step);
        fault_plan_set(kind, FAULT_ANY, n);
        int rc = step->run(&err);
        is_over = fault_plan.numbered < n;
        finish(step, rc, n);
    }
}

START_TEST(the_nth_call_of_the_ledger_fails)
{
    fail_ledger(&steps[_i], FAULT_BEFORE);
    fail_ledger(&steps[_i], FAULT_CRASH);
    fail_ledger(&steps[_i], FAULT_AFTER);
}
END_TEST

/* By another process on the same engines. */
static void elsewhere(void (*act)(void))
{
    tq_book *mine = w.book;
    w.book = hold_world_book(&w);
    act();
    tq_book_close(w.book);
    w.book = mine;
}

static uint32_t meanwhile;

static void free_prepared(void)
{
    assert_named(hold_do(&w, meanwhile, &prepared).status, TQ_OK);
}

/* The front is told before it knows the hold, and then gets it as the ledger had it before. */
START_TEST(freed_while_the_front_is_loaded__is_free_there_too)
{
    static const struct step freed[] = {{.before = PINNED}, {.before = SOLD}};
    begin(&freed[_i]);
    if (w.front && w.ledger) {
        meanwhile = freed[_i].before == SOLD ? TQ_HOLD_GIVE_BACK : TQ_HOLD_RELEASE;
        hold_world_lose_front(&w);
        fault_hold_before_load(free_prepared);
        ck_assert_uint_eq(hold_map_of(&w).counts[TQ_SEAT_AVAILABLE], HOLD_SEATS - 2);
        world_advance(&w.world, 200); /* a moment for doubts */
        assert_named(hold_take(&w, "bob", "b", "s1 s2").status, TQ_OK);
    }
    hold_world_close(&w);
}
END_TEST

static void sell(void)
{
    struct tq_hold hold = hold_take(&w, "eve", "e", "s7");
    assert_named(hold_do(&w, TQ_HOLD_PIN, &hold).status, TQ_OK);
    assert_named(hold_do(&w, TQ_HOLD_SETTLE, &hold).status, TQ_OK);
}

static void sell_elsewhere(void)
{
    elsewhere(sell);
}

/* What a ledger that may have gone back did not show is freed, unless it shows it when asked
   again. */
START_TEST(sold_while_the_front_is_loaded__is_sold_there_too)
{
    static const char *const known[] = {"s7"};
    begin(&(const struct step){.before = HELD});
    if (w.front && w.ledger) {
        fault_hold_before_load(sell_elsewhere);
        assert_named(tq_book_define(w.book, HOLD_SCHEDULE, known, 1, NULL), TQ_REPEAT);
        ck_assert_uint_eq(hold_map_of(&w).seats[7], TQ_SEAT_SOLD);
    }
    hold_world_close(&w);
}
END_TEST

/* Nobody asks again what became of it. */
START_TEST(the_outcome_of_a_release_is_lost__the_front_finds_out)
{
    begin(&(const struct step){.before = PINNED});
    if (w.front && w.ledger) {
        struct tq_error err = TQ_ERROR_INIT;
        fault_plan_set(FAULT_AFTER, 1u << FAULT_COMMIT, 1);
        assert_named(change(TQ_HOLD_RELEASE, &err), TQ_E_UNKNOWN);
        stop_faults();
        assert_named(hold_take(&w, "bob", "b", "s1 s2").status, TQ_OK);
    }
    hold_world_close(&w);
}
END_TEST

static void release_elsewhere_and_break(void)
{
    meanwhile = TQ_HOLD_RELEASE;
    elsewhere(free_prepared);
    fault_plan_set(FAULT_BEFORE, 1u << FAULT_BEGIN, 1);
}

/* The front has been told of what may be past, and not of what is. */
START_TEST(a_define_stops_between_its_loads__the_next_who_asks_goes_on)
{
    struct tq_error err = TQ_ERROR_INIT;
    begin(&(const struct step){.before = PINNED});
    if (w.front && w.ledger) {
        fault_hold_before_load(release_elsewhere_and_break);
        assert_named(define(&err), TQ_E_UNAVAILABLE);
        stop_faults();
        assert_named(hold_take(&w, "bob", "b", "s1 s2").status, TQ_OK);
    }
    hold_world_close(&w);
}
END_TEST

int main(int arguments_count, char **arguments)
{
    TCase *tcase = tcase_create("fault.hold");
    tcase_set_timeout(tcase, 300);
    fixture_choose(arguments_count > 1 ? arguments[1] : "");
    tcase_add_loop_test(tcase, the_nth_allocation_fails, 0, STEPS);
    tcase_add_loop_test(tcase, the_nth_call_of_the_front_fails, 0, STEPS);
    tcase_add_loop_test(tcase, the_nth_call_of_the_ledger_fails, 0, STEPS);
    tcase_add_loop_test(tcase, freed_while_the_front_is_loaded__is_free_there_too, 0, 2);
    tcase_add_test(tcase, sold_while_the_front_is_loaded__is_sold_there_too);
    tcase_add_test(tcase, the_outcome_of_a_release_is_lost__the_front_finds_out);
    tcase_add_test(tcase, a_define_stops_between_its_loads__the_next_who_asks_goes_on);
    return unit_run("fault.hold", tcase);
}
