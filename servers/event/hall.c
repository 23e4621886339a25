/* SPDX-License-Identifier: MIT */
/*
 * Reads halls: the open pretix seating plan (JSON, schema 0.0.1) and the compact
 * generator's recipe.
 *
 *     plan    name, size{width,height}, categories[]{name}, zones[]{name, position,
 *             rows[]{row_number, position, seats[]{seat_guid, seat_number,
 *             position, category}}}
 *     recipe  name, sections[]{name, grade, rows, seatsPerRow}
 *
 * A category is a grade, a zone is a section. Positions add up from zone to
 * row to seat. The order in the document is the order of the seat map. Members
 * that the plan's format may grow are passed over; those above are strict.
 *
 * A seat's id is its seat_guid, or zone-row-seat without one. A text that is an
 * id already stays as it is; any other keeps its letters and digits for the eye
 * and gets 12 hex digits of its SHA-256, so that the same plan always gives the
 * same ids and two texts do not meet. An id that stands twice is refused.
 *
 * Limits: TQ_SCHEDULE_SEATS_MAX seats, EVENT_GRADES_MAX grades, texts and
 * coordinates as in hall.h. Cost: linear. Threads: [pure].
 */
#include "event/hall.h"

#include <math.h>
#include <openssl/evp.h>
#include <string.h>

#include "core/env.h"
#include "core/error.h"
#include "core/map.h"

#define ORIGIN "event.hall"
#define ROOM_FIRST 1024
#define ID_READABLE 48 /* bytes of the text that stay readable in a derived id */

struct point {
    double x;
    double y;
};

/* Where the reader is, for messages. */
struct spot {
    size_t zone;
    size_t row;
    size_t seat;
};

static int seat_fail(struct tq_error *err, const struct spot *spot, const char *what)
{
    return tq__fail(err, TQ_E_INVALID, ORIGIN, "zones[%zu].rows[%zu].seats[%zu]%s", spot->zone,
                    spot->row, spot->seat, what);
}

int event_seat_id(const char *text, char target[TQ_ID_SIZE], struct tq_error *err)
{
    static const char hex[] = "0123456789abcdef";
    unsigned char digest[EVP_MAX_MD_SIZE];
    size_t bytes = 0;
    if (tq__id_is_valid(text)) {
        tq__id_copy(target, text);
        return TQ_OK;
    }
    if (!EVP_Digest(text, strlen(text), digest, NULL, EVP_sha256(), NULL)) {
        return tq__fail(err, TQ_E_INTERNAL, ORIGIN, "there is no SHA-256");
    }
    for (const char *at = text; *at && bytes < ID_READABLE; at++) {
        char one[2] = {*at, '\0'};
        if (tq__id_is_valid(one)) {
            target[bytes++] = *at;
        }
    }
    target[bytes++] = '-';
    for (int i = 0; i < 6; i++) {
        target[bytes++] = hex[digest[i] >> 4];
        target[bytes++] = hex[digest[i] & 15];
    }
    target[bytes] = '\0';
    return TQ_OK;
}

/* A new seat at the end, a copy of `model`. */
static int add_seat(struct event_hall *hall, const struct event_seat *model,
                    struct event_seat **out_seat, struct tq_error *err)
{
    if (hall->seats_count == TQ_SCHEDULE_SEATS_MAX) {
        return tq__fail(err, TQ_E_LIMIT, ORIGIN, "more than %d seats", TQ_SCHEDULE_SEATS_MAX);
    }
    if (hall->seats_count == hall->room) {
        size_t room = hall->room ? hall->room * 2 : ROOM_FIRST;
        struct event_seat *seats = tq__resize(hall->env, hall->seats, room, sizeof *seats);
        if (!seats) {
            return tq__nomem(ORIGIN, err);
        }
        hall->seats = seats;
        hall->room = room;
    }
    *out_seat = &hall->seats[hall->seats_count++];
    **out_seat = *model;
    return TQ_OK;
}

static int copy_text(char *target, size_t bytes_max, const tq__json *node)
{
    const char *text = tq__json_string(node);
    if (!text || !tq__text_is_valid(text, bytes_max)) {
        return -1;
    }
    memcpy(target, text, strlen(text) + 1);
    return 0;
}

static int read_name(struct event_hall *hall, const tq__json *root, struct tq_error *err)
{
    if (!tq__json_is_object(root)) {
        return tq__fail(err, TQ_E_INVALID, ORIGIN, "the document must be an object");
    }
    if (copy_text(hall->name, EVENT_NAME_MAX, tq__json_member(root, "name"))) {
        return tq__fail(err, TQ_E_INVALID, ORIGIN, "name must be a text of 1 to %d bytes",
                        EVENT_NAME_MAX);
    }
    return TQ_OK;
}

/* Adds the node's position to `point`; without a position it stays. */
static int add_position(struct point *point, const tq__json *node)
{
    const tq__json *position = tq__json_member(node, "position");
    double x = 0;
    double y = 0;
    if (!position) {
        return 0;
    }
    if (!tq__json_double(tq__json_member(position, "x"), &x) ||
        !tq__json_double(tq__json_member(position, "y"), &y)) {
        return -1;
    }
    point->x += x;
    point->y += y;
    return fabs(point->x) <= EVENT_COORDINATE_MAX && fabs(point->y) <= EVENT_COORDINATE_MAX ? 0
                                                                                            : -1;
}

static int is_category(const tq__json *categories, const char *name)
{
    for (const tq__json *at = tq__json_first(categories); at; at = tq__json_next(at)) {
        if (strcmp(tq__json_string(tq__json_member(at, "name")), name) == 0) {
            return 1;
        }
    }
    return 0;
}

static int check_categories(const tq__json *categories, struct tq_error *err)
{
    char name[EVENT_TEXT_MAX + 1];
    size_t count = tq__json_count(categories);
    if (!tq__json_is_array(categories) || count == 0 || count > EVENT_GRADES_MAX) {
        return tq__fail(err, TQ_E_INVALID, ORIGIN, "categories must be an array of 1 to %d",
                        EVENT_GRADES_MAX);
    }
    for (const tq__json *at = tq__json_first(categories); at; at = tq__json_next(at)) {
        if (copy_text(name, EVENT_TEXT_MAX, tq__json_member(at, "name"))) {
            return tq__fail(err, TQ_E_INVALID, ORIGIN,
                            "each category needs a name of 1 to %d bytes", EVENT_TEXT_MAX);
        }
    }
    return TQ_OK;
}

static int check_size(const tq__json *plan, struct tq_error *err)
{
    const tq__json *size = tq__json_member(plan, "size");
    double width = 0;
    double height = 0;
    if (!tq__json_double(tq__json_member(size, "width"), &width) ||
        !tq__json_double(tq__json_member(size, "height"), &height) || !(width > 0) ||
        !(height > 0)) {
        return tq__fail(err, TQ_E_INVALID, ORIGIN, "size must have a width and a height above 0");
    }
    return TQ_OK;
}

/* The natural name of a seat: its seat_guid, or zone-row-seat. */
static int name_seat(struct event_seat *seat, const tq__json *node, const struct spot *spot,
                     struct tq_error *err)
{
    const tq__json *guid = tq__json_member(node, "seat_guid");
    char text[EVENT_TEXT_MAX + 2 * EVENT_LABEL_MAX + 3];
    const char *given = tq__json_string(guid);
    if (guid && (!given || (given[0] && !tq__text_is_valid(given, EVENT_NAME_MAX)))) {
        return seat_fail(err, spot, ".seat_guid must be a text of at most 120 bytes");
    }
    if (given && given[0]) {
        return event_seat_id(given, seat->id, err);
    }
    snprintf(text, sizeof text, "%s-%s-%s", seat->section, seat->row, seat->number);
    return event_seat_id(text, seat->id, err);
}

/* `model` has the section and the row. */
static int read_seat(struct event_hall *hall, const tq__json *node, const tq__json *categories,
                     const struct event_seat *model, struct point origin, const struct spot *spot,
                     struct tq_error *err)
{
    struct event_seat *seat = NULL;
    TQ_TRY(add_seat(hall, model, &seat, err));
    if (copy_text(seat->number, EVENT_LABEL_MAX, tq__json_member(node, "seat_number"))) {
        return seat_fail(err, spot, ".seat_number must be a text of 1 to 16 bytes");
    }
    if (copy_text(seat->grade, EVENT_TEXT_MAX, tq__json_member(node, "category")) ||
        !is_category(categories, seat->grade)) {
        return seat_fail(err, spot, ".category is not one of the categories");
    }
    TQ_TRY(name_seat(seat, node, spot, err));
    if (add_position(&origin, node)) {
        return seat_fail(err, spot, ".position is not a place on the plan");
    }
    seat->x_milli = llround(origin.x * 1000);
    seat->y_milli = llround(origin.y * 1000);
    return TQ_OK;
}

static int read_row(struct event_hall *hall, const tq__json *row, const tq__json *categories,
                    struct event_seat *model, struct point origin, struct spot *spot,
                    struct tq_error *err)
{
    const tq__json *seats = tq__json_member(row, "seats");
    if (copy_text(model->row, EVENT_LABEL_MAX, tq__json_member(row, "row_number")) ||
        add_position(&origin, row) || !tq__json_is_array(seats)) {
        return tq__fail(err, TQ_E_INVALID, ORIGIN,
                        "zones[%zu].rows[%zu] needs a row_number of 1 to %d bytes and seats",
                        spot->zone, spot->row, EVENT_LABEL_MAX);
    }
    spot->seat = 0;
    for (const tq__json *at = tq__json_first(seats); at; at = tq__json_next(at), spot->seat++) {
        TQ_TRY(read_seat(hall, at, categories, model, origin, spot, err));
    }
    return TQ_OK;
}

static int read_zone(struct event_hall *hall, const tq__json *zone, const tq__json *categories,
                     struct spot *spot, struct tq_error *err)
{
    const tq__json *rows = tq__json_member(zone, "rows");
    struct event_seat model = {0};
    struct point origin = {0, 0};
    if (copy_text(model.section, EVENT_TEXT_MAX, tq__json_member(zone, "name")) ||
        add_position(&origin, zone) || !tq__json_is_array(rows)) {
        return tq__fail(err, TQ_E_INVALID, ORIGIN,
                        "zones[%zu] needs a name of 1 to %d bytes, a position and rows", spot->zone,
                        EVENT_TEXT_MAX);
    }
    spot->row = 0;
    for (const tq__json *at = tq__json_first(rows); at; at = tq__json_next(at), spot->row++) {
        TQ_TRY(read_row(hall, at, categories, &model, origin, spot, err));
    }
    return TQ_OK;
}

/* At least one seat, and no id twice. */
static int check_seats(const struct event_hall *hall, struct tq_error *err)
{
    struct tq__map known;
    int rc = tq__map_init(&known, hall->env, err);
    if (rc == TQ_OK && hall->seats_count == 0) {
        rc = tq__fail(err, TQ_E_INVALID, ORIGIN, "a hall needs at least one seat");
    }
    for (size_t i = 0; i < hall->seats_count && rc == TQ_OK; i++) {
        struct event_seat *seat = &hall->seats[i];
        if (tq__map_get(&known, seat->id)) {
            rc = tq__fail(err, TQ_E_INVALID, ORIGIN, "seat %s stands twice", seat->id);
        } else {
            rc = tq__map_put(&known, seat->id, seat, err);
        }
    }
    tq__map_done(&known);
    return rc;
}

int event_hall_import(struct event_hall *hall, const struct tq_env *env, const tq__json *plan,
                      struct tq_error *err)
{
    const tq__json *categories = tq__json_member(plan, "categories");
    const tq__json *zones = tq__json_member(plan, "zones");
    struct spot spot = {0, 0, 0};
    *hall = (struct event_hall){.env = env};
    TQ_TRY(read_name(hall, plan, err));
    TQ_TRY(check_size(plan, err));
    TQ_TRY(check_categories(categories, err));
    if (!tq__json_is_array(zones)) {
        return tq__fail(err, TQ_E_INVALID, ORIGIN, "zones must be an array");
    }
    for (const tq__json *at = tq__json_first(zones); at; at = tq__json_next(at), spot.zone++) {
        TQ_TRY(read_zone(hall, at, categories, &spot, err));
    }
    return check_seats(hall, err);
}

static int read_count(const tq__json *node, int64_t *out_count)
{
    return tq__json_int64(node, out_count) && *out_count >= 1 &&
           *out_count <= TQ_SCHEDULE_SEATS_MAX;
}

/* Seats of a section stand on a grid of pitch 1 that begins at `top`. */
static int fill_section(struct event_hall *hall, const struct event_seat *model, int64_t rows,
                        int64_t seats_per_row, int64_t top, struct tq_error *err)
{
    char text[EVENT_TEXT_MAX + 2 * EVENT_LABEL_MAX + 3];
    for (int64_t i = 0; i < rows * seats_per_row; i++) {
        struct event_seat *seat = NULL;
        TQ_TRY(add_seat(hall, model, &seat, err));
        int64_t row = i / seats_per_row;
        int64_t number = i % seats_per_row;
        snprintf(seat->row, sizeof seat->row, "%u", (unsigned)row + 1);
        snprintf(seat->number, sizeof seat->number, "%u", (unsigned)number + 1);
        snprintf(text, sizeof text, "%s-%s-%s", seat->section, seat->row, seat->number);
        TQ_TRY(event_seat_id(text, seat->id, err));
        seat->x_milli = number * 1000;
        seat->y_milli = (top + row) * 1000;
    }
    return TQ_OK;
}

int event_hall_generate(struct event_hall *hall, const struct tq_env *env, const tq__json *recipe,
                        struct tq_error *err)
{
    const tq__json *sections = tq__json_member(recipe, "sections");
    int64_t top = 0;
    size_t index = 0;
    *hall = (struct event_hall){.env = env};
    TQ_TRY(read_name(hall, recipe, err));
    if (!tq__json_is_array(sections) || tq__json_count(sections) > EVENT_GRADES_MAX) {
        return tq__fail(err, TQ_E_INVALID, ORIGIN, "sections must be an array of 1 to %d",
                        EVENT_GRADES_MAX);
    }
    for (const tq__json *at = tq__json_first(sections); at; at = tq__json_next(at), index++) {
        struct event_seat model = {0};
        int64_t rows = 0;
        int64_t seats_per_row = 0;
        if (copy_text(model.section, EVENT_TEXT_MAX, tq__json_member(at, "name")) ||
            copy_text(model.grade, EVENT_TEXT_MAX, tq__json_member(at, "grade")) ||
            !read_count(tq__json_member(at, "rows"), &rows) ||
            !read_count(tq__json_member(at, "seatsPerRow"), &seats_per_row)) {
            return tq__fail(err, TQ_E_INVALID, ORIGIN,
                            "sections[%zu] needs name, grade, rows and seatsPerRow", index);
        }
        TQ_TRY(fill_section(hall, &model, rows, seats_per_row, top, err));
        top += rows + 2;
    }
    return check_seats(hall, err);
}

void event_hall_done(struct event_hall *hall)
{
    tq__release(hall->env, hall->seats);
    hall->seats = NULL;
    hall->seats_count = hall->room = 0;
}
