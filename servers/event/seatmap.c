/* SPDX-License-Identifier: MIT */
/*
 * Reads a schedule's seat map from the reservation service, as it is now.
 *
 * The document passes through unchanged; its version becomes the tag. Whether the
 * schedule exists is asked here first, so that made-up ids cost the neighbour
 * nothing. A schedule that reservation has not heard of yet was published a moment
 * ago: the caller is told to come again. Threads: [any]; blocks for one call.
 */
#include "event/event.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/error.h"

static int keep_map(struct http_answer *answer, struct event_page *page, struct tq_error *err)
{
    int64_t version = 0;
    const tq__json *map = http_answer_json(answer);
    if (answer->status == 404) {
        return tq__fail(err, TQ_E_UNAVAILABLE, "event.seatmap", "the sale is being prepared");
    }
    if (answer->status != 200 || !tq__json_int64(tq__json_member(map, "version"), &version)) {
        return tq__fail(err, TQ_E_UNAVAILABLE, "event.seatmap", "reservation answered %u",
                        answer->status);
    }
    snprintf(page->etag, sizeof page->etag, "%" PRId64, version);
    tq__buf_add(&page->body, answer->body.data, answer->body.bytes);
    return TQ_OK;
}

int event_seat_map_load(void *arg, const char *key, struct event_page *page, struct tq_error *err)
{
    struct events *events = arg;
    struct http_answer answer = HTTP_ANSWER(&events->env);
    char path[TQ_ID_SIZE + 64];
    int rc = event_schedule_exists(events, key, err);
    if (rc != TQ_OK) {
        return rc;
    }
    snprintf(path, sizeof path, "/internal/schedules/%s/seat-map", key);
    rc = app_internal_get(events->app, "reservation", path, &answer, err);
    if (rc == TQ_OK) {
        rc = keep_map(&answer, page, err);
    }
    http_answer_done(&answer);
    return rc;
}
