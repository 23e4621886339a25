/* SPDX-License-Identifier: MIT */
/*
 * app/page.c: pages below, at and above their limit, cursors, and a transaction
 * that is run twice.
 */
#include "app/page.h"

#include <stdio.h>
#include <string.h>

#include "app/app.h"
#include "core/error.h"
#include "desk.h"
#include "lib/unit.h"
#include "rig.h"

#define SCHEMA "CREATE TABLE notes (note_id TEXT NOT NULL PRIMARY KEY, owner TEXT NOT NULL)"

static struct desk desk;
static int failures; /* so many reads of a row are told to run again */

static int put_note(tq_tx *tx, const char *id, struct tq__buf *json, struct tq_error *err)
{
    (void)tx;
    if (strcmp(id, "n-2") == 0 && failures > 0) {
        failures--;
        err->flags |= TQ_ERROR_RETRY;
        return tq__fail(err, TQ_E_BUSY, "test", "again");
    }
    tq__put_string(json, NULL, id);
    return TQ_OK;
}

static const struct app_page page = {
    .name = "notes",
    .sql = "SELECT note_id FROM notes WHERE owner = $1 AND ($2 = '' OR note_id > $2) "
           "ORDER BY note_id LIMIT $3",
    .row = put_note};

static void begin(void)
{
    desk_open(&desk, "notes", SCHEMA, NULL);
    desk_do(&desk, "INSERT INTO notes VALUES ('n-1', 'ann'), ('n-2', 'ann'), ('n-3', 'bob'), "
                   "('n-4', 'ann')");
}

static const char *read_page(const char *cursor, int64_t limit)
{
    static char text[512];
    struct tq__buf json = TQ__BUF(&desk.env);
    ck_assert_int_eq(app_page_read(desk.ledger, &page, "ann", cursor, limit, &json, &desk.err),
                     TQ_OK);
    snprintf(text, sizeof text, "%s", json.data);
    tq__buf_done(&json);
    return text;
}

START_TEST(a_page__below_at_and_above_what_there_is)
{
    begin();
    ck_assert_str_eq(read_page("", 2), "{\"notes\":[\"n-1\",\"n-2\"],\"nextCursor\":\"n-2\"}");
    ck_assert_str_eq(read_page("n-2", 2), "{\"notes\":[\"n-4\"]}");
    ck_assert_str_eq(read_page("", 3),
                     "{\"notes\":[\"n-1\",\"n-2\",\"n-4\"],\"nextCursor\":\"n-4\"}");
    ck_assert_str_eq(read_page("n-4", 3), "{\"notes\":[]}");
    ck_assert_str_eq(read_page("", 4), "{\"notes\":[\"n-1\",\"n-2\",\"n-4\"]}");
    desk_close(&desk);
}
END_TEST

START_TEST(a_page__that_failed_half_way_is_begun_anew)
{
    struct tq__buf json = TQ__BUF(&desk.env);
    begin();
    json.env = &desk.env;
    failures = 1;
    int rc = app_page_read(desk.ledger, &page, "ann", "", 4, &json, &desk.err);
    if (rc < 0) { /* the ledger leaves it to the caller */
        rc = app_page_read(desk.ledger, &page, "ann", "", 4, &json, &desk.err);
    }
    ck_assert_int_eq(rc, TQ_OK);
    ck_assert_int_eq(failures, 0);
    ck_assert_str_eq(json.data, "{\"notes\":[\"n-1\",\"n-2\",\"n-4\"]}");
    tq__buf_done(&json);
    desk_close(&desk);
}
END_TEST

static void list(struct http_request *request)
{
    tq__id_copy(request->identity.subject, "ann");
    app_page_reply(request, desk.ledger, &page);
}

START_TEST(over_http__limits_and_cursors)
{
    static const struct http_route routes[] = {
        {.method = "GET", .pattern = "/notes", .handler = list},
    };
    static const struct {
        const char *query;
        unsigned status;
    } rows[] = {{"", 200},           {"?limit=0", 400},    {"?limit=1", 200},
                {"?limit=2", 200},   {"?limit=99", 200},   {"?limit=100", 200},
                {"?limit=101", 400}, {"?cursor=n-1", 200}, {"?cursor=n/1", 400}};
    struct rig rig;
    begin();
    rig_open(&rig, routes, 1, NULL, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[128];
        snprintf(text, sizeof text, "GET /notes%s HTTP/1.1\r\nHost: a\r\n\r\n", rows[i].query);
        struct wire_answer answer = wire_ask(rig.port, text);
        ck_assert_msg(answer.status == rows[i].status, "%s: %u", rows[i].query, answer.status);
    }
    rig_close(&rig);
    desk_close(&desk);
}
END_TEST

UNIT_MAIN("app.page", a_page__below_at_and_above_what_there_is,
          a_page__that_failed_half_way_is_begun_anew, over_http__limits_and_cursors)
