/* SPDX-License-Identifier: MIT */
/*
 * A hash table from strings to pointers: open addressing with linear probing,
 * at most 3/4 full, tombstones cleared when it grows or is rebuilt.
 *
 * The hash is SipHash-1-3 (Aumasson and Bernstein) with a seed from the host,
 * because keys come from clients and must not be able to choose their slot.
 * The full hash is kept beside each entry, so that probing rarely compares
 * strings. Cost: O(1) expected. Threads: whoever owns the table locks it.
 */
#include "core/map.h"

#include <string.h>

#include "core/env.h"
#include "core/error.h"

struct tq__map_slot {
    uint64_t hash; /* 0: never used; 1: tombstone */
    const char *key;
    void *value;
};

#define ROOM_MIN 16

static uint64_t rotate(uint64_t word, unsigned bits)
{
    return word << bits | word >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

static void sip_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
}

static uint64_t hash_of(const struct tq__map *map, const char *key)
{
    size_t bytes = strlen(key), i = 0;
    uint64_t v[4] = {map->seed[0] ^ 0x736f6d6570736575u, map->seed[1] ^ 0x646f72616e646f6du,
                     map->seed[0] ^ 0x6c7967656e657261u, map->seed[1] ^ 0x7465646279746573u};
    uint64_t word;
    for (; i + 8 <= bytes; i += 8) {
        memcpy(&word, key + i, 8);
        sip_word(v, word);
    }
    word = (uint64_t)bytes << 56;
    for (unsigned shift = 0; i < bytes; i++, shift += 8) {
        word |= (uint64_t)(unsigned char)key[i] << shift;
    }
    sip_word(v, word);
    v[2] ^= 0xff;
    sip_round(v);
    sip_round(v);
    sip_round(v);
    uint64_t hash = v[0] ^ v[1] ^ v[2] ^ v[3];
    return hash < 2 ? hash + 2 : hash;
}

int tq__map_init(struct tq__map *map, const struct tq_env *env, struct tq_error *err)
{
    memset(map, 0, sizeof *map);
    map->env = env;
    return tq__random(env, map->seed, sizeof map->seed, err);
}

void tq__map_done(struct tq__map *map)
{
    if (map->slots) {
        tq__release(map->env, map->slots);
    }
    map->slots = NULL;
    map->room = map->count = map->used = 0;
}

/* The slot of the key, or NULL. */
static struct tq__map_slot *find(const struct tq__map *map, const char *key, uint64_t hash)
{
    for (size_t i = hash; map->room; i++) {
        struct tq__map_slot *slot = &map->slots[i & (map->room - 1)];
        if (slot->hash == 0) {
            return NULL;
        }
        if (slot->hash == hash && strcmp(slot->key, key) == 0) {
            return slot;
        }
    }
    return NULL;
}

static void insert(struct tq__map *map, const char *key, void *value, uint64_t hash)
{
    size_t i = hash;
    while (map->slots[i & (map->room - 1)].hash > 1) {
        i++;
    }
    struct tq__map_slot *slot = &map->slots[i & (map->room - 1)];
    map->used += slot->hash == 0;
    *slot = (struct tq__map_slot){hash, key, value};
    map->count++;
}

static int rebuild(struct tq__map *map, size_t room, struct tq_error *err)
{
    struct tq__map_slot *slots = tq__alloc(map->env, room, sizeof *slots);
    struct tq__map_slot *old = map->slots;
    size_t old_room = map->room;
    if (!slots) {
        return tq__nomem("map", err);
    }
    map->slots = slots;
    map->room = room;
    map->count = map->used = 0;
    for (size_t i = 0; i < old_room; i++) {
        if (old[i].hash > 1) {
            insert(map, old[i].key, old[i].value, old[i].hash);
        }
    }
    if (old) {
        tq__release(map->env, old);
    }
    return TQ_OK;
}

int tq__map_reserve(struct tq__map *map, size_t more, struct tq_error *err)
{
    size_t room = ROOM_MIN;
    if (map->room && (map->used + more) * 4 <= map->room * 3) {
        return TQ_OK;
    }
    while ((map->count + more) * 3 > room * 2) {
        room *= 2;
    }
    return rebuild(map, room, err);
}

void *tq__map_get(const struct tq__map *map, const char *key)
{
    if (!map->room) {
        return NULL;
    }
    struct tq__map_slot *slot = find(map, key, hash_of(map, key));
    return slot ? slot->value : NULL;
}

int tq__map_put(struct tq__map *map, const char *key, void *value, struct tq_error *err)
{
    uint64_t hash = hash_of(map, key);
    struct tq__map_slot *slot = find(map, key, hash);
    if (slot) {
        slot->key = key;
        slot->value = value;
        return TQ_OK;
    }
    TQ_TRY(tq__map_reserve(map, 1, err));
    insert(map, key, value, hash);
    return TQ_OK;
}

void *tq__map_remove(struct tq__map *map, const char *key)
{
    struct tq__map_slot *slot = map->room ? find(map, key, hash_of(map, key)) : NULL;
    if (!slot) {
        return NULL;
    }
    void *value = slot->value;
    *slot = (struct tq__map_slot){1, NULL, NULL};
    map->count--;
    return value;
}

void *tq__map_next(const struct tq__map *map, size_t *cursor)
{
    while (*cursor < map->room) {
        struct tq__map_slot *slot = &map->slots[(*cursor)++];
        if (slot->hash > 1) {
            return slot->value;
        }
    }
    return NULL;
}
