/* SPDX-License-Identifier: MIT */
/*
 * The memory driver, one thread, in batches as a server gathers them: lining up,
 * asking for places, and holding and releasing four seats. What a call must at least
 * do is the reference: the signature of a place for rooms, four entries into a bare
 * hash table and out again for seats.
 */
#include <stdio.h>

#include <ticketq/hold.h>
#include <ticketq/room.h>

#include "bench/frame.h"
#include "core/map.h"

#define BATCH 64
#define VISITORS (BATCH * 2000)
#define HOLDS 50000
#define SEATS_EACH 4
#define SEATS 20000

static struct tq_error err = TQ_ERROR_INIT;
static struct tq_env env;

/* ---- rooms ---- */

struct line {
    tq_store *store;
    tq_keys *keys;
    tq_room *room;
};

static void add_key(tq_keys *keys, uint32_t purpose, const char *id)
{
    bench_check(
        tq_keys_add(keys,
                    TQ_ARGS(tq_key, .id = id, .purpose = purpose,
                            .secret = "0123456789abcdef0123456789abcdef", .secret_bytes = 32),
                    &err),
        TQ_OK, "key", &err);
}

static struct line open_line(void)
{
    struct line line = {0};
    env = tq_system_env();
    bench_check(tq_store_open(&env, TQ_ARGS(tq_store_options, .url = "memory:"), &line.store, &err),
                TQ_OK, "open", &err);
    bench_check(tq_keys_new(&env, &line.keys, &err), TQ_OK, "keys", &err);
    add_key(line.keys, TQ_PURPOSE_PLACE, "place-1");
    add_key(line.keys, TQ_PURPOSE_PASS, "pass-1");
    bench_check(tq_room_open(line.store, line.keys, "show", TQ_ARGS(tq_room_policy, .rate = 1),
                             &line.room, &err),
                TQ_OK, "room", &err);
    return line;
}

static void close_line(struct line *line)
{
    tq_room_close(line->room);
    tq_keys_free(line->keys);
    tq_store_close(line->store);
}

typedef int ask_fn(tq_room *room, const struct tq_visitor *visitors, size_t count,
                   struct tq_place *out_places, struct tq_error *failure);

/* Every visitor asks once, in batches; gives the seconds. */
static double ask_all(tq_room *room, ask_fn *ask)
{
    static struct tq_place places[BATCH];
    static char names[BATCH][16];
    struct tq_visitor visitors[BATCH];
    double begin = bench_clock();
    for (size_t first = 0; first < VISITORS; first += BATCH) {
        for (size_t i = 0; i < BATCH; i++) {
            snprintf(names[i], sizeof names[i], "v%zu", first + i);
            visitors[i] = (struct tq_visitor){sizeof *visitors, names[i], NULL};
            places[i].size = sizeof *places;
        }
        bench_check(ask(room, visitors, BATCH, places, &err), TQ_OK, "ask", &err);
        bench_check(places[0].status, TQ_OK, "place", &err);
    }
    return bench_clock() - begin;
}

static double enter(void)
{
    struct line line = open_line();
    double seconds = ask_all(line.room, tq_room_enter);
    close_line(&line);
    return VISITORS / seconds;
}

static double place(void)
{
    struct line line = open_line();
    ask_all(line.room, tq_room_enter);
    double seconds = ask_all(line.room, tq_room_place);
    close_line(&line);
    return VISITORS / seconds;
}

static double sign(void)
{
    struct line line = open_line();
    struct tq_claims claims = {.size = sizeof claims, .audience = "show", .sequence = 1};
    char token[TQ_TOKEN_SIZE];
    claims.expires_ms = env.now_ms(NULL) + 600000;
    double begin = bench_clock();
    for (size_t i = 0; i < VISITORS; i++) {
        snprintf(claims.subject, sizeof claims.subject, "v%zu", i);
        bench_check(tq_token_sign(line.keys, TQ_PURPOSE_PLACE, &claims, token, &err), TQ_OK, "sign",
                    &err);
    }
    double seconds = bench_clock() - begin;
    close_line(&line);
    return VISITORS / seconds;
}

/* ---- seats ---- */

static char seat_names[SEATS][8];
static const char *seats[SEATS];

static void name_seats(void)
{
    for (size_t i = 0; i < SEATS; i++) {
        snprintf(seat_names[i], sizeof seat_names[i], "s%zu", i);
        seats[i] = seat_names[i];
    }
}

static tq_book *open_book(tq_store **out_front)
{
    tq_book *book = NULL;
    env = tq_system_env();
    name_seats();
    bench_check(tq_store_open(&env, TQ_ARGS(tq_store_options, .url = "memory:"), out_front, &err),
                TQ_OK, "open", &err);
    bench_check(tq_book_open(&env, TQ_ARGS(tq_book_options, .front = *out_front), &book, &err),
                TQ_OK, "book", &err);
    bench_check(tq_book_define(book, "show", seats, SEATS, &err), TQ_OK, "define", &err);
    return book;
}

static void hold_four(tq_book *book, size_t number)
{
    char key[24];
    struct tq_hold hold = TQ_INIT(tq_hold);
    struct tq_hold_result result = TQ_INIT(tq_hold_result);
    snprintf(key, sizeof key, "k%zu", number);
    bench_check(
        tq_hold_acquire(book,
                        TQ_ARGS(tq_hold_request, .schedule = "show", .holder = key,
                                .request_key = key, .seats = seats + number * SEATS_EACH % SEATS,
                                .seats_count = SEATS_EACH),
                        1, &hold, &err),
        TQ_OK, "acquire", &err);
    bench_check(hold.status, TQ_OK, "hold", &err);
    bench_check(tq_hold_release(book,
                                TQ_ARGS(tq_hold_ref, .schedule = "show", .id = hold.id,
                                        .holder = key, .fence = hold.fence),
                                1, &result, &err),
                TQ_OK, "release", &err);
    bench_check(result.status, TQ_OK, "released", &err);
}

static double hold_and_release(void)
{
    tq_store *front = NULL;
    tq_book *book = open_book(&front);
    double begin = bench_clock();
    for (size_t i = 0; i < HOLDS; i++) {
        hold_four(book, i);
    }
    double seconds = bench_clock() - begin;
    tq_book_close(book);
    tq_store_close(front);
    return HOLDS / seconds;
}

static double bare_table(void)
{
    struct tq__map map;
    env = tq_system_env();
    name_seats();
    bench_check(tq__map_init(&map, &env, &err), TQ_OK, "map", &err);
    double begin = bench_clock();
    for (size_t i = 0; i < HOLDS; i++) {
        const char **four = seats + i * SEATS_EACH % SEATS;
        for (size_t k = 0; k < SEATS_EACH; k++) {
            bench_check(tq__map_put(&map, four[k], &map, &err), TQ_OK, "put", &err);
        }
        for (size_t k = 0; k < SEATS_EACH; k++) {
            tq__map_remove(&map, four[k]);
        }
    }
    double seconds = bench_clock() - begin;
    tq__map_done(&map);
    return HOLDS / seconds;
}

static const struct bench_figure figures[] = {
    {.name = "room.enter",
     .unit = "visitors/s",
     .against = "signing their places alone",
     .value = enter,
     .reference = sign},
    {.name = "room.place",
     .unit = "visitors/s",
     .against = "signing their places alone",
     .value = place,
     .reference = sign},
    {.name = "hold.acquire_release",
     .unit = "holds of 4 seats/s",
     .against = "a bare hash table",
     .value = hold_and_release,
     .reference = bare_table},
};

int main(int count, char **names)
{
    return BENCH_MAIN(count, names, figures);
}
