/* SPDX-License-Identifier: MIT */
/*
 * Halls: the seats of a venue, from a seating plan or from the generator.
 */
#ifndef EVENT_HALL_H
#define EVENT_HALL_H

#include <ticketq/hold.h>

#include "core/json.h"

#define EVENT_TEXT_MAX 64        /* section and grade, bytes */
#define EVENT_LABEL_MAX 16       /* row and number, bytes */
#define EVENT_NAME_MAX 120       /* names of venues and titles of events, bytes */
#define EVENT_GRADES_MAX 64      /* grades of a hall */
#define EVENT_COORDINATE_MAX 1e6 /* largest distance from the origin */
#define EVENT_PLAN_BYTES_MAX (32u << 20)

/* One seat. Coordinates are in thousandths of the plan's unit. */
struct event_seat {
    char id[TQ_ID_SIZE];
    char section[EVENT_TEXT_MAX + 1];
    char row[EVENT_LABEL_MAX + 1];
    char number[EVENT_LABEL_MAX + 1];
    char grade[EVENT_TEXT_MAX + 1];
    int64_t x_milli;
    int64_t y_milli;
};

/* The seats in the order of the seat map. */
struct event_hall {
    const struct tq_env *env;
    char name[EVENT_NAME_MAX + 1];
    struct event_seat *seats;
    size_t seats_count;
    size_t room;
};

/*
 * Both fill an empty hall: TQ_OK; TQ_E_INVALID or TQ_E_LIMIT with a message that
 * names the place in the document and may be shown to whoever sent it; TQ_E_NOMEM or
 * TQ_E_INTERNAL. Call event_hall_done() in every case.
 */
int event_hall_import(struct event_hall *hall, const struct tq_env *env, const tq__json *plan,
                      struct tq_error *err);
int event_hall_generate(struct event_hall *hall, const struct tq_env *env, const tq__json *recipe,
                        struct tq_error *err);
void event_hall_done(struct event_hall *hall);

/* The id of a seat whose natural name is `text`; see hall.c. TQ_OK or TQ_E_INTERNAL. */
int event_seat_id(const char *text, char target[TQ_ID_SIZE], struct tq_error *err);

#endif
