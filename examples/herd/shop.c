/* SPDX-License-Identifier: MIT */
/*
 * A visitor inside: layout, live map, choosing seats, holding them.
 *
 *     layout -> map -> (think) -> hold -> till
 *               ^  \-> none is free: look again while some may come back, then go
 *               \------ beaten to the seats: look again while patience lasts
 *
 * What visitors are told is noted at the seat and compared with what others are
 * told: two who hold one seat, a map that shows a held or sold seat as free, a
 * sum that is not that of the prices, a pass that is refused before its end.
 * A map may be as old as the service's cache: MAP_AGE_US.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "herd.h"

#define MAP_AGE_US 1500000
#define CHECK_EVERY_US 50000
#define CLOCK_MARGIN_MS 1500

static void look_later(struct visitor *visitor)
{
    const struct range *range = &visitor->herd->scenario.look_again_ms;
    crowd_after(visitor, chance_between(&visitor->chance, range->low, range->high), shop_look);
}

/* 1 when the answer was about the pass and is dealt with. */
int shop_pass_refused(struct visitor *visitor, const struct http_answer *answer, const char *code)
{
    if (strncmp(code, "QUEUE_TOKEN", 11) != 0) {
        return 0;
    }
    if (herd_now_ms() < visitor->pass_expires_ms - CLOCK_MARGIN_MS) {
        herd_violation(visitor->herd, PASS_NOT_HONOURED, "visitor %u: %d %s", visitor->number,
                       answer->status, code);
    }
    crowd_done(visitor, BEATEN);
    return 1;
}

static int is_live(const struct seat *seat)
{
    return seat->holder && herd_now_ms() < seat->expires_ms - CLOCK_MARGIN_MS;
}

/*
 * Compares a map that was asked for at `asked_us` with what visitors were told
 * before: each new one, and the same one again after a while.
 */
static void check_map(struct visitor *visitor, int64_t asked_us)
{
    static const char *const names[] = {"free", "held", "paying", "sold"};
    struct herd *herd = visitor->herd;
    struct seats *seats = &herd->seats;
    if (asked_us < seats->checked_us + CHECK_EVERY_US) {
        return;
    }
    seats->checked_us = asked_us;
    for (size_t i = 0; i < seats->count; i++) {
        const struct seat *seat = &seats->seats[i];
        if (seats->states[i] == SEAT_SOLD || seat->told_us + MAP_AGE_US > asked_us) {
            continue;
        }
        if (seat->buyer || (seats->states[i] == SEAT_FREE && is_live(seat))) {
            herd_violation(herd, TAKEN_SEAT_SHOWN_FREE, "seat %s, %s by visitor %u, is shown as %s",
                           seat->id, seat->buyer ? "sold" : "held",
                           (seat->buyer ? seat->buyer : seat->holder) - 1, names[seats->states[i]]);
        }
    }
}

static void hold(struct visitor *visitor);

/* Nothing is free: stays while seats may come back. */
static void linger(struct visitor *visitor)
{
    struct herd *herd = visitor->herd;
    int64_t now_us = clock_us();
    if (!visitor->linger_until_us) {
        visitor->linger_until_us = now_us + herd->scenario.linger_ms * 1000;
    }
    if (herd->seats.busy_count == 0 || now_us >= visitor->linger_until_us) {
        line_leave(visitor, SOLD_OUT);
    } else {
        look_later(visitor);
    }
}

static void choose(struct visitor *visitor)
{
    struct herd *herd = visitor->herd;
    const struct range *think = &herd->scenario.think_seats_ms;
    uint32_t wanted = visitor->wanted;
    if (herd->person_limit && wanted > herd->person_limit) {
        wanted = (uint32_t)herd->person_limit;
    }
    if (herd->seats.free_count == 0) {
        linger(visitor);
        return;
    }
    visitor->linger_until_us = 0;
    visitor->seats_count = seats_choose(&herd->seats, &visitor->chance, wanted, visitor->seats);
    crowd_after(visitor, chance_between(&visitor->chance, think->low, think->high), hold);
}

static void answered_map(struct visitor *visitor, const struct http_answer *answer,
                         const cJSON *body)
{
    struct seats *seats = &visitor->herd->seats;
    (void)body;
    int is_new = answer->status == 200 && seats_read_map(seats, answer->body, answer->etag) == 0;
    if (!is_new && answer->status != 304) {
        ask_unexpected(visitor, answer);
        return;
    }
    /* A 304 may be about a map that a slower answer with an older one has replaced here. */
    if (is_new || strcmp(answer->etag, seats->map_etag) == 0) {
        check_map(visitor, visitor->call.sent_us);
    }
    choose(visitor);
}

void shop_look(struct visitor *visitor)
{
    char path[160];
    snprintf(path, sizeof path, "/v1/schedules/%s/seat-map", visitor->herd->schedule);
    ask(visitor, &(struct ask){.request = ASK_MAP,
                               .method = "GET",
                               .path = path,
                               .etag = visitor->herd->seats.map_etag,
                               .answered = answered_map});
}

static void answered_layout(struct visitor *visitor, const struct http_answer *answer,
                            const cJSON *body)
{
    struct seats *seats = &visitor->herd->seats;
    (void)body;
    if (answer->status != 200 && answer->status != 304) {
        ask_unexpected(visitor, answer);
        return;
    }
    if (answer->status == 200 && strcmp(answer->etag, seats->etag) != 0) {
        herd_violation(visitor->herd, UNEXPECTED_ANSWER, "the layout changed during the sale");
    }
    shop_look(visitor);
}

void shop_begin(struct visitor *visitor)
{
    char path[160];
    visitor->give_up_us = clock_us() + visitor->herd->scenario.patience_ms * 1000;
    snprintf(path, sizeof path, "/v1/schedules/%s/seats", visitor->herd->schedule);
    ask(visitor, &(struct ask){.request = ASK_LAYOUT,
                               .method = "GET",
                               .path = path,
                               .etag = visitor->herd->seats.etag,
                               .answered = answered_layout});
}

void shop_forget_hold(struct visitor *visitor)
{
    for (size_t i = 0; i < visitor->seats_count; i++) {
        struct seat *seat = &visitor->herd->seats.seats[visitor->seats[i]];
        if (seat->holder == visitor->number + 1) {
            seat->holder = 0;
        }
    }
}

/* Notes what the visitor was told, and compares it with what others were. */
static void note_hold(struct visitor *visitor, const cJSON *body)
{
    struct herd *herd = visitor->herd;
    int64_t sum = 0;
    for (size_t i = 0; i < visitor->seats_count; i++) {
        struct seat *seat = &herd->seats.seats[visitor->seats[i]];
        if (seat->buyer || (is_live(seat) && seat->holder != visitor->number + 1)) {
            herd_violation(herd, SEAT_HELD_TWICE, "seat %s: visitor %u and visitor %u", seat->id,
                           (seat->buyer ? seat->buyer : seat->holder) - 1, visitor->number);
        }
        seat->holder = visitor->number + 1;
        seat->told_us = clock_us();
        seat->expires_ms = herd_time_of(ask_string(body, "holdExpiresAt"));
        sum += seat->price;
    }
    visitor->amount = ask_number(body, "totalAmount");
    if (visitor->amount != sum) {
        herd_violation(herd, WRONG_AMOUNT, "visitor %u: %lld instead of %lld", visitor->number,
                       (long long)visitor->amount, (long long)sum);
    }
}

static void beaten(struct visitor *visitor)
{
    visitor->herd->taken++;
    if (clock_us() >= visitor->give_up_us) {
        line_leave(visitor, BEATEN);
    } else {
        shop_look(visitor);
    }
}

static void answered_hold(struct visitor *visitor, const struct http_answer *answer,
                          const cJSON *body)
{
    const char *code = ask_string(body, "code");
    if (answer->status == 201) {
        snprintf(visitor->reservation, sizeof visitor->reservation, "%s",
                 ask_string(body, "reservationId"));
        note_hold(visitor, body);
        till_begin(visitor);
    } else if (strcmp(code, "SEATS_TAKEN") == 0) {
        beaten(visitor);
    } else if (strcmp(code, "SALE_NOT_OPEN") == 0) {
        look_later(visitor);
    } else if (!shop_pass_refused(visitor, answer, code)) {
        ask_unexpected(visitor, answer);
    }
}

static char *seat_list(const struct visitor *visitor)
{
    char *list = ask_text("%s", "");
    for (size_t i = 0; i < visitor->seats_count; i++) {
        char *longer = ask_text("%s%s\"%s\"", list, i ? "," : "",
                                visitor->herd->seats.seats[visitor->seats[i]].id);
        free(list);
        list = longer;
    }
    return list;
}

static void hold(struct visitor *visitor)
{
    char *list = seat_list(visitor);
    ask(visitor, &(struct ask){.request = ASK_HOLD,
                               .method = "POST",
                               .path = "/v1/reservations/hold",
                               .body = ask_text("{\"scheduleId\":\"%s\",\"seatIds\":[%s]}",
                                                visitor->herd->schedule, list),
                               .is_keyed = 1,
                               .answered = answered_hold});
    free(list);
}
