/* SPDX-License-Identifier: MIT */
/*
 * What the files of the reservation service share.
 *
 *     routes.c       HTTP in and out
 *     reservation.c  hold, extend, cancel, expiry: what buyers and the clock do
 *     operator.c     ends what waits for a payment that nobody knows
 *     purchase.c     the saga: what each event means in each phase
 *     steps.c        what its steps do
 *     reflect.c      what the front is told of it
 *     inbox.c        events of other services
 *     rows.c         the rows
 *     schedules.c    what is on sale: seats, prices, limits
 *     service.c      opening, workers, closing
 */
#ifndef TQ_RESERVATION_H
#define TQ_RESERVATION_H

#include <pthread.h>

#include <ticketq/hold.h>
#include <ticketq/outbox.h>
#include <ticketq/saga.h>

#include "app/app.h"
#include "app/idempotency.h"
#include "app/page.h"
#include "core/map.h"

#define RESERVATION_TOPIC "reservation.events"
#define HOLD_EXPIRED "HOLD_EXPIRED" /* the reason of a reservation whose time ran out */
#define RESERVATION_WORD_SIZE 32    /* status, phase, reason */
#define RESERVATION_TRACE_SIZE 64
#define RESERVATION_CURRENCY_SIZE 4
#define RESERVATION_UNTOLD_MAX 1024

/* What is on sale, in memory. */
struct schedules {
    pthread_rwlock_t lock;
    struct tq__map by_id;     /* schedule; added to, never removed from */
    char loading[TQ_ID_SIZE]; /* of the loader: which one it tried last */
};

/* Reservations of which the front is to be told, and that could not be read so far. */
struct untold {
    pthread_mutex_t lock;
    size_t count;
    char ids[RESERVATION_UNTOLD_MAX][TQ_ID_SIZE];
};

struct reservations {
    struct app *app;
    struct tq_env env;
    tq_store *ledger;
    tq_store *front;
    tq_book *book;
    tq_sagas *purchases;
    tq_inbox *inbox;
    tq_relay *relay;
    struct schedules schedules;
    struct untold untold;
    struct app_worker *loader;
    uint32_t hold_ttl_ms;
};

/* A seat with its price: on sale, or as it was when the seat was held. */
struct priced_seat {
    char id[TQ_ID_SIZE];
    char grade[TQ_ID_SIZE];
    int64_t price;
};

/* A row with its seats. */
struct reservation {
    char id[TQ_ID_SIZE];
    char user[TQ_ID_SIZE];
    char schedule[TQ_ID_SIZE];
    char status[RESERVATION_WORD_SIZE];
    char phase[RESERVATION_WORD_SIZE];     /* the state of its saga */
    char came_from[RESERVATION_WORD_SIZE]; /* the phase before this one */
    char hold_id[TQ_ID_SIZE];
    char currency[RESERVATION_CURRENCY_SIZE];
    char payment[TQ_ID_SIZE]; /* "": none; so are the three below */
    char ticket[RESERVATION_WORD_SIZE];
    char reason[RESERVATION_WORD_SIZE];
    char trace[RESERVATION_TRACE_SIZE];
    uint64_t fence;
    int64_t expires_ms;
    int64_t total;
    int64_t refunded;
    int64_t created_ms;
    size_t seats_count;
    struct priced_seat seats[TQ_HOLD_SEATS_MAX];
};

/* What an event brings to a purchase. */
struct purchase_input {
    const char *payment; /* NULL: none */
    const char *reason;  /* NULL: none */
    int64_t amount;
};

/* ---- rows.c ---- */

/* Read a row. TQ_OK or TQ_GONE. */
int reservation_row_get(tq_tx *tx, const char *id, struct reservation *out, struct tq_error *err);
/* Insert a new row in phase HOLD. */
int reservation_row_add(tq_tx *tx, const struct reservation *row, struct tq_error *err);
/* Move a row to where `to` says, if it is still where `from` says. TQ_OK or TQ_STALE. */
int reservation_row_move(tq_tx *tx, const struct reservation *from, const struct reservation *to,
                         struct tq_error *err);
/* Count a person's seats up, unless that passes the limit: TQ_OK or TQ_FULL; 0 is no limit. */
int reservation_row_person_take(tq_tx *tx, const struct reservation *row, int64_t limit,
                                struct tq_error *err);
int reservation_row_person_give(tq_tx *tx, const struct reservation *row, struct tq_error *err);
/* Write the new expiry of a hold. */
int reservation_row_extended(tq_tx *tx, const struct reservation *row, struct tq_error *err);
/* The reservation of a hold; "" when there is none. */
int reservation_row_of_hold(tq_tx *tx, const char *hold_id, char out_id[TQ_ID_SIZE],
                            struct tq_error *err);
/* The hold of a row; borrows from it. */
struct tq_hold_ref reservation_row_hold(const struct reservation *row);
/* The row as its owner sees it. */
void reservation_row_put(struct tq__buf *json, const struct reservation *row);
/* Those of a user, newest first. */
extern const struct app_page reservation_page;

/* ---- schedules.c ---- */

/* What a hold needs to know of a schedule. */
struct sale {
    char currency[RESERVATION_CURRENCY_SIZE];
    int64_t open_ms;
    int64_t close_ms;
    int64_t person_limit; /* 0: none */
};

int schedules_init(struct reservations *service, struct tq_error *err);
void schedules_done(struct reservations *service);
/* Load what the ledger knows: seats into the book, prices into memory. */
int schedules_restore(struct reservations *service, struct tq_error *err);
/* Note a schedule that was published; a worker fetches its seats. */
int schedules_note(tq_tx *tx, const struct tq_event *event, const tq__json *payload,
                   struct tq_error *err);
/* Worker: fetch the seats of schedules that were noted. */
int schedules_step(void *service, struct tq_error *err);
/* TQ_OK; TQ_GONE: not on sale here. */
int schedules_sale(struct reservations *service, const char *id, struct sale *out_sale);
/* Fill grade and price of seats by their ids. TQ_OK; TQ_GONE: those in the bits are not known. */
int schedules_price(struct reservations *service, const char *id, struct priced_seat *seats,
                    size_t count, uint64_t *out_unknown);

/* ---- purchase.c, steps.c ---- */

extern const struct tq_saga_type purchase_type;

/*
 * Bring an event to a reservation, in the caller's transaction, and tell what follows. TQ_OK or
 * TQ_REPEAT; TQ_REFUSED: it cannot happen now; TQ_GONE: no such reservation (without `input`).
 */
int purchase_apply(tq_tx *tx, struct reservations *service, const char *id, const char *event,
                   const struct purchase_input *input, struct tq_error *err);
/* Tell of a reservation on RESERVATION_TOPIC. `reason` may be NULL. */
int purchase_tell(tq_tx *tx, const char *type, const struct reservation *row, const char *reason,
                  struct tq_error *err);

/* ---- reflect.c ---- */

void purchase_reflect_init(struct reservations *service);
void purchase_reflect_done(struct reservations *service);
/*
 * Tell the front what the ledger now says of reservations. Never fails its caller's work: what
 * cannot be read is told later.
 */
void purchase_reflect(struct reservations *service, const char *const ids[], size_t count);
/* Tell it what could not be read. */
void purchase_reflect_again(struct reservations *service);

/* ---- reservation.c ---- */

/* One wish to hold seats. */
struct hold_wish {
    struct reservation row; /* in: user, schedule, seat ids, trace; out: the reservation */
    struct app_once *once;
    struct sale sale;      /* out */
    uint64_t taken;        /* out, with TQ_TAKEN or TQ_GONE: bit i stands for the i-th seat */
    struct tq__buf answer; /* out, with TQ_OK: the stored answer */
};

/*
 * TQ_OK: held and recorded. TQ_REPEAT, TQ_REFUSED: of app_once_begin(). TQ_TAKEN, TQ_FULL (the
 * person's limit). TQ_GONE: no such schedule, or with `taken`, no such seat. TQ_CLOSED: not the
 * time of the sale. TQ_EXPIRED: the key's hold has ended and its answer is forgotten.
 */
int reservation_hold(struct reservations *service, struct hold_wish *wish, struct tq_error *err);
/*
 * The verbs of an owner. TQ_OK: `row` is as it is now; TQ_REPEAT: was so already. TQ_GONE: not
 * this user's. TQ_REFUSED: not in this phase. TQ_FULL: the maximum of a hold's life is reached.
 * TQ_EXPIRED: too late.
 */
int reservation_extend(struct reservations *service, const char *id, const char *user,
                       struct reservation *row, struct tq_error *err);
int reservation_cancel(struct reservations *service, const char *id, const char *user,
                       struct reservation *row, struct tq_error *err);
/* Any user's when `user` is NULL. TQ_OK or TQ_GONE. */
int reservation_get(struct reservations *service, const char *id, const char *user,
                    struct reservation *row, struct tq_error *err);
/*
 * Worker: end holds whose time ran out, and their reservations with them; tell the front what it
 * could not be told before.
 */
int reservation_sweep(void *service, struct tq_error *err);

/* ---- operator.c ---- */

/* What the payment service says of a reservation's payment. */
struct reservation_payment {
    char id[TQ_ID_SIZE];
    char phase[RESERVATION_WORD_SIZE];
};

/*
 * End a reservation whose payment nobody knows. TQ_OK: its seats are free, `row` is as it is now;
 * TQ_REPEAT: it had ended. TQ_GONE: no such reservation. TQ_REFUSED: it waits for no payment.
 * TQ_TAKEN: the payment service knows its payment, see `out_payment`; nothing changed.
 * TQ_E_UNAVAILABLE: also when that service could not be asked.
 */
int reservation_free(struct reservations *service, const char *id, struct reservation *row,
                     struct reservation_payment *out_payment, struct tq_error *err);

/* ---- inbox.c ---- */

extern const char *const reservation_topics[2];
int reservation_event(tq_tx *tx, const struct tq_event *event, void *service, struct tq_error *err);
void reservation_applied(const struct tq_event *const events[], size_t count, void *service);

#endif
