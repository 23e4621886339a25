/* SPDX-License-Identifier: MIT */
/*
 * Publishes what is pending and removes what was delivered.
 *
 * A step, in which no transaction is open while the transport is at work:
 *
 *   collect   take delivery reports
 *   look      read the next rows of the partitions that are leased (pending.c);
 *             renew the leases first where that is due (lease.c)
 *   publish   hand them to the transport, as many as it takes
 *   settle    one transaction: remove what was delivered, block what was refused (settle.c)
 *
 * A row under way has a slot in the window, and its report ends it. After an outage,
 * which is nobody's fault, or a refusal its lane is shut: no row of its key passes the
 * one that failed. When the last one under way is back, the key is read from the
 * table again, in order.
 *
 * A step with nothing to do waits for reports while rows are under way, otherwise for news of a
 * commit: in the transport, which our own commits wake, or where the ledger hears those of other
 * processes, in its ear.
 *
 * Invariants: no row is handed over while it is under way; slots in use = rows under
 * way or not settled yet.
 * Threads: [serial]; commits of the store and reports wake a step that waits.
 */
#include "outbox/settle.h"

#include "core/args.h"
#include "core/env.h"

#define ORIGIN "outbox.relay"
#define BATCH_DEFAULT 512
/* As many that the broker has work while half of them are removed. */
#define WINDOW_BATCHES 16
#define WINDOW_MAX 16384
#define LEASE_MS_DEFAULT 30000
#define LEASE_MS_MIN 100
#define LEASE_MS_MAX 3600000
#define ATTEMPTS_DEFAULT 8
/* News of other processes' commits may be lost, and leases have to be looked after. */
#define WAIT_MAX_MS 1000
/* How long what was delivered may wait for more, to be removed with it. */
#define SETTLE_MS 50
/* Parts of the window that are removed without waiting: while others are under way, or none is. */
#define SETTLE_PART 2
#define SETTLE_PART_IDLE 8

TQ_AUTO_DEFINE(tq_relay, tq_relay_close)

/* ---- open, close ---- */

static int read_options(tq_relay *relay, const struct tq_relay_options *options,
                        struct tq_error *err)
{
    struct tq_relay_options *use = &relay->options;
    TQ_TRY(TQ__READ(use, options, ORIGIN, err));
    TQ_TRY(tq__id_check(use->owner, "owner", ORIGIN, err));
    use->batch = use->batch ? use->batch : BATCH_DEFAULT;
    use->lease_ms = use->lease_ms ? use->lease_ms : LEASE_MS_DEFAULT;
    use->attempts_max = use->attempts_max ? use->attempts_max : ATTEMPTS_DEFAULT;
    if (use->batch > TQ_BATCH_MAX) {
        return tq__fail(err, TQ_E_LIMIT, ORIGIN, "batch is at most %d", TQ_BATCH_MAX);
    }
    if (use->lease_ms < LEASE_MS_MIN || use->lease_ms > LEASE_MS_MAX) {
        return tq__fail(err, TQ_E_LIMIT, ORIGIN, "lease_ms is %d to %d", LEASE_MS_MIN,
                        LEASE_MS_MAX);
    }
    tq__id_copy(relay->leases.owner, use->owner);
    relay->leases.lease_ms = use->lease_ms;
    relay->leases.partitions_max = use->partitions_max ? use->partitions_max : TQ__PARTITIONS;
    use->owner = relay->leases.owner;
    return TQ_OK;
}

/*
 * A lease is renewed when a third of it has gone, so this much of it is left whenever
 * rows are handed over. A report that comes later would be of rows that another relay
 * publishes already.
 */
static int check_lease(const tq_relay *relay, struct tq_error *err)
{
    const uint64_t left_ms = (uint64_t)relay->options.lease_ms * 2 / 3;
    const uint32_t report_ms = relay->driver->report_ms(relay->state);
    if (report_ms >= left_ms) {
        return tq__fail(err, TQ_E_INVALID, ORIGIN,
                        "lease_ms is %u; the transport may take %u ms to publish, which has to be "
                        "less than two thirds of it",
                        relay->options.lease_ms, report_ms);
    }
    return TQ_OK;
}

static int make_room(tq_relay *relay, struct tq_error *err)
{
    const struct tq_env *env = &relay->env;
    size_t batch = relay->options.batch, room = batch * WINDOW_BATCHES;
    if (room > WINDOW_MAX) {
        room = WINDOW_MAX;
    }
    TQ_TRY(tq__window_open(&relay->window, env, room, err));
    TQ_TRY(tq__pending_open(&relay->pending, env, batch, err));
    relay->pending.window = &relay->window;
    relay->pending.leases = &relay->leases;
    relay->pending.is_serial = (tq_store_caps(relay->store) & TQ_STORE_SERIAL) != 0;
    relay->flights = tq__alloc(env, room, sizeof *relay->flights);
    relay->reports = tq__alloc(env, batch, sizeof *relay->reports);
    relay->messages = tq__alloc(env, batch, sizeof *relay->messages);
    relay->parts = tq__alloc(env, batch, sizeof *relay->parts);
    relay->slots = tq__alloc(env, batch, sizeof *relay->slots);
    if (!relay->flights || !relay->reports || !relay->messages || !relay->parts || !relay->slots) {
        return tq__nomem(ORIGIN, err);
    }
    return TQ_OK;
}

static void on_commit(void *arg)
{
    tq_relay *relay = arg;
    __atomic_store_n(&relay->is_stirred, 1, __ATOMIC_RELEASE);
    relay->driver->wake(relay->state, relay->producer);
}

int tq_relay_open(tq_store *store, tq_transport *transport, const struct tq_relay_options *options,
                  tq_relay **out_relay, struct tq_error *err)
{
    TQ_AUTO(tq_relay) *relay = NULL;
    TQ_TRY(TQ__REQUIRE(ORIGIN, err, store, transport, out_relay));
    if (!(tq_store_caps(store) & TQ_STORE_LEDGER)) {
        return tq__fail(err, TQ_E_UNSUPPORTED, ORIGIN, "the store has no ledger");
    }
    TQ_TRY(tq__outbox_check(store, err));
    relay = tq__alloc(tq__store_env(store), 1, sizeof *relay);
    if (!relay) {
        return tq__nomem(ORIGIN, err);
    }
    relay->env = *tq__store_env(store);
    relay->store = tq__store_ref(store);
    relay->transport = tq__transport_ref(transport);
    relay->driver = tq__transport_driver(transport);
    relay->state = tq__transport_state(transport);
    TQ_TRY(read_options(relay, options, err));
    TQ_TRY(check_lease(relay, err));
    TQ_TRY(make_room(relay, err));
    TQ_TRY(relay->driver->producer_open(relay->state, &relay->producer, err));
    relay->watch = (struct tq__commit_watch){.on_commit = on_commit, .arg = relay};
    tq__ledger_watch(store, &relay->watch);
    relay->is_watching = 1;
    *out_relay = tq__take(&relay);
    return TQ_OK;
}

static int release_leases(tq_tx *tx, void *arg, struct tq_error *err)
{
    tq_relay *relay = arg;
    return tq__leases_release(tx, &relay->leases, err);
}

void tq_relay_close(tq_relay *relay)
{
    if (!relay) {
        return;
    }
    struct tq_env env = relay->env;
    if (relay->is_watching) {
        tq__ledger_unwatch(relay->store, &relay->watch);
    }
    if (tq__relay_classify(relay) > 0 && tq__relay_settle(relay, NULL) < 0) {
        tq__log(&env, TQ_LOG_INFO, ORIGIN, "what was delivered is published again");
    }
    if (relay->leases.is_known && tq_ledger_run(relay->store, release_leases, relay, NULL) < 0) {
        tq__log(&env, TQ_LOG_INFO, ORIGIN, "leases were not handed back; they run out");
    }
    if (relay->producer) {
        relay->driver->producer_close(relay->state, relay->producer);
    }
    tq__window_done(&relay->window);
    tq__pending_done(&relay->pending);
    tq__release(&env, relay->flights);
    tq__release(&env, relay->reports);
    tq__release(&env, relay->messages);
    tq__release(&env, relay->parts);
    tq__release(&env, relay->slots);
    tq_store_close(relay->store);
    tq_transport_close(relay->transport);
    tq__release(&env, relay);
}

/* ---- collect ---- */

/* The transport's own trouble, not the event's. */
static int is_outage(int status)
{
    return status == TQ_E_UNAVAILABLE || status == TQ_E_UNKNOWN || status == TQ_E_BUSY ||
           status == TQ_E_NOMEM;
}

static void take_report(tq_relay *relay, const struct tq_report *report, struct tq_error *outage)
{
    struct tq__slot *slot = tq__window_slot(&relay->window, report->cookie);
    if (!slot || tq__flight_of(relay, slot)->state != TQ__FLIGHT_UNDER_WAY) {
        return;
    }
    if (is_outage(report->status)) {
        slot->lane->is_shut = 1;
        relay->stats.failed++;
        tq__window_drop(&relay->window, slot);
        tq__pending_missed(&relay->pending);
        tq__fail(outage, report->status, ORIGIN, "a message came back: %s",
                 tq_status_text(report->status));
        return;
    }
    tq__relay_landed(relay, slot, report->status);
}

/* What the driver has said of its failure stays as it is. */
static void note_outage(struct tq_error *outage, int status)
{
    if (status < 0 && outage->status != status) {
        tq__fail(outage, status, ORIGIN, "the transport is not there: %s", tq_status_text(status));
    }
}

/* Takes what reports there are, waiting for the first. Returns how many. */
static size_t collect(tq_relay *relay, uint32_t wait_ms, struct tq_error *outage)
{
    size_t total = 0, count;
    int status;
    do {
        count = 0;
        status = relay->driver->reports(relay->state, relay->producer, relay->reports,
                                        relay->options.batch, total ? 0 : wait_ms, &count, outage);
        for (size_t i = 0; status == TQ_OK && i < count; i++) {
            take_report(relay, &relay->reports[i], outage);
        }
        total += status == TQ_OK ? count : 0;
    } while (status == TQ_OK && count == relay->options.batch);
    note_outage(outage, status);
    return total;
}

/* ---- look ---- */

static uint64_t busy_partitions(const tq_relay *relay)
{
    uint64_t busy = 0;
    for (const struct tq__slot *at = relay->window.first; at; at = at->next) {
        busy |= 1ull << tq__flight_of(relay, at)->partition;
    }
    return busy;
}

struct renewal {
    tq_relay *relay;
    uint64_t busy;
    struct tq__leases leases;
};

static int renew_leases(tq_tx *tx, void *arg, struct tq_error *err)
{
    struct renewal *renewal = arg;
    return tq__leases_renew(tx, &renewal->relay->leases, renewal->busy, &renewal->leases, err);
}

static int read_pending(tq_relay *relay, struct tq_error *err)
{
    int status = tq_ledger_read(relay->store, tq__pending_read, &relay->pending, err);
    if (status < 0) {
        tq__pending_missed(&relay->pending);
    }
    return status;
}

static int look(tq_relay *relay, struct tq_error *err)
{
    struct tq__pending *pending = &relay->pending;
    size_t room = relay->window.room - relay->window.count;
    if (room < relay->window.room / WINDOW_BATCHES) {
        room = 0; /* the ids under way would be read again for a few new ones */
    }
    pending->room = room < relay->options.batch ? room : relay->options.batch;
    TQ_TRY(read_pending(relay, err));
    if (!pending->is_lease_due) {
        return TQ_OK;
    }
    struct renewal renewal = {.relay = relay, .busy = busy_partitions(relay)};
    TQ_TRY(tq_ledger_run(relay->store, renew_leases, &renewal, err));
    relay->leases = renewal.leases;
    tq__pending_anew(pending); /* others may have had the partitions meanwhile, and freed keys */
    __atomic_store_n(&relay->watch.wanted, relay->leases.held & ~relay->leases.leaving,
                     __ATOMIC_RELEASE);
    return read_pending(relay, err);
}

/* ---- publish ---- */

/* Slots and messages for the rows that may go, as far as there is memory; returns how many. */
static size_t prepare(tq_relay *relay, struct tq_error *outage)
{
    struct tq__pending *pending = &relay->pending;
    size_t count = 0;
    for (size_t i = 0; i < pending->rows_count; i++) {
        const struct tq__row *row = &pending->rows[i];
        const char *key = tq__pending_key(pending, row);
        const struct tq__lane *lane = tq__window_lane(&relay->window, key);
        struct tq__event_parts parts;
        struct tq_event event;
        if (lane && lane->is_shut) {
            tq__pending_missed(pending);
            continue;
        }
        struct tq__slot *slot = tq__window_add(&relay->window, row->id, key, outage);
        if (!slot) {
            tq__pending_missed(pending);
            break;
        }
        *tq__flight_of(relay, slot) =
            (struct tq__flight){.partition = row->partition, .attempts = row->attempts};
        tq__row_event(row, &pending->text, &event, &parts);
        tq__event_to_message(&event, &relay->messages[count], &relay->parts[count]);
        relay->messages[count].cookie = tq__window_cookie(&relay->window, slot);
        relay->slots[count++] = slot;
    }
    return count;
}

/* Returns how many were taken over; a failure, of the transport mostly, goes to `outage`. */
static size_t publish(tq_relay *relay, struct tq_error *outage)
{
    size_t accepted = 0, count = prepare(relay, outage);
    int status = count == 0 ? TQ_EMPTY
                            : relay->driver->publish(relay->state, relay->producer, relay->messages,
                                                     count, &accepted, outage);
    if (status != TQ_OK) {
        accepted = 0;
    }
    for (size_t i = accepted; i < count; i++) {
        tq__window_drop(&relay->window, relay->slots[i]);
        tq__pending_missed(&relay->pending);
    }
    note_outage(outage, status);
    return accepted;
}

/* ---- step ---- */

/* Waits; returns how many reports came. */
static size_t rest(tq_relay *relay, uint32_t wait_ms, struct tq_error *outage)
{
    if (relay->window.count == 0 && wait_ms > 0 && tq__ledger_hears(relay->store)) {
        tq__ledger_wait(relay->store, &relay->watch, wait_ms);
        wait_ms = 0;
    }
    return collect(relay, wait_ms, outage);
}

/* What is delivered does not wait for ever to be settled. */
static uint32_t patience_ms(const tq_relay *relay, uint32_t wait_ms, size_t ready)
{
    const uint32_t third_ms = relay->options.lease_ms / 3;
    wait_ms = wait_ms < WAIT_MAX_MS ? wait_ms : WAIT_MAX_MS;
    wait_ms = wait_ms < third_ms ? wait_ms : third_ms;
    return ready && wait_ms > SETTLE_MS ? SETTLE_MS : wait_ms;
}

/* Each transaction is a flush to disk: few, with many rows; but no row waits long, and many do
   not wait for nothing. */
static int is_time_to_settle(tq_relay *relay, size_t ready, int is_more_expected)
{
    const int64_t now_ms = tq__now_ms(&relay->env);
    const size_t part = ready == relay->window.count ? SETTLE_PART_IDLE : SETTLE_PART;
    relay->ready_ms = ready == 0 || relay->ready_ms > now_ms ? now_ms : relay->ready_ms;
    return ready > 0 && (!is_more_expected || ready >= relay->window.room / part ||
                         now_ms - relay->ready_ms >= SETTLE_MS);
}

static int is_woken(tq_relay *relay)
{
    return __atomic_exchange_n(&relay->is_woken, 0, __ATOMIC_ACQ_REL);
}

static int work(tq_relay *relay, uint32_t wait_ms, struct tq_error *outage, struct tq_error *err)
{
    size_t collected = collect(relay, 0, outage);
    __atomic_store_n(&relay->is_stirred, 0, __ATOMIC_RELEASE);
    tq__ledger_attend(&relay->watch);
    TQ_TRY(look(relay, err));
    size_t marked = relay->pending.due_count + relay->pending.behind_count;
    size_t published = publish(relay, outage);
    size_t ready = tq__relay_classify(relay);
    if (collected + marked + published == 0 && outage->status == TQ_OK && !is_woken(relay)) {
        collected = rest(relay, patience_ms(relay, wait_ms, ready), outage);
        ready = tq__relay_classify(relay);
    }
    int has_news = collected > 0 || __atomic_load_n(&relay->is_stirred, __ATOMIC_ACQUIRE);
    int is_more_expected = outage->status == TQ_OK && (published > 0 || (wait_ms > 0 && has_news));
    if (marked > 0 || is_time_to_settle(relay, ready, is_more_expected)) {
        TQ_TRY(tq__relay_settle(relay, err));
    }
    return collected + marked + published + ready ? TQ_OK : TQ_EMPTY;
}

int tq_relay_step(tq_relay *relay, uint32_t wait_ms, struct tq_relay_stats *out_stats,
                  struct tq_error *err)
{
    struct tq_error outage = TQ_ERROR_INIT;
    TQ_TRY(TQ__REQUIRE(ORIGIN, err, relay));
    TQ_TRY(out_stats ? TQ__CHECK(out_stats, 1, ORIGIN, err) : TQ_OK);
    relay->stats = (struct tq_relay_stats){.size = sizeof relay->stats};
    int status = work(relay, wait_ms, &outage, err);
    TQ_TRY(status);
    if (outage.status != TQ_OK) {
        return tq__fail_native(err, outage.status, outage.native, outage.origin, "%s",
                               outage.message);
    }
    relay->stats.waiting = (uint32_t)relay->window.count;
    if (out_stats) {
        TQ__WRITE(out_stats, &relay->stats);
    }
    return status;
}

void tq_relay_wake(tq_relay *relay)
{
    if (relay) {
        __atomic_store_n(&relay->is_woken, 1, __ATOMIC_RELEASE);
        tq__ledger_wake(relay->store, &relay->watch);
        relay->driver->wake(relay->state, relay->producer);
    }
}
