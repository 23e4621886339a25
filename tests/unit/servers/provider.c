/* SPDX-License-Identifier: MIT */
/*
 * The sandbox as a program. See the header.
 *
 * Everything waits for at most some seconds, so that what does not come fails a test.
 */
#include "provider.h"

#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/webhook.h"
#include "lib/folder.h"

#define WEBHOOK_SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

extern char **environ;

struct provider provider;
static struct tq_error err = TQ_ERROR_INIT;
static char folder[FOLDER_SIZE];
static pid_t process;

/* ---- the receiver of webhooks ---- */

static struct {
    pthread_mutex_t lock;
    size_t count;
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
    struct provider_hook *hook = &provider.hooks[inbox.count++ % PROVIDER_HOOKS_MAX];
    provider.forged += !is_genuine;
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

void provider_refuse_hooks(unsigned count)
{
    pthread_mutex_lock(&inbox.lock);
    inbox.refuse = count;
    pthread_mutex_unlock(&inbox.lock);
}

void provider_wait_for_hooks(size_t count)
{
    for (int i = 0; i < 60000 && hooks() < count; i++) {
        usleep(1000);
    }
    ck_assert_uint_eq(hooks(), count);
    ck_assert_uint_eq(provider.forged, 0);
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
    snprintf(provider.url, sizeof provider.url, "http://%.*s", (int)strcspn(at, "\""), at);
    return 1;
}

void provider_start(void)
{
    char data[128], secret[128], webhook[128], ready[128], url[64];
    char *program = getenv("TICKETQ_SANDBOX");
    ck_assert_msg(program != NULL, "TICKETQ_SANDBOX is not set");
    snprintf(data, sizeof data, "%s/book.db", folder);
    snprintf(ready, sizeof ready, "%s/ready", folder);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/hook", provider.rig.port);
    write_file("secret", PROVIDER_SECRET "\n", secret, sizeof secret);
    write_file("webhook", WEBHOOK_SECRET "\n", webhook, sizeof webhook);
    unlink(ready);
    char *words[] = {
        program, "--listen",      "127.0.0.1:0", "--data",           data,    "--secret",
        secret,  "--webhook-url", url,           "--webhook-secret", webhook, "--webhook-retry-ms",
        "20",    "--ready-file",  ready,         "--log-level",      "2",     NULL};
    ck_assert_int_eq(posix_spawn(&process, program, NULL, NULL, words, environ), 0);
    for (int i = 0; i < 60000 && !read_ready(ready); i++) {
        usleep(1000);
    }
    ck_assert_str_ne(provider.url, "");
}

void provider_stop(int signal_number, int expected)
{
    int status;
    kill(process, signal_number);
    ck_assert_int_eq(waitpid(process, &status, 0), process);
    ck_assert_int_eq(WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), expected);
    provider.url[0] = '\0';
}

void provider_open(void)
{
    folder_make(folder);
    inbox.count = provider.forged = inbox.refuse = 0;
    rig_open(&provider.rig, routes, 1, NULL, NULL);
    assert_status(http_client_new(&provider.rig.env, &provider.client, &err), TQ_OK);
    provider_start();
}

void provider_close(void)
{
    http_client_free(provider.client); /* a server that drains waits for open connections */
    provider_stop(SIGTERM, 0);
    rig_close(&provider.rig);
    folder_remove(folder);
}

/* ---- calls ---- */

unsigned provider_call(const char *method, const char *path, const char *key, const char *text)
{
    char url[256], field[512];
    const char *headers[] = {"Authorization: PortOne " PROVIDER_SECRET, key ? field : NULL, NULL};
    struct http_answer answer = HTTP_ANSWER(&provider.rig.env);
    snprintf(url, sizeof url, "%s%s", provider.url, path);
    snprintf(field, sizeof field, "Idempotency-Key: %s", key ? key : "");
    const struct http_call own = {.method = method,
                                  .url = url,
                                  .headers = headers,
                                  .body = text,
                                  .body_bytes = text ? strlen(text) : 0,
                                  .timeout_ms = 60000};
    int rc = http_client_call(provider.client, &own, &answer, &err);
    ck_assert_msg(rc == TQ_OK || rc == TQ_E_UNKNOWN, "%s: %s", path, err.message);
    snprintf(provider.body, sizeof provider.body, "%s", answer.body.data ? answer.body.data : "");
    unsigned status = rc == TQ_OK ? answer.status : 0;
    http_answer_done(&answer);
    return status;
}

const char *provider_confirmation(const char *payment, const char *total, const char *card,
                                  const char *more)
{
    static char text[512];
    char ask[256], token[TQ_ID_SIZE];
    snprintf(ask, sizeof ask,
             "{\"paymentId\":\"%s\",\"totalAmount\":%s,\"currency\":\"KRW\",\"card\":\"%s\"}",
             payment, total, card);
    assert_call(201, "POST", "/sandbox/tokens", NULL, ask);
    const char *at = strstr(provider.body, "tok_");
    ck_assert_ptr_nonnull(at);
    snprintf(token, sizeof token, "%.*s", (int)strcspn(at, "\""), at);
    snprintf(text, sizeof text, "{\"paymentToken\":\"%s\"%s}", token, more);
    return text;
}

void provider_fault(const char *text)
{
    assert_call(201, "POST", "/sandbox/faults", NULL, text);
}

void provider_pay(const char *payment)
{
    char path[128];
    snprintf(path, sizeof path, "/payments/%s/confirm", payment);
    assert_call(200, "POST", path, NULL, provider_confirmation(payment, "5000", "ok", ""));
}
