/* SPDX-License-Identifier: MIT */
/*
 * Lists of what belongs to somebody, a page at a time: ?limit=&cursor=.
 */
#ifndef TICKETQ_APP_PAGE_H
#define TICKETQ_APP_PAGE_H

#include <ticketq/ledger.h>

#include "http/http.h"

#define APP_PAGE_MAX 100
#define APP_PAGE_DEFAULT 20

/* Write the row of an id as its owner sees it. */
typedef int app_page_row_fn(tq_tx *tx, const char *id, struct tq__buf *json, struct tq_error *err);

struct app_page {
    const char *name; /* of the array: "payments" */
    const char *sql;  /* the ids: $1 whose, $2 those behind this id ("": from the first), $3 how
                         many */
    app_page_row_fn *row;
};

/* Write a page, read in one transaction; a full one has `nextCursor`. TQ_OK or failure. */
int app_page_read(tq_store *store, const struct app_page *page, const char *owner,
                  const char *cursor, int64_t limit, struct tq__buf *json, struct tq_error *err);
/* Answer with a page of what belongs to the request's subject. */
void app_page_reply(struct http_request *request, tq_store *store, const struct app_page *page);

#endif
