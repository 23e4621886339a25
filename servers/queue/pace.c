/* SPDX-License-Identifier: MIT */
/*
 * Remembers when each visitor may ask again, in a table of fixed size.
 *
 * Far too early is before half of what the visitor was told to wait. An entry is a
 * fingerprint (64 bits of SHA-256 over a secret, the room and the visitor) and a
 * time; an entry that is due, or of another visitor, is overwritten. So the table
 * never grows, and what a collision costs is that an eager visitor goes unnoticed
 * once: nobody is refused for another.
 *
 * Cost: one short hash and one entry. Threads: [any]; each entry is two atomics,
 * and a torn pair is a collision.
 */
#include "queue/pace.h"

#include <openssl/evp.h>
#include <stdatomic.h>
#include <string.h>

#include "core/env.h"
#include "core/error.h"

struct slot {
    atomic_uint_least64_t fingerprint;
    atomic_int_least64_t not_before_ms;
};

struct queue_pace {
    struct tq_env env;
    unsigned char secret[16];
    size_t mask;
    struct slot slots[];
};

int queue_pace_new(const struct tq_env *env, size_t visitors_max, struct queue_pace **out_pace,
                   struct tq_error *err)
{
    size_t room = 1;
    while (room < visitors_max) {
        room *= 2;
    }
    struct queue_pace *pace = tq__alloc(env, 1, sizeof *pace + room * sizeof *pace->slots);
    if (!pace) {
        return tq__nomem("queue.pace", err);
    }
    pace->env = *env;
    pace->mask = room - 1;
    int rc = tq__random(env, pace->secret, sizeof pace->secret, err);
    if (rc < 0) {
        tq__release(env, pace);
        return rc;
    }
    *out_pace = pace;
    return TQ_OK;
}

void queue_pace_free(struct queue_pace *pace)
{
    if (pace) {
        struct tq_env env = pace->env;
        tq__release(&env, pace);
    }
}

/* 0, the fingerprint of nobody: there is no digest. */
static uint64_t fingerprint_of(const struct queue_pace *pace, const char *room, const char *visitor)
{
    unsigned char text[sizeof pace->secret + 2 * TQ_ID_SIZE] = {0};
    unsigned char digest[EVP_MAX_MD_SIZE];
    uint64_t fingerprint;
    memcpy(text, pace->secret, sizeof pace->secret);
    memcpy(text + sizeof pace->secret, room, strnlen(room, TQ_ID_MAX));
    memcpy(text + sizeof pace->secret + TQ_ID_SIZE, visitor, strnlen(visitor, TQ_ID_MAX));
    if (!EVP_Digest(text, sizeof text, digest, NULL, EVP_sha256(), NULL)) {
        return 0;
    }
    memcpy(&fingerprint, digest, sizeof fingerprint);
    return fingerprint | 1;
}

static struct slot *slot_of(struct queue_pace *pace, uint64_t fingerprint)
{
    return &pace->slots[(fingerprint >> 1) & pace->mask];
}

int64_t queue_pace_wait_ms(struct queue_pace *pace, const char *room, const char *visitor,
                           int64_t now_ms)
{
    uint64_t fingerprint = fingerprint_of(pace, room, visitor);
    struct slot *slot = slot_of(pace, fingerprint);
    int64_t wait_ms = atomic_load(&slot->not_before_ms) - now_ms;
    int is_theirs = fingerprint && atomic_load(&slot->fingerprint) == fingerprint;
    return is_theirs && wait_ms > 0 ? wait_ms : 0;
}

void queue_pace_note(struct queue_pace *pace, const char *room, const char *visitor, int64_t now_ms,
                     uint32_t poll_after_ms)
{
    uint64_t fingerprint = fingerprint_of(pace, room, visitor);
    struct slot *slot = slot_of(pace, fingerprint);
    atomic_store(&slot->fingerprint, fingerprint);
    atomic_store(&slot->not_before_ms, now_ms + poll_after_ms / 2);
}
