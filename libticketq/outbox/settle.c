/* SPDX-License-Identifier: MIT */
/*
 * What a report of the transport does to the row, written for all that came since
 * the last time in one transaction:
 *
 *   report        the row                         its key
 *   TQ_OK         is removed
 *   outage        stays pending (relay.c)         read again when all of it is back
 *   refused       blocked, for longer each time;  blocked in the table: later rows
 *                 parked after attempts_max       of it wait behind
 *
 * Rows that were written behind a blocked one are marked, and keys whose time has
 * come are freed, as the last look found them (pending.c). Every write repeats owner
 * and epoch of the lease, so that a relay which has lost it changes nothing; removing,
 * which is the bulk, and freeing ask for them once. One statement removes any of 63 numbers, or all
 * of a range, at half the cost of one for each.
 *
 * Invariants: a row is removed only after its own good report; of a key only the
 * first that was refused is blocked. A body may run twice: it writes what the flights
 * say, and they are forgotten after the commit. Threads: the relay's.
 */
#include "outbox/settle.h"

#include <stdio.h>

#include "core/backoff.h"
#include "core/env.h"
#include "outbox/outbox_sql.h"

#define REFUSED_FIRST_MS 1000
#define REFUSED_MAX_MS 60000
#define REASON_MAX 96
#define REMOVED_AT_ONCE 64

void tq__relay_landed(tq_relay *relay, struct tq__slot *slot, int status)
{
    struct tq__flight *flight = tq__flight_of(relay, slot);
    flight->status = status;
    if (status >= 0) {
        flight->state = TQ__FLIGHT_DELIVERED;
        relay->delivered++;
    } else {
        flight->state = TQ__FLIGHT_REFUSED;
        relay->refused++;
        slot->lane->is_shut = 1;
    }
}

/*
 * Only the first refused event of a key is to blame; those behind it go back to the
 * pending set, and one whose forerunner is still under way waits for its report.
 * Returns how many are blamed.
 */
static size_t blame(tq_relay *relay)
{
    size_t blamed = 0;
    for (struct tq__slot *at = relay->window.first; at; at = at->next) {
        at->lane->head = NULL;
    }
    for (struct tq__slot *at = relay->window.first, *next; at; at = next) {
        struct tq__flight *flight = tq__flight_of(relay, at);
        struct tq__lane *lane = at->lane;
        next = at->next;
        if (flight->state != TQ__FLIGHT_DELIVERED && !lane->head) {
            lane->head = at;
            flight->state = flight->state == TQ__FLIGHT_REFUSED ? TQ__FLIGHT_BLAMED : flight->state;
        } else if (flight->state == TQ__FLIGHT_REFUSED &&
                   tq__flight_of(relay, lane->head)->state == TQ__FLIGHT_BLAMED) {
            relay->stats.failed++;
            relay->refused--;
            tq__window_drop(&relay->window, at);
            tq__pending_missed(&relay->pending);
            continue;
        }
        blamed += flight->state == TQ__FLIGHT_BLAMED;
    }
    return blamed;
}

/* Mostly nothing was refused, and nobody is walked past. */
size_t tq__relay_classify(tq_relay *relay)
{
    return relay->delivered + (relay->refused > 0 ? blame(relay) : 0);
}

static int is_to_be_removed(const tq_relay *relay, const struct tq__slot *slot, uint64_t held)
{
    const struct tq__flight *flight = tq__flight_of(relay, slot);
    return flight->state == TQ__FLIGHT_DELIVERED && (held >> flight->partition & 1);
}

/*
 * Rows that one statement removes: all from `first` to `last`, or those whose bit is set.
 * Reports come by the transport's partitions, so what is delivered lies scattered.
 */
struct group {
    int64_t first, last;
    uint64_t bits; /* of first + 0 to 62; not kept any more for a longer range */
};

#define GROUP_BITS 63

static int is_range(const struct group *group)
{
    const int64_t count = group->last - group->first + 1;
    return count > GROUP_BITS || group->bits == (1ull << count) - 1;
}

/* Whether the number, which is higher than all in it, has been taken in. */
static int group_add(struct group *group, int64_t number)
{
    const int64_t place = number - group->first;
    if (place < GROUP_BITS) {
        group->bits |= 1ull << place;
    } else if (number != group->last + 1 || !is_range(group)) {
        return 0;
    }
    group->last = number;
    return 1;
}

struct removal {
    tq_tx *tx;
    struct tq_value params[3 * REMOVED_AT_ONCE];
    size_t count; /* of groups that are in `params` */
};

static int removal_run(struct removal *removal, struct tq_error *err)
{
    const size_t count = removal->count;
    removal->count = 0;
    return count ? tq_tx_write(removal->tx, OUTBOX_remove, removal->params, 3, count, NULL, err)
                 : TQ_OK;
}

static int removal_put(struct removal *removal, const struct group *group, struct tq_error *err)
{
    struct tq_value *params = removal->params + 3 * removal->count++;
    params[0] = tq_int(group->first);
    params[1] = tq_int(group->last);
    params[2] = tq_int(is_range(group) ? -1 : (int64_t)group->bits);
    return removal->count == REMOVED_AT_ONCE ? removal_run(removal, err) : TQ_OK;
}

static int remove_rows(tq_tx *tx, const tq_relay *relay, uint64_t held, struct tq_error *err)
{
    struct removal removal = {.tx = tx};
    struct group group = {0, 0, 0};
    for (const struct tq__slot *at = relay->window.first; at; at = at->next) {
        if (!is_to_be_removed(relay, at, held) || (group.bits && group_add(&group, at->number))) {
            continue;
        }
        TQ_TRY(group.bits ? removal_put(&removal, &group, err) : TQ_OK);
        group = (struct group){at->number, at->number, 1};
    }
    TQ_TRY(group.bits ? removal_put(&removal, &group, err) : TQ_OK);
    return removal_run(&removal, err);
}

static int64_t blocked_until(const tq_relay *relay, uint32_t attempts, int64_t now_ms)
{
    struct tq__backoff backoff = {REFUSED_FIRST_MS, REFUSED_MAX_MS, attempts - 1};
    return now_ms + tq__backoff_next(&backoff, &relay->env);
}

static int block_row(tq_tx *tx, const tq_relay *relay, const struct tq__slot *slot,
                     struct tq_error *err)
{
    const struct tq__flight *flight = tq__flight_of(relay, slot);
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
    uint64_t held;
    TQ_TRY(tq__leases_confirm(tx, &relay->leases, &held, err));
    TQ_TRY(remove_rows(tx, relay, held, err));
    for (size_t i = 0; i < relay->pending.due_count; i++) {
        const char *key = relay->pending.due[i];
        TQ_TRY(held >> tq__partition_of(key) & 1 ? free_due(tx, key, err) : TQ_OK);
    }
    for (const struct tq__slot *at = relay->window.first; at; at = at->next) {
        if (tq__flight_of(relay, at)->state == TQ__FLIGHT_BLAMED) {
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
        const struct tq__flight *flight = tq__flight_of(relay, at);
        next = at->next;
        if (flight->state == TQ__FLIGHT_DELIVERED) {
            relay->stats.published++;
        } else if (flight->state == TQ__FLIGHT_BLAMED) {
            int is_parked = flight->attempts + 1 >= relay->options.attempts_max;
            relay->stats.parked += (uint32_t)is_parked;
            relay->stats.failed += (uint32_t)!is_parked;
            relay->refused--;
            tq__pending_missed(&relay->pending);
        } else {
            continue;
        }
        tq__window_drop(&relay->window, at);
    }
    relay->delivered = 0;
    relay->pending.due_count = relay->pending.behind_count = 0;
}

int tq__relay_settle(tq_relay *relay, struct tq_error *err)
{
    TQ_TRY(tq_ledger_run(relay->store, write_settled, relay, err));
    forget_settled(relay);
    relay->ready_ms = tq__now_ms(&relay->env);
    return TQ_OK;
}
