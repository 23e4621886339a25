/* SPDX-License-Identifier: MIT */
/*
 * Applies what has arrived, each event once and for itself.
 *
 * A step polls the transport, picks what may be tried now, and brings each event as
 * a request to a body for many: one statement claims (consumer, event) for all, what
 * was there already is repeated, and the handler runs for each of the others. When it
 * fails for one, the ledger runs the others again without it, and what failed alone
 * (store/merge.c), so that each stands or falls for itself:
 *
 *   result of the handler           the event                 its key
 *   TQ_OK, positive                 applied, acknowledged
 *   can never be applied, or        dead letter, then         waits for that
 *   attempts_max refusals           acknowledged
 *   another failure                 undone, tried again       waits, longer each time
 *
 * A dead letter is an outbox event to the dead-letter topic, appended in the
 * transaction that claims the refused one, so that there is exactly one. What was
 * not acknowledged when the process dies is delivered again, and the claims tell
 * what was applied.
 *
 * Order of a key: events of a key are requests in order, and one behind a failed
 * one does not run. A failure of the ledger itself counts against nobody.
 *
 * Invariants: acknowledged = committed; a message in the window is the driver's
 * memory until then. Waiting times are told by the host's clock and only delay.
 * Threads: [serial]; a body may run on another caller's thread (core/combine).
 */
#include "outbox/inbox.h"

#include <stdio.h>
#include <string.h>

#include "core/args.h"
#include "core/backoff.h"
#include "core/env.h"

#define ORIGIN "outbox.inbox"
#define BATCH_DEFAULT 256
#define WINDOW_BATCHES 4
#define RETRY_FIRST_MS 50
#define RETRY_MAX_MS 30000

TQ_AUTO_DEFINE(tq_inbox, tq_inbox_close)

/* ---- open, close ---- */

static int read_options(tq_inbox *inbox, const struct tq_inbox_options *options,
                        struct tq_error *err)
{
    struct tq_inbox_options *use = &inbox->options;
    TQ_TRY(TQ__READ(use, options, ORIGIN, err));
    TQ_TRY(tq__id_check(use->consumer, "consumer", ORIGIN, err));
    TQ_TRY(tq__topic_check(use->dead_letter_topic, "dead_letter_topic", ORIGIN, err));
    TQ_TRY(TQ__REQUIRE(ORIGIN, err, use->handler, use->topics));
    TQ_TRY(tq__args_count(use->topics_count, TQ_BATCH_MAX, "topics_count", ORIGIN, err));
    for (size_t i = 0; i < use->topics_count; i++) {
        TQ_TRY(tq__topic_check(use->topics[i], "topics", ORIGIN, err));
    }
    use->batch = use->batch ? use->batch : BATCH_DEFAULT;
    if (use->batch > TQ_BATCH_MAX) {
        return tq__fail(err, TQ_E_LIMIT, ORIGIN, "batch is at most %d", TQ_BATCH_MAX);
    }
    tq__id_copy(inbox->consumer, use->consumer);
    strncpy(inbox->dead_letter_topic, use->dead_letter_topic, TQ_TOPIC_MAX);
    return TQ_OK;
}

static int make_room(tq_inbox *inbox, struct tq_error *err)
{
    const struct tq_env *env = &inbox->env;
    size_t batch = inbox->options.batch, room = batch * WINDOW_BATCHES;
    TQ_TRY(tq__window_open(&inbox->window, env, room, err));
    inbox->held = tq__alloc(env, room, sizeof *inbox->held);
    inbox->polled = tq__alloc(env, batch, sizeof *inbox->polled);
    inbox->entries = tq__alloc(env, batch, sizeof *inbox->entries);
    inbox->runs = tq__alloc(env, batch, sizeof *inbox->runs);
    inbox->cookies = tq__alloc(env, batch, sizeof *inbox->cookies);
    inbox->applied = tq__alloc(env, batch, sizeof(struct tq_event *));
    int is_made = inbox->held && inbox->polled && inbox->entries && inbox->runs && inbox->cookies &&
                  inbox->applied;
    return is_made ? TQ_OK : tq__nomem(ORIGIN, err);
}

int tq_inbox_open(tq_store *store, tq_transport *transport, const struct tq_inbox_options *options,
                  tq_inbox **out_inbox, struct tq_error *err)
{
    TQ_AUTO(tq_inbox) *inbox = NULL;
    TQ_TRY(TQ__REQUIRE(ORIGIN, err, store, transport, out_inbox));
    if (!(tq_store_caps(store) & TQ_STORE_LEDGER)) {
        return tq__fail(err, TQ_E_UNSUPPORTED, ORIGIN, "the store has no ledger");
    }
    TQ_TRY(tq__outbox_check(store, err));
    inbox = tq__alloc(tq__store_env(store), 1, sizeof *inbox);
    if (!inbox) {
        return tq__nomem(ORIGIN, err);
    }
    inbox->env = *tq__store_env(store);
    inbox->store = tq__store_ref(store);
    inbox->transport = tq__transport_ref(transport);
    inbox->driver = tq__transport_driver(transport);
    inbox->state = tq__transport_state(transport);
    TQ_TRY(read_options(inbox, options, err));
    TQ_TRY(make_room(inbox, err));
    TQ_TRY(inbox->driver->consumer_open(inbox->state, inbox->consumer, inbox->options.topics,
                                        inbox->options.topics_count, &inbox->transport_consumer,
                                        err));
    *out_inbox = tq__take(&inbox);
    return TQ_OK;
}

void tq_inbox_close(tq_inbox *inbox)
{
    if (!inbox) {
        return;
    }
    struct tq_env env = inbox->env;
    if (inbox->transport_consumer) {
        inbox->driver->consumer_close(inbox->state, inbox->transport_consumer);
    }
    tq__window_done(&inbox->window);
    tq__release(&env, inbox->held);
    tq__release(&env, inbox->polled);
    tq__release(&env, inbox->entries);
    tq__release(&env, inbox->runs);
    tq__release(&env, inbox->cookies);
    tq__release(&env, inbox->applied);
    tq_store_close(inbox->store);
    tq_transport_close(inbox->transport);
    tq__release(&env, inbox);
}

/* ---- poll ---- */

/* How long until the first key that waits is due, at most `wait_ms`; 0: something is. */
static uint32_t idle_ms(const tq_inbox *inbox, uint32_t wait_ms, int64_t now_ms)
{
    for (const struct tq__slot *at = inbox->window.first; at && wait_ms; at = at->next) {
        int64_t left_ms = at->lane->until_ms - now_ms;
        if (left_ms < wait_ms) {
            wait_ms = left_ms > 0 ? (uint32_t)left_ms : 0;
        }
    }
    return wait_ms;
}

/* Nothing can be polled now. */
static void rest(const tq_inbox *inbox, uint32_t wait_ms)
{
    const struct tq_env *env = &inbox->env;
    if (wait_ms && tq__can_park(env)) {
        env->park(env->ctx, &inbox->is_woken, 0, wait_ms);
    }
}

/* Fills the window. A message that finds no memory stays at the end, for the next step. */
static int fill(tq_inbox *inbox, uint32_t wait_ms, struct tq_error *err)
{
    struct tq__window *window = &inbox->window;
    size_t room = window->room - window->count, count = 0;
    if (__atomic_exchange_n(&inbox->is_woken, 0, __ATOMIC_ACQ_REL)) {
        wait_ms = 0;
    }
    wait_ms = idle_ms(inbox, wait_ms, tq__now_ms(&inbox->env));
    if (room == 0) {
        rest(inbox, wait_ms);
    } else if (inbox->polled_at == inbox->polled_count) {
        size_t max = room < inbox->options.batch ? room : inbox->options.batch;
        TQ_TRY(inbox->driver->poll(inbox->state, inbox->transport_consumer, inbox->polled, max,
                                   wait_ms, &count, err));
        inbox->polled_at = 0;
        inbox->polled_count = count;
    }
    for (; inbox->polled_at < inbox->polled_count && window->count < window->room;
         inbox->polled_at++) {
        const struct tq_message *message = &inbox->polled[inbox->polled_at];
        const char *key = tq__id_is_valid(message->key) ? message->key : "";
        struct tq__slot *slot = tq__window_add(window, inbox->arrivals, key, err);
        if (!slot) {
            return TQ_E_NOMEM;
        }
        inbox->arrivals++;
        inbox->held[slot - window->slots] = *message;
    }
    return TQ_OK;
}

/* ---- pick ---- */

static void pick_entry(tq_inbox *inbox, struct tq__slot *slot)
{
    struct tq__lane *lane = slot->lane;
    struct tq__inbox_entry *entry = &inbox->entries[inbox->entries_count++];
    entry->inbox = inbox;
    entry->slot = slot;
    entry->before = lane->last_entry ? &inbox->entries[lane->last_entry - 1] : NULL;
    entry->err = (struct tq_error)TQ_ERROR_INIT;
    entry->verdict = TQ__INBOX_NONE;
    entry->result = TQ_OK;
    entry->refusal = tq__event_of_message(&inbox->held[slot - inbox->window.slots], &entry->event,
                                          &entry->parts, &entry->err);
    entry->is_readable = entry->refusal == TQ_OK;
    lane->last_entry = inbox->entries_count;
}

/* The first of what has arrived whose keys need not wait, in order. */
static void pick(tq_inbox *inbox)
{
    const int64_t now_ms = tq__now_ms(&inbox->env);
    inbox->entries_count = 0;
    for (struct tq__slot *at = inbox->window.first;
         at && inbox->entries_count < inbox->options.batch; at = at->next) {
        int64_t left_ms = at->lane->until_ms - now_ms;
        if (left_ms <= 0 || left_ms > RETRY_MAX_MS) {
            pick_entry(inbox, at);
        }
    }
    for (size_t i = 0; i < inbox->entries_count; i++) {
        inbox->entries[i].slot->lane->last_entry = 0;
    }
}

/* ---- apply ---- */

/* Claims those of one inbox, from `*first` to where the next inbox begins. */
static int claim_some(tq_tx *tx, void *const args[], size_t count, size_t *first, uint8_t *is_fresh,
                      struct tq_error *err)
{
    const struct tq__inbox_entry *entry = args[*first];
    const tq_inbox *inbox = entry->inbox;
    const char *ids[TQ_EACH_MAX];
    size_t places[TQ_EACH_MAX], ids_count = 0;
    uint8_t fresh[TQ_EACH_MAX];
    for (; *first < count && (entry = args[*first])->inbox == inbox; ++*first) {
        if (entry->is_readable) {
            places[ids_count] = *first;
            ids[ids_count++] = entry->event.id;
        }
    }
    TQ_TRY(ids_count ? tq_inbox_claim(tx, inbox->consumer, ids, ids_count, fresh, err) : TQ_OK);
    for (size_t i = 0; i < ids_count; i++) {
        is_fresh[places[i]] = fresh[i];
    }
    return TQ_OK;
}

static int is_behind(const struct tq__inbox_entry *entry)
{
    const struct tq__inbox_entry *before = entry->before;
    return before && (before->result < 0 || before->run->result < 0);
}

/* A server that is away, which the handler may have passed on, is no refusal of its event. */
static int is_outage(int failure)
{
    return failure == TQ_E_UNAVAILABLE || failure == TQ_E_UNKNOWN;
}

/* One that is fresh. What has just been refused among others is so alone, too. */
static int handle(tq_tx *tx, struct tq__inbox_entry *entry, int was_refused, struct tq_error *err)
{
    const struct tq_inbox_options *options = &entry->inbox->options;
    if (was_refused) {
        *err = entry->err;
        return entry->result;
    }
    int status = options->handler(tx, &entry->event, options->arg, err);
    if (status < 0) {
        entry->verdict = is_outage(tx->failure) ? TQ__INBOX_NONE : TQ__INBOX_REFUSED;
        entry->err = *err;
    }
    return status;
}

/* A request of a run in which `has_failed` says that one has failed: then all are run again. */
static int apply(tq_tx *tx, struct tq__inbox_entry *entry, int is_fresh, int has_failed,
                 struct tq_error *err)
{
    int was_refused = entry->verdict == TQ__INBOX_REFUSED && entry->result != TQ_E_BUSY;
    if (is_behind(entry)) {
        entry->verdict = TQ__INBOX_BEHIND;
        return tq__fail(err, TQ_E_BUSY, ORIGIN, "an earlier event of the key failed");
    }
    if (!entry->is_readable) {
        entry->verdict = TQ__INBOX_REFUSED;
        return entry->refusal;
    }
    if (has_failed || !is_fresh) {
        entry->verdict = is_fresh ? TQ__INBOX_NONE : TQ__INBOX_REPEATED;
        return TQ_OK;
    }
    entry->verdict = was_refused ? TQ__INBOX_REFUSED : TQ__INBOX_APPLIED;
    return handle(tx, entry, was_refused, err);
}

/* The body of a batch: claim all, then the handler for each that is new. */
static int apply_each(tq_tx *tx, void *const args[], size_t count, int results[],
                      struct tq_error *const errs[])
{
    uint8_t is_fresh[TQ_EACH_MAX] = {0};
    int has_failed = 0;
    for (size_t i = 0; count > 1 && i < count; i++) {
        struct tq__inbox_entry *entry = args[i];
        entry->verdict = TQ__INBOX_NONE;
    }
    for (size_t i = 0; i < count;) {
        TQ_TRY(claim_some(tx, args, count, &i, is_fresh, errs[0]));
    }
    for (size_t i = 0; i < count; i++) {
        struct tq__inbox_entry *entry = args[i];
        results[i] = entry->result = apply(tx, entry, is_fresh[i], has_failed, errs[i]);
        has_failed |= results[i] < 0;
    }
    return TQ_OK;
}

/* Runs a body for each entry of the batch with this verdict. */
static int run_entries(tq_inbox *inbox, struct tq__run run, uint32_t verdict, struct tq_error *err)
{
    size_t count = 0;
    for (size_t i = 0; i < inbox->entries_count; i++) {
        struct tq__inbox_entry *entry = &inbox->entries[i];
        if (entry->verdict == verdict) {
            entry->run = &inbox->runs[count++];
            *entry->run = run;
            entry->run->arg = entry;
        }
    }
    if (count > 0) {
        TQ_TRY(tq__ledger_run_many(inbox->store, inbox->runs, count, err));
    }
    for (size_t i = 0; i < count; i++) {
        struct tq__inbox_entry *entry = inbox->runs[i].arg;
        entry->result = tq__run_result(&inbox->runs[i], &entry->err);
    }
    return TQ_OK;
}

static int is_never(int status)
{
    return status == TQ_E_INVALID || status == TQ_E_CORRUPT || status == TQ_E_LIMIT ||
           status == TQ_E_UNSUPPORTED;
}

static void condemn(struct tq__inbox_entry *entry, int refusal)
{
    const char *reason = entry->err.message[0] ? entry->err.message : tq_status_text(refusal);
    entry->verdict = TQ__INBOX_NEVER;
    entry->refusal = refusal;
    snprintf(entry->reason, sizeof entry->reason, "%s", reason);
    if (!tq__text_is_valid(entry->reason, sizeof entry->reason)) {
        snprintf(entry->reason, sizeof entry->reason, "%s", tq_status_text(refusal));
    }
    tq__log(&entry->inbox->env, TQ_LOG_WARN, ORIGIN, "dead letter of %s: event %s: %s: %s",
            entry->inbox->consumer, entry->is_readable ? entry->event.id : "?",
            tq_status_name(refusal), entry->reason);
}

/* Not the event's fault, and sure to pass. */
static int is_passing(int status)
{
    return status == TQ_E_BUSY || status == TQ_E_NOMEM;
}

/* What a refusal by the handler comes to: the key waits, or the event dies. */
static void judge(tq_inbox *inbox, struct tq__inbox_entry *entry)
{
    struct tq__lane *lane = entry->slot->lane;
    const uint32_t attempts_max = inbox->options.attempts_max;
    if (entry->before && entry->before->result < 0) {
        entry->verdict = TQ__INBOX_BEHIND;
    }
    if (entry->verdict == TQ__INBOX_APPLIED && is_never(entry->result)) {
        entry->verdict = TQ__INBOX_REFUSED; /* what it wrote was refused with the commit */
    }
    if (entry->verdict != TQ__INBOX_REFUSED) {
        return;
    }
    struct tq__backoff backoff = {RETRY_FIRST_MS, RETRY_MAX_MS, lane->attempts};
    lane->attempts += !is_passing(entry->result);
    if (is_never(entry->result) || (attempts_max && lane->attempts >= attempts_max)) {
        condemn(entry, entry->result);
        return;
    }
    lane->until_ms = tq__now_ms(&inbox->env) + tq__backoff_next(&backoff, &inbox->env);
    inbox->stats.failed++;
}

/* The entry is dealt with for good. */
static void finish_entry(tq_inbox *inbox, struct tq__inbox_entry *entry)
{
    struct tq__slot *slot = entry->slot;
    inbox->cookies[inbox->cookies_count++] = inbox->held[slot - inbox->window.slots].cookie;
    inbox->stats.applied += entry->verdict == TQ__INBOX_APPLIED;
    inbox->stats.repeated += entry->verdict == TQ__INBOX_REPEATED;
    inbox->stats.dead += entry->verdict == TQ__INBOX_DEAD;
    slot->lane->attempts = 0;
    slot->lane->until_ms = 0;
    tq__window_drop(&inbox->window, slot);
    entry->slot = NULL;
}

/* A failure that no handler is to blame for; the first one is passed on. */
static int failure_of(const struct tq__inbox_entry *entry, int status, struct tq_error *err)
{
    if (status < 0 || !entry->slot || entry->result >= 0 || entry->verdict == TQ__INBOX_REFUSED ||
        entry->verdict == TQ__INBOX_BEHIND) {
        return status;
    }
    return tq__fail_native(err, entry->result, entry->err.native, entry->err.origin, "%s",
                           entry->err.message);
}

/* Tells the host what was applied, all at once, as long as the messages are ours. */
static void tell_applied(tq_inbox *inbox)
{
    size_t count = 0;
    for (size_t i = 0; i < inbox->entries_count; i++) {
        const struct tq__inbox_entry *entry = &inbox->entries[i];
        if (entry->result >= 0 && entry->verdict == TQ__INBOX_APPLIED) {
            inbox->applied[count++] = &entry->event;
        }
    }
    if (count && inbox->options.applied) {
        inbox->options.applied(inbox->applied, count, inbox->options.arg);
    }
}

static int finish_batch(tq_inbox *inbox, struct tq_error *err)
{
    int status = TQ_OK;
    tell_applied(inbox);
    inbox->cookies_count = 0;
    for (size_t i = 0; i < inbox->entries_count; i++) {
        if (inbox->entries[i].result >= 0) {
            finish_entry(inbox, &inbox->entries[i]);
        }
    }
    for (size_t i = 0; i < inbox->entries_count; i++) {
        status = failure_of(&inbox->entries[i], status, err);
    }
    if (inbox->cookies_count) {
        inbox->driver->ack(inbox->state, inbox->transport_consumer, inbox->cookies,
                           inbox->cookies_count);
    }
    return status;
}

static int process(tq_inbox *inbox, struct tq_error *err)
{
    pick(inbox);
    TQ_TRY(run_entries(inbox, (struct tq__run)TQ__RUN_EACH(apply_each, NULL), TQ__INBOX_NONE, err));
    for (size_t i = 0; i < inbox->entries_count; i++) {
        judge(inbox, &inbox->entries[i]);
    }
    TQ_TRY(run_entries(inbox, (struct tq__run)TQ__RUN(tq__inbox_bury, NULL), TQ__INBOX_NEVER, err));
    return finish_batch(inbox, err);
}

int tq_inbox_step(tq_inbox *inbox, uint32_t wait_ms, struct tq_inbox_stats *out_stats,
                  struct tq_error *err)
{
    TQ_TRY(TQ__REQUIRE(ORIGIN, err, inbox));
    TQ_TRY(out_stats ? TQ__CHECK(out_stats, 1, ORIGIN, err) : TQ_OK);
    inbox->stats = (struct tq_inbox_stats){.size = sizeof inbox->stats};
    int filled = fill(inbox, wait_ms, err);
    TQ_TRY(process(inbox, err));
    TQ_TRY(filled);
    if (out_stats) {
        TQ__WRITE(out_stats, &inbox->stats);
    }
    return inbox->entries_count ? TQ_OK : TQ_EMPTY;
}

void tq_inbox_wake(tq_inbox *inbox)
{
    if (!inbox) {
        return;
    }
    __atomic_store_n(&inbox->is_woken, 1, __ATOMIC_RELEASE);
    if (tq__can_park(&inbox->env)) {
        inbox->env.unpark(inbox->env.ctx, &inbox->is_woken);
    }
    inbox->driver->consumer_wake(inbox->state, inbox->transport_consumer);
}
