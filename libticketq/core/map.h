/* SPDX-License-Identifier: MIT */
/*
 * A hash table from strings to pointers.
 */
#ifndef TQ_CORE_MAP_H
#define TQ_CORE_MAP_H

#include <ticketq/env.h>
#include <ticketq/status.h>

struct tq__map_slot;

/* Keys are borrowed: they must live as long as their entry, usually inside the value. */
struct tq__map {
    const struct tq_env *env;
    struct tq__map_slot *slots;
    size_t room;  /* a power of two, or 0 */
    size_t count; /* live entries */
    size_t used;  /* live entries and tombstones */
    uint64_t seed[2];
};

int tq__map_init(struct tq__map *map, const struct tq_env *env, struct tq_error *err);
void tq__map_done(struct tq__map *map);
/* NULL when it is not there. */
void *tq__map_get(const struct tq__map *map, const char *key);
/* Adds or replaces. TQ_OK or TQ_E_NOMEM, then nothing changed. */
int tq__map_put(struct tq__map *map, const char *key, void *value, struct tq_error *err);
/* Returns the value that was there, or NULL. */
void *tq__map_remove(struct tq__map *map, const char *key);
/* Room for `more` further entries: later puts of that many cannot fail. */
int tq__map_reserve(struct tq__map *map, size_t more, struct tq_error *err);
/* Walks all entries: `*cursor` starts at 0; NULL at the end. The current one may be removed. */
void *tq__map_next(const struct tq__map *map, size_t *cursor);

#endif
