/* SPDX-License-Identifier: MIT */
/*
 * servers/sandbox as a program: the provider's contract, idempotency keys, faults,
 * signed webhooks, and a book that survives SIGKILL.
 *
 * The program's path comes in TICKETQ_SANDBOX. A rig receives the webhooks.
 */
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/webhook.h"
#include "http/client.h"
#include "lib/unit.h"
#include "rig.h"

#define SECRET "api-secret-of-the-test"
#define WEBHOOK_SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define HOOKS_MAX 64

extern char **environ;

static struct rig rig;
static http_client *client;
static struct tq_error err = TQ_ERROR_INIT;
static char folder[64], base[128];
static pid_t process;

/* ---- the receiver of webhooks ---- */

struct hook {
    char id[TQ_ID_SIZE];
    char body[512];
};

static struct {
    pthread_mutex_t lock;
    struct hook hooks[HOOKS_MAX];
    size_t count;
    size_t forged;
    unsigned refuse; /* so many are answered 500 */
} inbox = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void take_hook(struct http_request *request)
{
    struct app_webhook_key key;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int is_genuine = app_webhook_key_read(&key, WEBHOOK_SECRET, NULL) == TQ_OK &&
                     app_webhook_verify_request(&key, 1, request, now.tv_sec * 1000) == TQ_OK;
    pthread_mutex_lock(&inbox.lock);
    struct hook *hook = &inbox.hooks[inbox.count++ % HOOKS_MAX];
    inbox.forged += !is_genuine;
    snprintf(hook->id, sizeof hook->id, "%s", http_header(request, "webhook-id"));
    snprintf(hook->body, sizeof hook->body, "%s", request->body);
    unsigned status = inbox.refuse > 0 ? 500 : 200;
    inbox.refuse -= inbox.refuse > 0;
    pthread_mutex_unlock(&inbox.lock);
    http_reply_empty(request, status);
}

static const struct http_route routes[] = {
    {.method = "POST", .pattern = "/hook", .handler = take_hook},
};

static size_t hooks(void)
{
    pthread_mutex_lock(&inbox.lock);
    size_t count = inbox.count;
    pthread_mutex_unlock(&inbox.lock);
    return count;
}

static void wait_for_hooks(size_t count)
{
    for (int i = 0; i < 5000 && hooks() < count; i++) {
        usleep(1000);
    }
    ck_assert_uint_eq(hooks(), count);
    ck_assert_uint_eq(inbox.forged, 0);
}

/* ---- the program ---- */

static void write_file(const char *name, const char *text, char *path, size_t room)
{
    snprintf(path, room, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

static int read_ready(const char *path)
{
    char text[512];
    FILE *file = fopen(path, "r");
    if (!file) {
        return 0;
    }
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    const char *at = strstr(text, "\"listen\":\"");
    ck_assert_ptr_nonnull(at);
    at += strlen("\"listen\":\"");
    snprintf(base, sizeof base, "http://%.*s", (int)strcspn(at, "\""), at);
    return 1;
}

static void start_program(void)
{
    char data[128], secret[128], webhook[128], ready[128], url[64];
    char *program = getenv("TICKETQ_SANDBOX");
    ck_assert_msg(program != NULL, "TICKETQ_SANDBOX is not set");
    snprintf(data, sizeof data, "%s/book.db", folder);
    snprintf(ready, sizeof ready, "%s/ready", folder);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/hook", rig.port);
    write_file("secret", SECRET "\n", secret, sizeof secret);
    write_file("webhook", WEBHOOK_SECRET "\n", webhook, sizeof webhook);
    unlink(ready);
    char *words[] = {
        program, "--listen",      "127.0.0.1:0", "--data",           data,    "--secret",
        secret,  "--webhook-url", url,           "--webhook-secret", webhook, "--webhook-retry-ms",
        "20",    "--ready-file",  ready,         "--log-level",      "2",     NULL};
    ck_assert_int_eq(posix_spawn(&process, program, NULL, NULL, words, environ), 0);
    for (int i = 0; i < 10000 && !read_ready(ready); i++) {
        usleep(1000);
    }
    ck_assert_str_ne(base, "");
}

static void stop_program(int signal_number, int expected)
{
    int status;
    kill(process, signal_number);
    ck_assert_int_eq(waitpid(process, &status, 0), process);
    ck_assert_int_eq(WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), expected);
    base[0] = '\0';
}

static void begin(void)
{
    snprintf(folder, sizeof folder, "/tmp/ticketq-sandbox-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    inbox.count = inbox.forged = inbox.refuse = 0;
    rig_open(&rig, routes, 1, NULL, NULL);
    assert_status(http_client_new(&rig.env, &client, &err), TQ_OK);
    start_program();
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)info;
    (void)kind;
    (void)at;
    return remove(path);
}

static void end(void)
{
    http_client_free(client); /* a server that drains waits for open connections */
    stop_program(SIGTERM, 0);
    rig_close(&rig);
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- calls ---- */

static char body[65536];

/* The status, 0 when the answer is lost; the answer is in `body`. `key` may be NULL. */
static unsigned call(const char *method, const char *path, const char *key, const char *text)
{
    char url[256], field[512];
    const char *headers[] = {"Authorization: PortOne " SECRET, key ? field : NULL, NULL};
    struct http_answer answer = HTTP_ANSWER(&rig.env);
    snprintf(url, sizeof url, "%s%s", base, path);
    snprintf(field, sizeof field, "Idempotency-Key: %s", key ? key : "");
    const struct http_call own = {.method = method,
                                  .url = url,
                                  .headers = headers,
                                  .body = text,
                                  .body_bytes = text ? strlen(text) : 0,
                                  .timeout_ms = 5000};
    int rc = http_client_call(client, &own, &answer, &err);
    ck_assert_msg(rc == TQ_OK || rc == TQ_E_UNKNOWN, "%s: %s", path, err.message);
    snprintf(body, sizeof body, "%s", answer.body.data ? answer.body.data : "");
    unsigned status = rc == TQ_OK ? answer.status : 0;
    http_answer_done(&answer);
    return status;
}

#define assert_call(expected, ...)                                                                 \
    do {                                                                                           \
        unsigned call_status = call(__VA_ARGS__);                                                  \
        ck_assert_msg(call_status == (expected), "%u: %s", call_status, body);                     \
    } while (0)
#define assert_body(part) ck_assert_msg(strstr(body, part), "%s is not in %s", part, body)

/* `{"paymentToken":...` for a payment; with `more` members behind it. */
static const char *confirmation(const char *payment, const char *total, const char *card,
                                const char *more)
{
    static char text[512];
    char ask[256], token[TQ_ID_SIZE];
    snprintf(ask, sizeof ask,
             "{\"paymentId\":\"%s\",\"totalAmount\":%s,\"currency\":\"KRW\",\"card\":\"%s\"}",
             payment, total, card);
    assert_call(201, "POST", "/sandbox/tokens", NULL, ask);
    const char *at = strstr(body, "tok_");
    ck_assert_ptr_nonnull(at);
    snprintf(token, sizeof token, "%.*s", (int)strcspn(at, "\""), at);
    snprintf(text, sizeof text, "{\"paymentToken\":\"%s\"%s}", token, more);
    return text;
}

static void fault(const char *text)
{
    assert_call(201, "POST", "/sandbox/faults", NULL, text);
}

#define KEY "\"key-0123456789abcdef\""
#define KEY_OTHER "\"key-0123456789abcdeg\""
#define REGISTER "{\"totalAmount\":5000,\"currency\":\"KRW\"}"

static void pay(const char *payment)
{
    char path[128];
    snprintf(path, sizeof path, "/payments/%s/confirm", payment);
    assert_call(200, "POST", path, NULL, confirmation(payment, "5000", "ok", ""));
}

/* ---- tests ---- */

START_TEST(a_payment__is_made_told_and_booked)
{
    begin();
    assert_call(200, "POST", "/payments/P1/pre-register", KEY, REGISTER);
    assert_call(200, "GET", "/payments/P1", NULL, NULL);
    assert_body("\"status\":\"READY\"");
    assert_call(200, "POST", "/payments/P1/confirm", KEY_OTHER,
                confirmation("P1", "5000", "ok",
                             ",\"totalAmount\":5000,\"currency\":\"KRW\",\"isTest\":false"));
    assert_body("\"pgTxId\":");
    assert_body("\"paidAt\":");
    assert_call(200, "GET", "/payments/P1", NULL, NULL);
    assert_body("\"status\":\"PAID\"");
    assert_body("\"total\":5000");
    assert_body("\"type\":\"LIVE\"");
    wait_for_hooks(1);
    ck_assert_ptr_nonnull(strstr(inbox.hooks[0].body, "\"type\":\"Transaction.Paid\""));
    ck_assert_ptr_nonnull(strstr(inbox.hooks[0].body, "\"paymentId\":\"P1\""));
    assert_call(200, "GET", "/sandbox/book", NULL, NULL);
    assert_body("\"totals\":{\"paid\":5000,\"cancelled\":0}");
    end();
}
END_TEST

START_TEST(what_is_wrong__has_the_providers_type)
{
    char own[512], foreign[512];
    begin();
    assert_call(404, "GET", "/payments/P1", NULL, NULL);
    assert_body("\"type\":\"PAYMENT_NOT_FOUND\"");
    assert_call(404, "POST", "/payments/P1/confirm", NULL, "{\"paymentToken\":\"x\"}");
    assert_call(200, "POST", "/payments/P1/pre-register", NULL, REGISTER);
    snprintf(own, sizeof own, "%s", confirmation("P1", "5000", "ok", ""));
    snprintf(foreign, sizeof foreign, "%s", confirmation("P2", "5000", "ok", ""));
    assert_call(400, "POST", "/payments/P1/confirm", NULL, "{}");
    assert_body("INVALID_REQUEST");
    assert_call(400, "POST", "/payments/P1/confirm", NULL, "[]");
    assert_call(400, "POST", "/payments/P1/confirm", NULL, foreign);
    assert_body("INVALID_PAYMENT_TOKEN");
    assert_call(409, "POST", "/payments/P1/confirm", NULL, confirmation("P1", "100", "ok", ""));
    assert_body("INFORMATION_MISMATCH");
    assert_call(409, "POST", "/payments/P1/confirm", NULL,
                confirmation("P1", "5000", "ok", ",\"totalAmount\":4999"));
    assert_call(409, "POST", "/payments/P1/confirm", NULL,
                confirmation("P1", "5000", "ok", ",\"currency\":\"USD\""));
    assert_call(409, "POST", "/payments/P1/confirm", NULL,
                confirmation("P1", "5000", "ok", ",\"isTest\":true"));
    assert_call(200, "POST", "/payments/P1/confirm", NULL, own);
    assert_call(409, "POST", "/payments/P1/confirm", NULL, own);
    assert_body("ALREADY_PAID");
    assert_call(409, "POST", "/payments/P1/pre-register", NULL, REGISTER);
    assert_body("ALREADY_PAID");
    const struct http_call bare = {.method = "GET", .url = base};
    struct http_answer answer = HTTP_ANSWER(&rig.env);
    char url[256];
    snprintf(url, sizeof url, "%s/payments/P1", base);
    struct http_call unsigned_call = bare;
    unsigned_call.url = url;
    assert_status(http_client_call(client, &unsigned_call, &answer, &err), TQ_OK);
    ck_assert_uint_eq(answer.status, 401);
    http_answer_done(&answer);
    end();
}
END_TEST

START_TEST(keys__are_quoted_and_give_one_effect)
{
    char key[300], text[512];
    begin();
    snprintf(text, sizeof text, "%s", confirmation("P1", "5000", "ok", ""));
    assert_call(400, "POST", "/payments/P1/confirm", "key-0123456789abcdef", text);
    static const struct {
        int bytes;
        unsigned status;
    } rows[] = {{15, 400}, {16, 200}, {17, 200}, {255, 200}, {256, 200}, {257, 400}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(key, sizeof key, "\"%0*d\"", rows[i].bytes, 7);
        assert_call(rows[i].status, "POST", "/payments/P9/pre-register", key, REGISTER);
    }
    assert_call(200, "POST", "/payments/P1/confirm", KEY, text);
    char first[512];
    snprintf(first, sizeof first, "%.500s", body);
    assert_call(200, "POST", "/payments/P1/confirm", KEY, text);
    ck_assert_str_eq(body, first);
    assert_call(400, "POST", "/payments/P1/confirm", KEY, "{\"paymentToken\":\"other\"}");
    wait_for_hooks(1);
    end();
}
END_TEST

struct confirming {
    const char *text;
    unsigned status;  /* of the last answer */
    unsigned refused; /* so many were told that the key is at work */
};

/* Confirms until it is done. */
static void *confirm_in_thread(void *arg)
{
    struct confirming *confirming = arg;
    const char *headers[] = {"Authorization: PortOne " SECRET, "Idempotency-Key: " KEY, NULL};
    char url[256];
    snprintf(url, sizeof url, "%s/payments/P1/confirm", base);
    const struct http_call own = {.method = "POST",
                                  .url = url,
                                  .headers = headers,
                                  .body = confirming->text,
                                  .body_bytes = strlen(confirming->text),
                                  .timeout_ms = 5000};
    do {
        struct http_answer answer = HTTP_ANSWER(&rig.env);
        int rc = http_client_call(client, &own, &answer, NULL);
        confirming->status = rc == TQ_OK ? answer.status : 0;
        confirming->refused += confirming->status == 409;
        http_answer_done(&answer);
        usleep(20000);
    } while (confirming->status == 409);
    return NULL;
}

START_TEST(a_running_key__is_outstanding)
{
    pthread_t threads[2];
    char text[512];
    begin();
    snprintf(text, sizeof text, "%s", confirmation("P1", "5000", "ok", ""));
    struct confirming confirming[2] = {{.text = text}, {.text = text}};
    fault("{\"operation\":\"confirm\",\"fault\":\"delay\",\"delayMs\":1500}");
    for (size_t i = 0; i < 2; i++) {
        pthread_create(&threads[i], NULL, confirm_in_thread, &confirming[i]);
    }
    for (size_t i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_uint_eq(confirming[i].status, 200);
    }
    ck_assert_uint_gt(confirming[0].refused + confirming[1].refused, 0); /* whoever was second */
    wait_for_hooks(1);
    end();
}
END_TEST

START_TEST(a_declined_card__may_be_replaced)
{
    begin();
    assert_call(502, "POST", "/payments/P1/confirm", NULL,
                confirmation("P1", "5000", "decline", ""));
    assert_body("\"type\":\"PG_PROVIDER\"");
    assert_body("\"pgCode\":\"CARD_DECLINED\"");
    assert_call(200, "GET", "/payments/P1", NULL, NULL);
    assert_body("\"status\":\"FAILED\"");
    assert_body("\"failure\":{");
    fault("{\"operation\":\"confirm\",\"fault\":\"decline\",\"paymentId\":\"P1\"}");
    assert_call(502, "POST", "/payments/P1/confirm", NULL, confirmation("P1", "5000", "ok", ""));
    pay("P1");
    wait_for_hooks(3);
    end();
}
END_TEST

START_TEST(money__goes_back_once)
{
    begin();
    assert_call(404, "POST", "/payments/P1/cancel", NULL, "{\"reason\":\"r\"}");
    confirmation("P1", "5000", "ok", "");
    assert_call(409, "POST", "/payments/P1/cancel", NULL, "{\"reason\":\"r\"}");
    assert_body("PAYMENT_NOT_PAID");
    pay("P1");
    assert_call(400, "POST", "/payments/P1/cancel", NULL, "{}");
    assert_call(400, "POST", "/payments/P1/cancel", NULL, "{\"reason\":\"r\",\"amount\":0}");
    assert_call(400, "POST", "/payments/P1/cancel", NULL, "{\"reason\":\"r\",\"amount\":-1}");
    assert_call(409, "POST", "/payments/P1/cancel", NULL, "{\"reason\":\"r\",\"amount\":5001}");
    assert_body("CANCEL_AMOUNT_EXCEEDS_CANCELLABLE_AMOUNT");
    assert_call(409, "POST", "/payments/P1/cancel", NULL,
                "{\"reason\":\"r\",\"currentCancellableAmount\":4999}");
    assert_body("CANCELLABLE_AMOUNT_CONSISTENCY_BROKEN");
    assert_call(200, "POST", "/payments/P1/cancel", KEY, "{\"reason\":\"r\",\"amount\":1000}");
    assert_body("\"cancellation\":{\"status\":\"SUCCEEDED\"");
    assert_call(200, "POST", "/payments/P1/cancel", KEY, "{\"reason\":\"r\",\"amount\":1000}");
    assert_call(200, "GET", "/payments/P1", NULL, NULL);
    assert_body("\"status\":\"PARTIAL_CANCELLED\"");
    assert_body("\"cancelled\":1000");
    assert_call(200, "POST", "/payments/P1/cancel", NULL,
                "{\"reason\":\"r\",\"currentCancellableAmount\":4000}");
    assert_call(409, "POST", "/payments/P1/cancel", NULL, "{\"reason\":\"r\"}");
    assert_body("PAYMENT_ALREADY_CANCELLED");
    assert_call(200, "GET", "/sandbox/book", NULL, NULL);
    assert_body("\"status\":\"CANCELLED\"");
    assert_body("\"totals\":{\"paid\":5000,\"cancelled\":5000}");
    wait_for_hooks(3);
    end();
}
END_TEST

START_TEST(faults__do_what_they_say)
{
    char text[512];
    begin();
    snprintf(text, sizeof text, "%s", confirmation("P1", "5000", "ok", ""));
    fault("{\"operation\":\"confirm\",\"fault\":\"error5xx\"}");
    assert_call(500, "POST", "/payments/P1/confirm", KEY, text);
    assert_call(200, "GET", "/payments/P1", NULL, NULL);
    assert_body("\"status\":\"READY\"");
    fault("{\"operation\":\"confirm\",\"fault\":\"timeoutAfterEffect\"}");
    assert_call(0, "POST", "/payments/P1/confirm", KEY, text);
    assert_call(200, "GET", "/payments/P1", NULL, NULL);
    assert_body("\"status\":\"PAID\"");
    assert_call(200, "POST", "/payments/P1/confirm", KEY, text);
    fault("{\"operation\":\"confirm\",\"fault\":\"latePaid\",\"delayMs\":400}");
    assert_call(0, "POST", "/payments/P2/confirm", NULL, confirmation("P2", "5000", "ok", ""));
    assert_call(200, "GET", "/payments/P2", NULL, NULL);
    assert_body("\"status\":\"PAY_PENDING\"");
    wait_for_hooks(2);
    assert_call(200, "GET", "/payments/P2", NULL, NULL);
    assert_body("\"status\":\"PAID\"");
    fault("{\"operation\":\"get\",\"fault\":\"error5xx\",\"probability\":1}");
    assert_call(500, "GET", "/payments/P2", NULL, NULL);
    assert_call(500, "GET", "/payments/P2", NULL, NULL);
    assert_call(204, "DELETE", "/sandbox/faults", NULL, NULL);
    assert_call(200, "GET", "/payments/P2", NULL, NULL);
    assert_call(400, "POST", "/sandbox/faults", NULL,
                "{\"operation\":\"get\",\"fault\":\"decline\"}");
    assert_call(400, "POST", "/sandbox/faults", NULL,
                "{\"operation\":\"get\",\"fault\":\"delay\",\"probability\":2}");
    end();
}
END_TEST

START_TEST(webhooks__are_lost_doubled_reordered_and_sent_again)
{
    begin();
    fault("{\"operation\":\"webhook\",\"fault\":\"lost\"}");
    pay("LOST");
    fault("{\"operation\":\"webhook\",\"fault\":\"double\"}");
    pay("TWICE");
    wait_for_hooks(2);
    ck_assert_str_eq(inbox.hooks[0].id, inbox.hooks[1].id);
    ck_assert_ptr_nonnull(strstr(inbox.hooks[0].body, "TWICE"));
    fault("{\"operation\":\"webhook\",\"fault\":\"reorder\"}");
    pay("FIRST");
    pay("SECOND");
    wait_for_hooks(4);
    ck_assert_ptr_nonnull(strstr(inbox.hooks[2].body, "SECOND"));
    ck_assert_ptr_nonnull(strstr(inbox.hooks[3].body, "FIRST"));
    inbox.refuse = 2;
    pay("AGAIN");
    wait_for_hooks(7);
    ck_assert_str_eq(inbox.hooks[4].id, inbox.hooks[6].id);
    end();
}
END_TEST

START_TEST(the_book__survives_a_kill)
{
    begin();
    pay("P1");
    wait_for_hooks(1);
    stop_program(SIGKILL, -SIGKILL);
    start_program();
    assert_call(200, "GET", "/payments/P1", NULL, NULL);
    assert_body("\"status\":\"PAID\"");
    assert_call(409, "POST", "/payments/P1/pre-register", NULL, REGISTER);
    end();
}
END_TEST

UNIT_MAIN("sandbox", a_payment__is_made_told_and_booked, what_is_wrong__has_the_providers_type,
          keys__are_quoted_and_give_one_effect, a_running_key__is_outstanding,
          a_declined_card__may_be_replaced, money__goes_back_once, faults__do_what_they_say,
          webhooks__are_lost_doubled_reordered_and_sent_again, the_book__survives_a_kill)
