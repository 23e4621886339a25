/* SPDX-License-Identifier: MIT */
/*
 * The SQLite driver: a ledger in one file, the embedded default.
 *
 *     sqlite:/path/to/file.db     created with mode 0600 when it is not there
 *     sqlite::memory:             for tests; one connection for everybody
 *     ?synchronous=full|normal    full (the default) keeps every commit through a
 *                                 loss of power; normal may lose the last ones
 *     ?create=0                   a file that is not there is refused
 *
 * One connection writes, `readers` connections read beside it on snapshots (WAL).
 * Needs SQLite 3.37 compiled for threads. Several processes may use one file.
 * Claims TQ_STORE_DURABLE and TQ_STORE_SHARED, which hold for files, and TQ_STORE_SERIAL:
 * a file has one writer, and what it rolled back issues its numbers again.
 *
 * A new file is made under another name and linked into place when its mode is
 * right, so that nobody can open it before; the log and the index beside it
 * inherit its mode. The file is never opened and closed other than by SQLite,
 * because closing it would drop the locks of the whole process.
 *
 * Threads: [any]; conn.c says how.
 */
#include "store/sqlite/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/backoff.h"
#include "core/env.h"
#include "core/url.h"
#include "store/builtin.h"

#define READERS_MAX 64

struct words {
    char synchronous[8];
    uint32_t is_creating;
};

static const struct tq__url_option options[] = {
    TQ__URL_TEXT("synchronous", struct words, synchronous),
    TQ__URL_NUMBER("create", struct words, is_creating, 0, 1, 1),
    {.name = NULL},
};

static int read_options(struct sqlite_state *state, const char *query, struct tq_error *err)
{
    struct words words = {.synchronous = "full"};
    TQ_TRY(tq__url_names_check(query, options, NULL, "store.sqlite", err));
    TQ_TRY(tq__url_options_read(query, options, &words, err));
    state->is_creating = (int)words.is_creating;
    state->is_normal = strcmp(words.synchronous, "normal") == 0;
    if (!state->is_normal && strcmp(words.synchronous, "full") != 0) {
        return tq__fail(err, TQ_E_INVALID, "store.sqlite", "synchronous is full or normal");
    }
    return TQ_OK;
}

static int read_config(struct sqlite_state *state, const struct tq_store_config *config,
                       struct tq_error *err)
{
    state->is_memory = strcmp(config->path, ":memory:") == 0;
    if (!config->path[0] || (config->path[0] == ':' && !state->is_memory)) {
        return tq__fail(err, TQ_E_INVALID, "store.sqlite", "the URL names no file");
    }
    if (config->readers > READERS_MAX) {
        return tq__fail(err, TQ_E_LIMIT, "store.sqlite", "%u readers, at most %d are allowed",
                        config->readers, READERS_MAX);
    }
    /* SQLite may be built to read a name that begins so as a URI of its own. */
    int is_uri = strncmp(config->path, "file:", 5) == 0;
    snprintf(state->path, sizeof state->path, "%s%s", is_uri ? "./" : "", config->path);
    state->conns_count = state->is_memory ? 1 : 1 + config->readers;
    return read_options(state, config->query, err);
}

static int fail_create(const char *path, struct tq_error *err)
{
    return tq__fail_native(err, TQ_E_UNAVAILABLE, errno, "store.sqlite",
                           "%.120s cannot be created: %m", path);
}

/* Makes an empty file of mode 0600 at the path, unless there is one. */
static int create_file(const struct sqlite_state *state, struct tq_error *err)
{
    const char *path = state->path;
    char draft[TQ_URL_MAX + 32];
    uint64_t chance;
    if (access(path, F_OK) == 0) {
        return TQ_OK;
    }
    if (!state->is_creating) {
        return tq__fail(err, TQ_E_INVALID, "store.sqlite", "there is no file %.150s", path);
    }
    TQ_TRY(tq__random(state->env, &chance, sizeof chance, err));
    snprintf(draft, sizeof draft, "%s.%016llx", path, (unsigned long long)chance);
    int file = openat(AT_FDCWD, draft, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0) {
        return fail_create(path, err);
    }
    close(file);
    int is_linked = link(draft, path) == 0 || errno == EEXIST;
    int rc = is_linked ? TQ_OK : fail_create(path, err);
    unlink(draft);
    return rc;
}

/* Others may be opening, recovering or closing the same file at this moment. */
static int open_conn(struct sqlite_state *state, size_t index, uint32_t busy_timeout_ms,
                     struct tq_error *err)
{
    struct tq__backoff backoff = {1, 50, 0};
    struct tq_error last = TQ_ERROR_INIT;
    uint32_t left_ms = busy_timeout_ms;
    struct sqlite_conn *conn = &state->conns[index];
    int status = tq__sqlite_conn_open(state, conn, index > 0, &last);
    while (status == TQ_E_BUSY && tq__backoff_wait(&backoff, state->env, &left_ms)) {
        tq__sqlite_conn_close(conn);
        status = tq__sqlite_conn_open(state, conn, index > 0, &last);
    }
    return status < 0 ? tq__fail_native(err, status, last.native, last.origin, "%s", last.message)
                      : status;
}

static int open_conns(struct sqlite_state *state, uint32_t busy_timeout_ms, struct tq_error *err)
{
    state->conns = tq__alloc(state->env, state->conns_count, sizeof *state->conns);
    if (!state->conns) {
        return tq__nomem("store.sqlite", err);
    }
    for (size_t i = 0; i < state->conns_count; i++) {
        TQ_TRY(open_conn(state, i, busy_timeout_ms, err));
        struct sqlite_lane *lane = i ? &state->pool.readers : &state->pool.writer;
        state->conns[i].next = lane->free;
        lane->free = &state->conns[i];
    }
    return TQ_OK;
}

static int sqlite_open(void *opaque, const struct tq_store_config *config, struct tq_error *err)
{
    struct sqlite_state *state = opaque;
    state->env = config->env;
    pthread_mutex_init(&state->pool.lock, NULL);
    pthread_cond_init(&state->pool.writer.freed, NULL);
    pthread_cond_init(&state->pool.readers.freed, NULL);
    if (!sqlite3_threadsafe()) {
        return tq__fail(err, TQ_E_UNAVAILABLE, "store.sqlite", "SQLite without threads");
    }
    TQ_TRY(read_config(state, config, err));
    if (!state->is_memory) {
        TQ_TRY(create_file(state, err));
    }
    return open_conns(state, config->busy_timeout_ms, err);
}

static void sqlite_close(void *opaque)
{
    struct sqlite_state *state = opaque;
    for (size_t i = state->conns ? state->conns_count : 0; i-- > 0;) {
        tq__sqlite_conn_close(&state->conns[i]);
    }
    tq__release(state->env, state->conns);
    pthread_cond_destroy(&state->pool.readers.freed);
    pthread_cond_destroy(&state->pool.writer.freed);
    pthread_mutex_destroy(&state->pool.lock);
}

static int sqlite_now(void *opaque, int64_t *out_now_ms, struct tq_error *err)
{
    struct sqlite_state *state = opaque;
    (void)err;
    *out_now_ms = tq__now_ms(state->env);
    return TQ_OK;
}

const struct tq_store_driver tq__sqlite_driver = {
    .size = sizeof(struct tq_store_driver),
    .abi = TQ_STORE_ABI,
    .caps = TQ_STORE_DURABLE | TQ_STORE_SHARED | TQ_STORE_SERIAL,
    .name = "sqlite",
    .state_size = sizeof(struct sqlite_state),
    .open = sqlite_open,
    .close = sqlite_close,
    .now = sqlite_now,
    .ledger = &tq__sqlite_ledger,
};
