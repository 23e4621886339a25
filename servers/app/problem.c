/* SPDX-License-Identifier: MIT */
/*
 * The one table from statuses of the library to problems of HTTP.
 *
 * Services answer the outcomes of their own domain with codes of their own and
 * come here with the rest. What failed inside is logged and not told. Threads: [any].
 */
#include "app/app.h"

#include <stddef.h>

struct row {
    int status;
    unsigned http;
    const char *code;
    const char *detail; /* NULL: the record's own message */
};

static const struct row rows[] = {
    {TQ_TAKEN, 409, "TAKEN", "Somebody else has it."},
    {TQ_WAIT, 409, "NOT_YET", "It is too early for that."},
    {TQ_GONE, 404, "NOT_FOUND", "It does not exist, or no longer."},
    {TQ_STALE, 409, "STALE", "It has changed in the meantime."},
    {TQ_REPEAT, 409, "REPEATED", "It was done before."},
    {TQ_EMPTY, 404, "NOT_FOUND", "There is nothing there."},
    {TQ_CLOSED, 409, "CLOSED", "It is not open."},
    {TQ_FULL, 503, "FULL", "There is no room."},
    {TQ_REFUSED, 403, "REFUSED", "That is not allowed."},
    {TQ_EXPIRED, 410, "EXPIRED", "Its time has run out."},
    {TQ_SETTLED, 409, "SETTLED", "It was settled already."},
    {TQ_RELEASED, 409, "RELEASED", "It was released already."},
    {TQ_E_INVALID, 400, "INVALID", NULL},
    {TQ_E_LIMIT, 400, "LIMIT_EXCEEDED", NULL},
    {TQ_E_UNSUPPORTED, 501, "UNSUPPORTED", "This server cannot do that."},
    {TQ_E_NOMEM, 503, "OUT_OF_MEMORY", "Try again later."},
    {TQ_E_BUSY, 503, "BUSY", "Too much at once; try again."},
    {TQ_E_UNAVAILABLE, 503, "UNAVAILABLE", "A part that this needs is away; nothing was done."},
    {TQ_E_UNKNOWN, 503, "OUTCOME_UNKNOWN",
     "It may have been done; ask again with the same Idempotency-Key."},
};

void app_fail(struct http_request *request, int status, const struct tq_error *err)
{
    const struct row *row = NULL;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].status == status) {
            row = &rows[i];
        }
    }
    if (!row || row->http >= 500) {
        app_log(TQ_LOG_WARN, "app", "%s %s: %s: %s", request->method, request->path,
                tq_status_name(status), err ? err->message : "");
    }
    if (!row) {
        http_problem(request, 500, "INTERNAL", "Something went wrong here.");
        return;
    }
    http_problem(request, row->http, row->code, "%s",
                 row->detail ? row->detail
                 : err       ? err->message
                             : "That is not allowed.");
}
