/* SPDX-License-Identifier: MIT */
/*
 * Chance: splitmix64 (Steele, Lea, Flood). Every visitor has a stream of his
 * own that follows from the seed and his number, so what a visitor is like and
 * wants does not depend on how fast the service answers.
 */
#ifndef HERD_CHANCE_H
#define HERD_CHANCE_H

#include <math.h>
#include <stdint.h>

struct chance {
    uint64_t state;
};

static inline uint64_t chance_word(struct chance *chance)
{
    uint64_t z = chance->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static inline struct chance chance_of(uint64_t seed, uint64_t number)
{
    struct chance chance = {seed * 0x9e3779b97f4a7c15u + number};
    chance.state = chance_word(&chance);
    return chance;
}

/* Uniform in [0, 1). */
static inline double chance_unit(struct chance *chance)
{
    return (double)(chance_word(chance) >> 11) * 0x1p-53;
}

static inline int chance_is(struct chance *chance, double share)
{
    return chance_unit(chance) < share;
}

static inline int64_t chance_between(struct chance *chance, int64_t low, int64_t high)
{
    return high <= low ? low : low + (int64_t)(chance_unit(chance) * (double)(high - low + 1));
}

/* Exponential with this mean: the time between independent arrivals. */
static inline double chance_exponential(struct chance *chance, double mean)
{
    return -mean * log(1.0 - chance_unit(chance));
}

#endif
