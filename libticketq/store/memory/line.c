/* SPDX-License-Identifier: MIT */
/*
 * The line of a room as a counted trie over the numbers, 64 ways a level.
 *
 * A leaf holds 64 numbers: a bit for each that waits, a bit for each that is
 * spent, and, while anybody waits there, who. An inner node counts who waits
 * below each child, so that
 *
 *     who is first    is a walk down the first child with a count
 *     how many ahead  is the sum of the counts to the left, level by level
 *
 * both O(levels), and there are as many levels as the largest number has digits
 * of six bits: four for 16 million. Numbers need not be dense; a visitor who
 * comes back with an old one, or a room whose numbers begin high, costs a path.
 *
 * Memory follows who waits: a leaf without waiting and spent is freed; one whose
 * numbers are all spent becomes one bit of its parent, which may collapse in
 * turn, so that the served front of the line costs next to nothing.
 *
 * Invariants: a number waits or is spent, never both; a count is the number of
 * bits below it; no node below the root is empty. Ending a wait allocates
 * nothing. Threads: whoever owns the line locks it.
 */
#include "store/memory/line.h"

#include <string.h>

#include "core/env.h"
#include "core/error.h"

#define WAYS 64
#define BITS 6
#define LEVELS_MAX 10
#define ALL UINT64_MAX

struct line_leaf {
    uint64_t waiting;
    uint64_t spent;
    void **visitors; /* WAYS of them; NULL while nobody waits */
};

struct line_inner {
    uint64_t spent; /* children that are gone because all below them is spent */
    uint32_t used;  /* children that are there */
    uint32_t counts[WAYS];
    void *children[WAYS]; /* inner nodes, or leaves on level 1 */
};

/* The nodes from the root (level `height`) to the leaf of a number. */
struct path {
    struct line_inner *inner[LEVELS_MAX + 1];
    struct line_leaf *leaf;
};

static unsigned digit(int64_t sequence, unsigned level)
{
    return (unsigned)((uint64_t)sequence >> (level * BITS)) & (WAYS - 1);
}

static int is_covered(const struct tq__line *line, int64_t sequence)
{
    return line->root && (uint64_t)sequence >> ((line->height + 1) * BITS) == 0;
}

void tq__line_init(struct tq__line *line, const struct tq_env *env)
{
    *line = (struct tq__line){.env = env};
}

static void free_leaf(const struct tq__line *line, struct line_leaf *leaf)
{
    tq__release(line->env, leaf->visitors);
    tq__release(line->env, leaf);
}

/* Recursion is as deep as the trie. */
static void free_inner(const struct tq__line *line, struct line_inner *inner, unsigned level)
{
    for (unsigned i = 0; i < WAYS; i++) {
        if (inner->children[i] && level == 1) {
            free_leaf(line, inner->children[i]);
        } else if (inner->children[i]) {
            free_inner(line, inner->children[i], level - 1);
        }
    }
    tq__release(line->env, inner);
}

void tq__line_clear(struct tq__line *line)
{
    if (line->root) {
        free_inner(line, line->root, line->height);
    }
    tq__line_init(line, line->env);
}

/* The leaf of a number; NULL when there is none, then `*out_is_spent` says why. */
static struct line_leaf *find(const struct tq__line *line, int64_t sequence, int *out_is_spent)
{
    void *node = line->root;
    *out_is_spent = 0;
    if (!is_covered(line, sequence)) {
        return NULL;
    }
    for (unsigned level = line->height; level > 0 && node; level--) {
        const struct line_inner *inner = node;
        unsigned at = digit(sequence, level);
        *out_is_spent = inner->spent >> at & 1;
        node = inner->children[at];
    }
    return node;
}

enum tq__line_number tq__line_look(const struct tq__line *line, int64_t sequence)
{
    int is_spent;
    const struct line_leaf *leaf = find(line, sequence, &is_spent);
    uint64_t bit = UINT64_C(1) << digit(sequence, 0);
    if (is_spent || (leaf && leaf->spent & bit)) {
        return TQ__LINE_SPENT;
    }
    return leaf && leaf->waiting & bit ? TQ__LINE_WAITING : TQ__LINE_FREE;
}

void *tq__line_first(const struct tq__line *line)
{
    const void *node = line->root;
    if (line->count == 0) {
        return NULL;
    }
    for (unsigned level = line->height; level > 0; level--) {
        const struct line_inner *inner = node;
        unsigned at = 0;
        while (inner->counts[at] == 0) {
            at++;
        }
        node = inner->children[at];
    }
    const struct line_leaf *leaf = node;
    return leaf->visitors[__builtin_ctzll(leaf->waiting)];
}

uint64_t tq__line_ahead(const struct tq__line *line, int64_t sequence)
{
    const void *node = line->root;
    uint64_t ahead = 0;
    if (!is_covered(line, sequence)) {
        return line->count;
    }
    for (unsigned level = line->height; level > 0 && node; level--) {
        const struct line_inner *inner = node;
        unsigned at = digit(sequence, level);
        for (unsigned i = 0; i < at; i++) {
            ahead += inner->counts[i];
        }
        node = inner->children[at];
    }
    if (node) {
        uint64_t below = (UINT64_C(1) << digit(sequence, 0)) - 1;
        uint64_t waiting = ((const struct line_leaf *)node)->waiting & below;
        ahead += (uint64_t)__builtin_popcountll(waiting);
    }
    return ahead;
}

/* Adds levels above the root until the number is below it. */
static int cover(struct tq__line *line, int64_t sequence, struct tq_error *err)
{
    while (!is_covered(line, sequence)) {
        struct line_inner *root = tq__alloc(line->env, 1, sizeof *root);
        if (!root) {
            return tq__nomem("store.memory", err);
        }
        if (line->root) {
            root->children[0] = line->root;
            root->counts[0] = (uint32_t)line->count;
            root->used = 1;
        }
        line->root = root;
        line->height++;
    }
    return TQ_OK;
}

/* The path to a number as far as it goes; `leaf` is NULL where it ends early. */
static void walk(const struct tq__line *line, int64_t sequence, struct path *path)
{
    void *node = line->root;
    memset(path, 0, sizeof *path);
    for (unsigned level = line->height; level > 0 && node; level--) {
        path->inner[level] = node;
        node = path->inner[level]->children[digit(sequence, level)];
    }
    path->leaf = node;
}

/* Frees what became empty or wholly spent, from the leaf up to below the root. */
static void prune(struct tq__line *line, int64_t sequence, struct path *path)
{
    int is_spent = 0;
    if (path->leaf) {
        if (path->leaf->waiting || (path->leaf->spent && path->leaf->spent != ALL)) {
            return;
        }
        is_spent = path->leaf->spent == ALL;
        free_leaf(line, path->leaf);
        path->leaf = NULL;
    }
    for (unsigned level = 1; level <= line->height; level++) {
        struct line_inner *inner = path->inner[level];
        unsigned at = digit(sequence, level);
        if (!inner) {
            continue;
        }
        inner->used -= inner->children[at] != NULL;
        inner->children[at] = NULL;
        inner->spent |= (uint64_t)is_spent << at;
        is_spent = inner->spent == ALL;
        if (level == line->height || inner->used || (inner->spent && !is_spent)) {
            return;
        }
        tq__release(line->env, inner);
    }
}

/* Makes the nodes that are missing on a path. */
static int build(struct tq__line *line, int64_t sequence, struct path *path, struct tq_error *err)
{
    TQ_TRY(cover(line, sequence, err));
    walk(line, sequence, path);
    for (unsigned level = line->height; level > 0; level--) {
        struct line_inner *inner = path->inner[level];
        unsigned at = digit(sequence, level);
        if (inner->children[at]) {
            continue;
        }
        size_t size = level == 1 ? sizeof *path->leaf : sizeof *inner;
        inner->children[at] = tq__alloc(line->env, 1, size);
        if (!inner->children[at]) {
            prune(line, sequence, path);
            return tq__nomem("store.memory", err);
        }
        inner->used++;
        if (level == 1) {
            path->leaf = inner->children[at];
        } else {
            path->inner[level - 1] = inner->children[at];
        }
    }
    return TQ_OK;
}

int tq__line_put(struct tq__line *line, int64_t sequence, void *visitor, struct tq_error *err)
{
    struct path path;
    TQ_TRY(build(line, sequence, &path, err));
    struct line_leaf *leaf = path.leaf;
    if (!leaf->visitors) {
        leaf->visitors = tq__alloc(line->env, WAYS, sizeof *leaf->visitors);
    }
    if (!leaf->visitors) {
        prune(line, sequence, &path);
        return tq__nomem("store.memory", err);
    }
    leaf->visitors[digit(sequence, 0)] = visitor;
    leaf->waiting |= UINT64_C(1) << digit(sequence, 0);
    for (unsigned level = line->height; level > 0; level--) {
        path.inner[level]->counts[digit(sequence, level)]++;
    }
    line->count++;
    return TQ_OK;
}

int tq__line_mark(struct tq__line *line, int64_t sequence, struct tq_error *err)
{
    struct path path;
    TQ_TRY(build(line, sequence, &path, err));
    path.leaf->spent |= UINT64_C(1) << digit(sequence, 0);
    return TQ_OK;
}

/* Takes a number out of the counts, if it waits. */
static void stop_waiting(struct tq__line *line, int64_t sequence, struct path *path)
{
    struct line_leaf *leaf = path->leaf;
    uint64_t bit = UINT64_C(1) << digit(sequence, 0);
    if (!(leaf->waiting & bit)) {
        return;
    }
    leaf->waiting &= ~bit;
    if (!leaf->waiting) {
        tq__release(line->env, leaf->visitors);
        leaf->visitors = NULL;
    }
    for (unsigned level = line->height; level > 0; level--) {
        path->inner[level]->counts[digit(sequence, level)]--;
    }
    line->count--;
}

void tq__line_spend(struct tq__line *line, int64_t sequence)
{
    struct path path;
    walk(line, sequence, &path);
    stop_waiting(line, sequence, &path);
    path.leaf->spent |= UINT64_C(1) << digit(sequence, 0);
    prune(line, sequence, &path);
}

void tq__line_free(struct tq__line *line, int64_t sequence)
{
    struct path path;
    walk(line, sequence, &path);
    stop_waiting(line, sequence, &path);
    path.leaf->spent &= ~(UINT64_C(1) << digit(sequence, 0));
    prune(line, sequence, &path);
}
