/* SPDX-License-Identifier: MIT */
/*
 * payment/calls.c against a provider whose every word the test decides: a book that is
 * behind, refusals that refuse nothing, statements that cannot be true, and callers
 * that come back when somebody else has their row.
 */
#include <stdlib.h>

#include "../rig.h"
#include "shop.h"

#define BOOK_OF(status, paid, cancelled)                                                           \
    "{\"id\":\"" PAYMENT "\",\"status\":\"" status "\",\"storeId\":\"store-1\",\"currency\":"      \
    "\"KRW\",\"channel\":{\"type\":\"LIVE\"},\"amount\":{\"total\":5000,\"discount\":0,"           \
    "\"paid\":" paid ",\"cancelled\":" cancelled "}}"
#define OPEN BOOK_OF("READY", "0", "0")
#define FAILED BOOK_OF("FAILED", "0", "0")
#define PAID BOOK_OF("PAID", "5000", "0")
#define BACK BOOK_OF("CANCELLED", "5000", "5000")
#define LEASED "UPDATE calls SET lease = 'another', due_ms = due_ms + 5000"

struct word {
    unsigned status;
    const char *body;
};

/* What is said to each operation, and what was asked. */
static struct {
    struct rig rig;
    char url[64];
    struct word get, post;
    void (*meanwhile)(void); /* once, while the next request waits */
    int gets, posts;
    char sent[512]; /* the last body */
} liar;

static void answer(struct http_request *request)
{
    int is_get = strcmp(request->method, "GET") == 0;
    const struct word *word = is_get ? &liar.get : &liar.post;
    void (*meanwhile)(void) = liar.meanwhile;
    *(is_get ? &liar.gets : &liar.posts) += 1;
    liar.meanwhile = NULL;
    if (meanwhile) {
        meanwhile();
    }
    if (!is_get) {
        snprintf(liar.sent, sizeof liar.sent, "%s", request->body);
    }
    http_reply(request, word->status, "application/json", word->body, strlen(word->body));
}

static const struct http_route routes[] = {
    {.method = "GET", .pattern = "/payments/{id}", .handler = answer},
    {.method = "POST", .pattern = "/payments/{id}/{operation}", .handler = answer},
};

static void begin(void)
{
    static char authorization[] = "Authorization: PortOne secret";
    struct tq_error err = TQ_ERROR_INIT;
    memset(&liar, 0, sizeof liar);
    liar.get = (struct word){200, OPEN};
    liar.post = (struct word){200, "{}"};
    rig_open(&liar.rig, routes, 2, NULL, NULL);
    snprintf(liar.url, sizeof liar.url, "http://127.0.0.1:%u", liar.rig.port);
    shop_open();
    shop.service.portone = (struct portone){.env = &shop.service.env,
                                            .url = liar.url,
                                            .authorization = authorization,
                                            .channel = "LIVE",
                                            .store = "store-1",
                                            .timeout_ms = 7000};
    assert_status(http_client_new(&shop.service.env, &shop.service.portone.client, &err), TQ_OK);
    ck_assert_int_eq(tq_ledger_run(shop.service.ledger, add_payment, NULL, &shop.err), TQ_OK);
}

static void end(void)
{
    http_client_free(shop.service.portone.client);
    shop_close();
    rig_close(&liar.rig);
}

static void walk(const char *const *events)
{
    for (; *events; events++) {
        ck_assert_int_eq(bring(*events), TQ_OK);
    }
}

#define WALK(...) walk((const char *const[]){__VA_ARGS__, NULL})

/* One call, which has to be due. */
static void step(void)
{
    ck_assert_int_eq(calls_step(&shop.service, &shop.err), TQ_OK);
}

/* As step(), after the pause. */
static void step_later(void)
{
    atomic_fetch_add(&shop.desk.test.now_ms, 30000);
    step();
}

static void tell(const char *type)
{
    static int count;
    char id[32], body[128];
    snprintf(id, sizeof id, "msg_%d", count++);
    snprintf(body, sizeof body, "{\"type\":\"%s\",\"data\":{\"paymentId\":\"" PAYMENT "\"}}", type);
    ck_assert_int_eq(webhook_take(&shop.service, id, body, strlen(body), &shop.err), TQ_OK);
}

static const char *failure(void)
{
    return ask("SELECT COALESCE(failure, '') FROM payments");
}

/* ---- leases ---- */

static int announce(tq_tx *tx, void *arg, struct tq_error *err)
{
    (void)arg;
    return call_put(tx, PAYMENT, "PRE_REGISTER", err);
}

static void declined_and_told(void)
{
    WALK("ConfirmAsked", "Pinned");
    desk_do(&shop.desk, "DELETE FROM calls"); /* made, by somebody else */
    WALK("Declined");
    tell("Transaction.Paid");
}

static void captured_and_refunded(void)
{
    WALK("ConfirmAsked", "Pinned");
    desk_do(&shop.desk, "DELETE FROM calls");
    WALK("Captured", "RefundAsked");
}

/* Another caller is at work on a confirmation, of which we are told meanwhile. */
static char leased[64];

static void taken_by_another(void)
{
    WALK("ConfirmAsked", "Pinned");
    desk_do(&shop.desk, LEASED);
    snprintf(leased, sizeof leased, "%s", ask("SELECT lease || due_ms FROM calls"));
    tell("Transaction.Paid");
}

START_TEST(a_slow_caller__ends_no_call_but_its_own)
{
    static const struct {
        void (*meanwhile)(void);
        const char *left;
    } rows[] = {{declined_and_told, "ASK"},
                {captured_and_refunded, "CANCEL"},
                {taken_by_another, "CONFIRM"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        begin();
        ck_assert_int_eq(tq_ledger_run(shop.service.ledger, announce, NULL, &shop.err), TQ_OK);
        liar.meanwhile = rows[i].meanwhile;
        step();
        ck_assert_str_eq(waiting_call(), rows[i].left);
        end();
    }
}
END_TEST

START_TEST(a_slow_caller__does_not_hurry_another)
{
    begin();
    ck_assert_int_eq(tq_ledger_run(shop.service.ledger, announce, NULL, &shop.err), TQ_OK);
    liar.meanwhile = taken_by_another;
    step();
    ck_assert_str_eq(ask("SELECT lease || due_ms FROM calls"), leased);
    ck_assert_int_eq(calls_step(&shop.service, &shop.err), TQ_EMPTY);
    end();
}
END_TEST

static void lease_runs_out(void)
{
    desk_do(&shop.desk, LEASED ", attempts = 2");
}

START_TEST(an_outcome__counts_only_with_the_lease)
{
    begin();
    WALK("ConfirmAsked", "Pinned");
    liar.get.body = PAID;
    liar.meanwhile = lease_runs_out;
    step();
    ck_assert_str_eq(phase(), "CONFIRMING"); /* the other one will find it */
    ck_assert_str_eq(ask("SELECT operation || lease FROM calls"), "CONFIRManother");
    ck_assert_int_eq(calls_restore(&shop.service, &shop.err), TQ_OK);
    step();
    ck_assert_str_eq(phase(), "CAPTURED");
    ck_assert_int_eq(liar.posts, 1);
    end();
}
END_TEST

START_TEST(a_deadline__does_not_begin_a_refund_that_waits_anew)
{
    begin();
    WALK("ConfirmAsked", "Pinned", "Captured", "RefundAsked");
    liar.get = (struct word){503, "{}"};
    step();
    WALK("Overdue");
    ck_assert_str_eq(ask("SELECT operation || attempts FROM calls"), "CANCEL1");
    end();
}
END_TEST

/* ---- a book that is behind ---- */

START_TEST(told_that_it_is_paid__asks_until_the_book_shows_it)
{
    static const char *const begun[] = {NULL};
    static const char *const failed[] = {"ReservationCancelled", NULL};
    static const char *const *const ways[] = {begun, failed};
    static const struct word behind[] = {
        {200, OPEN}, {200, FAILED}, {404, "{\"type\":\"PAYMENT_NOT_FOUND\"}"}, {503, "{}"}};
    for (size_t i = 0; i < 8; i++) {
        begin();
        walk(ways[i % 2]);
        liar.get = behind[i / 2];
        tell("Transaction.Paid");
        step();
        step_later();
        ck_assert_str_eq(waiting_call(), "ASK");
        liar.get = (struct word){200, PAID};
        step_later();
        ck_assert_str_eq(phase(), "CAPTURED");
        ck_assert_str_eq(waiting_call(), "");
        end();
    }
}
END_TEST

START_TEST(told_that_it_is_back__asks_until_the_book_shows_it)
{
    static const char *const types[] = {"Transaction.Cancelled", "Transaction.PartialCancelled"};
    for (size_t i = 0; i < 2; i++) {
        begin();
        WALK("Captured", "ReservationConfirmed");
        liar.get.body = PAID;
        tell(types[i]);
        step();
        step_later();
        ck_assert_str_eq(phase(), "PAID");
        liar.get.body = BACK;
        step_later();
        ck_assert_str_eq(phase(), "REFUNDED");
        step(); /* the compensation, which finds nothing left */
        ck_assert_str_eq(waiting_call(), "");
        end();
    }
}
END_TEST

/* How often the book of an open payment is asked for, and for how long. */
static int asks_after(const char *type, int64_t *out_ms)
{
    begin();
    tell(type);
    int64_t begun_ms = atomic_load(&shop.desk.test.now_ms);
    while (waiting_call()[0]) {
        ck_assert_int_lt(liar.gets, 1000);
        if (calls_step(&shop.service, &shop.err) == TQ_EMPTY) {
            atomic_fetch_add(&shop.desk.test.now_ms, 500);
        }
    }
    *out_ms = atomic_load(&shop.desk.test.now_ms) - begun_ms;
    ck_assert_str_eq(phase(), "READY");
    int gets = liar.gets;
    end();
    return gets;
}

START_TEST(what_is_never_shown__is_given_up)
{
    int64_t ms;
    int gets = asks_after("Transaction.Paid", &ms);
    ck_assert_int_ge(gets, 5);
    ck_assert_int_le(gets, 60);
    ck_assert_int_ge(ms, 120000);
    ck_assert_int_le(ms, 151000);
    ck_assert_int_eq(asks_after("Transaction.Failed", &ms), 1); /* no money in it */
}
END_TEST

static void told_meanwhile(void)
{
    tell("Transaction.Paid");
}

START_TEST(told_what_has_just_been_found__asks_once)
{
    begin();
    WALK("ConfirmAsked", "Pinned");
    liar.get.body = PAID;
    liar.meanwhile = told_meanwhile;
    step();
    ck_assert_str_eq(phase(), "CAPTURED");
    step();
    ck_assert_str_eq(waiting_call(), "");
    ck_assert_int_eq(liar.gets, 2);
    end();
}
END_TEST

/* ---- answers that decide nothing ---- */

START_TEST(a_refusal__of_a_repetition_says_nothing_while_the_first_may_be_under_way)
{
    static const struct word refusals[] = {{400, "{\"type\":\"INVALID_PAYMENT_TOKEN\"}"},
                                           {409, "{\"type\":\"PAYMENT_IN_PROGRESS\"}"},
                                           {404, "{\"type\":\"PAYMENT_NOT_FOUND\"}"},
                                           {404, "<html>no route</html>"}};
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        begin();
        shop.service.portone.timeout_ms = 25000; /* a call lives for 100 s */
        WALK("ConfirmAsked", "Pinned");
        liar.post = (struct word){503, "{}"};
        step();
        liar.post = refusals[i];
        step_later();
        step_later();
        step_later();
        ck_assert_int_eq(liar.posts, 4);
        ck_assert_str_eq(phase(), "UNKNOWN");
        liar.get.body = PAID;
        step_later();
        ck_assert_str_eq(phase(), "CAPTURED");
        end();
    }
}
END_TEST

START_TEST(a_refusal__of_a_repetition_counts_when_no_other_can_be_under_way)
{
    static const struct {
        struct word word;
        const char *phase;
    } answers[] = {{{400, "{\"type\":\"INVALID_PAYMENT_TOKEN\"}"}, "FAILED"},
                   {{404, "{\"type\":\"PAYMENT_NOT_FOUND\"}"}, "FAILED"},
                   {{409, "{\"type\":\"IDEMPOTENCY_OUTSTANDING_REQUEST\"}"}, "UNKNOWN"},
                   {{404, "<html>no route</html>"}, "UNKNOWN"}};
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        begin();
        shop.service.portone.timeout_ms = 25000;
        WALK("ConfirmAsked", "Pinned");
        liar.post = (struct word){503, "{}"};
        step();
        liar.post = answers[i].word;
        for (int later = 0; later < 4; later++) {
            step_later();
        }
        ck_assert_str_eq(phase(), answers[i].phase);
        end();
    }
}
END_TEST

START_TEST(a_refusal__of_the_first_is_looked_up)
{
    static const struct {
        struct word confirm, get;
        const char *phase;
    } rows[] = {
        {{400, "{\"type\":\"INVALID_REQUEST\"}"}, {200, PAID}, "CAPTURED"},
        {{400, "{\"type\":\"INVALID_REQUEST\"}"}, {200, OPEN}, "FAILED"},
        {{400, "{\"type\":\"INVALID_REQUEST\"}"},
         {404, "{\"type\":\"PAYMENT_NOT_FOUND\"}"},
         "FAILED"},
        {{400, "{\"type\":\"INVALID_REQUEST\"}"}, {503, "{}"}, "UNKNOWN"},
        {{400, "{\"type\":\"INVALID_REQUEST\"}"}, {404, "<html>"}, "UNKNOWN"},
        {{404, "<html>"}, {200, OPEN}, "UNKNOWN"},
        {{409, "{\"type\":\"A_NEW_ONE\"}"}, {200, OPEN}, "UNKNOWN"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        begin();
        WALK("ConfirmAsked", "Pinned");
        liar.post = rows[i].confirm;
        liar.get = rows[i].get;
        step();
        ck_assert_msg(strcmp(phase(), rows[i].phase) == 0, "%zu: %s", i, phase());
        if (strcmp(rows[i].phase, "FAILED") == 0) {
            ck_assert_str_eq(failure(), "INVALID_REQUEST");
        }
        end();
    }
}
END_TEST

START_TEST(a_book__that_does_not_know_what_was_answered_is_behind)
{
    begin();
    WALK("ConfirmAsked", "Pinned");
    liar.get.body = FAILED; /* of an attempt before */
    step();
    step_later();
    ck_assert_str_eq(phase(), "UNKNOWN");
    ck_assert_int_eq(liar.posts, 1);
    liar.get.body = PAID;
    step_later();
    ck_assert_str_eq(phase(), "CAPTURED");
    end();
}
END_TEST

/* ---- statements that cannot be true ---- */

START_TEST(a_ticket__is_not_lost_to_a_book_that_cannot_be_read)
{
    static const char *const bodies[] = {"{\"id\":\"" PAYMENT "\",\"status\":\"PAID\"}",
                                         BOOK_OF("PAID", "\"5000\"", "0"),
                                         BOOK_OF("PAID", "5000.5", "0"),
                                         BOOK_OF("PAID", "5000", "-1"),
                                         BOOK_OF("CANCELLED", "5000", "0"),
                                         BOOK_OF("PAID", "5000", "1000")};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        begin();
        WALK("Captured", "ReservationConfirmed");
        liar.get.body = bodies[i];
        tell("Transaction.CancelPending");
        step();
        ck_assert_str_eq(phase(), "PAID");
        ck_assert_str_eq(waiting_call(), "ASK");
        liar.get.body = PAID;
        step_later();
        ck_assert_str_eq(phase(), "PAID");
        ck_assert_str_eq(waiting_call(), "");
        end();
    }
}
END_TEST

START_TEST(called_cancelled__with_a_part_left_the_rest_goes_back)
{
    static const char *const paid[] = {"Captured", "ReservationConfirmed", NULL};
    static const char *const confirming[] = {"ConfirmAsked", "Pinned", NULL};
    for (int i = 0; i < 2; i++) {
        begin();
        walk(i ? paid : confirming);
        if (i) {
            tell("Transaction.Cancelled");
        }
        liar.get.body = BOOK_OF("CANCELLED", "5000", "1000");
        step();
        ck_assert_str_eq(phase(), "REFUNDING");
        step();
        ck_assert_ptr_nonnull(strstr(liar.sent, "\"currentCancellableAmount\":4000"));
        liar.get.body = BACK;
        step_later();
        ck_assert_str_eq(phase(), "REFUNDED");
        end();
    }
}
END_TEST

UNIT_MAIN("servers.payment.lies", a_slow_caller__ends_no_call_but_its_own,
          a_slow_caller__does_not_hurry_another, an_outcome__counts_only_with_the_lease,
          a_deadline__does_not_begin_a_refund_that_waits_anew,
          told_that_it_is_paid__asks_until_the_book_shows_it,
          told_that_it_is_back__asks_until_the_book_shows_it, what_is_never_shown__is_given_up,
          told_what_has_just_been_found__asks_once,
          a_refusal__of_a_repetition_says_nothing_while_the_first_may_be_under_way,
          a_refusal__of_a_repetition_counts_when_no_other_can_be_under_way,
          a_refusal__of_the_first_is_looked_up,
          a_book__that_does_not_know_what_was_answered_is_behind,
          a_ticket__is_not_lost_to_a_book_that_cannot_be_read,
          called_cancelled__with_a_part_left_the_rest_goes_back)
