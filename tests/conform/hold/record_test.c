/* SPDX-License-Identifier: MIT */
/*
 * Holds inside the host's own transaction: claim, record, reflect. What the host
 * undoes is undone here too, and the ledger decides against any front.
 */
#include <stdio.h>
#include <string.h>

#include "conform/hold_world.h"

static struct hold_world w;
static struct tq_error err = TQ_ERROR_INIT;

/* On a front alone there is nothing to record in: says so once, and is done. */
static int is_without_ledger(void)
{
    if (w.ledger) {
        return 0;
    }
    struct tq_hold_request request = hold_request("ann", "a", "s1");
    struct tq_hold hold = TQ_INIT(tq_hold);
    tq_tx *no_tx = (tq_tx *)&request; /* never looked at */
    assert_status(tq_hold_record(no_tx, w.book, &request, 1, &hold, &err), TQ_E_UNSUPPORTED);
    hold_world_close(&w);
    return 1;
}

/* One transaction of a host: record and then a result of the host's own. */
struct body {
    struct tq_hold_request request;
    struct tq_hold hold;
    struct tq_hold_ref ref;
    struct tq_hold_result result;
    uint32_t verb; /* 0: record */
    int outcome;
    unsigned visited;
    struct tq_hold_row row;
    char seats[64];
};

static int change_in(tq_tx *tx, struct body *body, struct tq_error *failure)
{
    static int (*const verbs[])(tq_tx *, tq_book *, const struct tq_hold_ref *, size_t,
                                struct tq_hold_result *, struct tq_error *) = {
        [TQ_HOLD_PIN] = tq_hold_record_pin,       [TQ_HOLD_SETTLE] = tq_hold_record_settle,
        [TQ_HOLD_RELEASE] = tq_hold_record_free,  [TQ_HOLD_EXTEND] = tq_hold_record_extend,
        [TQ_HOLD_RETAKE] = tq_hold_record_retake, [TQ_HOLD_GIVE_BACK] = tq_hold_record_give_back,
    };
    return verbs[body->verb](tx, w.book, &body->ref, 1, &body->result, failure);
}

static int run_body(tq_tx *tx, void *arg, struct tq_error *failure)
{
    struct body *body = arg;
    int rc = body->verb ? change_in(tx, body, failure)
                        : tq_hold_record(tx, w.book, &body->request, 1, &body->hold, failure);
    return rc < 0 ? rc : body->outcome;
}

static struct body claim(const char *holder, const char *key, const char *seats)
{
    struct body body = {.request = hold_request(holder, key, seats), .hold = TQ_INIT(tq_hold)};
    assert_status(tq_hold_claim(w.book, &body.request, 1, &body.hold, &err), TQ_OK);
    return body;
}

static void run(struct body *body)
{
    assert_status(tq_ledger_run(w.ledger, run_body, body, &err), body->outcome);
}

static int change_by(const struct tq_hold *hold, uint32_t verb, int outcome)
{
    struct body body = {.verb = verb, .outcome = outcome, .result = TQ_INIT(tq_hold_result)};
    body.ref = hold_ref(hold);
    run(&body);
    if (outcome == TQ_OK) {
        body.ref.fence = body.result.fence;
        tq_hold_reflect(w.book, verb, &body.ref, 1, &err);
    }
    return body.result.status;
}

/* Changes the ledger, and leaves it to others to tell the front. */
static struct tq_hold change_untold(const struct tq_hold *hold, uint32_t verb)
{
    struct body body = {.verb = verb, .result = TQ_INIT(tq_hold_result), .ref = hold_ref(hold)};
    struct tq_hold changed = *hold;
    run(&body);
    assert_named(body.result.status, TQ_OK);
    changed.fence = body.result.fence;
    return changed;
}

static void tell(uint32_t verb, const struct tq_hold *hold)
{
    struct tq_hold_ref ref = hold_ref(hold);
    assert_status(tq_hold_reflect(w.book, verb, &ref, 1, &err), TQ_OK);
}

/* Those who tell the front do not wait for each other. */
START_TEST(a_retake_that_is_told_too_late__brings_nothing_back)
{
    static const char *const known[] = {"s1"};
    hold_world_open(&w, NULL);
    if (is_without_ledger()) {
        return;
    }
    struct tq_hold held = hold_take(&w, "ann", "a", "s1"), ended = hold_take(&w, "ann", "b", "s2"),
                   loaded = hold_take(&w, "ann", "c", "s3");
    held = change_untold(&held, TQ_HOLD_RETAKE);
    ended = change_untold(&ended, TQ_HOLD_RELEASE);
    tell(TQ_HOLD_RELEASE, &ended);
    ended = change_untold(&ended, TQ_HOLD_RETAKE);
    loaded = change_untold(&loaded, TQ_HOLD_RELEASE);
    tell(TQ_HOLD_RELEASE, &loaded);
    loaded = change_untold(&loaded, TQ_HOLD_RETAKE);
    held = change_untold(&held, TQ_HOLD_RELEASE);
    ended = change_untold(&ended, TQ_HOLD_RELEASE);
    loaded = change_untold(&loaded, TQ_HOLD_RELEASE);
    tell(TQ_HOLD_RELEASE, &held);
    tell(TQ_HOLD_RELEASE, &ended);
    if (w.front) {
        assert_status(tq_book_define(w.book, HOLD_SCHEDULE, known, 1, &err), TQ_REPEAT);
    }
    tell(TQ_HOLD_RETAKE, &held);
    tell(TQ_HOLD_RETAKE, &ended);
    tell(TQ_HOLD_RETAKE, &loaded);
    ck_assert_uint_eq(hold_map_of(&w).counts[TQ_SEAT_AVAILABLE], HOLD_SEATS);
    assert_named(hold_take(&w, "bob", "b", "s1 s2 s3").status, TQ_OK);
    hold_world_close(&w);
}
END_TEST

START_TEST(claim_record_reflect__walks_to_the_ticket)
{
    hold_world_open(&w, NULL);
    if (is_without_ledger()) {
        return;
    }
    struct body body = claim("ann", "a", "s1 s2");
    assert_named(body.hold.status, TQ_OK);
    run(&body);
    assert_named(body.hold.status, TQ_OK);
    ck_assert_int_le(body.hold.expires_ms - body.hold.granted_ms, 60000);
    ck_assert_int_gt(body.hold.expires_ms - body.hold.granted_ms, 50000);
    ck_assert_uint_gt(body.hold.fence, 0);
    assert_named(hold_take(&w, "bob", "b", "s2").status, TQ_TAKEN);
    int again = change_by(&body.hold, TQ_HOLD_EXTEND, TQ_OK);
    assert_named(again, again == TQ_OK && fixture_has_own_clock() ? TQ_OK : TQ_REPEAT);
    assert_named(change_by(&body.hold, TQ_HOLD_PIN, TQ_OK), TQ_OK);
    ck_assert_uint_eq(hold_map_of(&w).counts[TQ_SEAT_PAYING], 2);
    assert_named(change_by(&body.hold, TQ_HOLD_SETTLE, TQ_OK), TQ_OK);
    ck_assert_uint_eq(hold_map_of(&w).counts[TQ_SEAT_SOLD], 2);
    assert_named(change_by(&body.hold, TQ_HOLD_GIVE_BACK, TQ_OK), TQ_OK);
    ck_assert_uint_eq(hold_map_of(&w).counts[TQ_SEAT_AVAILABLE], HOLD_SEATS);
    assert_named(change_by(&body.hold, TQ_HOLD_RETAKE, TQ_OK), TQ_OK);
    ck_assert_uint_eq(hold_map_of(&w).counts[TQ_SEAT_AVAILABLE], HOLD_SEATS - 2);
    hold_world_close(&w);
}
END_TEST

/* An answer of the front was lost: its key is known there, and nowhere else. */
START_TEST(a_claim_that_is_repeated__is_new_to_the_ledger_once)
{
    hold_world_open(&w, NULL);
    if (is_without_ledger()) {
        return;
    }
    struct body lost = claim("ann", "a", "s1 s2"), again = claim("ann", "a", "s1 s2");
    run(&again);
    assert_named(again.hold.status, TQ_OK);
    run(&lost);
    assert_named(lost.hold.status, TQ_REPEAT);
    ck_assert_str_eq(lost.hold.id, again.hold.id);
    ck_assert_uint_eq(hold_map_of(&w).counts[TQ_SEAT_HOLD], 2);
    hold_world_close(&w);
}
END_TEST

START_TEST(cancel_during_acquire__leaves_nothing_behind)
{
    hold_world_open(&w, NULL);
    if (is_without_ledger()) {
        return;
    }
    struct body body = claim("ann", "a", "s1 s2");
    body.outcome = TQ_E_INVALID; /* the host changes its mind */
    run(&body);
    struct tq_hold_ref ref = hold_ref(&body.hold);
    assert_status(tq_hold_reflect(w.book, TQ_HOLD_WITHDRAW, &ref, 1, &err), TQ_OK);
    assert_named(hold_take(&w, "bob", "b", "s1 s2").status, TQ_OK);
    assert_named(hold_take(&w, "ann", "a", "s1 s2").status, TQ_TAKEN); /* the key is unused */
    hold_world_close(&w);
}
END_TEST

START_TEST(an_undone_verb__did_not_happen)
{
    hold_world_open(&w, NULL);
    if (is_without_ledger()) {
        return;
    }
    struct tq_hold hold = hold_take(&w, "ann", "a", "s1");
    change_by(&hold, TQ_HOLD_SETTLE, TQ_E_INVALID);
    assert_named(hold_do(&w, TQ_HOLD_RELEASE, &hold).status, TQ_OK);
    assert_named(hold_take(&w, "bob", "b", "s1").status, TQ_OK);
    hold_world_close(&w);
}
END_TEST

START_TEST(crash_between__a_claim_without_record_ends_by_its_time)
{
    HOLD_MOVES_TIME();
    hold_world_open(&w, NULL);
    if (is_without_ledger() || !w.front) {
        if (w.ledger) {
            hold_world_close(&w);
        }
        return;
    }
    struct body body = claim("ann", "a", "s1");
    assert_named(hold_take(&w, "bob", "b", "s1").status, TQ_TAKEN);
    world_advance(&w.world, 60000);
    ck_assert_uint_eq(hold_sweep_all(&w), 0); /* the ledger never heard of it */
    ck_assert_uint_eq(hold_map_of(&w).counts[TQ_SEAT_HOLD], 0);
    run(&body); /* too late */
    assert_named(body.hold.status, TQ_EXPIRED);
    assert_named(hold_take(&w, "bob", "b", "s1").status, TQ_OK);
    hold_world_close(&w);
}
END_TEST

START_TEST(crash_between__what_the_ledger_has_wins_over_an_untold_front)
{
    HOLD_MOVES_TIME();
    hold_world_open(&w, NULL);
    if (is_without_ledger()) {
        return;
    }
    struct body sold = claim("ann", "a", "s1");
    run(&sold);
    struct body pay = {.verb = TQ_HOLD_SETTLE, .result = TQ_INIT(tq_hold_result)};
    pay.ref = hold_ref(&sold.hold);
    run(&pay); /* and nothing is reflected */
    assert_named(pay.result.status, TQ_OK);
    world_advance(&w.world, 60000);
    hold_sweep_all(&w);
    assert_named(hold_take(&w, "bob", "b", "s1").status, TQ_TAKEN);
    world_advance(&w.world, 1000);
    assert_named(hold_take(&w, "bob", "b", "s1").status, TQ_TAKEN);
    ck_assert_uint_eq(hold_map_of(&w).seats[1], TQ_SEAT_SOLD); /* the front has learnt it */
    hold_world_close(&w);
}
END_TEST

START_TEST(two_claims_of_one_seat__the_ledger_takes_one)
{
    HOLD_MOVES_TIME();
    hold_world_open(&w, NULL);
    if (is_without_ledger()) {
        return;
    }
    struct body first = claim("ann", "a", "s1 s2");
    world_advance(&w.world, w.front ? 60000 : 0); /* the front forgets; the record is late */
    struct body second = claim("bob", "b", "s2");
    first.hold.expires_ms = 0;
    run(&first);
    run(&second);
    assert_named(first.hold.status, TQ_OK);
    assert_named(second.hold.status, TQ_TAKEN);
    ck_assert_uint_eq(second.hold.taken, 1);
    run(&first); /* again, as after an unknown outcome */
    assert_named(first.hold.status, TQ_REPEAT);
    hold_world_close(&w);
}
END_TEST

static int keep_row(void *arg, const struct tq_hold_row *row)
{
    struct body *body = arg;
    body->visited++;
    body->row = *row;
    snprintf(body->seats, sizeof body->seats, "%s %s %s %s %zu", row->schedule, row->holder,
             row->seats[0], row->seats[row->seats_count - 1], row->seats_count);
    return 0;
}

static int sweep_body(tq_tx *tx, void *arg, struct tq_error *failure)
{
    struct body *body = arg;
    body->visited = 0;
    int rc = tq_hold_record_sweep(tx, w.book, 10, keep_row, body, failure);
    return rc < 0 || !body->outcome ? rc : body->outcome;
}

static int read_body(tq_tx *tx, void *arg, struct tq_error *failure)
{
    struct body *body = arg;
    body->visited = 0;
    return tq_hold_read(tx, w.book, &body->ref, keep_row, body, failure);
}

START_TEST(a_sweep_in_a_transaction__is_undone_with_it)
{
    HOLD_MOVES_TIME();
    hold_world_open(&w, NULL);
    if (is_without_ledger()) {
        return;
    }
    struct body body = {.outcome = TQ_E_INVALID};
    struct tq_hold hold = hold_take(&w, "ann", "a", "s1 s2 s3");
    assert_status(tq_ledger_run(w.ledger, sweep_body, &(struct body){0}, &err), TQ_EMPTY);
    world_advance(&w.world, 60000);
    assert_status(tq_ledger_run(w.ledger, sweep_body, &body, &err), TQ_E_INVALID);
    ck_assert_uint_eq(body.visited, 1);
    body.outcome = 0;
    assert_status(tq_ledger_run(w.ledger, sweep_body, &body, &err), TQ_OK);
    ck_assert_uint_eq(body.visited, 1);
    ck_assert_str_eq(body.seats, "show-1 ann s1 s3 3");
    struct tq_hold_ref ref = hold_ref(&hold);
    assert_status(tq_hold_reflect(w.book, TQ_HOLD_EXPIRE, &ref, 1, &err), TQ_OK);
    ck_assert_uint_eq(hold_map_of(&w).counts[TQ_SEAT_HOLD], 0);
    assert_status(tq_ledger_run(w.ledger, sweep_body, &body, &err), TQ_EMPTY);
    hold_world_close(&w);
}
END_TEST

START_TEST(one_hold__can_be_read)
{
    hold_world_open(&w, NULL);
    if (is_without_ledger()) {
        return;
    }
    struct tq_hold hold = hold_take(&w, "ann", "a", "s3 s1");
    struct body body = {.ref = hold_ref(&hold)};
    assert_status(tq_ledger_read(w.ledger, read_body, &body, &err), TQ_OK);
    ck_assert_str_eq(body.seats, "show-1 ann s3 s1 2");
    ck_assert_int_eq(body.row.ended, TQ_OK);
    ck_assert_uint_eq(body.row.state, TQ_SEAT_HOLD);
    ck_assert_uint_eq(body.row.fence, hold.fence);
    ck_assert_int_eq(body.row.expires_ms, hold.expires_ms);
    hold_do(&w, TQ_HOLD_RELEASE, &hold);
    assert_status(tq_ledger_read(w.ledger, read_body, &body, &err), TQ_OK);
    ck_assert_int_eq(body.row.ended, TQ_RELEASED);
    ck_assert_uint_eq(body.row.state, TQ_SEAT_AVAILABLE);
    body.ref.id = "nobody";
    assert_status(tq_ledger_read(w.ledger, read_body, &body, &err), TQ_GONE);
    ck_assert_uint_eq(body.visited, 0);
    hold_world_close(&w);
}
END_TEST

CONFORM_MAIN("hold.record", claim_record_reflect__walks_to_the_ticket,
             a_retake_that_is_told_too_late__brings_nothing_back,
             a_claim_that_is_repeated__is_new_to_the_ledger_once,
             cancel_during_acquire__leaves_nothing_behind, an_undone_verb__did_not_happen,
             crash_between__a_claim_without_record_ends_by_its_time,
             crash_between__what_the_ledger_has_wins_over_an_untold_front,
             two_claims_of_one_seat__the_ledger_takes_one,
             a_sweep_in_a_transaction__is_undone_with_it, one_hold__can_be_read)
