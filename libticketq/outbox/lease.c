/* SPDX-License-Identifier: MIT */
/*
 * Sharing 64 partitions among relays that know of each other only by the
 * database.
 *
 * A relay leases partitions until a time by the database's clock, and renews at
 * a third of that, or as soon as it sees that relays came or went. Each lease has an epoch that
 * grows with every change of the owner; whatever a relay writes about a row repeats owner and
 * epoch or confirms them first, so that one that slept past its lease changes nothing. Each
 * renewal, in one transaction:
 *
 *   beat      tell that this relay lives, forget who does not; count who else does
 *   share     64 / relays, rounded up, at most partitions_max
 *   renew     what is held; what was lost is dropped
 *   release   what is held beyond the share and has nothing under way; what has
 *             is not read from any more and handed back at a later renewal
 *   claim     what is free, up to the share
 *
 * A relay that comes back under its old name takes its leases over at once, with
 * new epochs, but only the first time it claims: two that run under one name
 * would otherwise take them from each other for ever.
 *
 * Invariant: `held` is a subset of what the database said at the last commit.
 * Pure but for the statements; the caller decides when. Threads: the relay's.
 */
#include "outbox/lease.h"

#include "outbox/outbox_sql.h"

#define BIT(partition) (1ull << (partition))

int tq__leases_are_due(const struct tq__leases *leases, int64_t now_ms)
{
    return leases->until_ms - now_ms <= (int64_t)leases->lease_ms * 2 / 3 ||
           leases->until_ms - now_ms > leases->lease_ms;
}

static uint32_t count_bits(uint64_t mask)
{
    return (uint32_t)__builtin_popcountll(mask);
}

/* How many there are of two things: relays that live, partitions that are free. */
struct census {
    int64_t relays, free;
};

static int on_census(void *arg, const struct tq_value *columns, size_t columns_count)
{
    (void)columns_count;
    *(struct census *)arg = (struct census){columns[0].integer, columns[1].integer};
    return TQ_OK;
}

static int take_census(tq_tx *tx, struct census *out_census, struct tq_error *err)
{
    const struct tq_value now[] = {tq_int(tq_tx_now_ms(tx))};
    *out_census = (struct census){0, 0};
    return tq_tx_exec(tx, OUTBOX_relay_census, now, 1, on_census, out_census, err);
}

int tq__leases_look(tq_tx *tx, const struct tq__leases *leases, int *out_is_due,
                    struct tq_error *err)
{
    struct census census;
    TQ_TRY(take_census(tx, &census, err));
    *out_is_due = census.relays != leases->relays ||
                  (census.free > 0 && count_bits(leases->held) < leases->share);
    return TQ_OK;
}

static int beat(tq_tx *tx, struct tq__leases *leases, struct tq_error *err)
{
    struct census census;
    const struct tq_value gone[] = {tq_text(""), tq_int(tq_tx_now_ms(tx))};
    const struct tq_value mine[] = {tq_text(leases->owner), tq_int(leases->until_ms)};
    TQ_TRY(tq_tx_exec(tx, OUTBOX_relay_forget, gone, 2, NULL, NULL, err));
    TQ_TRY(tq_tx_exec(tx, OUTBOX_relay_beat, mine, 2, NULL, NULL, err));
    TQ_TRY(take_census(tx, &census, err));
    leases->relays = (uint32_t)census.relays;
    uint32_t relays = leases->relays < TQ__PARTITIONS ? leases->relays : TQ__PARTITIONS;
    uint32_t share = (TQ__PARTITIONS + relays - 1) / (relays ? relays : 1);
    leases->share = share < leases->partitions_max ? share : leases->partitions_max;
    return TQ_OK;
}

/* Runs a statement on (partition, owner, epoch[, until]) of a set; reports which it changed. */
static int exec_on(tq_tx *tx, const char *sql, const struct tq__leases *leases, uint64_t set,
                   const int64_t *until_ms, uint64_t *out_changed, struct tq_error *err)
{
    struct tq_value params[TQ__PARTITIONS * 4];
    uint32_t changed[TQ__PARTITIONS], partitions[TQ__PARTITIONS];
    size_t count = 0, at = 0;
    *out_changed = 0;
    for (uint32_t i = 0; i < TQ__PARTITIONS; i++) {
        if (set & BIT(i)) {
            partitions[count++] = i;
            params[at++] = tq_int(i);
            params[at++] = tq_text(leases->owner);
            params[at++] = tq_int(leases->epochs[i]);
            if (until_ms) {
                params[at++] = tq_int(*until_ms);
            }
        }
    }
    if (count == 0) {
        return TQ_OK;
    }
    TQ_TRY(tq_tx_exec_many(tx, sql, params, at / count, count, changed, err));
    for (size_t i = 0; i < count; i++) {
        *out_changed |= changed[i] ? BIT(partitions[i]) : 0;
    }
    return TQ_OK;
}

static int shrink(tq_tx *tx, struct tq__leases *leases, uint64_t busy, struct tq_error *err)
{
    uint64_t surplus = 0, released;
    uint32_t extra = count_bits(leases->held);
    extra = extra > leases->share ? extra - leases->share : 0;
    for (uint32_t i = TQ__PARTITIONS; i-- > 0 && extra > 0;) {
        if (leases->held & BIT(i)) {
            surplus |= BIT(i);
            extra--;
        }
    }
    TQ_TRY(exec_on(tx, OUTBOX_lease_release, leases, surplus & ~busy, NULL, &released, err));
    leases->held &= ~(surplus & ~busy);
    leases->leaving = surplus & busy;
    return TQ_OK;
}

static int on_claimed(void *arg, const struct tq_value *columns, size_t columns_count)
{
    struct tq__leases *leases = arg;
    (void)columns_count;
    uint32_t partition = (uint32_t)columns[0].integer % TQ__PARTITIONS;
    leases->held |= BIT(partition);
    leases->epochs[partition] = columns[1].integer;
    return TQ_OK;
}

static int grow(tq_tx *tx, struct tq__leases *leases, struct tq_error *err)
{
    uint32_t held = count_bits(leases->held);
    if (held >= leases->share) {
        return TQ_OK;
    }
    const struct tq_value params[] = {
        tq_text(leases->owner),       tq_int(leases->until_ms),
        tq_int(tq_tx_now_ms(tx)),     tq_text(leases->is_known ? "" : leases->owner),
        tq_int(leases->share - held),
    };
    TQ_TRY(tq_tx_exec(tx, OUTBOX_lease_claim, params, 5, on_claimed, leases, err));
    leases->is_known = 1;
    return TQ_OK;
}

int tq__leases_renew(tq_tx *tx, const struct tq__leases *leases, uint64_t busy,
                     struct tq__leases *target, struct tq_error *err)
{
    *target = *leases;
    target->until_ms = tq_tx_now_ms(tx) + leases->lease_ms;
    TQ_TRY(beat(tx, target, err));
    TQ_TRY(exec_on(tx, OUTBOX_lease_renew, target, target->held, &target->until_ms, &target->held,
                   err));
    TQ_TRY(shrink(tx, target, busy, err));
    return grow(tx, target, err);
}

struct confirmation {
    const struct tq__leases *leases;
    uint64_t held;
};

static int on_confirmed(void *arg, const struct tq_value *columns, size_t columns_count)
{
    struct confirmation *confirmation = arg;
    (void)columns_count;
    uint32_t partition = (uint32_t)columns[0].integer % TQ__PARTITIONS;
    if (columns[1].integer == confirmation->leases->epochs[partition]) {
        confirmation->held |= BIT(partition);
    }
    return TQ_OK;
}

int tq__leases_confirm(tq_tx *tx, const struct tq__leases *leases, uint64_t *out_held,
                       struct tq_error *err)
{
    struct confirmation confirmation = {leases, 0};
    const struct tq_value owner[] = {tq_text(leases->owner)};
    TQ_TRY(tq_tx_exec(tx, OUTBOX_lease_confirm, owner, 1, on_confirmed, &confirmation, err));
    *out_held = confirmation.held;
    return TQ_OK;
}

int tq__leases_release(tq_tx *tx, const struct tq__leases *leases, struct tq_error *err)
{
    uint64_t released;
    const struct tq_value gone[] = {tq_text(leases->owner), tq_int(tq_tx_now_ms(tx))};
    TQ_TRY(exec_on(tx, OUTBOX_lease_release, leases, leases->held, NULL, &released, err));
    return tq_tx_exec(tx, OUTBOX_relay_forget, gone, 2, NULL, NULL, err);
}
