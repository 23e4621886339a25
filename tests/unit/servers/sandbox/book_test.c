/* SPDX-License-Identifier: MIT */
/*
 * sandbox/book.c: what is put in comes out; answers and webhooks by their time.
 */
#include "sandbox/book.h"

#include <stdio.h>
#include <string.h>

#include "../desk.h"
#include "core/error.h"
#include "lib/unit.h"

static struct desk desk;

static void begin(void)
{
    desk_open(&desk, "book", "", NULL);
    ck_assert_int_eq(book_prepare(desk.ledger, &desk.err), TQ_OK);
}

static int run(tq_tx_fn *body)
{
    return tq_ledger_run(desk.ledger, body, NULL, &desk.err);
}

static int payments(tq_tx *tx, void *arg, struct tq_error *err)
{
    struct book_payment in = {.id = "P1",
                              .status = "PAID",
                              .total = 5000,
                              .currency = "KRW",
                              .is_registered = 1,
                              .paid = 4000,
                              .cancelled = 1,
                              .failure = "F",
                              .transaction_id = "T",
                              .pg_tx_id = "G",
                              .requested_ms = 1,
                              .paid_ms = 2,
                              .changed_ms = 3,
                              .due_ms = 0};
    struct book_payment out;
    (void)arg;
    ck_assert_int_eq(book_payment_find(tx, "P1", &out, err), TQ_GONE);
    TQ_TRY(book_payment_put(tx, &in, err));
    ck_assert_int_eq(book_payment_find(tx, "P1", &out, err), TQ_OK);
    ck_assert_str_eq(out.status, "PAID");
    ck_assert_str_eq(out.failure, "F");
    ck_assert_int_eq(out.total, 5000);
    ck_assert_int_eq(out.paid, 4000);
    ck_assert_int_eq(out.cancelled, 1);
    ck_assert_int_eq(out.changed_ms, 3);
    ck_assert_int_eq(book_payment_due(tx, &out, err), TQ_GONE);
    in.due_ms = tq_tx_now_ms(tx) + 1;
    TQ_TRY(book_payment_put(tx, &in, err));
    ck_assert_int_eq(book_payment_due(tx, &out, err), TQ_GONE);
    in.due_ms = tq_tx_now_ms(tx);
    TQ_TRY(book_payment_put(tx, &in, err));
    ck_assert_int_eq(book_payment_due(tx, &out, err), TQ_OK);
    return TQ_OK;
}

START_TEST(a_payment__comes_out_as_it_was_and_when_it_is_due)
{
    begin();
    ck_assert_int_eq(run(payments), TQ_OK);
    desk_close(&desk);
}
END_TEST

static int put_webhooks(tq_tx *tx, void *arg, struct tq_error *err)
{
    struct tq__buf body = TQ__BUF(tq_tx_env(tx));
    (void)arg;
    tq__buf_text(&body, "{}");
    int rc = book_webhook_put(tx, "lost", &body, 0, tq_tx_now_ms(tx), err);
    rc = rc ? rc : book_webhook_put(tx, "later", &body, 1, tq_tx_now_ms(tx) + 1000, err);
    rc = rc ? rc : book_webhook_put(tx, "now", &body, 2, tq_tx_now_ms(tx), err);
    tq__buf_done(&body);
    return rc;
}

/* Takes the next webhook: its id into `arg`, and marks it DELIVERED. */
static int take_webhook(tq_tx *tx, void *arg, struct tq_error *err)
{
    struct book_webhook webhook = {.body = TQ__BUF(tq_tx_env(tx))};
    int rc = book_webhook_due(tx, &webhook, err);
    if (rc == TQ_OK) {
        tq__id_copy(arg, webhook.id);
        ck_assert_str_eq(webhook.body.data, "{}");
        rc = book_webhook_mark(tx, webhook.id, "DELIVERED", 1, 0, err);
    }
    tq__buf_done(&webhook.body);
    return rc;
}

START_TEST(webhooks__come_by_their_time_and_the_lost_never)
{
    char id[TQ_ID_SIZE];
    begin();
    ck_assert_int_eq(run(put_webhooks), TQ_OK);
    ck_assert_int_eq(tq_ledger_run(desk.ledger, take_webhook, id, &desk.err), TQ_OK);
    ck_assert_str_eq(id, "now");
    ck_assert_int_eq(tq_ledger_run(desk.ledger, take_webhook, id, &desk.err), TQ_GONE);
    atomic_fetch_add(&desk.test.now_ms, 1000);
    ck_assert_int_eq(tq_ledger_run(desk.ledger, take_webhook, id, &desk.err), TQ_OK);
    ck_assert_str_eq(id, "later");
    ck_assert_int_eq(tq_ledger_run(desk.ledger, take_webhook, id, &desk.err), TQ_GONE);
    desk_close(&desk);
}
END_TEST

static int put_answer(tq_tx *tx, void *arg, struct tq_error *err)
{
    struct tq__buf body = TQ__BUF(tq_tx_env(tx));
    (void)arg;
    tq__buf_text(&body, "{\"a\":1}");
    int rc = book_answer_put(tx, "key", "print", 409, &body, err);
    tq__buf_done(&body);
    return rc;
}

static int find_answer(tq_tx *tx, void *arg, struct tq_error *err)
{
    struct tq__buf body = TQ__BUF(tq_tx_env(tx));
    unsigned status = 0;
    int rc = book_answer_find(tx, "key", arg, 1000, &status, &body, err);
    if (rc == TQ_OK) {
        ck_assert_uint_eq(status, 409);
        ck_assert_str_eq(body.data, "{\"a\":1}");
    }
    tq__buf_done(&body);
    return rc;
}

START_TEST(an_answer__belongs_to_key_and_request_for_a_time)
{
    char print[] = "print", other[] = "other";
    begin();
    ck_assert_int_eq(tq_ledger_run(desk.ledger, find_answer, print, &desk.err), TQ_GONE);
    ck_assert_int_eq(run(put_answer), TQ_OK);
    ck_assert_int_eq(tq_ledger_run(desk.ledger, find_answer, print, &desk.err), TQ_OK);
    ck_assert_int_eq(tq_ledger_run(desk.ledger, find_answer, other, &desk.err), TQ_REFUSED);
    atomic_fetch_add(&desk.test.now_ms, 999);
    ck_assert_int_eq(tq_ledger_run(desk.ledger, find_answer, print, &desk.err), TQ_OK);
    atomic_fetch_add(&desk.test.now_ms, 1);
    ck_assert_int_eq(tq_ledger_run(desk.ledger, find_answer, print, &desk.err), TQ_GONE);
    desk_close(&desk);
}
END_TEST

UNIT_MAIN("servers.sandbox.book", a_payment__comes_out_as_it_was_and_when_it_is_due,
          webhooks__come_by_their_time_and_the_lost_never,
          an_answer__belongs_to_key_and_request_for_a_time)
