/* SPDX-License-Identifier: MIT */
/*
 * The key ring: a list that only grows.
 *
 * A key is written behind the published count and becomes visible when the
 * count is raised, so signing and verifying read without a lock while keys are
 * added. A document of keys is written the same way and published at once, or
 * wiped. Of a secret only the digest states stay (token/mac.c).
 *
 * Each key keeps the encoded header of the tokens it signs: one comparison of
 * bytes then tells key, purpose and algorithm of a token of our own making.
 * A key signs from not_before on, but verifies before it too, for the clock of
 * the signer may be ahead of ours; from not_after on it does neither.
 * Cost: linear in the number of keys, at most TQ_KEYS_MAX. Threads: [any].
 */
#include "token/keys.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "core/args.h"
#include "core/bytes.h"
#include "core/env.h"
#include "core/error.h"
#include "token/flat.h"

static const struct purpose {
    const char *use;
    const char *type;
} purposes[] = {
    [TQ_PURPOSE_PLACE] = {"place", "tq-place+jwt"},
    [TQ_PURPOSE_PASS] = {"pass", "tq-pass+jwt"},
    [TQ_PURPOSE_ACCESS] = {"access", "at+jwt"},
    [TQ_PURPOSE_INTERNAL] = {"internal", "tq-int+jwt"},
};

#define PURPOSES_COUNT (sizeof purposes / sizeof *purposes)

const char *tq__purpose_type(uint32_t purpose)
{
    return purpose < PURPOSES_COUNT ? purposes[purpose].type : NULL;
}

const char *tq__purpose_use(uint32_t purpose)
{
    return tq__purpose_type(purpose) ? purposes[purpose].use : "unknown";
}

int tq_keys_new(const struct tq_env *env, tq_keys **out_keys, struct tq_error *err)
{
    struct tq_env own;
    TQ_TRY(TQ__REQUIRE("token", err, out_keys));
    TQ_TRY(tq__env_read(&own, env, err));
    tq_keys *keys = tq__alloc(&own, 1, sizeof *keys);
    if (!keys) {
        return tq__nomem("token", err);
    }
    keys->env = own;
    keys->references = 1;
    pthread_mutex_init(&keys->lock, NULL);
    int rc = tq__mac_pool_init(&keys->pool, err);
    if (rc < 0) {
        tq_keys_free(keys);
        return rc;
    }
    *out_keys = keys;
    return TQ_OK;
}

tq_keys *tq__keys_ref(tq_keys *keys)
{
    atomic_fetch_add(&keys->references, 1);
    return keys;
}

void tq_keys_free(tq_keys *keys)
{
    if (!keys || atomic_fetch_sub(&keys->references, 1) > 1) {
        return;
    }
    for (size_t i = 0; i < keys->count; i++) {
        tq__mac_key_done(&keys->keys[i].mac);
    }
    tq__mac_pool_done(&keys->pool);
    pthread_mutex_destroy(&keys->lock);
    tq__release(&keys->env, keys);
}

static int is_key_id(const char *id)
{
    return tq__id_is_valid(id) && strlen(id) <= TQ_KEY_ID_MAX;
}

static int check_key(const struct tq_key *key, struct tq_error *err)
{
    if (!is_key_id(key->id)) {
        return tq__fail(err, TQ_E_INVALID, "token", "a key id must match [A-Za-z0-9_-]{1,%d}",
                        TQ_KEY_ID_MAX);
    }
    if (!tq__purpose_type(key->purpose)) {
        return tq__fail(err, TQ_E_INVALID, "token", "the key has no purpose that is known");
    }
    if (key->algorithm && key->algorithm != TQ_HS256) {
        return tq__fail(err, TQ_E_INVALID, "token", "the key has no algorithm that is known");
    }
    if (!key->secret || key->not_before_ms < 0 || key->not_after_ms < 0) {
        return tq__fail(err, TQ_E_INVALID, "token", "the key has no secret or a negative time");
    }
    if (key->secret_bytes < TQ_KEY_SECRET_MIN || key->secret_bytes > TQ_KEY_SECRET_MAX) {
        return tq__fail(err, TQ_E_LIMIT, "token", "a secret has %d to %d bytes", TQ_KEY_SECRET_MIN,
                        TQ_KEY_SECRET_MAX);
    }
    return TQ_OK;
}

static void write_header(struct tq__key *key)
{
    char json[TQ__HEADER_MAX];
    int bytes = snprintf(json, sizeof json, "{\"alg\":\"HS256\",\"kid\":\"%s\",\"typ\":\"%s\"}",
                         key->id, tq__purpose_type(key->purpose));
    key->header_bytes = tq__base64url_encode(key->header, json, (size_t)bytes);
}

static const struct tq__key *find_below(const tq_keys *keys, size_t count, const char *id)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(keys->keys[i].id, id) == 0) {
            return &keys->keys[i];
        }
    }
    return NULL;
}

/* Writes a key behind `*count` and raises that; `lock` is held. */
static int stage(tq_keys *keys, size_t *count, const struct tq_key *source, struct tq_error *err)
{
    TQ_TRY(check_key(source, err));
    if (find_below(keys, *count, source->id)) {
        return TQ_REPEAT;
    }
    if (*count == TQ_KEYS_MAX) {
        return tq__fail(err, TQ_E_LIMIT, "token", "the ring has %d keys already", TQ_KEYS_MAX);
    }
    struct tq__key *key = &keys->keys[*count];
    snprintf(key->id, sizeof key->id, "%s", source->id);
    key->purpose = source->purpose;
    key->not_before_ms = source->not_before_ms;
    key->not_after_ms = source->not_after_ms ? source->not_after_ms : INT64_MAX;
    write_header(key);
    TQ_TRY(tq__mac_key_init(&key->mac, source->secret, source->secret_bytes, err));
    ++*count;
    return TQ_OK;
}

/* Makes the staged keys visible, or wipes them when `rc` is not TQ_OK; `lock` is held. */
static void publish(tq_keys *keys, size_t count, int rc)
{
    if (rc == TQ_OK) {
        atomic_store_explicit(&keys->count, count, memory_order_release);
        return;
    }
    while (count > keys->count) {
        tq__mac_key_done(&keys->keys[--count].mac);
    }
}

int tq_keys_add(tq_keys *keys, const struct tq_key *key, struct tq_error *err)
{
    struct tq_key use;
    TQ_TRY(TQ__REQUIRE("token", err, keys));
    TQ_TRY(TQ__READ(&use, key, "token", err));
    pthread_mutex_lock(&keys->lock);
    size_t count = keys->count;
    int rc = stage(keys, &count, &use, err);
    publish(keys, count, rc);
    pthread_mutex_unlock(&keys->lock);
    return rc;
}

/* One key of a document, with room for what its members point to. */
struct entry {
    struct tq_key key;
    char id[TQ_KEY_ID_MAX + 1];
    unsigned char secret[TQ_KEY_SECRET_MAX];
};

static uint32_t purpose_of(struct tq__flat_text use)
{
    for (uint32_t i = 1; i < PURPOSES_COUNT; i++) {
        if (tq__flat_equal(use, purposes[i].use)) {
            return i;
        }
    }
    return 0;
}

static int read_secret(struct entry *entry, struct tq__flat_text text)
{
    long bytes = tq__base64url_decode(entry->secret, sizeof entry->secret, text.at, text.bytes);
    entry->key.secret_bytes = bytes > 0 ? (size_t)bytes : 0;
    return bytes > 0;
}

/* 1 when the member is understood or may be ignored. */
static int read_member(struct entry *entry, const struct tq__flat_member *member)
{
    int is_string = member->kind == TQ__FLAT_STRING;
    int is_time = member->kind == TQ__FLAT_NUMBER && member->number <= TQ__FLAT_DATE_MAX;
    if (tq__flat_equal(member->name, "kid")) {
        return is_string && tq__flat_copy(entry->id, sizeof entry->id, member->text);
    }
    if (tq__flat_equal(member->name, "use")) {
        entry->key.purpose = is_string ? purpose_of(member->text) : 0;
        return entry->key.purpose != 0;
    }
    if (tq__flat_equal(member->name, "k")) {
        return is_string && read_secret(entry, member->text);
    }
    if (tq__flat_equal(member->name, "alg")) {
        return is_string && tq__flat_equal(member->text, "HS256");
    }
    if (tq__flat_equal(member->name, "nbf")) {
        entry->key.not_before_ms = member->number * 1000;
        return is_time;
    }
    if (tq__flat_equal(member->name, "exp")) {
        entry->key.not_after_ms = member->number * 1000;
        return is_time;
    }
    return 1;
}

/* 1 and an entry, or 0 when it is malformed. */
static int read_entry(struct tq__flat *flat, struct entry *out_entry)
{
    struct tq__flat_member member = {.number = 0};
    int rc = tq__flat_skip(flat, '{');
    flat->count = 0;
    while (rc > 0 && (rc = tq__flat_next(flat, &member)) > 0) {
        if (!read_member(out_entry, &member)) {
            return 0;
        }
    }
    return rc == 0 && out_entry->key.purpose && out_entry->key.secret_bytes;
}

static int stage_entry(tq_keys *keys, size_t *count, struct tq__flat *flat, struct tq_error *err)
{
    struct entry entry = {.key = TQ_INIT(tq_key)};
    entry.key.id = entry.id;
    entry.key.secret = entry.secret;
    int rc = TQ_E_INVALID;
    if (read_entry(flat, &entry)) {
        rc = stage(keys, count, &entry.key, err);
        rc = rc == TQ_REPEAT ? TQ_E_INVALID : rc;
    }
    OPENSSL_cleanse(&entry, sizeof entry);
    return rc;
}

static int stage_all(tq_keys *keys, size_t *count, struct tq__flat *flat, struct tq_error *err)
{
    if (!tq__flat_skip(flat, '{') || !tq__flat_skip_name(flat, "keys") ||
        !tq__flat_skip(flat, ':') || !tq__flat_skip(flat, '[')) {
        return TQ_E_INVALID;
    }
    do {
        TQ_TRY(stage_entry(keys, count, flat, err));
    } while (tq__flat_skip(flat, ','));
    return tq__flat_skip(flat, ']') && tq__flat_skip(flat, '}') && tq__flat_is_done(flat)
               ? TQ_OK
               : TQ_E_INVALID;
}

int tq_keys_load(tq_keys *keys, const char *json, size_t bytes, struct tq_error *err)
{
    struct tq__flat flat;
    TQ_TRY(TQ__REQUIRE("token", err, keys, json));
    tq__flat_init(&flat, json, bytes);
    pthread_mutex_lock(&keys->lock);
    size_t first = keys->count, count = first;
    int rc = stage_all(keys, &count, &flat, err);
    size_t staged = count - first;
    publish(keys, count, rc);
    pthread_mutex_unlock(&keys->lock);
    if (rc == TQ_E_INVALID || rc == TQ_E_LIMIT) {
        return tq__fail(err, TQ_E_INVALID, "token", "key %zu of the document is no good",
                        staged + 1);
    }
    return rc;
}

const struct tq__key *tq__keys_find(tq_keys *keys, const char *id)
{
    return find_below(keys, atomic_load_explicit(&keys->count, memory_order_acquire), id);
}

const struct tq__key *tq__keys_find_header(tq_keys *keys, const char *header, size_t bytes)
{
    size_t count = atomic_load_explicit(&keys->count, memory_order_acquire);
    for (size_t i = 0; i < count; i++) {
        const struct tq__key *key = &keys->keys[i];
        if (key->header_bytes == bytes && memcmp(key->header, header, bytes) == 0) {
            return key;
        }
    }
    return NULL;
}

const struct tq__key *tq__keys_signer(tq_keys *keys, uint32_t purpose, int64_t now_ms)
{
    size_t count = atomic_load_explicit(&keys->count, memory_order_acquire);
    const struct tq__key *newest = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct tq__key *key = &keys->keys[i];
        int is_valid =
            key->purpose == purpose && key->not_before_ms <= now_ms && now_ms < key->not_after_ms;
        if (is_valid && (!newest || key->not_before_ms >= newest->not_before_ms)) {
            newest = key;
        }
    }
    return newest;
}
