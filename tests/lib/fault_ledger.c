/* SPDX-License-Identifier: MIT */
/*
 * Fails the n-th call to a ledger, before or after it took effect.
 *
 * A connection that is gone undid its transaction on the server; here it is
 * rolled back as soon as it dies, and every call on it fails until the core
 * gives it back. The status that the core sees is the one that a driver with a
 * network gives: a lost COMMIT is TQ_E_UNKNOWN, whether it was applied or not;
 * anything else that is lost was not applied.
 */
#include "lib/fault_ledger.h"

#include <stdlib.h>

#include "core/error.h"
#include "lib/unit.h"
#include "store/builtin.h"

struct fault_plan fault_plan;

struct fault_state {
    const struct tq_store_driver *inner;
    void *state;
};

struct fault_conn {
    const struct tq_ledger_driver *inner;
    void *conn; /* NULL: gone */
};

void fault_plan_set(int kind, unsigned slots, long at)
{
    fault_plan.kind = kind;
    fault_plan.status = 0;
    fault_plan.slots = slots;
    fault_plan.at = at;
    fault_plan.numbered = 0;
    for (int i = 0; i < FAULT_SLOTS_COUNT; i++) {
        fault_plan.calls[i] = 0;
    }
}

tq_store *fault_ledger_open(const struct tq_env *env)
{
    struct tq_error err = TQ_ERROR_INIT;
    tq_store *store = NULL;
    fault_plan_set(FAULT_NONE, 0, 0);
    assert_status(tq_store_open(env,
                                TQ_ARGS(tq_store_options,
                                        .url = "sqlite::memory:", .driver = &fault_ledger_driver),
                                &store, &err),
                  TQ_OK);
    return store;
}

int fault_is_lawful(int status)
{
    return status >= 0 || status == TQ_E_UNAVAILABLE || status == TQ_E_UNKNOWN ||
           status == TQ_E_BUSY || status == TQ_E_NOMEM;
}

/* Counts a call and says how it is to fail. */
static int next_fault(enum fault_slot slot)
{
    fault_plan.calls[slot]++;
    if (!(fault_plan.slots & 1u << slot)) {
        return FAULT_NONE;
    }
    return ++fault_plan.numbered == fault_plan.at ? fault_plan.kind : FAULT_NONE;
}

static int refuse(struct tq_error *err)
{
    int status = fault_plan.status ? fault_plan.status : TQ_E_UNAVAILABLE;
    return tq__fail(err, status, "fault", "refused on purpose");
}

static int lost(int status, struct tq_error *err)
{
    return tq__fail(err, status, "fault", "the connection is gone");
}

static void die(struct fault_conn *conn)
{
    conn->inner->rollback(conn->conn);
    conn->conn = NULL;
}

static int fault_begin(void *opaque, uint32_t mode, void **out_conn, int64_t *out_now_ms,
                       struct tq_error *err)
{
    struct fault_state *state = opaque;
    const struct tq_ledger_driver *inner = state->inner->ledger;
    void *conn;
    int kind = next_fault(FAULT_BEGIN);
    if (kind == FAULT_BEFORE || kind == FAULT_CRASH) {
        return refuse(err);
    }
    TQ_TRY(inner->begin(state->state, mode, &conn, out_now_ms, err));
    if (kind == FAULT_AFTER) {
        inner->rollback(conn);
        return lost(TQ_E_UNAVAILABLE, err);
    }
    struct fault_conn *made = malloc(sizeof *made);
    *made = (struct fault_conn){inner, conn};
    *out_conn = made;
    return TQ_OK;
}

/* A call on a connection, between what fails before and what fails after it. */
#define FAULTY(slot, connection, call, err)                                                        \
    do {                                                                                           \
        struct fault_conn *faulty = (connection);                                                  \
        int kind = faulty->conn ? next_fault(slot) : FAULT_NONE;                                   \
        if (kind == FAULT_BEFORE) {                                                                \
            return refuse(err);                                                                    \
        }                                                                                          \
        if (kind == FAULT_CRASH) {                                                                 \
            die(faulty);                                                                           \
        }                                                                                          \
        if (!faulty->conn) {                                                                       \
            return lost(TQ_E_UNAVAILABLE, err);                                                    \
        }                                                                                          \
        int result = (call);                                                                       \
        if (kind == FAULT_AFTER) {                                                                 \
            die(faulty);                                                                           \
            return lost(TQ_E_UNAVAILABLE, err);                                                    \
        }                                                                                          \
        return result;                                                                             \
    } while (0)

static int fault_exec(void *conn, const struct tq_statement *statement, struct tq_error *err)
{
    FAULTY(FAULT_EXEC, conn, faulty->inner->exec(faulty->conn, statement, err), err);
}

static int fault_script(void *conn, const char *sql, struct tq_error *err)
{
    FAULTY(FAULT_SCRIPT, conn, faulty->inner->script(faulty->conn, sql, err), err);
}

static int fault_savepoint(void *conn, struct tq_error *err)
{
    FAULTY(FAULT_SAVEPOINT, conn, faulty->inner->savepoint(faulty->conn, err), err);
}

static int fault_release(void *conn, struct tq_error *err)
{
    FAULTY(FAULT_RELEASE, conn, faulty->inner->release(faulty->conn, err), err);
}

static int fault_rollback_to(void *conn, struct tq_error *err)
{
    FAULTY(FAULT_ROLLBACK_TO, conn, faulty->inner->rollback_to(faulty->conn, err), err);
}

static void fault_rollback(void *opaque)
{
    struct fault_conn *conn = opaque;
    if (conn->conn) {
        conn->inner->rollback(conn->conn);
    }
    free(conn);
}

static int commit_faulty(struct fault_conn *conn, int kind, struct tq_error *err)
{
    if (kind == FAULT_BEFORE) {
        die(conn);
        return refuse(err);
    }
    if (kind == FAULT_CRASH) {
        die(conn);
        return lost(TQ_E_UNKNOWN, err);
    }
    int result = conn->inner->commit(conn->conn, err);
    return kind == FAULT_AFTER ? lost(TQ_E_UNKNOWN, err) : result;
}

static int fault_commit(void *opaque, struct tq_error *err)
{
    struct fault_conn *conn = opaque;
    int result = conn->conn ? commit_faulty(conn, next_fault(FAULT_COMMIT), err)
                            : lost(TQ_E_UNAVAILABLE, err);
    free(conn);
    return result;
}

static int fault_adopt(void *opaque, void *native, void **out_conn, int64_t *out_now_ms,
                       struct tq_error *err)
{
    struct fault_state *state = opaque;
    struct fault_conn *made = malloc(sizeof *made);
    made->inner = state->inner->ledger;
    int status = made->inner->adopt(state->state, native, &made->conn, out_now_ms, err);
    if (status < 0) {
        free(made);
        return status;
    }
    *out_conn = made;
    return TQ_OK;
}

static void fault_disown(void *opaque)
{
    struct fault_conn *conn = opaque;
    conn->inner->disown(conn->conn);
    free(conn);
}

static int fault_open(void *opaque, const struct tq_store_config *config, struct tq_error *err)
{
    struct fault_state *state = opaque;
    state->inner = fault_plan.inner ? fault_plan.inner : &tq__sqlite_driver;
    state->state = calloc(1, state->inner->state_size);
    return state->inner->open(state->state, config, err);
}

static void fault_close(void *opaque)
{
    struct fault_state *state = opaque;
    state->inner->close(state->state);
    free(state->state);
}

static int fault_now(void *opaque, int64_t *out_now_ms, struct tq_error *err)
{
    struct fault_state *state = opaque;
    return state->inner->now(state->state, out_now_ms, err);
}

static const struct tq_ledger_driver fault_ledger = {
    .size = sizeof fault_ledger,
    .begin = fault_begin,
    .exec = fault_exec,
    .script = fault_script,
    .savepoint = fault_savepoint,
    .release = fault_release,
    .rollback_to = fault_rollback_to,
    .commit = fault_commit,
    .rollback = fault_rollback,
    .adopt = fault_adopt,
    .disown = fault_disown,
};

const struct tq_store_driver fault_ledger_driver = {
    .size = sizeof fault_ledger_driver,
    .abi = TQ_STORE_ABI,
    .caps = TQ_STORE_DURABLE | TQ_STORE_SHARED | TQ_STORE_SERIAL, /* SQLite's */
    .name = "fault",
    .state_size = sizeof(struct fault_state),
    .open = fault_open,
    .close = fault_close,
    .now = fault_now,
    .ledger = &fault_ledger,
};
