/* SPDX-License-Identifier: MIT */
/*
 * Events of other services, applied in the inbox's transaction.
 *
 *     SchedulePublished    noted; a worker fetches its seats
 *     PaymentRequested     brought to the saga of the reservation that is the
 *     PaymentPaid          event's key (purchase.c)
 *     PaymentFailed
 *     PaymentRefunded
 *
 * Types that are not known are left alone: others may add some. What cannot be
 * read goes to the dead letters. After the commit the front is told of all of a batch at once.
 *
 * Threads: the inbox's worker.
 */
#include "reservation/reservation.h"

#include <string.h>

#include "core/error.h"

#define ORIGIN "reservation"

const char *const reservation_topics[2] = {"event.events", "payment.events"};

static int is_payment(const struct tq_event *event)
{
    static const char *const types[] = {"PaymentRequested", "PaymentPaid", "PaymentFailed",
                                        "PaymentRefunded"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcmp(event->type, types[i]) == 0) {
            return 1;
        }
    }
    return 0;
}

static int apply_payment(tq_tx *tx, struct reservations *service, const struct tq_event *event,
                         const tq__json *payload, struct tq_error *err)
{
    struct purchase_input input = {.payment =
                                       tq__json_string(tq__json_member(payload, "paymentId")),
                                   .reason = tq__json_string(tq__json_member(payload, "reason"))};
    if (!tq__id_is_valid(input.payment) || !tq__id_is_valid(event->key) ||
        !tq__json_int64(tq__json_member(payload, "amount"), &input.amount)) {
        return tq__fail(err, TQ_E_INVALID, ORIGIN, "%s lacks a field", event->type);
    }
    int rc = purchase_apply(tx, service, event->key, event->type, &input, err);
    if (rc == TQ_REFUSED) {
        app_log(TQ_LOG_ERROR, ORIGIN, "%s makes no sense to reservation %s", event->type,
                event->key);
    }
    return rc;
}

int reservation_event(tq_tx *tx, const struct tq_event *event, void *arg, struct tq_error *err)
{
    struct reservations *service = arg;
    tq__json *payload = NULL;
    int is_published = strcmp(event->type, "SchedulePublished") == 0;
    if (!is_published && !is_payment(event)) {
        return TQ_OK;
    }
    int rc =
        tq__json_parse(&service->env, event->payload, event->payload_bytes, NULL, &payload, err);
    if (rc == TQ_OK) {
        rc = is_published ? schedules_note(tx, event, payload, err)
                          : apply_payment(tx, service, event, payload, err);
    }
    tq__json_free(payload);
    return rc;
}

void reservation_applied(const struct tq_event *const events[], size_t count, void *arg)
{
    struct reservations *service = arg;
    const char *moved[TQ_BATCH_MAX] = {NULL};
    size_t moved_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (is_payment(events[i])) {
            moved[moved_count++] = events[i]->key;
        }
    }
    purchase_reflect(service, moved, moved_count);
    if (moved_count < count) {
        app_worker_wake(service->loader);
    }
}
