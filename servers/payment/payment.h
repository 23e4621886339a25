/* SPDX-License-Identifier: MIT */
/*
 * What the files of the payment service share.
 *
 *     routes.c    HTTP in and out
 *     payment.c   what buyers do: begin, confirm, look
 *     charge.c    the saga: what each event means in each phase
 *     steps.c     what its steps do
 *     calls.c     the work list of calls to the provider, and who works it off
 *     recheck.c   payments that have ended are asked for again
 *     portone.c   those calls: PortOne's API V2
 *     webhook.c   what the provider tells by itself
 *     inbox.c     events of other services
 *     rows.c      the rows
 *     service.c   opening, workers, closing
 */
#ifndef TQ_PAYMENT_H
#define TQ_PAYMENT_H

#include <ticketq/outbox.h>
#include <ticketq/saga.h>

#include "app/app.h"
#include "app/idempotency.h"
#include "app/page.h"
#include "app/webhook.h"

#define PAYMENT_TOPIC "payment.events"
#define PAYMENT_ID_CHARACTERS 26 /* some providers take no hyphens, some cut at 40 */
#define PAYMENT_WORD_SIZE 32     /* phase, failure */
#define PAYMENT_TOKEN_SIZE 513
#define PAYMENT_TRACE_SIZE 64
#define PAYMENT_CURRENCY_SIZE 4
#define PORTONE_STORE_SIZE 64
#define PAYMENT_CALLERS 12
#define PAYMENT_KEYS_MAX 4

/* How to reach the provider. */
struct portone {
    http_client *client;
    const struct tq_env *env;
    const char *url;
    char *authorization; /* the header field */
    const char *channel; /* the type that counts as money: "LIVE"; "" for any */
    const char *store;   /* whose payments are ours; "" for any */
    unsigned timeout_ms;
};

struct payments {
    struct app *app;
    struct tq_env env;
    tq_store *ledger;
    tq_sagas *charges;
    tq_inbox *inbox;
    tq_relay *relay;
    struct portone portone;
    struct app_webhook_key keys[PAYMENT_KEYS_MAX];
    size_t keys_count;
    struct app_worker *callers[PAYMENT_CALLERS];
    uint32_t next_caller; /* atomic: who is woken next */
    int64_t recheck_ms;   /* the first distance; recheck.c has the others */
};

/* A row. */
struct payment {
    char id[TQ_ID_SIZE];
    char reservation[TQ_ID_SIZE];
    char user[TQ_ID_SIZE];
    char phase[PAYMENT_WORD_SIZE]; /* the state of its saga */
    char currency[PAYMENT_CURRENCY_SIZE];
    char token[PAYMENT_TOKEN_SIZE]; /* "": none; so are the two below */
    char failure[PAYMENT_WORD_SIZE];
    char trace[PAYMENT_TRACE_SIZE];
    int64_t amount;
    int64_t paid;
    int64_t cancelled;
    int64_t created_ms;
    int64_t recheck_ms; /* written only: when it is asked for again, 0: never */
};

/* What an event brings to a charge. */
struct charge_input {
    const char *token;  /* ConfirmAsked */
    const char *reason; /* why it failed */
    int64_t paid;       /* what the provider's book says */
    int64_t cancelled;
    struct payment *row; /* as it was read in this transaction; ConfirmAsked writes what it
                            becomes. NULL: it is read */
};

/* ---- rows.c ---- */

/* Make the tables, or bring them up to date. TQ_OK; TQ_REPEAT: they were. */
int payment_rows_prepare(tq_store *ledger, struct tq_error *err);
/* TQ_OK or TQ_GONE. */
int payment_row_get(tq_tx *tx, const char *id, struct payment *out, struct tq_error *err);
int payment_row_of_reservation(tq_tx *tx, const char *reservation, struct payment *out,
                               struct tq_error *err);
/* TQ_OK; TQ_REPEAT: the reservation has a payment already. */
int payment_row_add(tq_tx *tx, const struct payment *row, struct tq_error *err);
/* Write the row, if it is still in phase `from`. TQ_OK or TQ_STALE. */
int payment_row_move(tq_tx *tx, const char *from, const struct payment *row, struct tq_error *err);
/* The row as its owner sees it. */
void payment_row_put(struct tq__buf *json, const struct payment *row);
/* Those of a user, newest first. */
extern const struct app_page payment_page;

/* ---- charge.c ---- */

extern const struct tq_saga_type charge_type;

/* Bring an event to a payment, in the caller's transaction. As tq_saga_apply(). */
int charge_apply(tq_tx *tx, struct payments *service, const char *id, const char *event,
                 const struct charge_input *input, struct tq_error *err);

/* ---- calls.c ---- */

/* Ask for a call, in the caller's transaction; it takes the place of another operation. */
int call_put(tq_tx *tx, const char *payment, const char *operation, struct tq_error *err);
/* The same unless a call waits or is under way, which then is made once more; only a PRE_REGISTER,
   which brings nothing to light, gives way. */
int call_nudge(tq_tx *tx, const char *payment, const char *operation, struct tq_error *err);
/* Nudge an ASK of money that we were told of: it goes on for a while until the book shows it. */
int call_await(tq_tx *tx, const char *payment, struct tq_error *err);
/* Whoever had taken a call is no more: all are due. */
int calls_restore(struct payments *service, struct tq_error *err);
/* Worker: make one call and bring its outcome to the saga. */
int calls_step(void *service, struct tq_error *err);
/* Wake somebody to make a call. */
void calls_wake(struct payments *service);

/* ---- recheck.c ---- */

/* When a payment that ended at `end_ms` is asked for next; 0: not any more, or it has not ended. */
int64_t recheck_next_ms(const struct payments *service, const char *phase, int64_t end_ms,
                        int64_t now_ms);
/* Ask for the calls of a few that are due. TQ_EMPTY: none is, or enough are under way. */
int rechecks_put(struct payments *service, struct tq_error *err);

/* ---- portone.c ---- */

/* What is known after a call. */
enum portone_outcome {
    PORTONE_DONE = 1,  /* the provider did it */
    PORTONE_NO = 2,    /* it refused this request, in words that are documented */
    PORTONE_UNSURE = 3 /* nobody knows: ask */
};

enum portone_status {
    PORTONE_OPEN = 0,
    PORTONE_PAID = 1,
    PORTONE_FAILED = 2,
    PORTONE_CANCELLED = 3
};

/* The provider's book of a payment. What follows the status is zero until there was money. */
struct portone_book {
    enum portone_status status; /* PORTONE_OPEN: neither paid nor failed (yet) */
    int64_t total;
    int64_t discount; /* what others pay of it: the card company, the provider */
    int64_t paid;
    int64_t cancelled;
    char currency[PAYMENT_CURRENCY_SIZE];
    char channel[16]; /* "LIVE", "TEST" */
    char store[PORTONE_STORE_SIZE];
    char reason[PAYMENT_WORD_SIZE]; /* why there is none */
};

int portone_open(struct portone *portone, struct app *app, struct tq_error *err);
void portone_close(struct portone *portone);
enum portone_outcome portone_pre_register(struct portone *portone, const struct payment *row);
/* PORTONE_NO: `reason` says why; an earlier request may be under way. After PORTONE_DONE the book
   has the amounts. */
enum portone_outcome portone_confirm(struct portone *portone, const struct payment *row,
                                     char reason[PAYMENT_WORD_SIZE]);
/* PORTONE_NO: the provider does not know this payment. PORTONE_UNSURE: also when what it says
   cannot be read, or contradicts itself. */
enum portone_outcome portone_get(struct portone *portone, const char *id,
                                 struct portone_book *out_book);
enum portone_outcome portone_cancel(struct portone *portone, const struct payment *row);
/* Whether what was paid is what we asked for: amount, currency, channel, store. */
int portone_matches(const struct portone *portone, const struct portone_book *book,
                    const struct payment *row);
/* Whether anything was paid, be it back or not. */
int portone_has_money(const struct portone_book *book);
/* Whether all of it was paid and nothing has gone back. */
int portone_is_whole(const struct portone_book *book);

/* ---- webhook.c ---- */

/* Secrets separated by white space, at most PAYMENT_KEYS_MAX. TQ_OK or TQ_E_INVALID. */
int webhook_keys_read(const char *text, struct app_webhook_key *out_keys, size_t *out_count,
                      struct tq_error *err);
/* Store one that is genuine, and ask for the truth. TQ_OK, TQ_REPEAT, TQ_E_INVALID: unreadable. */
int webhook_take(struct payments *service, const char *id, const char *body, size_t bytes,
                 struct tq_error *err);
/* TQ_EMPTY: none was older. */
int webhooks_clean(tq_store *ledger, int64_t age_ms, size_t limit, struct tq_error *err);

/* ---- payment.c ---- */

/* What a buyer wants of a payment. */
struct payment_wish {
    struct payment row; /* in: user, reservation or id, token, trace; out: the payment */
    struct app_once *once;
    struct tq__buf answer; /* out, with TQ_OK: the stored answer */
};

/*
 * TQ_OK: `answer` is the stored answer. TQ_REPEAT, TQ_REFUSED: of app_once_begin(). TQ_GONE: no
 * such reservation, or payment, of this user. TQ_EXPIRED: the reservation is not open.
 * TQ_CLOSED: the payment is not open.
 */
int payment_begin(struct payments *service, struct payment_wish *wish, struct tq_error *err);
int payment_confirm(struct payments *service, struct payment_wish *wish, struct tq_error *err);
/* TQ_OK; TQ_GONE: no such payment of this user. */
int payment_get(struct payments *service, const char *id, const char *user, struct payment *row,
                struct tq_error *err);
/* Anybody's. TQ_OK or TQ_GONE. */
int payment_of_reservation(struct payments *service, const char *reservation, struct payment *row,
                           struct tq_error *err);

/* ---- inbox.c ---- */

extern const char *const payment_topics[1];
int payment_event(tq_tx *tx, const struct tq_event *event, void *service, struct tq_error *err);
void payment_applied(const struct tq_event *const events[], size_t count, void *service);

#endif
