/* SPDX-License-Identifier: MIT */
/*
 * The hall as the crowd knows it.
 *
 * Favourites: the dearest seats come first, in the order of the layout within a
 * price. A visitor's favourite is drawn by Zipf's law over that order, so that
 * many want the same few seats; from there he takes the next free ones, side by
 * side in one row if he can. Cost: O(n) for a new map, O(log n) to draw, O(free)
 * to choose.
 *
 * One copy of the layout and of the newest map serves the whole crowd, as a
 * cache near the visitors would; every look asks the service with the ETag.
 */
#include "seats.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *text_of(const cJSON *object, const char *name)
{
    const cJSON *node = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsString(node) ? node->valuestring : NULL;
}

static int read_seat(struct seat *seat, const cJSON *node)
{
    const char *id = text_of(node, "seatId");
    const cJSON *price = cJSON_GetObjectItemCaseSensitive(node, "price");
    if (!id || strlen(id) > SEAT_ID_MAX || !cJSON_IsNumber(price)) {
        return -1;
    }
    snprintf(seat->id, sizeof seat->id, "%s", id);
    seat->price = (int64_t)price->valuedouble;
    return 0;
}

static int is_same(const cJSON *a, const cJSON *b, const char *name)
{
    const char *x = text_of(a, name), *y = text_of(b, name);
    return x && y && strcmp(x, y) == 0;
}

static int read_list(struct seats *seats, const cJSON *list)
{
    const cJSON *before = NULL;
    size_t i = 0;
    uint32_t row = 0;
    for (const cJSON *node = list->child; node; node = node->next, i++) {
        if (read_seat(&seats->seats[i], node)) {
            return -1;
        }
        row += before && !(is_same(before, node, "section") && is_same(before, node, "row"));
        seats->seats[i].row = row;
        before = node;
    }
    return 0;
}

static int by_favour(const void *a, const void *b, void *arg)
{
    const struct seat *all = arg;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    int64_t left = all[x].price, right = all[y].price;
    return left != right ? (left < right ? 1 : -1) : x < y ? -1 : 1;
}

static void rank(struct seats *seats, double zipf)
{
    double sum = 0;
    for (size_t i = 0; i < seats->count; i++) {
        seats->favourites[i] = (uint32_t)i;
        sum += pow((double)(i + 1), -zipf);
        seats->weights[i] = sum;
    }
    qsort_r(seats->favourites, seats->count, sizeof *seats->favourites, by_favour, seats->seats);
}

int seats_read_layout(struct seats *seats, const char *json, double zipf)
{
    cJSON *root = cJSON_Parse(json);
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(root, "seats");
    size_t count = (size_t)cJSON_GetArraySize(list);
    int rc = -1;
    seats_free(seats);
    if (cJSON_IsArray(list) && count > 0 && count <= SEATS_IN_A_MAP) {
        seats->seats = calloc(count, sizeof *seats->seats);
        seats->favourites = calloc(count, sizeof *seats->favourites);
        seats->weights = calloc(count, sizeof *seats->weights);
        seats->states = calloc(count, 1);
        seats->free_ranks = calloc(count, sizeof *seats->free_ranks);
        seats->count = count;
        if (seats->seats && seats->favourites && seats->weights && seats->states &&
            seats->free_ranks) {
            rc = read_list(seats, list);
            rank(seats, zipf);
        }
    }
    cJSON_Delete(root);
    return rc;
}

void seats_free(struct seats *seats)
{
    free(seats->seats);
    free(seats->favourites);
    free(seats->weights);
    free(seats->states);
    free(seats->free_ranks);
    *seats = (struct seats){.count = 0};
}

static int sextet(char c)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const char *at = c ? strchr(letters, c) : NULL;
    return at ? (int)(at - letters) : -1;
}

/* Bit pairs of seat i stand at (i%4)*2 of byte i/4; six bits a letter. */
static int read_bits(struct seats *seats, const char *text, size_t counts[4])
{
    size_t letters = strlen(text), bytes = (seats->count + 3) / 4;
    if (letters != (bytes * 4 + 2) / 3) {
        return -1;
    }
    uint32_t word = 0;
    unsigned bits = 0;
    size_t at = 0;
    for (size_t i = 0; i < letters; i++) {
        int value = sextet(text[i]);
        if (value < 0) {
            return -1;
        }
        word = word << 6 | (uint32_t)value;
        bits += 6;
        if (bits < 8) {
            continue;
        }
        bits -= 8;
        unsigned byte = word >> bits & 0xff;
        for (unsigned pair = 0; pair < 4 && at < seats->count; pair++, at++) {
            seats->states[at] = byte >> (pair * 2) & 3;
            counts[seats->states[at]]++;
        }
    }
    return 0;
}

static int is_count(const cJSON *root, const char *name, size_t expected)
{
    const cJSON *node = cJSON_GetObjectItemCaseSensitive(root, name);
    return cJSON_IsNumber(node) && node->valuedouble == (double)expected;
}

static void list_free(struct seats *seats)
{
    seats->free_count = 0;
    for (uint32_t rank = 0; rank < seats->count; rank++) {
        if (seats->states[seats->favourites[rank]] == SEAT_FREE) {
            seats->free_ranks[seats->free_count++] = rank;
        }
    }
}

int seats_read_map(struct seats *seats, const char *json, const char *etag)
{
    if (*etag && strcmp(etag, seats->map_etag) == 0) {
        return 0;
    }
    cJSON *root = cJSON_Parse(json);
    const char *text = text_of(root, "bits");
    size_t counts[4] = {0, 0, 0, 0};
    int rc = text ? read_bits(seats, text, counts) : -1;
    if (rc == 0 &&
        !(is_count(root, "seats", seats->count) && is_count(root, "available", counts[SEAT_FREE]) &&
          is_count(root, "hold", counts[SEAT_HOLD]) &&
          is_count(root, "paying", counts[SEAT_PAYING]) &&
          is_count(root, "sold", counts[SEAT_SOLD]))) {
        rc = -1;
    }
    if (text) {
        list_free(seats);
    }
    seats->busy_count = counts[SEAT_HOLD] + counts[SEAT_PAYING];
    seats->checked_us = 0;
    snprintf(seats->map_etag, sizeof seats->map_etag, "%s", rc ? "" : etag);
    cJSON_Delete(root);
    return rc;
}

/* The first favourite whose running weight is beyond a random point. */
static size_t draw(const struct seats *seats, struct chance *chance)
{
    double point = chance_unit(chance) * seats->weights[seats->count - 1];
    size_t low = 0, high = seats->count - 1;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (seats->weights[middle] > point) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

/* Free seats of one row from `first` on. */
static size_t run_from(const struct seats *seats, size_t first, size_t wanted)
{
    size_t count = 0;
    while (count < wanted && first + count < seats->count &&
           seats->states[first + count] == SEAT_FREE &&
           seats->seats[first + count].row == seats->seats[first].row) {
        count++;
    }
    return count;
}

/* The first of the free that is ranked behind `rank`, or the first of all. */
static size_t free_from(const struct seats *seats, size_t rank)
{
    size_t low = 0, high = seats->free_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (seats->free_ranks[middle] < rank) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < seats->free_count ? low : 0;
}

size_t seats_choose(const struct seats *seats, struct chance *chance, size_t wanted,
                    uint32_t *out_numbers)
{
    size_t start = free_from(seats, draw(seats, chance)), count = 0;
    for (size_t i = 0; i < seats->free_count; i++) {
        size_t at = (start + i) % seats->free_count;
        uint32_t seat = seats->favourites[seats->free_ranks[at]];
        if (run_from(seats, seat, wanted) == wanted) {
            for (count = 0; count < wanted; count++) {
                out_numbers[count] = seat + (uint32_t)count;
            }
            return count;
        }
    }
    /* Nowhere side by side: whatever is nearest. */
    for (size_t i = 0; i < seats->free_count && count < wanted; i++) {
        size_t at = (start + i) % seats->free_count;
        out_numbers[count++] = seats->favourites[seats->free_ranks[at]];
    }
    return count;
}
