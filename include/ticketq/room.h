/* SPDX-License-Identifier: MIT */
/**
 * @file ticketq/room.h
 * @brief The virtual waiting room: who may come in, and when.
 *
 * Visitors line up once, in the order of a number that the store issues, keep
 * their place across refreshes and restarts, and are let in at the pace the
 * shop can serve: at most `rate` a second (token bucket with a burst) and at
 * most `max_active` inside at once, decided in one step by whoever calls
 * tq_room_tick(). A visitor who stops asking loses the turn to the next; a pass
 * that is handed back or runs out frees its slot.
 *
 * The place is a signed token: a visitor who comes back after the store lost
 * its memory gets the same number back. The pass is a signed token that a
 * gateway checks with no I/O. Time is the store's. Threads: [any].
 */
#ifndef TICKETQ_ROOM_H
#define TICKETQ_ROOM_H

#include <ticketq/store.h>
#include <ticketq/token.h>

typedef struct tq_room tq_room;

/** Where a visitor stands. */
enum tq_visit {
    TQ_VISIT_NONE = 0,     /**< Not in this room. */
    TQ_VISIT_WAITING = 1,  /**< In line. */
    TQ_VISIT_ADMITTED = 2, /**< Inside, with a pass. */
    TQ_VISIT_LEFT = 3      /**< Left, or lost the place by silence. */
};

/** What a room does. A zero takes the default; it is kept in the store. */
struct tq_room_policy {
    size_t size;
    int64_t open_ms;       /**< Nobody is let in before. 0: open at once. */
    int64_t close_ms;      /**< Nobody enters or is let in from here on. 0: never closes. */
    uint32_t rate;         /**< Admissions in `rate_per_ms`. Default 10. */
    uint32_t rate_per_ms;  /**< Default 1000. */
    uint32_t burst;        /**< Most admissions at once. Default `rate`. */
    uint32_t max_active;   /**< Most visitors inside. Default 1000. */
    uint32_t capacity;     /**< Most visitors in line; more are TQ_FULL. Default 1000000. */
    uint32_t waiting_ms;   /**< Silence after which a place in line is skipped. Default 60000. */
    uint32_t active_ms;    /**< Silence after which a slot inside is freed. Default 120000. */
    uint32_t pass_ms;      /**< Longest life of a pass. Default 600000. */
    uint32_t poll_min_ms;  /**< Poll interval at the front. Default 1000. */
    uint32_t poll_max_ms;  /**< Poll interval far behind. Default 20000. */
};

/** A visitor who comes, asks or leaves. */
struct tq_visitor {
    size_t size;
    const char *id;    /**< Required. An id. Borrowed. */
    const char *token; /**< The place token of an earlier answer. Optional. Borrowed. */
};

/** A position in the line. Plain value. */
struct tq_place {
    size_t size;
    int32_t status;         /**< TQ_OK; TQ_GONE, TQ_FULL, TQ_CLOSED, TQ_REFUSED, see each call. */
    uint32_t visit;         /**< enum tq_visit. */
    int64_t sequence;       /**< Issued by the store, from 1; smaller comes first. */
    uint64_t ahead;         /**< Visitors in line before this one. */
    int64_t wait_low_ms;    /**< Estimated wait, optimistic. -1: not known. */
    int64_t wait_high_ms;   /**< Estimated wait, cautious. -1: not known. */
    uint32_t poll_after_ms; /**< Ask again after this long; grows with the distance. */
    uint32_t reserved;
    int64_t pass_expires_ms;    /**< When the pass ends; 0 without a pass. */
    char token[TQ_TOKEN_SIZE];  /**< The place, signed. */
    char pass[TQ_TOKEN_SIZE];   /**< The pass, signed; "" unless admitted. */
};

/** The state document: the same for everybody, so that it can be cached. */
struct tq_room_state {
    size_t size;
    int64_t now_ms;
    int64_t open_ms;
    int64_t close_ms;
    int64_t serving;        /**< The highest sequence number that was let in. */
    int64_t tail;           /**< The highest sequence number issued. */
    uint64_t waiting;       /**< Visitors in line. */
    uint64_t active;        /**< Visitors inside. */
    uint64_t admitted;      /**< Let in since the beginning. */
    uint64_t skipped;       /**< Lost their place by silence. */
    uint32_t rate;
    uint32_t rate_per_ms;
    uint32_t max_active;
    uint32_t is_paused;
    uint32_t is_draining;
    uint32_t poll_after_ms; /**< How long this document is good. */
    uint64_t epoch;         /**< Passes of an older epoch are revoked. */
};

/** Orders of an operator. */
enum tq_room_order {
    TQ_ROOM_PAUSE = 1,    /**< Let nobody in. */
    TQ_ROOM_RESUME = 2,
    TQ_ROOM_SET_RATE = 3, /**< `value` admissions per `rate_per_ms`. */
    TQ_ROOM_SET_CAP = 4,  /**< `value` visitors inside. */
    TQ_ROOM_ADVANCE = 5,  /**< Let the next `value` in now, above rate and cap. */
    TQ_ROOM_DRAIN = 6,    /**< Accept no new visitors; let in who is in line. */
    TQ_ROOM_RESET = 7,    /**< Empty the room, revoke every pass and place. */
    TQ_ROOM_SET_OPEN = 8, /**< `value` is the opening time. */
    TQ_ROOM_SET_CLOSE = 9 /**< `value` is the closing time. */
};

/** One line of the audit trail; also what an operator asks for. */
struct tq_room_action {
    size_t size;
    int64_t at_ms;            /**< Store's clock. Ignored in a request. */
    uint64_t number;          /**< 1, 2, 3, ... Ignored in a request. */
    uint32_t order;           /**< enum tq_room_order. */
    uint32_t reserved;
    int64_t value;            /**< See the order. */
    char actor[TQ_ID_SIZE];   /**< Who. Required. */
    char reason[160];         /**< Why. UTF-8 without control characters. */
};

/** What a tick did. */
struct tq_room_tick {
    size_t size;
    uint32_t admitted;     /**< Let in by this call. */
    uint32_t skipped;      /**< Lost their place by silence. */
    uint32_t freed;        /**< Slots inside that ran out. */
    uint32_t next_ms;      /**< Call again after this long. */
};

/** Called for each line of the audit trail; a non-zero result stops. */
typedef int tq_room_action_fn(void *arg, const struct tq_room_action *action);

TQ_BEGIN_DECLS

/**
 * Open a room, and create it with this policy when the store does not know it.
 *
 * @param store     A store with TQ_STORE_ROOM. A reference is kept.
 * @param keys      Ring with keys for TQ_PURPOSE_PLACE and TQ_PURPOSE_PASS. A reference is kept.
 * @param id        The room's id; also the audience of its tokens. Copied.
 * @param policy    For a room that is new, or to replace the policy; NULL keeps or defaults.
 * @param out_room  Written on TQ_OK.
 * @param err       Optional.
 * @return TQ_OK or a failure; TQ_E_UNSUPPORTED when the store keeps no rooms.
 * @since 0.1
 */
TQ_API TQ_MUST_CHECK int tq_room_open(tq_store *store, tq_keys *keys, const char *id,
                                      const struct tq_room_policy *policy, tq_room **out_room,
                                      struct tq_error *err);

/**
 * Close the handle. The room itself stays in the store.
 * @param room  Taken. NULL is allowed.
 * @since 0.1
 */
TQ_API void tq_room_close(tq_room *room);

/**
 * Line up, or come back: idempotent per visitor.
 *
 * `status` of each place: TQ_OK; TQ_FULL: the line has reached its capacity;
 * TQ_CLOSED: the room is closed or draining; TQ_REFUSED: the place token is not
 * genuine or belongs to another visitor (enter without it to begin anew).
 *
 * @param room        Borrowed.
 * @param visitors    Borrowed.
 * @param count       1 to TQ_BATCH_MAX.
 * @param out_places  `count` elements with `size` set. Written on TQ_OK.
 * @param err         Optional.
 * @return TQ_OK  Each place has its own status.
 * @return a failure: nothing is known about any of them (TQ_E_UNKNOWN) or none entered.
 * @since 0.1
 */
TQ_API TQ_MUST_CHECK int tq_room_enter(tq_room *room, const struct tq_visitor *visitors,
                                       size_t count, struct tq_place *out_places,
                                       struct tq_error *err);

/**
 * Ask for places; this is also the heartbeat of those who ask.
 *
 * `status` of each place: TQ_OK; TQ_GONE: not in this room, never or no longer
 * (enter again: a genuine place token restores the number unless it was left).
 *
 * Parameters and results are those of tq_room_enter().
 * @since 0.1
 */
TQ_API TQ_MUST_CHECK int tq_room_place(tq_room *room, const struct tq_visitor *visitors,
                                       size_t count, struct tq_place *out_places,
                                       struct tq_error *err);

/**
 * Leave the line, or hand back the slot inside.
 *
 * @param room          Borrowed.
 * @param visitors      Borrowed.
 * @param count         1 to TQ_BATCH_MAX.
 * @param out_statuses  `count` elements: TQ_OK left; TQ_GONE was not there. Written on TQ_OK.
 * @param err           Optional.
 * @return TQ_OK or a failure.
 * @since 0.1
 */
TQ_API TQ_MUST_CHECK int tq_room_leave(tq_room *room, const struct tq_visitor *visitors,
                                       size_t count, int32_t *out_statuses, struct tq_error *err);

/**
 * Let in whom the policy allows now. Any number of processes may call it.
 *
 * @param room      Borrowed.
 * @param out_tick  `size` set. Written on TQ_OK and TQ_EMPTY.
 * @param err       Optional.
 * @return TQ_OK     Somebody was let in, skipped or freed.
 * @return TQ_EMPTY  There was nothing to do.
 * @since 0.1
 */
TQ_API TQ_MUST_CHECK int tq_room_tick(tq_room *room, struct tq_room_tick *out_tick,
                                      struct tq_error *err);

/**
 * Read the state document.
 * @param room       Borrowed.
 * @param out_state  `size` set. Written on TQ_OK.
 * @param err        Optional.
 * @return TQ_OK or a failure.
 * @since 0.1
 */
TQ_API TQ_MUST_CHECK int tq_room_state(tq_room *room, struct tq_room_state *out_state,
                                       struct tq_error *err);

/**
 * Carry out an order and write it into the audit trail, in one step.
 *
 * @param room    Borrowed.
 * @param action  `order`, `value`, `actor`, `reason`. Borrowed.
 * @param err     Optional.
 * @return TQ_OK         Done.
 * @return TQ_E_INVALID  No such order, no actor, or a value out of range.
 * @since 0.1
 */
TQ_API TQ_MUST_CHECK int tq_room_operate(tq_room *room, const struct tq_room_action *action,
                                         struct tq_error *err);

/**
 * Read the audit trail, oldest first.
 *
 * @param room   Borrowed.
 * @param after  Begin behind this number; 0 for all.
 * @param visit  Called for each action.
 * @param arg    Handed to `visit`.
 * @param err    Optional.
 * @return TQ_OK or what `visit` returned.
 * @since 0.1
 */
TQ_API TQ_MUST_CHECK int tq_room_audit(tq_room *room, uint64_t after, tq_room_action_fn *visit,
                                       void *arg, struct tq_error *err);

TQ_END_DECLS
#endif /* TICKETQ_ROOM_H */
