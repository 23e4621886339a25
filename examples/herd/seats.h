/* SPDX-License-Identifier: MIT */
/*
 * The hall as the crowd knows it: layout, live map, favourites, and who has what.
 */
#ifndef HERD_SEATS_H
#define HERD_SEATS_H

#include <stddef.h>
#include <stdint.h>

#include "chance.h"

#define SEAT_ID_MAX 64
#define SEATS_IN_A_MAP (1 << 20)

enum seat_state { SEAT_FREE = 0, SEAT_HOLD = 1, SEAT_PAYING = 2, SEAT_SOLD = 3 };

struct seat {
    char id[SEAT_ID_MAX + 1];
    uint32_t row; /* seats of one row stand together and share this number */
    int64_t price;
    /* What visitors were told. */
    uint32_t holder;    /* visitor's number + 1; 0: nobody */
    uint32_t buyer;     /* the same, once confirmed */
    int64_t told_us;    /* when */
    int64_t expires_ms; /* of the hold */
};

struct seats {
    struct seat *seats;
    size_t count;
    uint32_t *favourites; /* seat numbers, the most wanted first */
    double *weights;      /* running sum over favourites */
    char etag[72];        /* of the layout */
    /* The map that was read last. */
    char map_etag[72];
    uint8_t *states;
    uint32_t *free_ranks; /* places in `favourites` of what is free, ascending */
    size_t free_count;
    int64_t checked_us; /* when the map was compared with what visitors were told */
    size_t busy_count;  /* on hold or being paid: may come back */
};

/* Reads a layout; 0, or -1 when it makes no sense. */
int seats_read_layout(struct seats *seats, const char *json, double zipf);
/* Reads a map; 0, or -1 when it makes no sense or its counts do not agree. */
int seats_read_map(struct seats *seats, const char *json, const char *etag);
void seats_free(struct seats *seats);

/*
 * Chooses up to `wanted` free seats around a favourite, side by side where
 * possible, and returns how many.
 */
size_t seats_choose(const struct seats *seats, struct chance *chance, size_t wanted,
                    uint32_t *out_numbers);

#endif
