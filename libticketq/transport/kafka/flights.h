/* SPDX-License-Identifier: MIT */
/*
 * Messages that a producer has taken over and not reported yet.
 */
#ifndef TQ_TRANSPORT_KAFKA_FLIGHTS_H
#define TQ_TRANSPORT_KAFKA_FLIGHTS_H

#include <ticketq/driver/transport.h>

struct kafka_flight {
    struct kafka_flight *next, *previous; /* in the order of `begin`, or of `settle` */
    uint64_t cookie;
    int64_t began_ms;
    size_t bytes; /* of the message, at least */
    int32_t status;
    uint32_t is_settled;
};

struct kafka_flight_list {
    struct kafka_flight *first, *last;
};

struct kafka_flights {
    struct kafka_flight *places;
    struct kafka_flight *free;
    struct kafka_flight_list under_way, settled;
};

int tq__flights_open(struct kafka_flights *flights, const struct tq_env *env, size_t room,
                     struct tq_error *err);
void tq__flights_done(struct kafka_flights *flights, const struct tq_env *env);
/* NULL when there is no room. */
struct kafka_flight *tq__flights_begin(struct kafka_flights *flights, uint64_t cookie,
                                       int64_t now_ms);
/* It has its report, or was never under way. */
void tq__flights_end(struct kafka_flights *flights, struct kafka_flight *flight);
/* Its report is known, and waits to be collected. */
void tq__flights_settle(struct kafka_flights *flights, struct kafka_flight *flight, int status);
void tq__flights_settle_all(struct kafka_flights *flights, int status);
/* Collects reports; returns how many. */
size_t tq__flights_take(struct kafka_flights *flights, struct tq_report *out, size_t max);
/* True when the oldest one under way began `age_ms` ago, or the clock went back by as much. */
int tq__flights_are_late(const struct kafka_flights *flights, int64_t now_ms, uint32_t age_ms);

#endif
