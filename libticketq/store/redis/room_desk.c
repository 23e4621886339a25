/* SPDX-License-Identifier: MIT */
/*
 * The desk of a room with shards: ticks, orders, the state. room_shards.lua says how the
 * desk and its shards keep rate and cap between them.
 *
 * A round asks all shards for their fronts, puts the desk's question with what they said, and
 * tells those shards that have something to learn; each step is one pipeline. A tick is a round
 * in which the desk gives; an order is carried out at the desk, and a round makes it known. A desk
 * in doubt gives only when all shards have been told so and have reported: in a second round.
 * A shard that does not answer does not stop the others' tick: it is told by a later one.
 *
 * Threads: [any]; a round is its caller's own.
 */
#include "store/redis/room_desk.h"

#include <endian.h>
#include <string.h>

#include "core/env.h"
#include "core/error.h"
#include "store/redis/client.h"
#include "store/redis/room_words.h"

/* The numbers of a report, 64 bits each, least byte first: REPORT in room_shards.lua. */
enum {
    TAKEN,
    ACTIVE,
    WAITING,
    NEXT,
    SETTINGS,
    RESETS,
    EPOCH,
    FREES_MS,
    SKIPPED,
    FREED,
    ADMITTED,
    RECOVERS,
    REPORT_FIELDS
};

#define REPORT_BYTES (REPORT_FIELDS * sizeof(int64_t))
#define SETTINGS_BYTES (22 * sizeof(int64_t)) /* SETTINGS in room_shards.lua */
#define TURNS_MAX (2 * TQ_BATCH_MAX)          /* some may be under way already */
#define DESK_WORDS 5                          /* of its answer, before what each shard was given */

struct report {
    const struct tq_env *env;
    size_t bytes; /* 0: the shard did not answer, or is not there */
    char text[REPORT_BYTES];
    int64_t fields[REPORT_FIELDS];
    int64_t *numbers; /* of those in front; owned */
    size_t numbers_count;
};

struct round {
    struct redis_state *state;
    struct redis_sharded *room;
    unsigned count; /* of shards */
    struct redis_call calls[TQ_ROOM_SHARDS_MAX];
    struct report reports[TQ_ROOM_SHARDS_MAX];
    char turns[TURNS_MAX];
    size_t turns_count;
    /* What the desk said. */
    char settings[SETTINGS_BYTES];
    int64_t next_ms, version, next, doubt;
    int64_t given[TQ_ROOM_SHARDS_MAX];
    /* What shards are told. */
    char words[TQ_ROOM_SHARDS_MAX][4][REDIS_DIGITS_SIZE];
    struct redis_text args[TQ_ROOM_SHARDS_MAX][5];
    struct tq_room_tick sum;
};

static const struct tq_env *env_of(const struct redis_state *state)
{
    return tq__redis_env(state->client);
}

static void forget_reports(struct round *round)
{
    for (unsigned i = 0; i < round->count; i++) {
        tq__release(env_of(round->state), round->reports[i].numbers);
        round->reports[i] = (struct report){.env = env_of(round->state)};
    }
    round->turns_count = 0;
}

static void round_done(struct round *round)
{
    forget_reports(round);
    tq__release(env_of(round->state), round);
}

static int round_begin(struct redis_state *state, struct redis_sharded *room,
                       struct round **out_round, struct tq_error *err)
{
    unsigned count = atomic_load(&room->count);
    if (count == 1) {
        return TQ_GONE;
    }
    struct round *round = tq__alloc(env_of(state), 1, sizeof *round);
    if (!round) {
        return tq__nomem("store.redis", err);
    }
    round->state = state;
    round->room = room;
    round->count = count;
    forget_reports(round);
    *out_round = round;
    return TQ_OK;
}

/* ---- what shards say ---- */

static void read_numbers(int64_t *numbers, const char *text, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t number;
        memcpy(&number, text + i * sizeof number, sizeof number);
        numbers[i] = (int64_t)le64toh(number);
    }
}

static int is_numbers(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_STRING && reply->len % sizeof(int64_t) == 0;
}

/* [report, numbers of those in front] */
static int read_report(struct redis_call *call, struct redis_answer *answer)
{
    const redisReply *reply = answer->reply;
    struct report *report = call->out;
    if (reply->type == REDIS_REPLY_INTEGER && reply->integer == TQ_GONE) {
        return TQ_GONE;
    }
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        !is_numbers(reply->element[0]) || reply->element[0]->len != REPORT_BYTES ||
        !is_numbers(reply->element[1])) {
        return tq__redis_nonsense(call);
    }
    size_t count = reply->element[1]->len / sizeof(int64_t);
    int64_t *numbers = count ? tq__alloc(report->env, count, sizeof *numbers) : NULL;
    if (count && !numbers) {
        return tq__nomem("store.redis", &call->err);
    }
    tq__release(report->env, report->numbers);
    report->numbers = numbers;
    report->numbers_count = count;
    read_numbers(numbers, reply->element[1]->str, count);
    report->bytes = REPORT_BYTES;
    memcpy(report->text, reply->element[0]->str, REPORT_BYTES);
    read_numbers(report->fields, report->text, REPORT_FIELDS);
    return TQ_OK;
}

static void count_report(struct round *round, const struct report *report)
{
    round->sum.skipped += (uint32_t)report->fields[SKIPPED];
    round->sum.freed += (uint32_t)report->fields[FREED];
    round->sum.admitted += (uint32_t)report->fields[ADMITTED];
}

static void take_turns(struct round *round)
{
    struct redis_front fronts[TQ_ROOM_SHARDS_MAX];
    for (unsigned i = 0; i < round->count; i++) {
        const struct report *report = &round->reports[i];
        fronts[i] = (struct redis_front){report->numbers, report->numbers_count,
                                         (size_t)report->fields[WAITING]};
        if (!report->numbers_count) { /* nobody, or nobody who may be let in */
            fronts[i].waiting = 0;
        }
    }
    round->turns_count =
        tq__redis_shard_turns(fronts, round->count, round->turns, sizeof round->turns);
}

/*
 * Asks for at most so many of each line; 0: as many as the burst. TQ_OK, or the first failure;
 * then some may have answered.
 */
static int ask_shards(struct round *round, int64_t most, struct tq_error *err)
{
    struct redis_text *word = round->args[0];
    forget_reports(round);
    *word = tq__redis_digits(round->words[0][0], most);
    for (unsigned i = 0; i < round->count; i++) {
        round->calls[i] = (struct redis_call){.script = REDIS_SHARD_FRONT,
                                              .tag = round->room->tags[i],
                                              .args = word,
                                              .args_count = 1,
                                              .read = read_report,
                                              .out = &round->reports[i]};
    }
    int rc = tq__redis_run(round->state->client, round->calls, round->count, err);
    for (unsigned i = 0; i < round->count; i++) {
        count_report(round, &round->reports[i]);
    }
    take_turns(round);
    return rc;
}

static int is_any_there(const struct round *round)
{
    int is_any = 0;
    for (unsigned i = 0; i < round->count; i++) {
        is_any |= round->calls[i].status >= 0;
    }
    return is_any;
}

/* ---- what the desk says ---- */

/* Whose turn it is, and the reports: the end of every question to a desk. */
static size_t put_reports(const struct round *round, struct redis_text *args)
{
    args[0] = (struct redis_text){round->turns, round->turns_count};
    for (unsigned i = 0; i < round->count; i++) {
        args[1 + i] = (struct redis_text){round->reports[i].text, round->reports[i].bytes};
    }
    return 1 + round->count;
}

/* [settings, next_ms, version, next number, doubt, given...] */
static int read_desk(struct redis_call *call, struct redis_answer *answer)
{
    const redisReply *reply = answer->reply;
    struct round *round = call->out;
    int64_t *const numbers[] = {&round->next_ms, &round->version, &round->next, &round->doubt};
    if (reply->type == REDIS_REPLY_INTEGER && reply->integer == TQ_GONE) {
        return TQ_GONE;
    }
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != DESK_WORDS + round->count ||
        reply->element[0]->type != REDIS_REPLY_STRING || reply->element[0]->len != SETTINGS_BYTES) {
        return tq__redis_nonsense(call);
    }
    memcpy(round->settings, reply->element[0]->str, SETTINGS_BYTES);
    for (size_t i = 1; i < reply->elements; i++) {
        if (reply->element[i]->type != REDIS_REPLY_INTEGER) {
            return tq__redis_nonsense(call);
        }
        *(i < DESK_WORDS ? numbers[i - 1] : &round->given[i - DESK_WORDS]) =
            reply->element[i]->integer;
    }
    return TQ_OK;
}

static int ask_desk(struct round *round, int is_tick, struct tq_error *err)
{
    struct redis_text args[2 + TQ_ROOM_SHARDS_MAX] = {tq__redis_text(is_tick ? "1" : "0")};
    struct redis_call call = {.script = REDIS_DESK_TICK,
                              .tag = round->room->id,
                              .args = args,
                              .args_count = 1 + put_reports(round, &args[1]),
                              .read = read_desk,
                              .out = round};
    return tq__redis_run(round->state->client, &call, 1, err);
}

/* ---- what shards are told ---- */

/* True where a shard answered, or said that it is not there, and does not know all. */
static int has_news(const struct round *round, unsigned shard)
{
    const struct report *report = &round->reports[shard];
    int64_t next = tq__redis_shard_next(round->next, shard, round->count);
    if (round->calls[shard].status < 0) {
        return 0;
    }
    return !report->bytes || report->fields[SETTINGS] != round->version ||
           report->fields[TAKEN] < round->given[shard] || report->fields[NEXT] < next;
}

static void put_news(struct round *round, unsigned shard, int64_t gap, struct redis_call *call)
{
    const int64_t numbers[] = {shard, round->given[shard], round->next, gap};
    struct redis_text *args = round->args[shard];
    args[0] = (struct redis_text){round->settings, SETTINGS_BYTES};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        args[1 + i] = tq__redis_digits(round->words[shard][i], numbers[i]);
    }
    *call = (struct redis_call){.script = REDIS_SHARD_SETTLE,
                                .tag = round->room->tags[shard],
                                .args = args,
                                .args_count = 5,
                                .read = read_report,
                                .out = &round->reports[shard]};
}

/* `gap`: of the room's numbers, before those of a shard that has to be made. */
static int tell_shards(struct round *round, int64_t gap, struct tq_error *err)
{
    struct redis_call calls[TQ_ROOM_SHARDS_MAX];
    size_t count = 0;
    for (unsigned i = 0; i < round->count; i++) {
        if (has_news(round, i)) {
            put_news(round, i, gap / round->count, &calls[count++]);
        }
    }
    int rc = count ? tq__redis_run(round->state->client, calls, count, err) : TQ_OK;
    for (size_t i = 0; i < count; i++) {
        if (calls[i].status == TQ_OK) {
            count_report(round, calls[i].out);
        }
    }
    return rc;
}

enum mode { TELL, TICK };

/* All three steps. A tick goes on without those who do not answer. */
static int go_round(struct round *round, enum mode mode, int64_t gap, struct tq_error *err)
{
    struct tq_error none = TQ_ERROR_INIT;
    int rc = ask_shards(round, 0, &none);
    if (rc < 0 && (mode == TELL || !is_any_there(round))) {
        return tq__fail(err, rc, "store.redis", "%s", none.message);
    }
    rc = ask_desk(round, mode == TICK, err);
    if (rc != TQ_OK) {
        return rc;
    }
    tq__redis_shards_see(round->room, round->next - 1);
    rc = tell_shards(round, gap, &none);
    return rc < 0 && mode == TELL ? tq__fail(err, rc, "store.redis", "%s", none.message) : TQ_OK;
}

static int run_round(struct redis_state *state, struct redis_sharded *room, enum mode mode,
                     int64_t gap, struct tq_room_tick *out_tick, struct tq_error *err)
{
    struct round *round = NULL;
    int rc = round_begin(state, room, &round, err);
    if (rc != TQ_OK) {
        return rc;
    }
    rc = go_round(round, mode, gap, err);
    if (rc == TQ_OK && round->doubt) {
        rc = go_round(round, mode, gap, err);
    }
    if (rc == TQ_OK && out_tick) {
        *out_tick = round->sum;
        out_tick->size = sizeof *out_tick;
        out_tick->next_ms = (uint32_t)round->next_ms;
    }
    round_done(round);
    return rc;
}

/* ---- slots ---- */

int tq__redis_desk_open(struct redis_state *state, struct redis_sharded *room, int is_new,
                        struct tq_error *err)
{
    return run_round(state, room, TELL, is_new ? 0 : TQ_ROOM_LOSS_GAP, NULL, err);
}

int tq__redis_desk_mend(struct redis_state *state, struct redis_sharded *room, struct tq_error *err)
{
    return run_round(state, room, TELL, TQ_ROOM_LOSS_GAP, NULL, err);
}

int tq__redis_desk_tick(struct redis_state *state, struct redis_sharded *room,
                        struct tq_room_tick *out_tick, struct tq_error *err)
{
    int rc = run_round(state, room, TICK, TQ_ROOM_LOSS_GAP, out_tick, err);
    int is_busy = rc == TQ_OK && (out_tick->admitted || out_tick->skipped || out_tick->freed);
    return rc == TQ_OK && !is_busy ? TQ_EMPTY : rc;
}

static int order(struct round *round, const struct tq_room_action *action,
                 const struct redis_text *words, struct tq_error *err)
{
    struct redis_text args[REDIS_ORDER_WORDS + 1 + TQ_ROOM_SHARDS_MAX];
    memcpy(args, words, REDIS_ORDER_WORDS * sizeof *args);
    if (action->order == TQ_ROOM_ADVANCE) {
        TQ_TRY(ask_shards(round, action->value, err));
    }
    struct redis_call call = {.script = REDIS_DESK_OPERATE,
                              .tag = round->room->id,
                              .args = args,
                              .args_count =
                                  REDIS_ORDER_WORDS + put_reports(round, &args[REDIS_ORDER_WORDS]),
                              .read = tq__redis_read_status};
    int rc = tq__redis_run(round->state->client, &call, 1, err);
    if (rc != TQ_OK && rc != TQ_REPEAT) {
        return rc;
    }
    int told = go_round(round, TELL, TQ_ROOM_LOSS_GAP, err);
    return told == TQ_OK ? rc : tq__fail(err, TQ_E_UNKNOWN, "store.redis", "not every shard knows");
}

int tq__redis_desk_operate(struct redis_state *state, struct redis_sharded *room,
                           const struct tq_room_action *action, const struct redis_text *words,
                           struct tq_error *err)
{
    struct round *round = NULL;
    int rc = round_begin(state, room, &round, err);
    if (rc != TQ_OK) {
        return rc;
    }
    rc = order(round, action, words, err);
    round_done(round);
    return rc;
}

/* The shards' views, and the desk's behind them. */
static int ask_views(struct redis_state *state, struct redis_sharded *room, unsigned count,
                     struct tq_room_view *views, struct tq_error *err)
{
    struct redis_call calls[TQ_ROOM_SHARDS_MAX + 1];
    for (unsigned i = 0; i <= count; i++) {
        calls[i] = (struct redis_call){.script = REDIS_ROOM_VIEW,
                                       .tag = i < count ? room->tags[i] : room->id,
                                       .is_joinable = 1,
                                       .read = tq__redis_read_view,
                                       .out = &views[i]};
    }
    TQ_TRY(tq__redis_run(state->client, calls, count + 1, err));
    for (unsigned i = 0; i <= count; i++) {
        if (calls[i].status == TQ_GONE) {
            return TQ_GONE;
        }
    }
    return views[count].policy.shards == count ? TQ_OK : TQ_GONE;
}

int tq__redis_desk_view(struct redis_state *state, struct redis_sharded *room,
                        struct tq_room_view *out_view, struct tq_error *err)
{
    unsigned count = atomic_load(&room->count);
    struct tq_room_view *views = tq__alloc(env_of(state), count + 1, sizeof *views);
    if (!views) {
        return tq__nomem("store.redis", err);
    }
    int rc = ask_views(state, room, count, views, err);
    if (rc == TQ_GONE && (rc = tq__redis_desk_mend(state, room, err)) == TQ_OK) {
        rc = ask_views(state, room, count, views, err);
    }
    for (unsigned i = 0; rc == TQ_OK && i < count; i++) {
        tq__redis_shard_add(&views[count], &views[i], i, count);
    }
    if (rc == TQ_OK) {
        *out_view = views[count];
    }
    tq__release(env_of(state), views);
    return rc;
}
