/* SPDX-License-Identifier: MIT */
/*
 * Random operations on a room, each answer compared with the
 * plain reference (reference.c) and watched by the checker (lib/room_checker.c).
 *
 * A world is made from a seed: a policy with tight limits, then a few hundred
 * operations of a dozen visitors, who also lose and mix up their tokens, an
 * operator, a clock, and a store that forgets. On a difference the sequence is
 * shrunk until nothing can be left out, and printed with its seed. A driver whose
 * clock is real runs without the operations that move it, with leases of a week.
 */
#include <stdio.h>
#include <string.h>

#include "conform/room_world.h"
#include "lib/room_checker.h"
#include "lib/shrink.h"
#include "model/room/reference.h"

#define WORLDS 600
#define WORLDS_REMOTE 100
#define WORLDS_SHARDS 30
#define OPERATIONS 300

enum kind { ENTER, PLACE, LEAVE, TICK, CLOCK, ORDER, FORGET, KINDS };
enum shown { NO_TOKEN, PLACE_TOKEN, PASS, TOKEN_OF_ANOTHER, SHOWN };

/* Cases that must have been met, or the suite proves less than it says. */
enum met { MET_FULL, MET_CLOSED, MET_REFUSED, MET_OLD_PLACE, MET_OLD_PASS, MET_FREED, MET };

struct operation {
    enum kind kind;
    unsigned visitor;
    enum shown shown;
    uint32_t order;
    int64_t value; /* milliseconds from now where it is a time */
};

/* Everything a run needs; the last difference is told in `fault`. */
struct model {
    uint64_t seed;
    int has_bug;
    struct tq_room_policy policy;
    struct room_world w;
    struct ref_room ref;
    struct room_checker checker;
    struct ref_token tokens[REF_VISITORS][SHOWN];
    char texts[REF_VISITORS][SHOWN][TQ_TOKEN_SIZE];
    char fault[256];
    unsigned long met[MET]; /* how often each case was met, over all runs */
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

static int complain(struct model *model, const char *broken)
{
    if (broken) {
        snprintf(model->fault, sizeof model->fault, "broken promise: %s", broken);
    }
    return broken != NULL;
}

static void keep_token(struct model *model, unsigned visitor, enum shown kind, const char *text,
                       const struct ref_spot *spot)
{
    int64_t day = model->ref.now_ms + 86400000;
    int64_t end = kind == PASS ? spot->expires_ms : day;
    model->tokens[visitor][kind] = (struct ref_token){spot->sequence, model->ref.epoch,
                                                      (end + 999) / 1000 * 1000, kind == PASS};
    memcpy(model->texts[visitor][kind], text, TQ_TOKEN_SIZE);
}

static int check_place(struct model *model, unsigned visitor, const struct tq_place *place,
                       const struct ref_spot *spot)
{
    int is_inside = spot->visit == TQ_VISIT_ADMITTED;
    if (differ(model, "status", place->status, spot->status) ||
        differ(model, "visit", place->visit, spot->visit) ||
        differ(model, "sequence", place->sequence, spot->sequence) ||
        differ(model, "ahead", (int64_t)place->ahead, (int64_t)spot->ahead) ||
        differ(model, "has a token", place->token[0] != 0, spot->status == TQ_OK) ||
        differ(model, "has a pass", place->pass[0] != 0, is_inside)) {
        return 1;
    }
    if (!fixture_has_own_clock() && differ(model, "pass_expires_ms", place->pass_expires_ms,
                                           is_inside ? spot->expires_ms : 0)) {
        return 1;
    }
    if (spot->status == TQ_OK) {
        keep_token(model, visitor, PLACE_TOKEN, place->token, spot);
    }
    if (is_inside) {
        keep_token(model, visitor, PASS, place->pass, spot);
    }
    return complain(model, checker_place(&model->checker, visitor, place));
}

static int do_enter(struct model *model, const struct operation *op)
{
    struct ref_token token = model->tokens[op->visitor][op->shown];
    const char *text = model->texts[op->visitor][op->shown];
    if (op->shown == TOKEN_OF_ANOTHER) {
        unsigned other = (op->visitor + 1) % REF_VISITORS;
        token = model->tokens[other][PLACE_TOKEN];
        text = model->texts[other][PLACE_TOKEN];
    }
    int was_out = model->ref.visitors[op->visitor].visit == TQ_VISIT_NONE;
    struct tq_place place = room_enter(&model->w, room_name(op->visitor), text);
    struct ref_spot spot =
        ref_enter(&model->ref, op->visitor, &token, op->shown != TOKEN_OF_ANOTHER, place.sequence);
    int is_back = was_out && spot.status == TQ_OK && token.sequence == spot.sequence;
    model->met[MET_FULL] += spot.status == TQ_FULL;
    model->met[MET_CLOSED] += spot.status == TQ_CLOSED;
    model->met[MET_REFUSED] += spot.status == TQ_REFUSED;
    model->met[MET_OLD_PLACE] += is_back && spot.visit == TQ_VISIT_WAITING;
    model->met[MET_OLD_PASS] += is_back && spot.visit == TQ_VISIT_ADMITTED;
    if (was_out) {
        checker_out(&model->checker, op->visitor);
    }
    if (token.sequence) {
        checker_return(&model->checker);
    }
    return check_place(model, op->visitor, &place, &spot);
}

static int do_place(struct model *model, const struct operation *op)
{
    struct ref_spot spot = ref_place(&model->ref, op->visitor);
    struct tq_place place = room_place(&model->w, room_name(op->visitor));
    return check_place(model, op->visitor, &place, &spot);
}

static int do_leave(struct model *model, const struct operation *op)
{
    int status = ref_leave(&model->ref, op->visitor);
    checker_out(&model->checker, op->visitor);
    return differ(model, "leave", room_leave(&model->w, room_name(op->visitor)), status);
}

static int do_tick(struct model *model)
{
    unsigned admitted = ref_tick(&model->ref);
    struct tq_room_tick tick = room_tick(&model->w);
    return differ(model, "admitted", tick.admitted, admitted) ||
           complain(model, checker_tick(&model->checker, tick.admitted,
                                        ref_count(&model->ref, TQ_VISIT_ADMITTED)));
}

/* The leases that end are told by the next tick, so one follows the clock. */
static int do_clock(struct model *model, const struct operation *op)
{
    if (fixture_has_own_clock()) {
        return 0;
    }
    uint64_t skipped = model->ref.skipped;
    room_advance(&model->w, (uint32_t)op->value);
    unsigned freed = ref_clock(&model->ref, model->w.world.test.now_ms);
    checker_clock(&model->checker, model->ref.now_ms);
    unsigned admitted = ref_tick(&model->ref);
    struct tq_room_tick tick = room_tick(&model->w);
    model->met[MET_FREED] += freed;
    return differ(model, "freed", tick.freed, freed) ||
           differ(model, "skipped", tick.skipped, (int64_t)(model->ref.skipped - skipped)) ||
           differ(model, "admitted", tick.admitted, admitted) ||
           complain(model, checker_tick(&model->checker, tick.admitted,
                                        ref_count(&model->ref, TQ_VISIT_ADMITTED)));
}

static int do_order(struct model *model, const struct operation *op)
{
    int is_time = op->order == TQ_ROOM_SET_OPEN || op->order == TQ_ROOM_SET_CLOSE;
    int64_t value = is_time && op->value ? model->ref.now_ms + op->value : op->value;
    if (is_time && fixture_has_own_clock()) {
        return 0;
    }
    ref_order(&model->ref, op->order, value);
    if (op->order == TQ_ROOM_SET_RATE) {
        checker_rate(&model->checker, (uint32_t)value);
    } else if (op->order == TQ_ROOM_SET_CAP) {
        checker_cap(&model->checker, (uint32_t)value);
    } else if (op->order == TQ_ROOM_RESET) {
        for (unsigned i = 0; i < REF_VISITORS; i++) {
            checker_out(&model->checker, i);
        }
    }
    return differ(model, "operate", room_order(&model->w, op->order, value, NULL), TQ_OK);
}

static int do_forget(struct model *model, const struct operation *op)
{
    struct tq_room_policy policy = model->policy;
    policy.first_sequence = op->value ? model->ref.next : 0;
    policy.first_epoch = op->value ? model->ref.epoch : 0;
    ref_begin(&model->ref, &policy, model->ref.now_ms);
    checker_begin(&model->checker, &policy, model->ref.now_ms);
    room_world_forget(&model->w, &policy);
    return 0;
}

static int do_one(struct model *model, const struct operation *op)
{
    switch (op->kind) {
    case ENTER:
        return do_enter(model, op);
    case PLACE:
        return do_place(model, op);
    case LEAVE:
        return do_leave(model, op);
    case TICK:
        return do_tick(model);
    case CLOCK:
        return do_clock(model, op);
    case ORDER:
        return do_order(model, op);
    default:
        return do_forget(model, op);
    }
}

static int check_state(struct model *model)
{
    const struct ref_room *ref = &model->ref;
    struct tq_room_state state = room_state(&model->w);
    return differ(model, "waiting", (int64_t)state.waiting, ref_count(ref, TQ_VISIT_WAITING)) ||
           differ(model, "active", (int64_t)state.active, ref_count(ref, TQ_VISIT_ADMITTED)) ||
           differ(model, "admitted", (int64_t)state.admitted, (int64_t)ref->admitted) ||
           differ(model, "skipped", (int64_t)state.skipped, (int64_t)ref->skipped) ||
           differ(model, "serving", state.serving, ref->serving) ||
           differ(model, "tail", state.tail, ref->next - 1) ||
           differ(model, "epoch", state.epoch, ref->epoch) ||
           differ(model, "rate", state.rate, ref->policy.rate) ||
           differ(model, "max_active", state.max_active, ref->policy.max_active) ||
           differ(model, "is_paused", state.is_paused, ref->is_paused) ||
           differ(model, "is_draining", state.is_draining, ref->is_draining);
}

static size_t run(void *arg, const void *operations, size_t count)
{
    struct model *model = arg;
    const struct operation *all = operations;
    size_t done = 0;
    memset(model->tokens, 0, sizeof model->tokens);
    memset(model->texts, 0, sizeof model->texts);
    room_world_open(&model->w, model->seed, &model->policy);
    model->ref.has_bug = model->has_bug;
    ref_begin(&model->ref, &model->policy, room_state(&model->w).now_ms);
    checker_begin(&model->checker, &model->policy, model->ref.now_ms);
    while (done < count && !do_one(model, &all[done]) && !check_state(model)) {
        done++;
    }
    room_world_close(&model->w);
    return done;
}

static struct tq_room_policy random_policy(struct test_env *test, int is_exact)
{
    uint32_t week = TQ_ROOM_SPAN_MAX_MS;
    struct tq_room_policy policy = {
        .size = sizeof(struct tq_room_policy),
        .rate = 1 + (uint32_t)test_random(test, 5),
        .rate_per_ms = is_exact ? 700 + (uint32_t)test_random(test, 3) * 300 : week,
        .burst = (uint32_t)test_random(test, 4),
        .max_active = 1 + (uint32_t)test_random(test, 5),
        .capacity = 2 + (uint32_t)test_random(test, 5),
        .waiting_ms = is_exact ? 1000 + (uint32_t)test_random(test, 3) * 1500 : week,
        .active_ms = is_exact ? 1500 + (uint32_t)test_random(test, 2) * 1500 : week,
        .pass_ms = is_exact ? 4000 : week,
        .poll_min_ms = 1,
        .poll_max_ms = 1000,
        .shards = fixture_shards(),
    };
    if (policy.shards > 1) { /* each has its part, and the reference does not know whose is full */
        policy.capacity = REF_VISITORS * policy.shards;
    }
    return policy;
}

static struct operation random_operation(struct test_env *test)
{
    static const enum kind kinds[] = {ENTER, ENTER, ENTER, ENTER, PLACE, PLACE, PLACE, LEAVE,
                                      TICK,  TICK,  CLOCK, CLOCK, CLOCK, ENTER, ORDER, FORGET};
    static const int64_t clocks[] = {1, 37, 250, 333, 999, 1000, 1500, 5000};
    struct operation op = {
        .kind = kinds[test_random(test, sizeof kinds / sizeof *kinds)],
        .visitor = (unsigned)test_random(test, REF_VISITORS),
        .shown = (enum shown)test_random(test, SHOWN),
        .order = 1 + (uint32_t)test_random(test, TQ_ROOM_SET_CLOSE),
        .value = 1 + (int64_t)test_random(test, 6),
    };
    if (op.kind == CLOCK) {
        op.value = clocks[test_random(test, sizeof clocks / sizeof *clocks)];
    } else if (op.kind == FORGET) {
        op.kind = test_random(test, 3) ? TICK : FORGET;
        op.value = (int64_t)test_random(test, 4);
    } else if (op.order == TQ_ROOM_SET_OPEN || op.order == TQ_ROOM_SET_CLOSE) {
        op.value = (int64_t)test_random(test, 4) * 500;
    } else if (op.order == TQ_ROOM_PAUSE || op.order == TQ_ROOM_DRAIN) {
        op.order = test_random(test, 2) ? op.order : TQ_ROOM_RESUME;
    }
    return op;
}

static void print(const struct model *model, const struct operation *ops, size_t count)
{
    static const char *const names[KINDS] = {"enter", "place", "leave", "tick",
                                             "clock", "order", "forget"};
    printf("# seed %llu: %s\n", (unsigned long long)model->seed, model->fault);
    for (size_t i = 0; i < count; i++) {
        printf("#   %-6s v%u shown %d order %u value %lld\n", names[ops[i].kind], ops[i].visitor,
               (int)ops[i].shown, ops[i].order, (long long)ops[i].value);
    }
}

/* Runs one world; on a difference shrinks and prints it. Returns how long that is, 0: none. */
static size_t run_world(struct model *model, int is_quiet)
{
    static struct operation ops[OPERATIONS];
    struct test_env test;
    test_env_init(&test, model->seed);
    model->policy = random_policy(&test, !fixture_has_own_clock());
    for (size_t i = 0; i < OPERATIONS; i++) {
        ops[i] = random_operation(&test);
    }
    size_t left = shrink(ops, OPERATIONS, sizeof *ops, run, model);
    if (left > 0 && !is_quiet) {
        print(model, ops, left);
    }
    return left;
}

static struct model model;

START_TEST(a_room_does_what_the_reference_does)
{
    unsigned long worlds = fixture_shards() > 1  ? WORLDS_SHARDS
                           : fixture_is_remote() ? WORLDS_REMOTE
                                                 : WORLDS;
    for (uint64_t seed = 1; seed <= worlds; seed++) {
        model.seed = seed;
        ck_assert_msg(run_world(&model, 0) == 0, "seed %llu: %s", (unsigned long long)seed,
                      model.fault);
    }
    for (int i = fixture_shards() > 1 ? MET_FULL + 1 : 0; i < MET; i++) {
        ck_assert_msg(model.met[i] >= worlds / 6, "case %d was met %lu times", i, model.met[i]);
    }
}
END_TEST

START_TEST(a_planted_bug_is_found_and_shrunk)
{
    size_t found = 0;
    if (fixture_shards() > 1) { /* it is one of the capacity */
        return;
    }
    model.has_bug = 1;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        model.seed = seed;
        size_t left = run_world(&model, 1);
        found += left > 0;
        if (left > 0) { /* nothing shorter can show it: fill the line, and one more */
            ck_assert_uint_eq(left, model.policy.capacity + 1);
        }
    }
    ck_assert_uint_ge(found, 10);
    model.has_bug = 0;
}
END_TEST

CONFORM_MAIN("model.room", a_room_does_what_the_reference_does, a_planted_bug_is_found_and_shrunk)
