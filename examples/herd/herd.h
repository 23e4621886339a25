/* SPDX-License-Identifier: MIT */
/*
 * The crowd: what its parts share. How they fit together: README.md.
 */
#ifndef HERD_HERD_H
#define HERD_HERD_H

#include <cjson/cJSON.h>

#include <ticketq/ticketq.h>

#include "chance.h"
#include "histogram.h"
#include "http.h"
#include "scenario.h"
#include "seats.h"

/* Requests, by what they ask for; the rows of the summary. */
enum request {
    ASK_SIGN_UP,
    ASK_LOGIN,
    ASK_ENTER,
    ASK_STATUS,
    ASK_LEAVE,
    ASK_LAYOUT,
    ASK_MAP,
    ASK_HOLD,
    ASK_RELEASE,
    ASK_PAYMENT,
    ASK_CARD,
    ASK_CONFIRM,
    ASK_RESULT,
    REQUESTS_COUNT
};

/* How a visit ended. */
enum outcome {
    UNFINISHED,
    BOUGHT,
    DECLINED,
    ABANDONED,
    RELEASED,
    SOLD_OUT,
    BEATEN,
    LEFT_LINE,
    NO_SHOW,
    TURNED_AWAY,
    FAILED,
    OUTCOMES_COUNT
};

/* What must never happen. */
enum violation {
    PLACE_MOVED_BACK,
    PASS_NOT_HONOURED,
    SEAT_SOLD_TWICE,
    SEAT_HELD_TWICE,
    TAKEN_SEAT_SHOWN_FREE,
    WRONG_AMOUNT,
    TOLD_WRONG_WAIT,
    PAYMENT_LOST,
    UNEXPECTED_ANSWER,
    VIOLATIONS_COUNT
};

enum visitor_flag {
    IS_BOT = 1,
    IS_REFRESHER = 2,
    IS_LEAVER = 4,
    IS_NO_SHOW = 8,
    SIGNS_UP = 16,
    DECLINES = 32,
    ABANDONS = 64,
    RELEASES = 128,
};

#define PARTY_MAX SCENARIO_PARTY_MAX

struct visitor;
typedef void answer_fn(struct visitor *visitor, const struct http_answer *answer,
                       const cJSON *body);

struct visitor {
    struct http_call call; /* first: what comes back is the visitor */
    struct herd *herd;
    struct http_host *host;
    struct chance chance;
    uint32_t number;
    uint32_t flags;
    enum request asked;
    enum outcome outcome;
    uint32_t attempt;                      /* failed tries of this request */
    uint32_t key;                          /* counts idempotency keys */
    int64_t due_us;                        /* when the next thing happens; 0: at once */
    size_t timer;                          /* position among the timers + 1; 0: none */
    int64_t begun_us;                      /* the intended start of the request */
    int64_t enter_us;                      /* of the visit */
    int64_t inside_us;                     /* let in */
    void (*next)(struct visitor *visitor); /* what is due */
    answer_fn *answered;                   /* who gets the answer */

    char user[48];
    char *access;
    char *place;
    char *pass;
    int64_t pass_expires_ms;
    int64_t sequence;
    int64_t ahead;
    uint64_t unrest;     /* as it was when the place was last told */
    int has_shown_place; /* the last request had the place token with it */
    int64_t leave_us;
    int64_t told_us; /* when told to wait */
    int64_t give_up_us;
    int64_t linger_until_us;

    int is_paying; /* a confirmation is under way */
    uint32_t wanted;
    uint32_t seats[PARTY_MAX];
    size_t seats_count;
    char reservation[TQ_ID_SIZE];
    char payment[TQ_ID_SIZE];
    char card[128];
    int64_t amount;
};

struct herd {
    struct scenario scenario;
    uint64_t seed;
    char run[20]; /* in every name and key, so that runs do not meet */
    const char *schedule;
    tq_keys *keys;
    struct http_client client;
    struct http_host *shop;
    struct http_host *sandbox;
    char currency[8];
    int64_t opens_ms;
    int64_t begin_us;
    int64_t end_us;
    int64_t last_done_us;

    struct visitor *visitors;
    size_t count;
    size_t arrived;
    size_t done;
    struct visitor **timers; /* a heap, the earliest first */
    size_t timers_count;
    struct seats seats;
    uint64_t person_limit;

    /* Counted for the report. */
    struct histogram latencies[REQUESTS_COUNT];
    struct histogram lag;      /* due to sent: waiting for a connection, or for us */
    struct histogram in_line;  /* entering to being let in */
    struct histogram purchase; /* let in to confirmed */
    uint64_t outcomes[OUTCOMES_COUNT];
    uint64_t violations[VIOLATIONS_COUNT];
    char examples[VIOLATIONS_COUNT][200];
    uint64_t taken;     /* holds that came too late */
    uint64_t too_early; /* polls refused */
    uint64_t shed;      /* 503 and 429 with a time to come back */
    uint64_t reentered; /* places brought back */
    uint64_t seats_bought;
    int64_t money;
};

/* herd.c: the loop. Each gives 0, or -1 with a line on stderr: it could not run. */
int herd_open(struct herd *herd, const char *shop, const char *sandbox, size_t connections);
int herd_run(struct herd *herd, int64_t limit_ms);
void herd_free(struct herd *herd);
int64_t herd_now_ms(void);              /* wall clock */
int64_t herd_time_of(const char *text); /* RFC 3339 in UTC to epoch milliseconds; 0: malformed */
void herd_violation(struct herd *herd, enum violation what, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* crowd.c: who comes when, and what is due */
int crowd_make(struct herd *herd);
void crowd_at(struct visitor *visitor, int64_t due_us, void (*next)(struct visitor *));
void crowd_after(struct visitor *visitor, int64_t wait_ms, void (*next)(struct visitor *));
/* Does what is due and returns the time of the next thing, INT64_MAX when there is none. */
int64_t crowd_step(struct herd *herd, int64_t now_us);
void crowd_done(struct visitor *visitor, enum outcome outcome);

/* ask.c: requests */
/*
 * Asks now. A lost reply, 429 and 503 are asked again by themselves with the
 * same bytes; every other answer comes to `answered`.
 */
struct ask {
    enum request request;
    const char *method;
    const char *path;
    char *body;       /* taken; NULL: none */
    int is_keyed;     /* with an Idempotency-Key */
    const char *etag; /* If-None-Match */
    answer_fn *answered;
};
void ask(struct visitor *visitor, const struct ask *what);
char *ask_text(const char *format, ...) __attribute__((format(printf, 1, 2)));
const char *ask_string(const cJSON *body, const char *name); /* "" when it is not there */
int64_t ask_number(const cJSON *body, const char *name);     /* -1 when it is not there */
void ask_unexpected(struct visitor *visitor, const struct http_answer *answer);

/* line.c: until let in */
void line_begin(struct visitor *visitor);
void line_leave(struct visitor *visitor, enum outcome outcome);

/* shop.c: seats and hold */
void shop_begin(struct visitor *visitor);
void shop_look(struct visitor *visitor);
int shop_pass_refused(struct visitor *visitor, const struct http_answer *answer, const char *code);
void shop_forget_hold(struct visitor *visitor);

/* till.c: payment */
void till_begin(struct visitor *visitor);

/* report.c */
int report_has_terminal(void);
void report_progress(const struct herd *herd);
void report_progress_end(void);
void report_table(const struct herd *herd);
int report_json(const struct herd *herd, const char *path);
int report_is_clean(const struct herd *herd);

#endif
