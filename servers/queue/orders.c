/* SPDX-License-Identifier: MIT */
/*
 * What operators order, recorded before it is done.
 *
 *     verb       value          kept in the row        done in the room
 *     PAUSE      -              is_paused              nobody is let in
 *     RESUME     -              neither                both end
 *     SET_RATE   admissions     rate                   at once
 *     SET_CAP    visitors       max_active             at once
 *     ADVANCE    visitors       -                      the next so many are let in now
 *     DRAIN      -              is_draining            nobody new is accepted
 *     RESET      -              epoch + 1              emptied; places and passes revoked
 *     SET_OPEN   a time, or 0   open_ms                at once
 *     SET_CLOSE  a time, or 0   close_ms               at once
 *
 * An order is one transaction, the line in the audit trail and the row together,
 * and then the room. A process that dies between the two opens the room from the
 * row; what is lost then, an ADVANCE, was meant for a line that is lost with it.
 * The room cannot refuse what the checks here let through, except for want of
 * memory. Threads: [any]; one order at a time per room.
 */
#include "queue/queue.h"

#include <string.h>

#include "core/env.h"
#include "core/error.h"
#include "queue_sql.h"

static const struct verb {
    const char *name;
    int64_t min;
    int64_t max;
} verbs[] = {
    [TQ_ROOM_PAUSE] = {"PAUSE", 0, 0},
    [TQ_ROOM_RESUME] = {"RESUME", 0, 0},
    [TQ_ROOM_SET_RATE] = {"SET_RATE", 1, TQ_ROOM_RATE_MAX},
    [TQ_ROOM_SET_CAP] = {"SET_CAP", 1, TQ_ROOM_LINE_MAX},
    [TQ_ROOM_ADVANCE] = {"ADVANCE", 1, TQ_BATCH_MAX},
    [TQ_ROOM_DRAIN] = {"DRAIN", 0, 0},
    [TQ_ROOM_RESET] = {"RESET", 0, 0},
    [TQ_ROOM_SET_OPEN] = {"SET_OPEN", 0, TQ_ROOM_TIME_MAX_MS},
    [TQ_ROOM_SET_CLOSE] = {"SET_CLOSE", 0, TQ_ROOM_TIME_MAX_MS},
};
#define VERBS_COUNT (sizeof verbs / sizeof *verbs)

const char *queue_verb_name(uint32_t verb)
{
    return verbs[verb].name;
}

uint32_t queue_verb_find(const char *name)
{
    for (uint32_t i = TQ_ROOM_PAUSE; i < VERBS_COUNT; i++) {
        if (strcmp(verbs[i].name, name) == 0) {
            return i;
        }
    }
    return 0;
}

int queue_verb_has_time(uint32_t verb)
{
    return verb == TQ_ROOM_SET_OPEN || verb == TQ_ROOM_SET_CLOSE;
}

void queue_verb_limits(uint32_t verb, int64_t *out_min, int64_t *out_max)
{
    *out_min = verbs[verb].min;
    *out_max = verbs[verb].max;
}

/* What an order does to the row. */
static void change(struct queue_row *row, const struct queue_order *order)
{
    switch (order->verb) {
    case TQ_ROOM_PAUSE:
        row->is_paused = 1;
        break;
    case TQ_ROOM_RESUME:
        row->is_paused = row->is_draining = 0;
        break;
    case TQ_ROOM_SET_RATE:
        row->policy.rate = (uint32_t)order->value;
        break;
    case TQ_ROOM_SET_CAP:
        row->policy.max_active = (uint32_t)order->value;
        break;
    case TQ_ROOM_DRAIN:
        row->is_draining = 1;
        break;
    case TQ_ROOM_RESET:
        row->policy.first_epoch++;
        break;
    case TQ_ROOM_SET_OPEN:
        row->policy.open_ms = order->value;
        break;
    case TQ_ROOM_SET_CLOSE:
        row->policy.close_ms = order->value;
        break;
    default:
        break;
    }
}

struct recording {
    const char *id;
    const struct queue_order *order;
    struct queue_row row;
};

static int record(tq_tx *tx, void *arg, struct tq_error *err)
{
    struct recording *what = arg;
    const struct queue_order *order = what->order;
    const struct tq_room_policy *policy = &what->row.policy;
    int rc = queue_room_read(tx, what->id, &what->row, err);
    if (rc != TQ_OK) {
        return rc;
    }
    change(&what->row, order);
    if (policy->close_ms && policy->close_ms <= policy->open_ms) {
        return TQ_REFUSED;
    }
    const struct tq_value row[] = {tq_int(policy->open_ms),     tq_int(policy->close_ms),
                                   tq_int(policy->rate),        tq_int(policy->max_active),
                                   tq_int(what->row.is_paused), tq_int(what->row.is_draining),
                                   tq_int(policy->first_epoch), tq_text(what->id)};
    const struct tq_value line[] = {
        tq_text(what->id),    tq_int(tq_tx_now_ms(tx)), tq_text(queue_verb_name(order->verb)),
        tq_int(order->value), tq_text(order->actor),    tq_text(order->reason)};
    TQ_TRY(tq_tx_exec(tx, QUEUE_set, row, 8, NULL, NULL, err));
    return tq_tx_exec(tx, QUEUE_add_order, line, 6, NULL, NULL, err);
}

static int carry_out(struct queue_room *room, const struct queue_order *order, struct tq_error *err)
{
    struct tq_room_action action = {
        .size = sizeof action, .order = order->verb, .value = order->value};
    memcpy(action.actor, order->actor, sizeof action.actor);
    memcpy(action.reason, order->reason, sizeof action.reason);
    return tq_room_operate(room->room, &action, err);
}

int queue_order(struct queue *queue, struct queue_room *room, const struct queue_order *order,
                struct tq_error *err)
{
    struct recording what = {room->id, order, {.is_paused = 0}};
    pthread_mutex_lock(&room->order_lock);
    int rc = tq_ledger_run(queue->store, record, &what, err);
    if (rc == TQ_OK) {
        rc = carry_out(room, order, err);
        atomic_store(&room->epoch, what.row.policy.first_epoch);
    }
    pthread_mutex_unlock(&room->order_lock);
    if (rc == TQ_OK && order->verb == TQ_ROOM_RESET) {
        app_worker_hint(queue->app, "gateway.epochs");
    }
    if (rc == TQ_OK) {
        app_log(TQ_LOG_INFO, "queue", "room %s: %s by %s", room->id, queue_verb_name(order->verb),
                order->actor);
    }
    return rc;
}

/* ---- the audit trail ---- */

struct trail {
    const char *id;
    int64_t after;
    struct tq__buf *json;
};

static int put_action(void *arg, const struct tq_value *columns, size_t columns_count)
{
    struct tq__buf *json = arg;
    uint32_t verb = queue_verb_find(columns[2].data);
    (void)columns_count;
    tq__put_object(json, NULL);
    tq__put_int(json, "number", columns[0].integer);
    app_put_time(json, "at", columns[1].integer);
    tq__put_string(json, "order", columns[2].data);
    if (queue_verb_has_time(verb) && columns[3].integer) {
        app_put_time(json, "value", columns[3].integer);
    } else if (verbs[verb].max && columns[3].integer) {
        tq__put_int(json, "value", columns[3].integer);
    } else {
        tq__put_null(json, "value");
    }
    tq__put_string(json, "actor", columns[4].data);
    tq__put_string(json, "reason", columns[5].data);
    tq__put_object_end(json);
    return TQ_OK;
}

static int read_trail(tq_tx *tx, void *arg, struct tq_error *err)
{
    const struct trail *trail = arg;
    const struct tq_value params[] = {tq_text(trail->id), tq_int(trail->after),
                                      tq_int(QUEUE_AUDIT_PAGE)};
    tq__buf_clear(trail->json);
    tq__put_object(trail->json, NULL);
    tq__put_array(trail->json, "actions");
    TQ_TRY(tq_tx_exec(tx, QUEUE_orders, params, 3, put_action, trail->json, err));
    tq__put_array_end(trail->json);
    tq__put_object_end(trail->json);
    return TQ_OK;
}

int queue_audit(struct queue *queue, const char *id, int64_t after, struct tq__buf *json,
                struct tq_error *err)
{
    struct trail trail = {id, after, json};
    return tq_ledger_read(queue->store, read_trail, &trail, err);
}
