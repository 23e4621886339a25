/* SPDX-License-Identifier: MIT */
/*
 * Random operations on a book, each answer compared with the plain reference
 * (reference.c), in each arrangement: claims of one to three seats one by one and
 * in batches, every verb also with a wrong holder or fence, a clock, sweeps, and a
 * front that loses its memory. After each step the seat map must be one that the
 * reference allows, and the invariants of a sale hold:
 *
 *   I1 a seat has one owner             I2 SOLD carries the highest fence of its seats
 *   I3 nothing is held past a sweep     I4 the counts of all states are all seats
 *   I5 each hold ends once              I6 fences grow, per seat and from call to call
 *
 * I1, I3 and I4 are in the comparison of the map, I5 in that of the answers and
 * of how many a sweep visits. On a difference the sequence is shrunk until nothing
 * can be left out, and printed with its seed.
 */
#include <stdio.h>
#include <string.h>

#include "conform/hold_world.h"
#include "lib/shrink.h"
#include "model/hold/reference.h"

#define WORLDS 60
#define WORLDS_REMOTE 20 /* where each call is a round trip */
#define OPERATIONS 250
#define BATCH 3

enum kind { ACQUIRE, CHANGE, CLOCK, SWEEP, LOSE, KINDS };
enum other { RIGHT, OLD_FENCE, HIGH_FENCE, OTHER_HOLDER, OTHERS };

/* Cases that must have been met, or the suite proves less than it says. */
enum met { MET_TAKEN, MET_FULL, MET_EXPIRED, MET_STALE, MET_REFUSED, MET_RETAKEN, MET_LOST, MET };

struct operation {
    enum kind kind;
    unsigned count; /* of wishes */
    struct ref_wish wishes[BATCH];
    uint32_t verb;
    enum other other;
    uint32_t ms;
};

struct model {
    uint64_t seed;
    int has_bug;
    unsigned seats_limit;
    uint32_t life_max_ms;
    struct hold_world w;
    struct ref_book ref;
    struct tq_hold holds[REF_HOLDS]; /* as granted, with the fence of now */
    uint64_t seat_fence[REF_SEATS];  /* of the last grant */
    uint64_t fence;                  /* highest of all calls before */
    char fault[256];
    unsigned long met[MET];
};

static int differ(struct model *model, const char *what, int64_t is, int64_t expected)
{
    if (is == expected) {
        return 0;
    }
    snprintf(model->fault, sizeof model->fault, "%s is %lld, expected %lld", what, (long long)is,
             (long long)expected);
    return 1;
}

static int complain(struct model *model, int is_broken, const char *promise)
{
    if (is_broken) {
        snprintf(model->fault, sizeof model->fault, "broken promise: %s", promise);
    }
    return is_broken;
}

/* The request that belongs to a wish; its texts are good for 15 further calls. */
static struct tq_hold_request request_of(const struct ref_wish *wish)
{
    static const char *const holders[REF_HOLDERS] = {"ann", "bob", "eve"};
    static char keys[REF_KEYS][8];
    char seats[64];
    int bytes = 0;
    unsigned key = wish->hold % REF_KEYS;
    snprintf(keys[key], sizeof keys[key], "k%u", key);
    for (unsigned i = 0; i < wish->seats_count; i++) {
        bytes += snprintf(seats + bytes, sizeof seats - (size_t)bytes, "%ss%u", i ? " " : "",
                          wish->seats[i]);
    }
    struct tq_hold_request request = hold_request(holders[wish->hold / REF_KEYS], keys[key], seats);
    request.ttl_ms = wish->ttl_ms;
    return request;
}

/* I6: above all earlier fences of its seats and all earlier calls. */
static int check_grant(struct model *model, const struct ref_hold *hold, uint64_t fence)
{
    if (complain(model, fence <= model->fence, "a fence grows from call to call")) {
        return 1;
    }
    for (unsigned i = 0; i < hold->seats_count; i++) {
        if (complain(model, fence <= model->seat_fence[hold->seats[i]], "a fence grows per seat")) {
            return 1;
        }
        model->seat_fence[hold->seats[i]] = fence;
    }
    return 0;
}

static int check_acquired(struct model *model, const struct ref_wish *wish,
                          const struct tq_hold *hold)
{
    uint64_t taken = 0;
    int status = ref_acquire(&model->ref, wish, &taken);
    const struct ref_hold *ref = &model->ref.holds[wish->hold];
    model->met[MET_TAKEN] += status == TQ_TAKEN;
    model->met[MET_FULL] += status == TQ_FULL;
    model->met[MET_REFUSED] += status == TQ_REFUSED;
    int is_late = !model->w.front && hold->status == TQ_TAKEN;
    if (is_late && (status == TQ_FULL || status == TQ_TAKEN)) {
        /* On a ledger alone both are told as they are when the whole batch is done. */
        return complain(model, (taken & ~hold->taken) != 0, "a taken seat is told");
    }
    if (differ(model, "status", hold->status, status) ||
        (status == TQ_TAKEN && differ(model, "taken", (int64_t)hold->taken, (int64_t)taken))) {
        return 1;
    }
    if (status == TQ_OK) {
        model->holds[wish->hold] = *hold;
        return differ(model, "expires_ms", hold->expires_ms, ref->expires_ms) ||
               check_grant(model, ref, hold->fence);
    }
    if (status == TQ_REPEAT) {
        const struct tq_hold *first = &model->holds[wish->hold];
        return complain(model, strcmp(first->id, hold->id) != 0, "a key keeps its hold") ||
               differ(model, "fence", (int64_t)hold->fence, (int64_t)first->fence) ||
               differ(model, "expires_ms", hold->expires_ms,
                      ref->state == REF_HOLD ? ref->expires_ms : 0);
    }
    return 0;
}

static int do_acquire(struct model *model, const struct operation *op)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct tq_hold_request requests[BATCH];
    struct tq_hold holds[BATCH];
    uint64_t highest = model->fence;
    for (unsigned i = 0; i < op->count; i++) {
        requests[i] = request_of(&op->wishes[i]);
        holds[i].size = sizeof holds[i];
    }
    int rc = tq_hold_acquire(model->w.book, requests, op->count, holds, &err);
    if (differ(model, "result", rc, TQ_OK)) {
        return 1;
    }
    for (unsigned i = 0; i < op->count; i++) {
        if (check_acquired(model, &op->wishes[i], &holds[i])) {
            return 1;
        }
        if (holds[i].status == TQ_OK && holds[i].fence > highest) {
            highest = holds[i].fence;
        }
    }
    model->fence = highest;
    return 0;
}

/* Makes the hold one that does not fit. Zero when that cannot be done to it. */
static int spoil(struct tq_hold *hold, enum other other)
{
    if (other == OLD_FENCE) {
        return --hold->fence > 0;
    }
    hold->fence += other == HIGH_FENCE;
    if (other == OTHER_HOLDER) {
        hold->holder[0] = 'x';
    }
    return 1;
}

/* I2, and the fence of a retake. */
static int check_changed(struct model *model, unsigned number, uint32_t verb, int was_ended,
                         const struct tq_hold_result *result)
{
    const struct ref_hold *ref = &model->ref.holds[number];
    struct tq_hold *hold = &model->holds[number];
    int64_t expires_ms = ref->state == REF_HOLD ? ref->expires_ms : 0;
    if (result->status == TQ_STALE || result->status == TQ_GONE) {
        return 0;
    }
    if (verb == TQ_HOLD_RETAKE && result->status == TQ_OK && was_ended) {
        model->met[MET_RETAKEN]++;
        hold->fence = result->fence;
        if (check_grant(model, ref, result->fence)) {
            return 1;
        }
        model->fence = result->fence;
    }
    for (unsigned i = 0; ref->state == REF_SOLD && i < ref->seats_count; i++) {
        if (complain(model, model->seat_fence[ref->seats[i]] != hold->fence,
                     "SOLD carries the highest fence")) {
            return 1;
        }
    }
    return differ(model, "fence", (int64_t)result->fence, (int64_t)hold->fence) ||
           differ(model, "expires_ms", result->expires_ms, expires_ms);
}

static int do_change(struct model *model, const struct operation *op)
{
    unsigned number = op->wishes[0].hold;
    struct tq_hold hold = model->holds[number];
    const struct ref_hold *ref = &model->ref.holds[number];
    if (!hold.id[0] || !spoil(&hold, op->other)) {
        return 0;
    }
    int is_other = op->other != RIGHT && !(op->other == OLD_FENCE && op->verb == TQ_HOLD_RETAKE);
    int was_ended =
        !ref_is_live(ref) || (ref->state == REF_HOLD && ref->expires_ms <= model->ref.now_ms);
    int status = ref_change(&model->ref, number, op->verb, is_other, 60000);
    struct tq_hold_result result = hold_do(&model->w, op->verb, &hold);
    model->met[MET_EXPIRED] += status == TQ_EXPIRED;
    model->met[MET_STALE] += status == TQ_STALE;
    return differ(model, tq_status_name(status), result.status, status) ||
           check_changed(model, number, op->verb, was_ended, &result);
}

static int do_clock(struct model *model, const struct operation *op)
{
    world_advance(&model->w.world, op->ms);
    model->ref.now_ms = model->w.world.test.now_ms;
    return 0;
}

/* I3, I5: each that ran out is visited, once. */
static int do_sweep(struct model *model)
{
    unsigned expected = ref_sweep(&model->ref);
    if (differ(model, "visited", hold_sweep_all(&model->w), expected)) {
        return 1;
    }
    struct hold_map map = hold_map_of(&model->w);
    for (unsigned i = 0; i < REF_SEATS; i++) {
        int number = model->ref.owner[i];
        uint32_t state = number < 0 ? 0 : (uint32_t)model->ref.holds[number].state;
        if (differ(model, "seat after a sweep", map.seats[i], state)) {
            return 1;
        }
    }
    return 0;
}

/* With a ledger nothing is lost. */
static int do_lose(struct model *model)
{
    if (model->w.ledger && model->w.front) {
        world_advance(&model->w.world, 1);
        model->ref.now_ms = model->w.world.test.now_ms;
        hold_world_lose_front(&model->w);
        model->met[MET_LOST]++;
    }
    return 0;
}

static int do_one(struct model *model, const struct operation *op)
{
    switch (op->kind) {
    case ACQUIRE:
        return do_acquire(model, op);
    case CHANGE:
        return do_change(model, op);
    case CLOCK:
        return do_clock(model, op);
    case SWEEP:
        return do_sweep(model);
    default:
        return do_lose(model);
    }
}

/* I1, I4: hold_map_of() itself asserts that bits and counts agree and are complete. */
static int check_map(struct model *model)
{
    struct hold_map map = hold_map_of(&model->w);
    for (unsigned i = 0; i < REF_SEATS; i++) {
        if (!ref_may_show(&model->ref, i, map.seats[i])) {
            snprintf(model->fault, sizeof model->fault, "seat %u is shown as %u", i, map.seats[i]);
            return 1;
        }
    }
    return 0;
}

static size_t run(void *arg, const void *operations, size_t count)
{
    struct model *model = arg;
    const struct operation *all = operations;
    size_t done = 0;
    memset(model->holds, 0, sizeof model->holds);
    memset(model->seat_fence, 0, sizeof model->seat_fence);
    model->fence = 0;
    hold_world_open(&model->w, TQ_ARGS(tq_book_options, .seats_limit = model->seats_limit,
                                       .life_max_ms = model->life_max_ms));
    model->ref.has_bug = model->has_bug;
    ref_begin(&model->ref, model->seats_limit, model->life_max_ms, model->w.world.test.now_ms);
    while (done < count && !do_one(model, &all[done]) && !check_map(model)) {
        done++;
    }
    hold_world_close(&model->w);
    return done;
}

static struct ref_wish random_wish(struct test_env *test, unsigned holder)
{
    struct ref_wish wish = {
        .hold = holder * REF_KEYS + (unsigned)test_random(test, REF_KEYS),
        .seats_count = 1 + (unsigned)test_random(test, REF_TAKES),
        .ttl_ms = 500u << test_random(test, 5),
    };
    unsigned first = (unsigned)test_random(test, REF_SEATS);
    unsigned step = 1 + (unsigned)test_random(test, 2) * 2;
    for (unsigned i = 0; i < wish.seats_count; i++) {
        wish.seats[i] = (first + i * step) % REF_SEATS;
    }
    return wish;
}

/* In a batch each wish has a holder of its own: a limit looks at all of one holder's at once. */
static struct operation random_operation(struct test_env *test)
{
    static const enum kind kinds[] = {ACQUIRE, ACQUIRE, ACQUIRE, ACQUIRE, CHANGE, CHANGE, CHANGE,
                                      CHANGE,  CHANGE,  CLOCK,   CLOCK,   SWEEP,  LOSE};
    static const uint32_t verbs[] = {TQ_HOLD_PIN,     TQ_HOLD_SETTLE,   TQ_HOLD_RELEASE,
                                     TQ_HOLD_RELEASE, TQ_HOLD_EXTEND,   TQ_HOLD_RETAKE,
                                     TQ_HOLD_RETAKE,  TQ_HOLD_GIVE_BACK};
    struct operation op = {
        .kind = kinds[test_random(test, sizeof kinds / sizeof *kinds)],
        .count = 1 + (unsigned)test_random(test, BATCH),
        .verb = verbs[test_random(test, sizeof verbs / sizeof *verbs)],
        .other = test_random(test, 4) ? RIGHT : (enum other)test_random(test, OTHERS),
        .ms = (uint32_t)test_random(test, 2) ? 100 : (uint32_t)test_random(test, 4000),
    };
    unsigned holder = (unsigned)test_random(test, REF_HOLDERS);
    for (unsigned i = 0; i < BATCH; i++) {
        op.wishes[i] = random_wish(test, (holder + i) % REF_HOLDERS);
    }
    return op;
}

static void print(const struct model *model, const struct operation *ops, size_t count)
{
    printf("# seed %llu, limit %u, life %u: %s\n", (unsigned long long)model->seed,
           model->seats_limit, model->life_max_ms, model->fault);
    for (size_t i = 0; i < count; i++) {
        printf("#   kind %d verb %u other %d ms %u:", (int)ops[i].kind, ops[i].verb,
               (int)ops[i].other, ops[i].ms);
        for (unsigned j = 0; j < ops[i].count; j++) {
            const struct ref_wish *wish = &ops[i].wishes[j];
            printf(" hold %u ttl %u seats %u+%u", wish->hold, wish->ttl_ms, wish->seats[0],
                   wish->seats_count);
        }
        printf("\n");
    }
}

/* Zero when all went well, else the length of the shortest sequence that fails. */
static size_t run_world(struct model *model, int is_quiet)
{
    static struct operation ops[OPERATIONS];
    struct test_env test;
    test_env_init(&test, model->seed);
    model->seats_limit = (unsigned)test_random(&test, 2) * (2 + (unsigned)test_random(&test, 4));
    model->life_max_ms = 2000 + 3000 * (uint32_t)test_random(&test, 3);
    for (unsigned i = 0; i < OPERATIONS; i++) {
        ops[i] = random_operation(&test);
    }
    size_t left = shrink(ops, OPERATIONS, sizeof *ops, run, model);
    if (left > 0 && !is_quiet) {
        print(model, ops, left);
        fflush(stdout);
    }
    return left;
}

static struct model model;

START_TEST(a_book_does_what_the_reference_does)
{
    const uint64_t worlds = fixture_is_remote() ? WORLDS_REMOTE : WORLDS;
    for (uint64_t seed = 1; seed <= worlds; seed++) {
        model.seed = seed;
        ck_assert_msg(run_world(&model, 0) == 0, "seed %llu: %s", (unsigned long long)seed,
                      model.fault);
    }
    for (int i = 0; i < MET; i++) {
        int can_be_met = i != MET_LOST || model.met[i];
        ck_assert_msg(!can_be_met || model.met[i] >= worlds - 10, "case %d was met %lu times", i,
                      model.met[i]);
    }
}
END_TEST

START_TEST(a_planted_bug_is_found_and_shrunk)
{
    size_t found = 0;
    if (fixture_is_remote()) {
        return; /* it is the suite that is tested, not the driver */
    }
    model.has_bug = 1;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        model.seed = seed;
        size_t left = run_world(&model, 1);
        found += left > 0;
        ck_assert_uint_le(left, 6); /* hold, pin, and hold too many */
    }
    ck_assert_uint_ge(found, 3);
    model.has_bug = 0;
}
END_TEST

CONFORM_MAIN("model.hold", a_book_does_what_the_reference_does, a_planted_bug_is_found_and_shrunk)
