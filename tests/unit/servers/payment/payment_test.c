/* SPDX-License-Identifier: MIT */
/*
 * payment/payment.c: what buyers do. The amount is the reservation service's, read
 * over HTTP; a key gives one answer; a payment belongs to one user.
 */
#include "../reader.h"
#include "shop.h"

#define KEY "a-key-of-16-chars"
#define HELD(phase)                                                                                \
    "{\"reservationId\":\"r-1\",\"userId\":\"ann\",\"phase\":\"" phase                             \
    "\",\"totalAmount\":5000,\"currency\":\"KRW\"}"

static struct reader reader;

static void begin(void)
{
    shop_open();
    reader_open(&reader, "reservation");
    shop.service.app = &reader.app;
    reader.status = 200;
    reader.body = HELD("HOLD");
}

static void end(void)
{
    reader_close(&reader);
    shop_close();
}

typedef int verb_fn(struct payments *service, struct payment_wish *wish, struct tq_error *err);

/* `*row`: in, what is wished; out, with TQ_OK, the payment. */
static int ask_as(verb_fn *verb, const char *user, const char *key, struct payment *row)
{
    struct app_once once = {.body = TQ__BUF(&shop.service.env)};
    struct payment_wish wish = {.row = *row, .once = &once, .answer = TQ__BUF(&shop.service.env)};
    snprintf(once.scope, sizeof once.scope, "payment:%s", user);
    snprintf(once.key, sizeof once.key, "%s", key);
    memset(once.fingerprint, 'f', sizeof once.fingerprint - 1);
    tq__id_copy(wish.row.user, user);
    int rc = verb(&shop.service, &wish, &shop.err);
    if (rc == TQ_OK) {
        *row = wish.row;
    }
    app_once_done(&once);
    tq__buf_done(&wish.answer);
    return rc;
}

static int begin_as(const char *user, const char *key, struct payment *row)
{
    *row = (struct payment){.reservation = RESERVATION};
    return ask_as(payment_begin, user, key, row);
}

START_TEST(a_payment__costs_what_the_reservation_says)
{
    struct payment row;
    begin();
    ck_assert_int_eq(begin_as("ann", KEY, &row), TQ_OK);
    ck_assert_str_eq(reader.path, "/internal/reservations/r-1");
    ck_assert_int_eq(reader.was_signed, 1);
    ck_assert_int_eq(row.amount, 5000);
    ck_assert_str_eq(row.phase, "READY");
    ck_assert_uint_eq(strlen(row.id), PAYMENT_ID_CHARACTERS);
    ck_assert_uint_eq(strspn(row.id, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"), strlen(row.id));
    ck_assert_str_eq(ask("SELECT operation FROM calls"), "PRE_REGISTER");
    ck_assert_str_eq(ask("SELECT state FROM sagas"), "READY");
    end();
}
END_TEST

START_TEST(a_key__gives_one_answer_and_a_reservation_one_payment)
{
    struct payment first, second;
    begin();
    ck_assert_int_eq(begin_as("ann", KEY, &first), TQ_OK);
    ck_assert_int_eq(begin_as("ann", KEY, &second), TQ_REPEAT);
    ck_assert_int_eq(begin_as("ann", KEY "-2", &second), TQ_OK);
    ck_assert_str_eq(second.id, first.id);
    ck_assert_str_eq(ask("SELECT COUNT(*) || '' FROM payments"), "1");
    reader.body = HELD("SOLD"); /* what was answered stays answered */
    ck_assert_int_eq(begin_as("ann", KEY, &second), TQ_REPEAT);
    end();
}
END_TEST

START_TEST(what_the_reservation_service_says__decides)
{
    static const struct {
        unsigned status;
        const char *body;
        int result;
    } rows[] = {
        {200, HELD("PAYING"), TQ_EXPIRED},
        {200, HELD("EXPIRED"), TQ_EXPIRED},
        {200, "{\"userId\":\"bob\",\"phase\":\"HOLD\",\"totalAmount\":1,\"currency\":\"KRW\"}",
         TQ_GONE},
        {404, "{}", TQ_GONE},
        {500, "{}", TQ_E_UNAVAILABLE},
        {200, "{}", TQ_E_UNAVAILABLE},
        {200, "not json", TQ_E_UNAVAILABLE},
        {200, "{\"userId\":\"ann\",\"phase\":\"HOLD\",\"totalAmount\":1,\"currency\":\"KRWW\"}",
         TQ_E_UNAVAILABLE},
        {200, "{\"userId\":\"ann\",\"phase\":\"HOLD\",\"totalAmount\":1.5,\"currency\":\"KRW\"}",
         TQ_E_UNAVAILABLE},
    };
    struct payment row;
    begin();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        reader.status = rows[i].status;
        reader.body = rows[i].body;
        int rc = begin_as("ann", KEY, &row);
        ck_assert_msg(rc == rows[i].result, "%s: %s", rows[i].body, tq_status_name(rc));
    }
    ck_assert_str_eq(ask("SELECT COUNT(*) || '' FROM payments"), "0");
    ck_assert_str_eq(ask("SELECT COUNT(*) || '' FROM idempotency"), "0"); /* the key is free */
    reader.status = 200;
    reader.body = HELD("HOLD");
    ck_assert_int_eq(begin_as("ann", KEY, &row), TQ_OK);
    end();
}
END_TEST

static int confirm_as(const char *user, const char *key, const char *id)
{
    struct payment row = {.token = "tok"};
    tq__id_copy(row.id, id);
    return ask_as(payment_confirm, user, key, &row);
}

START_TEST(a_confirmation__is_the_owners_and_counts_once)
{
    struct payment row;
    begin();
    ck_assert_int_eq(begin_as("ann", KEY, &row), TQ_OK);
    ck_assert_int_eq(confirm_as("bob", KEY "-c1", row.id), TQ_GONE);
    ck_assert_int_eq(confirm_as("ann", KEY "-c1", "P-OF-NOBODY"), TQ_GONE);
    ck_assert_int_eq(confirm_as("ann", KEY "-c1", row.id), TQ_OK);
    ck_assert_int_eq(confirm_as("ann", KEY "-c1", row.id), TQ_REPEAT);
    ck_assert_int_eq(confirm_as("ann", KEY "-c2", row.id), TQ_OK); /* as before */
    ck_assert_str_eq(ask("SELECT COUNT(*) || '' FROM outbox_events"), "1");
    ck_assert_str_eq(last_told(), "PaymentRequested");
    desk_do(&shop.desk, "UPDATE payments SET phase = 'FAILED'");
    desk_do(&shop.desk, "UPDATE sagas SET state = 'FAILED'");
    ck_assert_int_eq(confirm_as("ann", KEY "-c3", row.id), TQ_CLOSED);
    end();
}
END_TEST

START_TEST(a_payment__is_seen_by_its_owner)
{
    struct payment row, out;
    struct tq__buf json = TQ__BUF(&shop.service.env);
    begin();
    ck_assert_int_eq(begin_as("ann", KEY, &row), TQ_OK);
    ck_assert_int_eq(payment_get(&shop.service, row.id, "ann", &out, &shop.err), TQ_OK);
    ck_assert_int_eq(payment_get(&shop.service, row.id, "bob", &out, &shop.err), TQ_GONE);
    ck_assert_int_eq(
        app_page_read(shop.service.ledger, &payment_page, "bob", "", 20, &json, &shop.err), TQ_OK);
    ck_assert_str_eq(json.data, "{\"payments\":[]}");
    ck_assert_int_eq(
        app_page_read(shop.service.ledger, &payment_page, "ann", "", 20, &json, &shop.err), TQ_OK);
    ck_assert_ptr_nonnull(strstr(json.data, row.id));
    tq__buf_done(&json);
    end();
}
END_TEST

UNIT_MAIN("servers.payment.payment", a_payment__costs_what_the_reservation_says,
          a_key__gives_one_answer_and_a_reservation_one_payment,
          what_the_reservation_service_says__decides, a_confirmation__is_the_owners_and_counts_once,
          a_payment__is_seen_by_its_owner)
