/* SPDX-License-Identifier: MIT */
/*
 * A visitor at the till: payment, card, confirmation, and waiting for the ticket.
 *
 *     (think) -> payment -> card (the sandbox) -> confirm -> result ... -> leave
 *        \-> abandon: gone without a word; the hold must end by itself
 *        \-> release: gives the seats back
 *                                                      \-> declined: again, or leave
 *
 * A payment that was accepted (202) must come to an end: who still waits when
 * the time limit strikes was forgotten by the service (PAYMENT_LOST). A seat
 * that is confirmed to two visitors is the one thing this is all about.
 */
#include <stdio.h>
#include <string.h>

#include "herd.h"

#define RESULT_FIRST_MS 150
#define RESULT_MAX_MS 1500

static void result(struct visitor *visitor);

static void note_bought(struct visitor *visitor, const cJSON *body)
{
    struct herd *herd = visitor->herd;
    for (size_t i = 0; i < visitor->seats_count; i++) {
        struct seat *seat = &herd->seats.seats[visitor->seats[i]];
        if (seat->buyer && seat->buyer != visitor->number + 1) {
            herd_violation(herd, SEAT_SOLD_TWICE, "seat %s: visitor %u and visitor %u", seat->id,
                           seat->buyer - 1, visitor->number);
        }
        seat->buyer = visitor->number + 1;
        seat->told_us = clock_us();
    }
    if (!*ask_string(body, "ticketNumber")) {
        herd_violation(herd, UNEXPECTED_ANSWER, "visitor %u: confirmed without a ticket",
                       visitor->number);
    }
    herd->seats_bought += visitor->seats_count;
    herd->money += visitor->amount;
    histogram_add(&herd->purchase, clock_us() - visitor->inside_us);
}

/* Declined or too late; some try again, with a card that works. */
static void cancelled(struct visitor *visitor)
{
    shop_forget_hold(visitor);
    visitor->is_paying = 0;
    int has_time = clock_us() < visitor->give_up_us;
    if (has_time && chance_is(&visitor->chance, visitor->herd->scenario.again_share)) {
        visitor->flags &= ~(uint32_t)DECLINES;
        shop_look(visitor);
    } else {
        line_leave(visitor, DECLINED);
    }
}

static void answered_result(struct visitor *visitor, const struct http_answer *answer,
                            const cJSON *body)
{
    const char *status = ask_string(body, "status");
    if (answer->status != 200) {
        ask_unexpected(visitor, answer);
    } else if (strcmp(status, "CONFIRMED") == 0) {
        note_bought(visitor, body);
        visitor->is_paying = 0;
        line_leave(visitor, BOUGHT);
    } else if (strcmp(status, "CANCELLED") == 0) {
        cancelled(visitor);
    } else {
        int64_t waited_ms = (clock_us() - visitor->told_us) / 1000;
        int64_t next_ms = RESULT_FIRST_MS + waited_ms / 4;
        crowd_after(visitor, next_ms < RESULT_MAX_MS ? next_ms : RESULT_MAX_MS, result);
    }
}

static void result(struct visitor *visitor)
{
    char path[160];
    snprintf(path, sizeof path, "/v1/reservations/%s", visitor->reservation);
    ask(visitor,
        &(struct ask){
            .request = ASK_RESULT, .method = "GET", .path = path, .answered = answered_result});
}

/* 1 when the hold ended before the payment began. */
static int is_too_late(const struct http_answer *answer)
{
    return answer->status == 409 || answer->status == 410;
}

static void answered_confirm(struct visitor *visitor, const struct http_answer *answer,
                             const cJSON *body)
{
    (void)body;
    if (answer->status == 202) {
        visitor->told_us = clock_us();
        crowd_after(visitor, RESULT_FIRST_MS, result);
    } else if (is_too_late(answer)) {
        cancelled(visitor);
    } else {
        ask_unexpected(visitor, answer);
    }
}

static void answered_card(struct visitor *visitor, const struct http_answer *answer,
                          const cJSON *body)
{
    char path[160];
    const char *token = ask_string(body, "paymentToken");
    if (answer->status / 100 != 2 || !*token) {
        ask_unexpected(visitor, answer);
        return;
    }
    shop_forget_hold(visitor); /* from here on the payment decides, not the clock */
    visitor->is_paying = 1;
    snprintf(path, sizeof path, "/v1/payments/%s/confirm", visitor->payment);
    ask(visitor, &(struct ask){.request = ASK_CONFIRM,
                               .method = "POST",
                               .path = path,
                               .body = ask_text("{\"paymentToken\":\"%s\"}", token),
                               .is_keyed = 1,
                               .answered = answered_confirm});
}

/* What the payment window in the visitor's browser would do. */
static void show_card(struct visitor *visitor)
{
    ask(visitor, &(struct ask){.request = ASK_CARD,
                               .method = "POST",
                               .path = "/sandbox/tokens",
                               .body = ask_text("{\"paymentId\":\"%s\",\"totalAmount\":%lld,"
                                                "\"currency\":\"%s\",\"card\":\"%s\"}",
                                                visitor->payment, (long long)visitor->amount,
                                                visitor->herd->currency,
                                                visitor->flags & DECLINES ? "decline" : "ok"),
                               .answered = answered_card});
}

static void answered_payment(struct visitor *visitor, const struct http_answer *answer,
                             const cJSON *body)
{
    const struct range *think = &visitor->herd->scenario.think_payment_ms;
    if (is_too_late(answer)) {
        cancelled(visitor);
        return;
    }
    if (answer->status != 201) {
        ask_unexpected(visitor, answer);
        return;
    }
    snprintf(visitor->payment, sizeof visitor->payment, "%s", ask_string(body, "paymentId"));
    if (ask_number(body, "amount") != visitor->amount) {
        herd_violation(visitor->herd, WRONG_AMOUNT, "visitor %u: payment of %lld instead of %lld",
                       visitor->number, (long long)ask_number(body, "amount"),
                       (long long)visitor->amount);
    }
    crowd_after(visitor, chance_between(&visitor->chance, think->low, think->high), show_card);
}

static void answered_release(struct visitor *visitor, const struct http_answer *answer,
                             const cJSON *body)
{
    (void)body;
    if (answer->status == 202 || answer->status == 404 || answer->status == 409) {
        line_leave(visitor, RELEASED);
    } else {
        ask_unexpected(visitor, answer);
    }
}

static void release(struct visitor *visitor)
{
    char path[160];
    shop_forget_hold(visitor);
    snprintf(path, sizeof path, "/v1/reservations/%s", visitor->reservation);
    ask(visitor, &(struct ask){.request = ASK_RELEASE,
                               .method = "DELETE",
                               .path = path,
                               .answered = answered_release});
}

static void pay(struct visitor *visitor)
{
    ask(visitor, &(struct ask){.request = ASK_PAYMENT,
                               .method = "POST",
                               .path = "/v1/payments",
                               .body = ask_text("{\"reservationId\":\"%s\"}", visitor->reservation),
                               .is_keyed = 1,
                               .answered = answered_payment});
}

void till_begin(struct visitor *visitor)
{
    const struct range *think = &visitor->herd->scenario.think_payment_ms;
    if (visitor->flags & ABANDONS) {
        crowd_done(visitor, ABANDONED);
        return;
    }
    crowd_after(visitor, chance_between(&visitor->chance, think->low, think->high),
                visitor->flags & RELEASES ? release : pay);
}
