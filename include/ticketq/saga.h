/* SPDX-License-Identifier: MIT */
/**
 * @file ticketq/saga.h
 * @brief A purchase, or anything in several steps, that ends done or undone.
 *
 * A saga type is declared as data: its states, its events, and for each pair of
 * them a cell that says what happens. Every cell must be there: a type with a
 * hole is refused when it is opened. A transition is a compare-and-set on
 * (state, version) in the caller's transaction, together with the outbox events
 * that the cell's handler appends, so that it happens once or not at all.
 *
 * A state on the way has a deadline: tq_saga_step() then brings its event through
 * the same table. Only a declared refusal compensates; a timeout is an unknown
 * outcome and belongs in a state of its own.
 *
 * When a saga turns back (a transition from FORWARD, UNKNOWN or DONE into COMPENSATE
 * or UNDONE), the cell's handler is run and then the compensations of the transitions
 * that brought it there, last first, each once, all in the one transaction. A saga
 * that has done nothing yet has nothing to undo and turns back all the same; from
 * COMPENSATE there is no way forward, so a late action is refused.
 *
 * Tables: sagas and saga_history in the service's own database, shared by all its
 * types. Threads: [any].
 */
#ifndef TICKETQ_SAGA_H
#define TICKETQ_SAGA_H

#include <ticketq/ledger.h>

typedef struct tq_sagas tq_sagas;

#define TQ_SAGA_STATES_MAX 32   /**< Most states of a type. */
#define TQ_SAGA_EVENTS_MAX 32   /**< Most events of a type. */
#define TQ_SAGA_DATA_MAX 4096   /**< Most bytes of a saga's own data. */

/** What a cell says. */
enum tq_cell {
    TQ_CELL_GO = 1,     /**< Run the handler, move to `next`. */
    TQ_CELL_IGNORE = 2, /**< A duplicate or a late one: nothing happens, TQ_REPEAT. */
    TQ_CELL_REFUSE = 3, /**< May not happen here: nothing changes, TQ_REFUSED. */
    TQ_CELL_DEFER = 4   /**< Too early: nothing changes, TQ_WAIT; bring it again. */
};

/** Kinds of a state. */
enum tq_saga_kind {
    TQ_SAGA_FORWARD = 1,     /**< On the way. */
    TQ_SAGA_UNKNOWN = 2,     /**< An outcome is being asked for. */
    TQ_SAGA_COMPENSATE = 3,  /**< On the way back; retried for ever. */
    TQ_SAGA_DONE = 4,        /**< Ended well; an event may still lead out of it. */
    TQ_SAGA_UNDONE = 5       /**< Ended with everything undone; likewise. */
};

/** One saga. Plain value; strings are borrowed during a handler. */
struct tq_saga {
    size_t size;
    const char *id;
    const char *state;
    uint64_t version;     /**< Grows with every transition. */
    int64_t deadline_ms;  /**< Store's clock; 0: none. */
    int64_t updated_ms;
    uint32_t attempts;    /**< Times the deadline of this state was brought. */
    uint32_t data_bytes;
    const char *data;     /**< The host's own bytes. */
};

/**
 * Do what a transition means: write rows, append events. TQ_OK moves on. A positive
 * outcome leaves the saga where it is and is the result of tq_saga_apply(); the handler
 * must have changed nothing then. A failure undoes the transaction. `saga` is as it was
 * before the transition.
 */
typedef int tq_saga_fn(tq_tx *tx, const struct tq_saga *saga, const void *input, void *arg,
                       struct tq_error *err);

/** A state. */
struct tq_saga_state {
    const char *name;        /**< An id. */
    uint32_t kind;           /**< enum tq_saga_kind. */
    uint32_t deadline_ms;    /**< After entering. Required; 0 for DONE and UNDONE. */
    const char *deadline;    /**< The event it brings; its cell must be a GO. */
};

/** A cell of the table. */
struct tq_saga_cell {
    const char *state;
    const char *event;
    uint32_t cell;           /**< enum tq_cell. */
    const char *next;        /**< For TQ_CELL_GO; the same state renews its deadline. */
    tq_saga_fn *handler;     /**< For TQ_CELL_GO. Optional. */
    tq_saga_fn *compensation;/**< Undoes the handler when the saga turns back; gets no input and
                                  must not refuse: a failure undoes the transaction and the
                                  deadline brings it again. Required of a handler between FORWARD
                                  states unless `is_pure`. */
    uint32_t is_pure;        /**< The handler has nothing to undo. */
};

/*
 * The cells of a table, one line each:
 *
 *     static const struct tq_saga_cell cells[] = {
 *         TQ_SAGA_GO_UNDO("OPEN", "Requested", "PAYING", pin, unpin),
 *         TQ_SAGA_GO("OPEN", "Overdue", "CANCELLED", NULL),
 *         TQ_SAGA_IGNORE("PAYING", "Requested"),
 *         TQ_SAGA_REFUSE("CANCELLED", "Requested"),
 *     };
 */
/** Run `handler` (NULL: none), which leaves nothing to undo, and move to `next`. @since 0.1 */
#define TQ_SAGA_GO(state, event, next, handler)                                                    \
    { (state), (event), TQ_CELL_GO, (next), (handler), NULL, 1 }
/** Run `handler` and move to `next`; `undo` undoes it when the saga turns back. @since 0.1 */
#define TQ_SAGA_GO_UNDO(state, event, next, handler, undo)                                         \
    { (state), (event), TQ_CELL_GO, (next), (handler), (undo), 0 }
/** A duplicate or a late one: nothing happens. @since 0.1 */
#define TQ_SAGA_IGNORE(state, event) { (state), (event), TQ_CELL_IGNORE, NULL, NULL, NULL, 0 }
/** May not happen here. @since 0.1 */
#define TQ_SAGA_REFUSE(state, event) { (state), (event), TQ_CELL_REFUSE, NULL, NULL, NULL, 0 }
/** Too early: to be brought again. @since 0.1 */
#define TQ_SAGA_DEFER(state, event) { (state), (event), TQ_CELL_DEFER, NULL, NULL, NULL, 0 }

/** A type. Borrowed by tq_sagas_open() for as long as it is open. */
struct tq_saga_type {
    size_t size;
    const char *name;        /**< An id. */
    uint32_t version;        /**< Of the definition; kept with each saga. */
    uint32_t reserved;
    const struct tq_saga_state *states; /**< The first one is where a saga begins. */
    size_t states_count;
    const char *const *events;
    size_t events_count;
    const struct tq_saga_cell *cells;   /**< states × events, in any order. */
    size_t cells_count;
    const struct tq_saga_type *previous; /**< Definition before this one (same name, lower version)
                                              while sagas of it are under way; NULL: none. */
};

/** A type of these arrays, which has no definition before it. @since 0.1 */
#define TQ_SAGA_TYPE(name, version, states, events, cells)                                         \
    { sizeof(struct tq_saga_type), (name), (version), 0,                                           \
      (states), sizeof(states) / sizeof *(states), (events), sizeof(events) / sizeof *(events),    \
      (cells), sizeof(cells) / sizeof *(cells), NULL }

/** Most definitions of a type that are open at once. */
#define TQ_SAGA_DEFINITIONS_MAX 8

/** One line of a saga's history. */
struct tq_saga_step_row {
    size_t size;
    uint64_t version;
    int64_t at_ms;
    const char *from;
    const char *event;
    const char *to;
};

typedef int tq_saga_row_fn(void *arg, const struct tq_saga *saga);
typedef int tq_saga_history_fn(void *arg, const struct tq_saga_step_row *row);

TQ_BEGIN_DECLS

/**
 * Check a type, migrate its tables and open it.
 *
 * @param store      A store with TQ_STORE_LEDGER. A reference is kept.
 * @param type       Borrowed until closed.
 * @param arg        Handed to every handler.
 * @param out_sagas  Written on TQ_OK; close it with tq_sagas_close().
 * @param err        Optional; names the cell that is missing.
 * @return TQ_OK         Open.
 * @return TQ_E_INVALID  A cell is missing, doubled or contradicts a state.
 * @return TQ_E_LIMIT    Too many states, events or definitions.
 * @return TQ_E_UNSUPPORTED  The store has no ledger.
 * @return a failure of tq_ledger_migrate().
 * @since 0.1
 */
TQ_API TQ_MUST_CHECK int tq_sagas_open(tq_store *store, const struct tq_saga_type *type, void *arg,
                                       tq_sagas **out_sagas, struct tq_error *err);
/** Close. NULL is allowed. @since 0.1 */
TQ_API void tq_sagas_close(tq_sagas *sagas);

/**
 * Begin a saga, in the caller's transaction.
 * @param tx     Borrowed.
 * @param sagas  Borrowed.
 * @param id     An id, unique in the type. Copied.
 * @param data   The host's own bytes, text. Copied.
 * @param data_bytes  At most TQ_SAGA_DATA_MAX.
 * @param err    Optional.
 * @return TQ_OK      Begun.
 * @return TQ_REPEAT  There is one of that id. Nothing changed.
 * @since 0.1
 */
TQ_API TQ_MUST_CHECK int tq_saga_start(tq_tx *tx, tq_sagas *sagas, const char *id,
                                       const char *data, size_t data_bytes, struct tq_error *err);
/**
 * Bring an event to a saga, in the caller's transaction.
 * @param tx     Borrowed.
 * @param sagas  Borrowed.
 * @param id     Which.
 * @param event  One of the type's events.
 * @param input  Handed to the handler.
 * @param err    Optional.
 * @return TQ_OK       The transition happened.
 * @return TQ_REPEAT   The table says ignore.
 * @return TQ_REFUSED  The table says refuse.
 * @return TQ_WAIT     The table says defer.
 * @return TQ_STALE    Somebody else moved it meanwhile. Nothing changed; bring it again.
 * @return TQ_GONE     No such saga.
 * @return another positive outcome of the handler: nothing changed.
 * @return TQ_E_INVALID      The type knows no such event.
 * @return TQ_E_UNSUPPORTED  The definition that the saga was begun with is not open.
 * @return a failure, also of a handler: the transaction must fail.
 * @since 0.1
 */
TQ_API TQ_MUST_CHECK int tq_saga_apply(tq_tx *tx, tq_sagas *sagas, const char *id,
                                       const char *event, const void *input,
                                       struct tq_error *err);
/** Read a saga in a transaction; `visit` gets it. TQ_GONE: no such saga. @since 0.1 */
TQ_API TQ_MUST_CHECK int tq_saga_read(tq_tx *tx, tq_sagas *sagas, const char *id,
                                      tq_saga_row_fn *visit, void *arg, struct tq_error *err);
/**
 * Bring the deadline events that are due, each in a transaction of its own.
 * @param sagas        Borrowed.
 * @param limit        Most sagas in this call; more than 256 are left for the next.
 * @param out_next_ms  Optional. When the next is due, in milliseconds from now; UINT32_MAX: there
 *                     is none.
 * @param err          Optional.
 * @return TQ_OK     Some were brought.
 * @return TQ_EMPTY  None was due.
 * @return negative  The ledger could not be read, or takes no writes: pause.
 * @since 0.1
 */
TQ_API TQ_MUST_CHECK int tq_saga_step(tq_sagas *sagas, size_t limit, uint32_t *out_next_ms,
                                      struct tq_error *err);
/** List sagas that have not ended and were not moved for `idle_ms`. @since 0.1 */
TQ_API TQ_MUST_CHECK int tq_saga_stuck(tq_sagas *sagas, int64_t idle_ms, size_t limit,
                                       tq_saga_row_fn *visit, void *arg, struct tq_error *err);
/** Read a saga's history, oldest first. @since 0.1 */
TQ_API TQ_MUST_CHECK int tq_saga_history(tq_sagas *sagas, const char *id,
                                         tq_saga_history_fn *visit, void *arg,
                                         struct tq_error *err);
/** Make a saga's deadline due now for the next step. TQ_GONE, TQ_REPEAT (ended). @since 0.1 */
TQ_API TQ_MUST_CHECK int tq_saga_resume(tq_sagas *sagas, const char *id, struct tq_error *err);

TQ_END_DECLS
#endif /* TICKETQ_SAGA_H */
