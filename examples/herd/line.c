/* SPDX-License-Identifier: MIT */
/*
 * A visitor in the line: signing up (few), entering, polling, being let in.
 *
 *     sign up -> log in -> enter -> status ... -> shop
 *                            \-> no-show (never heard of again)
 *                                      \-> leave (leavers, when they have had enough)
 *
 * Polls come when the service said, a little later by chance; bots do not care.
 * A refresher now and then enters again instead, with or without his place
 * token. Who is not known any more (the service lost its memory) enters again
 * with the token and must get the same number back.
 *
 * Checked: the number never changes and the count of people ahead never grows.
 * After a break the line is put together again: then only the number of those
 * who show their place token counts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "herd.h"

#define REFRESH_SHARE 0.3
#define TOKEN_MINUTES 60

static void enter(struct visitor *visitor);
static void poll_due(struct visitor *visitor);

/* Grows when the service may have been killed, and while the line is put together again. */
static uint64_t unrest(const struct herd *herd)
{
    return herd->client.totals.breaks + herd->reentered;
}

static void check_place(struct visitor *visitor, int64_t sequence, int64_t ahead)
{
    int is_calm = visitor->unrest == unrest(visitor->herd);
    if (!visitor->sequence) {
        return;
    }
    if (sequence != visitor->sequence && (visitor->has_shown_place || is_calm)) {
        herd_violation(visitor->herd, PLACE_MOVED_BACK, "visitor %u had number %lld, now %lld",
                       visitor->number, (long long)visitor->sequence, (long long)sequence);
    }
    if (sequence == visitor->sequence && ahead > visitor->ahead && is_calm) {
        herd_violation(visitor->herd, PLACE_MOVED_BACK,
                       "visitor %u, number %lld: %lld people ahead, then %lld", visitor->number,
                       (long long)sequence, (long long)visitor->ahead, (long long)ahead);
    }
}

static void keep(char **kept, const char *text)
{
    if (*text) {
        free(*kept);
        *kept = ask_text("%s", text);
    }
}

static void let_in(struct visitor *visitor, const cJSON *body)
{
    struct herd *herd = visitor->herd;
    keep(&visitor->pass, ask_string(body, "queueToken"));
    visitor->pass_expires_ms = herd_time_of(ask_string(body, "queueTokenExpiresAt"));
    visitor->inside_us = clock_us();
    histogram_add(&herd->in_line, visitor->inside_us - visitor->enter_us);
    shop_begin(visitor);
}

static void wait_in_line(struct visitor *visitor, const cJSON *body)
{
    int64_t wait_ms = ask_number(body, "pollAfterMs");
    if (visitor->flags & IS_BOT) {
        wait_ms = visitor->herd->scenario.bot_poll_ms;
    } else {
        wait_ms += chance_between(&visitor->chance, 0, wait_ms / 10);
    }
    visitor->told_us = clock_us();
    int64_t due_us = visitor->told_us + wait_ms * 1000;
    if ((visitor->flags & IS_LEAVER) && visitor->leave_us < due_us) {
        due_us = visitor->leave_us > visitor->told_us ? visitor->leave_us : visitor->told_us;
    }
    crowd_at(visitor, due_us, poll_due);
}

static void told_place(struct visitor *visitor, const cJSON *body)
{
    int64_t sequence = ask_number(body, "sequence"), ahead = ask_number(body, "ahead");
    const char *status = ask_string(body, "status");
    check_place(visitor, sequence, ahead);
    visitor->sequence = sequence;
    visitor->ahead = ahead;
    visitor->unrest = unrest(visitor->herd);
    keep(&visitor->place, ask_string(body, "placeToken"));
    if (visitor->flags & IS_NO_SHOW) {
        crowd_done(visitor, NO_SHOW);
    } else if (strcmp(status, "ADMITTED") == 0) {
        let_in(visitor, body);
    } else {
        wait_in_line(visitor, body);
    }
}

/* Bots go on as they did; everybody else did as he was told and must not be refused. */
static void refused_poll(struct visitor *visitor, const struct http_answer *answer)
{
    struct herd *herd = visitor->herd;
    int64_t wait_ms = answer->retry_after_ms > 0 ? answer->retry_after_ms : 1000;
    if (visitor->flags & IS_BOT) {
        wait_ms = herd->scenario.bot_poll_ms;
    } else if (visitor->unrest == unrest(herd)) {
        herd_violation(herd, TOLD_WRONG_WAIT, "visitor %u polled as told and was refused",
                       visitor->number);
    }
    crowd_after(visitor, wait_ms, poll_due);
}

static void answered_place(struct visitor *visitor, const struct http_answer *answer,
                           const cJSON *body)
{
    const char *code = ask_string(body, "code");
    if (answer->status == 200 && ask_number(body, "sequence") > 0) {
        told_place(visitor, body);
    } else if (answer->status == 429) {
        refused_poll(visitor, answer);
    } else if (strcmp(code, "NOT_IN_QUEUE") == 0) {
        visitor->herd->reentered++;
        enter(visitor);
    } else if (strcmp(code, "QUEUE_CLOSED") == 0) {
        crowd_done(visitor, TURNED_AWAY);
    } else {
        ask_unexpected(visitor, answer);
    }
}

static void enter_with(struct visitor *visitor, const char *place)
{
    const char *schedule = visitor->herd->schedule;
    visitor->has_shown_place = place != NULL;
    ask(visitor,
        &(struct ask){.request = ASK_ENTER,
                      .method = "POST",
                      .path = "/v1/queue/enter",
                      .body = place ? ask_text("{\"scheduleId\":\"%s\",\"placeToken\":\"%s\"}",
                                               schedule, place)
                                    : ask_text("{\"scheduleId\":\"%s\"}", schedule),
                      .answered = answered_place});
}

static void enter(struct visitor *visitor)
{
    enter_with(visitor, visitor->place);
}

static void poll_due(struct visitor *visitor)
{
    char path[160];
    if ((visitor->flags & IS_LEAVER) && clock_us() >= visitor->leave_us) {
        line_leave(visitor, LEFT_LINE);
        return;
    }
    if ((visitor->flags & IS_REFRESHER) && chance_is(&visitor->chance, REFRESH_SHARE)) {
        enter_with(visitor, chance_is(&visitor->chance, 0.5) ? visitor->place : NULL);
        return;
    }
    visitor->has_shown_place = 1;
    snprintf(path, sizeof path, "/v1/queue/status?scheduleId=%s", visitor->herd->schedule);
    ask(visitor,
        &(struct ask){
            .request = ASK_STATUS, .method = "GET", .path = path, .answered = answered_place});
}

static void answered_leave(struct visitor *visitor, const struct http_answer *answer,
                           const cJSON *body)
{
    (void)body;
    if (answer->status == 204 || answer->status == 404) {
        crowd_done(visitor, visitor->outcome);
    } else {
        ask_unexpected(visitor, answer);
    }
}

void line_leave(struct visitor *visitor, enum outcome outcome)
{
    visitor->outcome = outcome;
    ask(visitor, &(struct ask){.request = ASK_LEAVE,
                               .method = "POST",
                               .path = "/v1/queue/leave",
                               .body = ask_text("{\"scheduleId\":\"%s\"}", visitor->herd->schedule),
                               .answered = answered_leave});
}

static void answered_login(struct visitor *visitor, const struct http_answer *answer,
                           const cJSON *body)
{
    keep(&visitor->access, ask_string(body, "accessToken"));
    if (answer->status == 200 && visitor->access) {
        enter(visitor);
    } else {
        ask_unexpected(visitor, answer);
    }
}

static void answered_sign_up(struct visitor *visitor, const struct http_answer *answer,
                             const cJSON *body)
{
    (void)body;
    /* A conflict: the first reply was lost. */
    if (answer->status != 201 && answer->status != 409) {
        ask_unexpected(visitor, answer);
        return;
    }
    ask(visitor, &(struct ask){.request = ASK_LOGIN,
                               .method = "POST",
                               .path = "/v1/auth/login",
                               .body = ask_text("{\"email\":\"%s@herd.example\","
                                                "\"password\":\"correct horse %s\"}",
                                                visitor->user, visitor->user),
                               .answered = answered_login});
}

static void sign_up(struct visitor *visitor)
{
    ask(visitor, &(struct ask){.request = ASK_SIGN_UP,
                               .method = "POST",
                               .path = "/v1/auth/signup",
                               .body = ask_text("{\"email\":\"%s@herd.example\",\"password\":"
                                                "\"correct horse %s\",\"name\":\"Visitor %u\"}",
                                                visitor->user, visitor->user, visitor->number),
                               .answered = answered_sign_up});
}

/* Signed in beforehand, with the key ring of the test. */
static void sign_in(struct visitor *visitor)
{
    struct tq_claims claims = TQ_INIT(tq_claims);
    struct tq_error err = TQ_ERROR_INIT;
    char token[TQ_TOKEN_SIZE];
    snprintf(claims.subject, sizeof claims.subject, "%s", visitor->user);
    snprintf(claims.audience, sizeof claims.audience, "ticketq");
    claims.expires_ms = herd_now_ms() + TOKEN_MINUTES * 60000;
    if (tq_token_sign(visitor->herd->keys, TQ_PURPOSE_ACCESS, &claims, token, &err) != TQ_OK) {
        fprintf(stderr, "herd: %s\n", err.message);
        exit(2);
    }
    keep(&visitor->access, token);
}

void line_begin(struct visitor *visitor)
{
    visitor->herd->arrived++;
    visitor->enter_us = visitor->due_us;
    if (visitor->flags & SIGNS_UP) {
        sign_up(visitor);
        return;
    }
    sign_in(visitor);
    enter(visitor);
}
