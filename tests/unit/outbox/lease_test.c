/* SPDX-License-Identifier: MIT */
/*
 * outbox/lease.c: shares, epochs, what is lost and what is handed back, by the
 * database's clock.
 */
#include "outbox/lease.h"

#include <stdio.h>

#include "lib/ask.h"
#include "lib/outbox_world.h"

static struct tq_error err = TQ_ERROR_INIT;
static struct test_env test;
static tq_store *store;

static void setup(void)
{
    test_env_init(&test, 1);
    struct tq_env env = test_env_of(&test);
    store = outbox_store(&env, "sqlite::memory:");
    outbox_prepare(store);
}

static void teardown(void)
{
    tq_store_close(store);
    ck_assert_int_eq(test.live, 0);
}

static struct tq__leases leases_of(const char *owner, uint32_t partitions_max)
{
    struct tq__leases leases = {.lease_ms = 3000, .partitions_max = partitions_max};
    snprintf(leases.owner, sizeof leases.owner, "%s", owner);
    return leases;
}

struct renewal {
    struct tq__leases *leases;
    struct tq__leases target;
    uint64_t busy;
};

static int renew_in(tq_tx *tx, void *arg, struct tq_error *failure)
{
    struct renewal *renewal = arg;
    return tq__leases_renew(tx, renewal->leases, renewal->busy, &renewal->target, failure);
}

static int renew(struct tq__leases *leases, uint64_t busy)
{
    struct renewal renewal = {.leases = leases, .busy = busy};
    assert_status(tq_ledger_run(store, renew_in, &renewal, &err), TQ_OK);
    *leases = renewal.target;
    return __builtin_popcountll(leases->held);
}

static int release_in(tq_tx *tx, void *arg, struct tq_error *failure)
{
    return tq__leases_release(tx, arg, failure);
}

START_TEST(sg_20_due__at_a_third_and_when_the_clock_has_jumped)
{
    struct tq__leases leases = leases_of("r1", 64);
    leases.until_ms = 3000;
    ck_assert(!tq__leases_are_due(&leases, 0));
    ck_assert(!tq__leases_are_due(&leases, 999));
    ck_assert(tq__leases_are_due(&leases, 1000));
    ck_assert(tq__leases_are_due(&leases, 9000));
    ck_assert(tq__leases_are_due(&leases, -1));
}
END_TEST

START_TEST(shares__follow_the_number_of_relays)
{
    struct tq__leases one = leases_of("r1", 64), two = leases_of("r2", 64),
                      three = leases_of("r3", 10);
    setup();
    ck_assert_int_eq(renew(&one, 0), 64);
    ck_assert_int_eq(renew(&two, 0), 0);
    ck_assert_int_eq(renew(&one, 0), 32);
    ck_assert_int_eq(renew(&two, 0), 32);
    ck_assert_int_eq(renew(&three, 0), 0);
    ck_assert_int_eq(renew(&one, 0), 22);
    ck_assert_int_eq(renew(&three, 0), 10);
    ck_assert(!(one.held & two.held) && !(one.held & three.held));
    assert_status(tq_ledger_run(store, release_in, &one, &err), TQ_OK);
    ck_assert_int_eq(renew(&two, 0), 32);
    ck_assert_int_eq(
        ask_number(store, "SELECT count(*) FROM outbox_partitions WHERE owner = $1", "r1"), 0);
    teardown();
}
END_TEST

static int look_in(tq_tx *tx, void *arg, struct tq_error *failure)
{
    int is_due = -1;
    int status = tq__leases_look(tx, arg, &is_due, failure);
    return status < 0 ? status : is_due ? TQ_OK : TQ_EMPTY;
}

static int is_seen(struct tq__leases *leases)
{
    return tq_ledger_read(store, look_in, leases, &err) == TQ_OK;
}

START_TEST(others_who_come_or_go__are_seen_before_the_lease_is_due)
{
    struct tq__leases one = leases_of("r1", 64), two = leases_of("r2", 64);
    setup();
    renew(&one, 0);
    ck_assert(!is_seen(&one));
    renew(&two, 0);
    ck_assert(is_seen(&one));
    ck_assert(!is_seen(&two));
    ck_assert_int_eq(renew(&one, 0), 32);
    ck_assert(!is_seen(&one));
    ck_assert(is_seen(&two));
    ck_assert_int_eq(renew(&two, 0), 32);
    ck_assert(!is_seen(&two));
    test.now_ms += 2000;
    renew(&two, 0);
    test.now_ms += 1000;
    ck_assert(is_seen(&two));
    ck_assert_int_eq(renew(&two, 0), 64);
    ck_assert_int_eq(ask_number(store, "SELECT count(*) FROM outbox_relays", NULL), 1);
    teardown();
}
END_TEST

START_TEST(busy_partitions__are_kept_but_not_read_until_they_are_free)
{
    struct tq__leases one = leases_of("r1", 64), two = leases_of("r2", 64);
    setup();
    renew(&one, 0);
    renew(&two, 0);
    const uint64_t busy = 1ull << 63;
    ck_assert_int_eq(renew(&one, busy), 33);
    ck_assert(one.leaving == busy && (one.held & busy));
    ck_assert_int_eq(renew(&one, 0), 32);
    ck_assert(one.leaving == 0 && !(one.held & busy));
    teardown();
}
END_TEST

START_TEST(an_expired_lease__passes_with_a_new_epoch_and_is_noticed)
{
    struct tq__leases one = leases_of("r1", 64), two = leases_of("r2", 64);
    setup();
    renew(&one, 0);
    int64_t epoch = one.epochs[5];
    test.now_ms += 3000;
    ck_assert_int_eq(renew(&two, 0), 64);
    ck_assert_int_eq(two.epochs[5], epoch + 1);
    ck_assert_int_eq(renew(&one, 0), 0);
    teardown();
}
END_TEST

struct confirmation {
    const struct tq__leases *leases;
    uint64_t held;
};

static int confirm_in(tq_tx *tx, void *arg, struct tq_error *failure)
{
    struct confirmation *confirmation = arg;
    return tq__leases_confirm(tx, confirmation->leases, &confirmation->held, failure);
}

static uint64_t confirmed(const struct tq__leases *leases)
{
    struct confirmation confirmation = {leases, 0};
    assert_status(tq_ledger_read(store, confirm_in, &confirmation, &err), TQ_OK);
    return confirmation.held;
}

START_TEST(what_passed_to_another_or_to_a_new_epoch__is_not_confirmed)
{
    struct tq__leases one = leases_of("r1", 64), two = leases_of("r2", 10),
                      again = leases_of("r1", 20);
    setup();
    renew(&one, 0);
    ck_assert_uint_eq(confirmed(&one), UINT64_MAX);
    test.now_ms += 3000;
    renew(&two, 0);
    ck_assert_uint_eq(confirmed(&two), two.held);
    ck_assert_uint_eq(confirmed(&one), ~two.held);
    renew(&again, 0);
    ck_assert_uint_eq(confirmed(&again), again.held);
    ck_assert_uint_eq(confirmed(&one), ~(two.held | again.held));
    teardown();
}
END_TEST

START_TEST(the_same_name__takes_over_once_and_never_again)
{
    struct tq__leases old = leases_of("r1", 64), young = leases_of("r1", 64);
    setup();
    renew(&old, 0);
    ck_assert_int_eq(renew(&young, 0), 64);
    ck_assert_int_eq(young.epochs[0], old.epochs[0] + 1);
    ck_assert_int_eq(renew(&old, 0), 0);
    ck_assert_int_eq(renew(&young, 0), 64);
    teardown();
}
END_TEST

UNIT_MAIN("outbox.lease", sg_20_due__at_a_third_and_when_the_clock_has_jumped,
          shares__follow_the_number_of_relays,
          others_who_come_or_go__are_seen_before_the_lease_is_due,
          busy_partitions__are_kept_but_not_read_until_they_are_free,
          an_expired_lease__passes_with_a_new_epoch_and_is_noticed,
          what_passed_to_another_or_to_a_new_epoch__is_not_confirmed,
          the_same_name__takes_over_once_and_never_again)
