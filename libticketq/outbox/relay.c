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
 *   settle    one transaction: remove what was delivered, block what was refused
 *
 * A row under way has a slot in the window, and its report ends it:
 *
 *   report        the row                         its key
 *   TQ_OK         is removed
 *   outage        stays pending, nobody's fault   shut until all of it is back
 *   refused       blocked, for longer each time;  shut, then blocked in the table:
 *                 parked after attempts_max       later rows of it wait behind
 *
 * A shut lane lets no row of its key pass the one that failed; when the last one
 * under way is back, the key is read from the table again, in order. Every write
 * repeats owner and epoch of the lease.
 *
 * Invariants: a row is removed only after its own good report; no row is handed
 * over while it is under way; slots in use = rows under way or not settled yet.
 * Threads: [serial]; commits of the store and reports wake a step that waits.
 */
#include "outbox/pending.h"

#include <stdio.h>

#include "core/args.h"
#include "core/backoff.h"
#include "core/env.h"
#include "outbox/outbox_sql.h"
#include "store/ledger.h"

#define ORIGIN "outbox.relay"
#define BATCH_DEFAULT 512
#define WINDOW_BATCHES 8
#define LEASE_MS_DEFAULT 30000
#define LEASE_MS_MIN 100
#define LEASE_MS_MAX 3600000
#define ATTEMPTS_DEFAULT 8
#define REFUSED_FIRST_MS 1000
#define REFUSED_MAX_MS 60000
#define REASON_MAX 96
/* Nobody tells of what other processes commit, and leases have to be renewed. */
#define WAIT_MAX_MS 1000

enum flight_state {
    UNDER_WAY = 0,
    DELIVERED, /* to be removed */
    REFUSED,   /* and one of its key before it is still under way */
    BLAMED     /* refused, and the first of its key: to be blocked */
};

/* What the relay knows of a slot, beside the window. */
struct flight {
    uint32_t partition;
    uint32_t attempts;
    int32_t status; /* of the report */
    uint32_t state; /* enum flight_state */
};

struct tq_relay {
    struct tq_env env;
    tq_store *store;
    tq_transport *transport;
    const struct tq_transport_driver *driver;
    void *state;
    void *producer;
    struct tq_relay_options options;
    struct tq__leases leases;
    struct tq__window window;
    struct tq__pending pending;
    struct flight *flights; /* by the slot's place */
    struct tq_report *reports;
    struct tq_message *messages;
    struct tq__message_parts *parts;
    struct tq__slot **slots;
    struct tq__commit_watch watch;
    int is_watching;
    int is_woken; /* atomic: the next wait is none */
    struct tq_relay_stats stats;
};

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

static int make_room(tq_relay *relay, struct tq_error *err)
{
    const struct tq_env *env = &relay->env;
    size_t batch = relay->options.batch, room = batch * WINDOW_BATCHES;
    if (room > TQ_BATCH_MAX) {
        room = TQ_BATCH_MAX;
    }
    TQ_TRY(tq__window_open(&relay->window, env, room, err));
    TQ_TRY(tq__pending_open(&relay->pending, env, batch, err));
    relay->pending.window = &relay->window;
    relay->pending.leases = &relay->leases;
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

static struct flight *flight_of(const tq_relay *relay, const struct tq__slot *slot)
{
    return &relay->flights[slot - relay->window.slots];
}

/* The transport's own trouble, not the event's. */
static int is_outage(int status)
{
    return status == TQ_E_UNAVAILABLE || status == TQ_E_UNKNOWN || status == TQ_E_BUSY ||
           status == TQ_E_NOMEM;
}

static void take_report(tq_relay *relay, const struct tq_report *report, int *outage)
{
    struct tq__slot *slot = tq__window_slot(&relay->window, report->cookie);
    if (!slot || flight_of(relay, slot)->state != UNDER_WAY) {
        return;
    }
    struct flight *flight = flight_of(relay, slot);
    if (is_outage(report->status)) {
        slot->lane->is_shut = 1;
        relay->stats.failed++;
        tq__window_drop(&relay->window, slot);
        *outage = report->status;
        return;
    }
    flight->status = report->status;
    flight->state = report->status >= 0 ? DELIVERED : REFUSED;
    slot->lane->is_shut |= flight->state == REFUSED;
}

/* Takes what reports there are, waiting for the first. Returns how many. */
static size_t collect(tq_relay *relay, uint32_t wait_ms, int *outage)
{
    size_t total = 0, count;
    struct tq_error err = TQ_ERROR_INIT;
    int status;
    do {
        count = 0;
        status = relay->driver->reports(relay->state, relay->producer, relay->reports,
                                        relay->options.batch, total ? 0 : wait_ms, &count, &err);
        for (size_t i = 0; status == TQ_OK && i < count; i++) {
            take_report(relay, &relay->reports[i], outage);
        }
        total += status == TQ_OK ? count : 0;
    } while (status == TQ_OK && count == relay->options.batch);
    if (status < 0) {
        *outage = status;
    }
    return total;
}

/* ---- look ---- */

static uint64_t busy_partitions(const tq_relay *relay)
{
    uint64_t busy = 0;
    for (const struct tq__slot *at = relay->window.first; at; at = at->next) {
        busy |= 1ull << flight_of(relay, at)->partition;
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

static int look(tq_relay *relay, struct tq_error *err)
{
    struct tq__pending *pending = &relay->pending;
    size_t room = relay->window.room - relay->window.count;
    pending->room = room < relay->options.batch ? room : relay->options.batch;
    TQ_TRY(tq_ledger_read(relay->store, tq__pending_read, pending, err));
    if (!pending->is_lease_due) {
        return TQ_OK;
    }
    struct renewal renewal = {.relay = relay, .busy = busy_partitions(relay)};
    TQ_TRY(tq_ledger_run(relay->store, renew_leases, &renewal, err));
    relay->leases = renewal.leases;
    return tq_ledger_read(relay->store, tq__pending_read, pending, err);
}

/* ---- publish ---- */

/* Slots and messages for the rows that may go; returns how many. */
static size_t prepare(tq_relay *relay, struct tq_error *err)
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
            continue;
        }
        struct tq__slot *slot = tq__window_add(&relay->window, row->id, key, err);
        if (!slot) {
            break;
        }
        *flight_of(relay, slot) =
            (struct flight){.partition = row->partition, .attempts = row->attempts};
        tq__row_event(row, &pending->text, &event, &parts);
        tq__event_to_message(&event, &relay->messages[count], &relay->parts[count]);
        relay->messages[count].cookie = tq__window_cookie(&relay->window, slot);
        relay->slots[count++] = slot;
    }
    return count;
}

/* Returns how many were taken over; a failure of the transport goes to `*outage`. */
static size_t publish(tq_relay *relay, int *outage, struct tq_error *err)
{
    size_t accepted = 0, count = prepare(relay, err);
    int status = count == 0 ? TQ_EMPTY
                            : relay->driver->publish(relay->state, relay->producer, relay->messages,
                                                     count, &accepted, err);
    if (status != TQ_OK) {
        accepted = 0;
    }
    for (size_t i = accepted; i < count; i++) {
        tq__window_drop(&relay->window, relay->slots[i]);
    }
    if (status < 0) {
        *outage = status;
    }
    return accepted;
}

/* ---- settle ---- */

/*
 * Only the first refused event of a key is to blame; those behind it go back to the
 * pending set, and one whose forerunner is still under way waits for its report.
 * Returns how many flights have something to write.
 */
static size_t classify(tq_relay *relay)
{
    size_t ready = 0;
    for (struct tq__slot *at = relay->window.first; at; at = at->next) {
        at->lane->head = NULL;
    }
    for (struct tq__slot *at = relay->window.first, *next; at; at = next) {
        struct flight *flight = flight_of(relay, at);
        struct tq__lane *lane = at->lane;
        next = at->next;
        if (flight->state != DELIVERED && !lane->head) {
            lane->head = at;
            flight->state = flight->state == REFUSED ? BLAMED : flight->state;
        } else if (flight->state == REFUSED && flight_of(relay, lane->head)->state == BLAMED) {
            relay->stats.failed++;
            tq__window_drop(&relay->window, at);
            continue;
        }
        ready += flight->state == DELIVERED || flight->state == BLAMED;
    }
    return ready;
}

static int remove_rows(tq_tx *tx, const tq_relay *relay, struct tq_error *err)
{
    struct tq_value params[3 * 128];
    size_t count = 0;
    for (const struct tq__slot *at = relay->window.first; at; at = at->next) {
        const struct flight *flight = flight_of(relay, at);
        if (flight->state == DELIVERED) {
            params[3 * count] = tq_int(at->number);
            params[3 * count + 1] = tq_text(relay->leases.owner);
            params[3 * count + 2] = tq_int(relay->leases.epochs[flight->partition]);
            count++;
        }
        if (count > 0 && (count == 128 || !at->next)) {
            TQ_TRY(tq_tx_exec_many(tx, OUTBOX_remove, params, 3, count, NULL, err));
            count = 0;
        }
    }
    return TQ_OK;
}

static int64_t blocked_until(const tq_relay *relay, uint32_t attempts, int64_t now_ms)
{
    struct tq__backoff backoff = {REFUSED_FIRST_MS, REFUSED_MAX_MS, attempts - 1};
    return now_ms + tq__backoff_next(&backoff, &relay->env);
}

static int block_row(tq_tx *tx, const tq_relay *relay, const struct tq__slot *slot,
                     struct tq_error *err)
{
    const struct flight *flight = flight_of(relay, slot);
    uint32_t attempts = flight->attempts + 1;
    int is_parked = attempts >= relay->options.attempts_max;
    char reason[REASON_MAX];
    snprintf(reason, sizeof reason, "%s: %s", tq_status_name(flight->status),
             tq_status_text(flight->status));
    const struct tq_value block[] = {
        tq_int(slot->number),
        tq_text(relay->leases.owner),
        tq_int(relay->leases.epochs[flight->partition]),
        is_parked ? tq_text(NULL) : tq_int(blocked_until(relay, attempts, tq_tx_now_ms(tx))),
        tq_text(reason),
    };
    const struct tq_value row[] = {tq_int(slot->number), tq_int(attempts)};
    TQ_TRY(tq_tx_exec(tx, OUTBOX_block, block, 5, NULL, NULL, err));
    if (tq_tx_changed(tx) == 0) {
        return TQ_OK;
    }
    return tq_tx_exec(tx, OUTBOX_block_row, row, 2, NULL, NULL, err);
}

/* New rows of a key that is blocked. */
static int put_behind(tq_tx *tx, const tq_relay *relay, const struct tq__row *row,
                      struct tq_error *err)
{
    const struct tq_value touch[] = {tq_text(tq__pending_key(&relay->pending, row))};
    const struct tq_value mark[] = {
        tq_int(row->id),
        touch[0],
        tq_text(relay->leases.owner),
        tq_int(relay->leases.epochs[row->partition]),
    };
    TQ_TRY(tq_tx_exec(tx, OUTBOX_behind_touch, touch, 1, NULL, NULL, err));
    return tq_tx_exec(tx, OUTBOX_behind_row, mark, 4, NULL, NULL, err);
}

static int free_due(tq_tx *tx, const char *key, struct tq_error *err)
{
    const struct tq_value due[] = {tq_text(key), tq_int(tq_tx_now_ms(tx))};
    TQ_TRY(tq_tx_exec(tx, OUTBOX_unblock_due, due, 2, NULL, NULL, err));
    if (tq_tx_changed(tx) == 0) {
        return TQ_OK;
    }
    return tq_tx_exec(tx, OUTBOX_unblock_rows, due, 1, NULL, NULL, err);
}

static int write_settled(tq_tx *tx, void *arg, struct tq_error *err)
{
    const tq_relay *relay = arg;
    TQ_TRY(remove_rows(tx, relay, err));
    for (size_t i = 0; i < relay->pending.due_count; i++) {
        TQ_TRY(free_due(tx, relay->pending.due[i], err));
    }
    for (const struct tq__slot *at = relay->window.first; at; at = at->next) {
        if (flight_of(relay, at)->state == BLAMED) {
            TQ_TRY(block_row(tx, relay, at, err));
        }
    }
    for (size_t i = 0; i < relay->pending.behind_count; i++) {
        TQ_TRY(put_behind(tx, relay, &relay->pending.behind[i], err));
    }
    return TQ_OK;
}

static void forget_settled(tq_relay *relay)
{
    for (struct tq__slot *at = relay->window.first, *next; at; at = next) {
        const struct flight *flight = flight_of(relay, at);
        next = at->next;
        if (flight->state == DELIVERED) {
            relay->stats.published++;
        } else if (flight->state == BLAMED) {
            int is_parked = flight->attempts + 1 >= relay->options.attempts_max;
            relay->stats.parked += (uint32_t)is_parked;
            relay->stats.failed += (uint32_t)!is_parked;
        } else {
            continue;
        }
        tq__window_drop(&relay->window, at);
    }
    relay->pending.due_count = relay->pending.behind_count = 0;
}

static int settle(tq_relay *relay, struct tq_error *err)
{
    TQ_TRY(tq_ledger_run(relay->store, write_settled, relay, err));
    forget_settled(relay);
    return TQ_OK;
}

/* ---- step ---- */

static int work(tq_relay *relay, uint32_t wait_ms, int *outage, struct tq_error *err)
{
    size_t done = collect(relay, 0, outage);
    TQ_TRY(look(relay, err));
    size_t marked = relay->pending.due_count + relay->pending.behind_count;
    done += publish(relay, outage, err);
    size_t ready = classify(relay);
    if (done + marked + ready == 0 && *outage == TQ_OK &&
        !__atomic_exchange_n(&relay->is_woken, 0, __ATOMIC_ACQ_REL)) {
        uint32_t third_ms = relay->options.lease_ms / 3;
        wait_ms = wait_ms < WAIT_MAX_MS ? wait_ms : WAIT_MAX_MS;
        done = collect(relay, wait_ms < third_ms ? wait_ms : third_ms, outage);
        ready = classify(relay);
    }
    if (marked + ready > 0) {
        TQ_TRY(settle(relay, err));
    }
    return done + marked + ready ? TQ_OK : TQ_EMPTY;
}

int tq_relay_step(tq_relay *relay, uint32_t wait_ms, struct tq_relay_stats *out_stats,
                  struct tq_error *err)
{
    int outage = TQ_OK;
    TQ_TRY(TQ__REQUIRE(ORIGIN, err, relay));
    TQ_TRY(out_stats ? TQ__CHECK(out_stats, 1, ORIGIN, err) : TQ_OK);
    relay->stats = (struct tq_relay_stats){.size = sizeof relay->stats};
    int status = work(relay, wait_ms, &outage, err);
    TQ_TRY(status);
    if (outage != TQ_OK) {
        return tq__fail(err, outage, ORIGIN, "the transport is not there: %s",
                        tq_status_name(outage));
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
        relay->driver->wake(relay->state, relay->producer);
    }
}
