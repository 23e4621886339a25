/* SPDX-License-Identifier: MIT */
/*
 * The sandbox as a program, its callers, and somebody who receives its webhooks.
 *
 * The program's path comes in TICKETQ_SANDBOX. One at a time.
 */
#ifndef TESTS_UNIT_SERVERS_PROVIDER_H
#define TESTS_UNIT_SERVERS_PROVIDER_H

#include "http/client.h"
#include "lib/unit.h"
#include "rig.h"

#define PROVIDER_SECRET "api-secret-of-the-test"
#define PROVIDER_HOOKS_MAX 64

struct provider_hook {
    char id[TQ_ID_SIZE];
    char body[512];
};

struct provider {
    char url[128];    /* of the program; "" while it does not run */
    char body[65536]; /* of the last answer */
    http_client *client;
    struct rig rig; /* receives webhooks at /hook */
    struct provider_hook hooks[PROVIDER_HOOKS_MAX];
    size_t forged; /* webhooks with a bad signature */
};

extern struct provider provider;

void provider_open(void);
void provider_close(void);
/* The program ends by a signal, with this status (-signal: killed); it can be started again. */
void provider_stop(int signal_number, int expected);
void provider_start(void);

/* The status, 0 when the answer is lost; the answer is in provider.body. `key` may be NULL. */
unsigned provider_call(const char *method, const char *path, const char *key, const char *text);
/* Waits for so many webhooks since the start, all of them genuine. */
void provider_wait_for_hooks(size_t count);
/* So many webhooks are answered 500. */
void provider_refuse_hooks(unsigned count);
/* A body that confirms a payment: a token for it, with `more` members behind. Overwritten by the
   next. */
const char *provider_confirmation(const char *payment, const char *total, const char *card,
                                  const char *more);
/* Order a fault: its JSON. */
void provider_fault(const char *text);
/* A payment of 5000 that is made. */
void provider_pay(const char *payment);

#define assert_call(expected, ...)                                                                 \
    do {                                                                                           \
        unsigned call_status = provider_call(__VA_ARGS__);                                         \
        ck_assert_msg(call_status == (expected), "%u: %s", call_status, provider.body);            \
    } while (0)
#define assert_body(part)                                                                          \
    ck_assert_msg(strstr(provider.body, part), "%s is not in %s", part, provider.body)

/* Idempotency keys, quoted as they are sent. */
#define PROVIDER_KEY "\"key-0123456789abcdef\""
#define PROVIDER_KEY_OTHER "\"key-0123456789abcdeg\""
#define PROVIDER_REGISTER "{\"totalAmount\":5000,\"currency\":\"KRW\"}"

#endif
