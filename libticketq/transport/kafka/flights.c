/* SPDX-License-Identifier: MIT */
/*
 * The promise that every message which was taken over gets exactly one report,
 * also when librdkafka is thrown away beneath it:
 *
 *     begin -> under way -> end                           its delivery report was handed out
 *                        -> settle -> settled -> take     a report made here
 *
 * All places are made at once, so that a report needs no memory. Every step is of
 * constant cost. Invariant: a place is free, under way or settled. Threads: its
 * producer's.
 */
#include "transport/kafka/flights.h"

#include "core/env.h"
#include "core/error.h"

static void push(struct kafka_flight_list *list, struct kafka_flight *flight)
{
    flight->next = NULL;
    flight->previous = list->last;
    *(list->last ? &list->last->next : &list->first) = flight;
    list->last = flight;
}

static void pull(struct kafka_flight_list *list, struct kafka_flight *flight)
{
    *(flight->previous ? &flight->previous->next : &list->first) = flight->next;
    *(flight->next ? &flight->next->previous : &list->last) = flight->previous;
}

int tq__flights_open(struct kafka_flights *flights, const struct tq_env *env, size_t room,
                     struct tq_error *err)
{
    *flights = (struct kafka_flights){.places = tq__alloc(env, room, sizeof *flights->places)};
    if (!flights->places) {
        return tq__nomem("transport.kafka", err);
    }
    for (size_t i = room; i-- > 0;) {
        flights->places[i].next = flights->free;
        flights->free = &flights->places[i];
    }
    return TQ_OK;
}

void tq__flights_done(struct kafka_flights *flights, const struct tq_env *env)
{
    tq__release(env, flights->places);
}

struct kafka_flight *tq__flights_begin(struct kafka_flights *flights, uint64_t cookie,
                                       int64_t now_ms)
{
    struct kafka_flight *flight = flights->free;
    if (flight) {
        flights->free = flight->next;
        *flight = (struct kafka_flight){.cookie = cookie, .began_ms = now_ms};
        push(&flights->under_way, flight);
    }
    return flight;
}

void tq__flights_end(struct kafka_flights *flights, struct kafka_flight *flight)
{
    pull(flight->is_settled ? &flights->settled : &flights->under_way, flight);
    flight->next = flights->free;
    flights->free = flight;
}

void tq__flights_settle(struct kafka_flights *flights, struct kafka_flight *flight, int status)
{
    pull(&flights->under_way, flight);
    flight->status = status;
    flight->is_settled = 1;
    push(&flights->settled, flight);
}

void tq__flights_settle_all(struct kafka_flights *flights, int status)
{
    while (flights->under_way.first) {
        tq__flights_settle(flights, flights->under_way.first, status);
    }
}

size_t tq__flights_take(struct kafka_flights *flights, struct tq_report *out, size_t max)
{
    size_t count = 0;
    for (; count < max && flights->settled.first; count++) {
        struct kafka_flight *flight = flights->settled.first;
        out[count] = (struct tq_report){flight->cookie, flight->status, 0};
        tq__flights_end(flights, flight);
    }
    return count;
}

int tq__flights_are_late(const struct kafka_flights *flights, int64_t now_ms, uint32_t age_ms)
{
    const struct kafka_flight *oldest = flights->under_way.first;
    const int64_t passed_ms = oldest ? now_ms - oldest->began_ms : 0;
    return oldest && (passed_ms >= age_ms || -passed_ms >= age_ms);
}
