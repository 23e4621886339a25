/* SPDX-License-Identifier: MIT */
/*
 * payment/portone.c: what each answer of the provider means, row by row, and what
 * we send. The provider is a server whose next answer the test decides.
 */
#include <stdio.h>
#include <string.h>

#include "../rig.h"
#include "lib/unit.h"
#include "payment/payment.h"

static struct rig rig;
static struct portone portone;
static char url[64];

/* The next answer, and the last request. */
static struct {
    unsigned status;
    const char *body;
    char path[128];
    char key[128];
    char authorization[64];
    char sent[512];
} provider;

static void answer(struct http_request *request)
{
    const char *key = http_header(request, "Idempotency-Key");
    const char *authorization = http_header(request, "Authorization");
    snprintf(provider.path, sizeof provider.path, "%s %s", request->method, request->path);
    snprintf(provider.key, sizeof provider.key, "%s", key ? key : "");
    snprintf(provider.authorization, sizeof provider.authorization, "%s",
             authorization ? authorization : "");
    snprintf(provider.sent, sizeof provider.sent, "%s", request->body);
    http_reply(request, provider.status, "application/json", provider.body, strlen(provider.body));
}

static const struct http_route routes[] = {
    {.method = "GET", .pattern = "/payments/{id}", .handler = answer},
    {.method = "POST", .pattern = "/payments/{id}/{operation}", .handler = answer},
};

static const struct payment row = {
    .id = "P1", .token = "tok", .currency = "KRW", .amount = 5000, .paid = 5000, .failure = "WHY"};

static void begin(void)
{
    static char authorization[] = "Authorization: PortOne secret";
    struct tq_error err = TQ_ERROR_INIT;
    rig_open(&rig, routes, 2, NULL, NULL);
    snprintf(url, sizeof url, "http://127.0.0.1:%u", rig.port);
    memset(&portone, 0, sizeof portone);
    portone.env = &rig.env;
    portone.url = url;
    portone.authorization = authorization;
    portone.channel = "LIVE";
    portone.store = "store-1";
    portone.timeout_ms = 60000;
    assert_status(http_client_new(&rig.env, &portone.client, &err), TQ_OK);
}

static void end(void)
{
    http_client_free(portone.client);
    rig_close(&rig);
}

static enum portone_outcome confirm(unsigned status, const char *body)
{
    char reason[PAYMENT_WORD_SIZE] = "";
    provider.status = status;
    provider.body = body;
    return portone_confirm(&portone, &row, reason);
}

START_TEST(what_an_answer_means)
{
    static const struct {
        unsigned status;
        const char *body;
        enum portone_outcome outcome;
    } answers[] = {
        {200, "{}", PORTONE_DONE},
        {400, "{\"type\":\"INVALID_PAYMENT_TOKEN\"}", PORTONE_NO},
        {404, "{\"type\":\"PAYMENT_NOT_FOUND\"}", PORTONE_NO},
        {409, "{\"type\":\"INFORMATION_MISMATCH\"}", PORTONE_NO},
        {400, "{\"type\":\"INVALID_REQUEST\"}", PORTONE_NO},
        {400, "{\"type\":\"PAYMENT_NOT_FOUND\"}", PORTONE_UNSURE},
        {400, "{\"type\":\"A_NEW_ONE\"}", PORTONE_UNSURE},
        {400, "{}", PORTONE_UNSURE},
        {404, "<html>no route</html>", PORTONE_UNSURE},
        {409, "{\"type\":\"PAYMENT_IN_PROGRESS\"}", PORTONE_UNSURE},
        {422, "{\"type\":\"INVALID_REQUEST\"}", PORTONE_UNSURE},
        {409, "{\"type\":\"ALREADY_PAID\"}", PORTONE_DONE},
        {409, "{\"type\":\"IDEMPOTENCY_OUTSTANDING_REQUEST\"}", PORTONE_UNSURE},
        {409, "not json", PORTONE_UNSURE},
        {401, "{}", PORTONE_UNSURE},
        {403, "{}", PORTONE_UNSURE},
        {429, "{}", PORTONE_UNSURE},
        {500, "{}", PORTONE_UNSURE},
        {502, "{\"type\":\"PG_PROVIDER\"}", PORTONE_UNSURE},
    };
    begin();
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        ck_assert_msg(confirm(answers[i].status, answers[i].body) == answers[i].outcome, "%u %s",
                      answers[i].status, answers[i].body);
    }
    end();
}
END_TEST

START_TEST(nobody_there_is_unsure)
{
    begin();
    portone.url = "http://127.0.0.1:1";
    ck_assert_int_eq(confirm(200, "{}"), PORTONE_UNSURE);
    end();
}
END_TEST

START_TEST(what_we_send)
{
    begin();
    ck_assert_int_eq(confirm(200, "{}"), PORTONE_DONE);
    ck_assert_str_eq(provider.path, "POST /payments/P1/confirm");
    ck_assert_int_eq(strncmp(provider.key, "\"confirm-P1-", 12), 0);
    ck_assert_str_eq(provider.authorization, "PortOne secret");
    ck_assert_str_eq(provider.sent, "{\"paymentToken\":\"tok\",\"totalAmount\":5000,"
                                    "\"currency\":\"KRW\",\"isTest\":false}");
    ck_assert_int_eq(portone_pre_register(&portone, &row), PORTONE_DONE);
    ck_assert_str_eq(provider.sent, "{\"totalAmount\":5000,\"currency\":\"KRW\"}");
    ck_assert_int_eq(portone_cancel(&portone, &row), PORTONE_DONE);
    ck_assert_int_eq(strncmp(provider.key, "\"cancel-P1-", 11), 0);
    ck_assert_str_eq(provider.sent, "{\"reason\":\"WHY\",\"currentCancellableAmount\":5000}");
    end();
}
END_TEST

/* The key of a refund of `row` with one thing else. */
static const char *key_of_cancel(int64_t paid, int64_t cancelled, const char *why)
{
    static char keys[4][128];
    static unsigned turn;
    struct payment other = row;
    other.paid = paid;
    other.cancelled = cancelled;
    snprintf(other.failure, sizeof other.failure, "%s", why);
    ck_assert_int_eq(portone_cancel(&portone, &other), PORTONE_DONE);
    char *key = keys[turn++ % 4];
    snprintf(key, sizeof keys[0], "%s", provider.key);
    return key;
}

START_TEST(a_key__belongs_to_one_body)
{
    char longest[TQ_ID_SIZE];
    struct payment other = row;
    begin();
    provider.status = 200;
    provider.body = "{}";
    const char *key = key_of_cancel(5000, 0, "WHY");
    ck_assert_str_eq(key_of_cancel(5000, 0, "WHY"), key);
    ck_assert_str_ne(key_of_cancel(5000, 1000, "WHY"), key);
    ck_assert_str_ne(key_of_cancel(5000, 0, "ELSE"), key);
    memset(longest, 'P', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    tq__id_copy(other.id, longest);
    ck_assert_int_eq(portone_pre_register(&portone, &other), PORTONE_DONE);
    size_t bytes = strlen(provider.key) - 2;
    ck_assert_uint_ge(bytes, 16);
    ck_assert_uint_le(bytes, 256);
    ck_assert_ptr_nonnull(strstr(provider.key, longest));
    end();
}
END_TEST

#define BOOK_OF(status, amounts, currency, channel, store)                                         \
    "{\"id\":\"P1\",\"status\":\"" status "\",\"amount\":{" amounts "},\"currency\":\"" currency   \
    "\",\"channel\":{\"type\":\"" channel "\"},\"storeId\":\"" store                               \
    "\",\"failure\":{\"pgCode\":\"NO_MONEY\"}}"
#define AMOUNTS(total, discount, paid, cancelled)                                                  \
    "\"total\":" total ",\"discount\":" discount ",\"paid\":" paid ",\"cancelled\":" cancelled
#define ALL_PAID AMOUNTS("5000", "0", "5000", "0")
#define BOOK(status, cancelled)                                                                    \
    BOOK_OF(status, AMOUNTS("5000", "0", "5000", cancelled), "KRW", "LIVE", "store-1")

static enum portone_outcome get(const char *body, struct portone_book *book)
{
    provider.status = 200;
    provider.body = body;
    return portone_get(&portone, "P1", book);
}

START_TEST(the_book__statuses)
{
    static const struct {
        const char *body;
        enum portone_status status;
    } books[] = {
        {BOOK("PAID", "0"), PORTONE_PAID},
        {BOOK("PARTIAL_CANCELLED", "1"), PORTONE_PAID},
        {BOOK("CANCELLED", "5000"), PORTONE_CANCELLED},
        {BOOK("CANCELLED", "4999"), PORTONE_CANCELLED},
        {BOOK("FAILED", "0"), PORTONE_FAILED},
        {BOOK("READY", "0"), PORTONE_OPEN},
        {BOOK("PAY_PENDING", "0"), PORTONE_OPEN},
        {BOOK("A_NEW_ONE", "0"), PORTONE_OPEN},
        {"{\"id\":\"P1\",\"status\":\"READY\"}", PORTONE_OPEN}, /* no money, no amounts */
    };
    struct portone_book book;
    begin();
    for (size_t i = 0; i < sizeof books / sizeof *books; i++) {
        ck_assert_int_eq(get(books[i].body, &book), PORTONE_DONE);
        ck_assert_int_eq(book.status, books[i].status);
        ck_assert_int_eq(book.total, portone_has_money(&book) ? 5000 : 0);
        ck_assert_str_eq(book.reason, portone_has_money(&book) || !strstr(books[i].body, "NO_MONEY")
                                          ? ""
                                          : "NO_MONEY");
    }
    ck_assert_str_eq(provider.path, "GET /payments/P1");
    ck_assert_str_eq(provider.key, "");
    end();
}
END_TEST

START_TEST(the_book__of_this_payment_or_not)
{
    static const struct {
        const char *body;
        int is_match;
    } books[] = {
        {BOOK_OF("PAID", ALL_PAID, "KRW", "LIVE", "store-1"), 1},
        {BOOK_OF("PAID", AMOUNTS("4999", "0", "4999", "0"), "KRW", "LIVE", "store-1"), 0},
        {BOOK_OF("PAID", ALL_PAID, "USD", "LIVE", "store-1"), 0},
        {BOOK_OF("PAID", ALL_PAID, "KRW-and-more", "LIVE", "store-1"), 0},
        {BOOK_OF("PAID", ALL_PAID, "KRW", "TEST", "store-1"), 0},
        {BOOK_OF("PAID", ALL_PAID, "KRW", "LIVE", "store-2"), 0},
    };
    struct portone_book book;
    begin();
    for (size_t i = 0; i < sizeof books / sizeof *books; i++) {
        ck_assert_int_eq(get(books[i].body, &book), PORTONE_DONE);
        ck_assert_int_eq(portone_matches(&portone, &book, &row) != 0, books[i].is_match);
    }
    portone.channel = portone.store = "";
    ck_assert_int_eq(get(BOOK_OF("PAID", ALL_PAID, "KRW", "TEST", "store-2"), &book), PORTONE_DONE);
    ck_assert_int_ne(portone_matches(&portone, &book, &row), 0);
    end();
}
END_TEST

START_TEST(the_book__all_of_the_money_or_not)
{
    static const struct {
        int64_t paid, discount, cancelled;
        int is_whole;
    } rows[] = {{5000, 0, 0, 1}, {4000, 1000, 0, 1}, {4999, 0, 0, 0},  {5001, 0, 0, 0},
                {5000, 0, 1, 0}, {4000, 1000, 1, 0}, {4000, 999, 0, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct portone_book book = {.total = 5000,
                                          .paid = rows[i].paid,
                                          .discount = rows[i].discount,
                                          .cancelled = rows[i].cancelled};
        ck_assert_int_eq(portone_is_whole(&book), rows[i].is_whole);
    }
}
END_TEST

START_TEST(the_book__that_cannot_be_read_is_no_answer)
{
#define PAID_WITH(amounts) BOOK_OF("PAID", amounts, "KRW", "LIVE", "store-1")
#define NEARLY "\"amount\":{" ALL_PAID "},\"status\":\"PAID\""
    static const char *const books[] = {
        "not json",
        "[]",
        "{}",
        "{\"id\":\"P1\"}",
        "{\"status\":\"READY\"}",
        "{\"id\":\"P2\",\"status\":\"READY\"}",
        "{\"id\":\"P1\",\"status\":\"PAID\"}",
        "{\"id\":\"P1\",\"currency\":\"KRW\",\"storeId\":\"store-1\"," NEARLY "}",
        "{\"id\":\"P1\",\"currency\":\"KRW\",\"channel\":{\"type\":\"LIVE\"}," NEARLY "}",
        "{\"id\":\"P1\",\"storeId\":\"store-1\",\"channel\":{\"type\":\"LIVE\"}," NEARLY "}",
        PAID_WITH("\"total\":5000"),
        PAID_WITH("\"discount\":0,\"paid\":5000,\"cancelled\":0"),
        PAID_WITH("\"total\":5000,\"paid\":5000,\"cancelled\":0"),
        PAID_WITH("\"total\":5000,\"discount\":0,\"cancelled\":0"),
        PAID_WITH("\"total\":5000,\"discount\":0,\"paid\":5000"),
        PAID_WITH(AMOUNTS("5000", "0", "\"5000\"", "0")),
        PAID_WITH(AMOUNTS("5000.5", "0", "5000.5", "0")),
        PAID_WITH(AMOUNTS("5000", "0", "null", "0")),
        PAID_WITH(AMOUNTS("99999999999999999999", "0", "5000", "0")),
        PAID_WITH(AMOUNTS("-5000", "0", "-5000", "0")),
        PAID_WITH(AMOUNTS("5000", "-1", "5000", "0")),
        PAID_WITH(AMOUNTS("5000", "0", "5001", "0")),
        PAID_WITH(AMOUNTS("5000", "1", "5000", "0")),
        PAID_WITH(AMOUNTS("5000", "9223372036854775807", "5000", "0")),
        PAID_WITH(AMOUNTS("5000", "0", "0", "0")),
        PAID_WITH(AMOUNTS("5000", "0", "5000", "1")),
        BOOK("PARTIAL_CANCELLED", "0"),
        BOOK("CANCELLED", "0"),
        BOOK("CANCELLED", "5001"),
        BOOK("CANCELLED", "-5000"),
    };
    struct portone_book book;
    begin();
    for (size_t i = 0; i < sizeof books / sizeof *books; i++) {
        ck_assert_msg(get(books[i], &book) == PORTONE_UNSURE, "%s", books[i]);
    }
    end();
}
END_TEST

UNIT_MAIN("servers.payment.portone", what_an_answer_means, nobody_there_is_unsure, what_we_send,
          a_key__belongs_to_one_body, the_book__statuses, the_book__of_this_payment_or_not,
          the_book__all_of_the_money_or_not, the_book__that_cannot_be_read_is_no_answer)
