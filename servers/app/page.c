/* SPDX-License-Identifier: MIT */
/*
 * A page is read in two steps of one transaction, the ids and then the row of
 * each, and begun anew when the ledger runs the transaction again. Threads: [any].
 */
#include "app/page.h"

#include "app/app.h"
#include "app/rows.h"
#include "core/error.h"

#define ORIGIN "app.page"

struct reading {
    const struct app_page *page;
    const char *owner;
    const char *cursor;
    int64_t limit;
    struct tq__buf *json;
    char ids[APP_PAGE_MAX][TQ_ID_SIZE];
    size_t count;
};

static int take_id(void *arg, const struct tq_value *columns, size_t count)
{
    struct reading *reading = arg;
    return reading->count < APP_PAGE_MAX
               ? app_id_row(reading->ids[reading->count++], columns, count)
               : 0;
}

static int read_page(tq_tx *tx, void *arg, struct tq_error *err)
{
    struct reading *reading = arg;
    struct tq__buf *json = reading->json;
    const struct tq_value params[] = {tq_text(reading->owner), tq_text(reading->cursor),
                                      tq_int(reading->limit)};
    reading->count = 0;
    TQ_TRY(tq_tx_exec(tx, reading->page->sql, params, 3, take_id, reading, err));
    tq__buf_clear(json);
    tq__put_object(json, NULL);
    tq__put_array(json, reading->page->name);
    for (size_t i = 0; i < reading->count; i++) {
        TQ_TRY(reading->page->row(tx, reading->ids[i], json, err));
    }
    tq__put_array_end(json);
    if (reading->count && (int64_t)reading->count == reading->limit) {
        tq__put_string(json, "nextCursor", reading->ids[reading->count - 1]);
    }
    tq__put_object_end(json);
    return tq__buf_check(json, ORIGIN, err);
}

int app_page_read(tq_store *store, const struct app_page *page, const char *owner,
                  const char *cursor, int64_t limit, struct tq__buf *json, struct tq_error *err)
{
    struct reading reading = {
        .page = page, .owner = owner, .cursor = cursor, .limit = limit, .json = json};
    return tq_ledger_read(store, read_page, &reading, err);
}

void app_page_reply(struct http_request *request, tq_store *store, const struct app_page *page)
{
    struct tq__buf json = TQ__BUF(http_env(request));
    struct tq_error err = TQ_ERROR_INIT;
    const char *cursor = http_query(request, "cursor");
    int64_t limit = 0;
    if ((cursor && !(cursor = http_query_id(request, "cursor"))) ||
        !http_query_int_or(request, "limit", 1, APP_PAGE_MAX, APP_PAGE_DEFAULT, &limit)) {
        return;
    }
    int rc = app_page_read(store, page, request->identity.subject, cursor ? cursor : "", limit,
                           &json, &err);
    if (rc == TQ_OK) {
        http_reply_json(request, 200, &json);
    } else {
        app_fail(request, rc, &err);
    }
    tq__buf_done(&json);
}
