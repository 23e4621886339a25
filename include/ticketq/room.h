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
 * gateway checks with no I/O (tq_pass_check()); it ends with the slot that it
 * stands for, to the second, and each answer to its visitor renews it.
 *
 * A number is in one life only: waiting, then inside, then spent. A visitor who
 * fell silent in line may come back to the same number with the place token;
 * one who left, or whose time inside ran out, lines up anew. After the store
 * lost its memory, those who come back first are let in first, unless the policy
 * gives everybody `recovery_ms` to do so: those near the front ask again after
 * `poll_min_ms`, those far behind after `poll_max_ms`. A store that may have
 * forgotten the latest numbers only (a replica was promoted before it had heard of
 * them) leaves a gap, so that nobody gets a number that is signed for another.
 *
 * A room may be spread over `shards` slots of a store, for a crowd that one server of a
 * cluster cannot answer. The visitor's id decides the shard. What is decided for the room
 * stays so: rate, cap, orders, and that a number is in one life. What changes:
 *
 *   - Order: within a shard by arrival. Across shards by number, and whoever enters after a
 *     tick that began after another was answered has a higher number than the other; so at
 *     most those who came within one round of ticks of each other may change places. Through
 *     one process, whoever enters after another was answered is behind. A batch is in order
 *     within each shard. Numbers have gaps.
 *   - `ahead` is an estimate: those ahead in one's own shard, times the shards.
 *   - Each shard takes its part of `capacity`, rounded up, and is full by itself.
 *   - A tick's admissions to a shard that did not hear of them come with the next tick: at
 *     most a burst a shard. While all answer, the rate is as exact as without shards.
 *   - A slot that is away stops its own visitors only; the room's own (the desk) stops
 *     ticks and orders.
 *
 * A store that needs no shards, like memory, ignores them and keeps the stronger promises.
 *
 * Time is the store's, and in a room it never goes back. Threads: [any].
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
    TQ_VISIT_ADMITTED = 2  /**< Inside, with a pass. */
};

#define TQ_ROOM_RATE_MAX 1000000u       /**< Most admissions in `rate_per_ms`, and largest burst. */
#define TQ_ROOM_LINE_MAX 100000000u     /**< Largest `max_active` and `capacity`. */
#define TQ_ROOM_SPAN_MAX_MS 604800000u  /**< Longest of every time span: a week. */
#define TQ_ROOM_SEQUENCE_MAX (INT64_C(1) << 52) /**< Largest number in line, and largest epoch. */
#define TQ_ROOM_TIME_MAX_MS (INT64_C(1) << 52)  /**< Latest opening and closing time. */
#define TQ_ROOM_SHARDS_MAX 64u          /**< Most shards. */
#define TQ_ROOM_AUDIT_MAX 1024u         /**< Newest actions that the audit trail keeps. */
#define TQ_ROOM_REASON_SIZE 160         /**< Room for a reason and its terminating NUL. */

/** What a room does. A zero takes the default; it is kept in the store. */
struct tq_room_policy {
    size_t size;
    int64_t open_ms;        /**< Nobody is let in before. 0: open at once. */
    int64_t close_ms;       /**< Nobody enters or is let in from here on. 0: never closes. */
    uint32_t rate;          /**< Admissions in `rate_per_ms`. Default 10. */
    uint32_t rate_per_ms;   /**< Default 1000. */
    uint32_t burst;         /**< Most admissions at once. Default: `rate`, as it is at the time. */
    uint32_t max_active;    /**< Most visitors inside. Default 1000. */
    uint32_t capacity;      /**< Most visitors in line; more are TQ_FULL. Default 1000000. */
    uint32_t waiting_ms;    /**< Silence after which a place in line is skipped. Default 60000. */
    uint32_t active_ms;     /**< Silence after which a slot inside is freed. Default 120000. */
    uint32_t pass_ms;       /**< Longest time inside, however often renewed. Default 600000. */
    uint32_t poll_min_ms;   /**< Poll interval at the front. Default 1000. */
    uint32_t poll_max_ms;   /**< Poll interval far behind. Default 20000; see tq_place. */
    int64_t first_sequence; /**< Numbers begin here, at least. Default 1. A host whose store forgets
                                 gives one above all it issued, or a newcomer could get the
                                 number of somebody who has not come back yet. */
    int64_t first_epoch;    /**< The epoch is at least this. Default 1. As above, after a reset. */
    uint32_t recovery_ms;   /**< A line that the store begins anew though numbers were issued before
                                 (`first_sequence` is above 1), or whose end it may have lost,
                                 lets nobody in for this long, in which those who stood in it
                                 come back to their numbers. Default 0: not at all.
                                 TQ_ROOM_SET_OPEN ends it. */
    uint32_t shards;        /**< Slots of the store that the room is spread over. Default 1. Stays
                                 what it was when the room was created. */
};

/** A visitor who comes, asks or leaves. */
struct tq_visitor {
    size_t size;
    const char *id;    /**< Required. An id. Borrowed. */
    const char *token; /**< Place or pass of an earlier answer; only enter reads it. "" or NULL:
                            none. Borrowed. */
};

/** A position in the line. Plain value. */
struct tq_place {
    size_t size;
    int32_t status;         /**< TQ_OK; TQ_GONE, TQ_FULL, TQ_CLOSED, TQ_REFUSED, see each call. The
                                 other members are zero unless it is TQ_OK. */
    uint32_t visit;         /**< enum tq_visit. */
    int64_t sequence;       /**< Issued by the store, from 1; smaller comes first. */
    uint64_t ahead;         /**< Visitors in line before this one. */
    int64_t wait_low_ms;    /**< Estimated wait, optimistic. -1: not known. */
    int64_t wait_high_ms;   /**< Estimated wait, cautious. -1: not known. */
    uint32_t poll_after_ms; /**< Ask again after this long: grows with the distance, is spread by
                                 chance, and leaves two more tries before silence counts. */
    uint32_t reserved;
    int64_t pass_expires_ms;    /**< When slot and pass end unless renewed; 0 without a pass. */
    char token[TQ_TOKEN_SIZE];  /**< The place, signed. */
    char pass[TQ_TOKEN_SIZE];   /**< The pass, signed; "" unless admitted. */
};

/** The state document: the same for everybody, so that it can be cached. */
struct tq_room_state {
    size_t size;
    int64_t now_ms;
    int64_t open_ms;        /**< Of the policy, or the end of a recovery that is later. */
    int64_t close_ms;
    int64_t serving;        /**< The highest sequence number that was let in. */
    int64_t tail;           /**< The highest sequence number issued. */
    uint64_t waiting;       /**< Visitors in line. */
    uint64_t active;        /**< Visitors inside. */
    uint64_t admitted;      /**< Let in since the beginning. */
    uint64_t skipped;       /**< Lost their place by silence, since the beginning. */
    uint32_t rate;
    uint32_t rate_per_ms;
    uint32_t max_active;
    uint32_t is_paused;
    uint32_t is_draining;
    uint32_t poll_after_ms; /**< How long this document is good. */
    int64_t epoch;          /**< Places and passes of an older epoch are revoked. */
};

/** Orders of an operator. */
enum tq_room_order {
    TQ_ROOM_PAUSE = 1,    /**< Let nobody in. */
    TQ_ROOM_RESUME = 2,   /**< End a pause and a drain. */
    TQ_ROOM_SET_RATE = 3, /**< `value` admissions per `rate_per_ms`: 1 to TQ_ROOM_RATE_MAX. */
    TQ_ROOM_SET_CAP = 4,  /**< `value` visitors inside: 1 to TQ_ROOM_LINE_MAX. */
    TQ_ROOM_ADVANCE = 5,  /**< Let the next `value`, 1 to TQ_BATCH_MAX, in now: above rate and cap,
                               also in a pause and outside the opening times. */
    TQ_ROOM_DRAIN = 6,    /**< Accept no new visitors; let in those who are in line. */
    TQ_ROOM_RESET = 7,    /**< Empty the room; a new epoch revokes every pass and place. */
    TQ_ROOM_SET_OPEN = 8, /**< `value` is the opening time; 0: open. */
    TQ_ROOM_SET_CLOSE = 9 /**< `value` is the closing time; 0: never. */
};

/** One line of the audit trail; also what an operator asks for. */
struct tq_room_action {
    size_t size;
    int64_t at_ms;     /**< Store's clock. Ignored in a request. */
    uint64_t number;   /**< 1, 2, 3, ... Ignored in a request. */
    uint32_t order;    /**< enum tq_room_order. */
    uint32_t reserved;
    int64_t value;     /**< See the order; ignored by the others. */
    char actor[TQ_ID_SIZE];           /**< Who. Required. */
    char request_key[TQ_ID_SIZE];     /**< Optional: carried out once per key in the trail. */
    char reason[TQ_ROOM_REASON_SIZE]; /**< Why. UTF-8 without control characters. Optional. */
};

/** What a tick did. */
struct tq_room_tick {
    size_t size;
    uint32_t admitted;     /**< Let in by this call. */
    uint32_t skipped;      /**< Lost their place by silence; other calls notice it too. */
    uint32_t freed;        /**< Slots inside whose time ran out; likewise. */
    uint32_t next_ms;      /**< Call again after this long. */
};

/** Called for each line of the audit trail, Borrowed until it returns; a non-zero result stops. */
typedef int tq_room_action_fn(void *arg, const struct tq_room_action *action);

TQ_BEGIN_DECLS

/**
 * Open a room, and create it with this policy when the store does not know it.
 *
 * @param store     A store with TQ_STORE_ROOM. A reference is kept.
 * @param keys      Ring with keys for TQ_PURPOSE_PLACE and TQ_PURPOSE_PASS. A reference is kept.
 *                  NULL: nothing is signed and every token is refused.
 * @param id        The room's id; also the audience of its tokens. Copied.
 * @param policy    For a room that is new, or to replace the policy; NULL keeps or defaults.
 * @param out_room  Written on TQ_OK; close it with tq_room_close().
 * @param err       Optional.
 * @return TQ_OK             Open.
 * @return TQ_E_INVALID      `id` is no id, or the policy contradicts itself: it closes before it
 *                           opens, or polls more seldom at the front than far behind.
 * @return TQ_E_LIMIT        The policy has a number over its limit.
 * @return TQ_E_UNSUPPORTED  The store keeps no rooms.
 * @return another failure of the store.
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
 * A visitor whom the room does not know gets the next number; with a genuine
 * place, the same number back; with a genuine pass, the same number and a slot
 * inside. A token whose time is over, or whose number is spent or (see
 * `first_sequence`) another's by now, counts as none.
 * A visitor whom the room knows stays in place, and is heard from. What comes back by token
 * is not refused by capacity or drain, and a pass by nothing but its epoch: it
 * was promised before.
 *
 * `status` of each place: TQ_OK; TQ_FULL: the line has reached its capacity;
 * TQ_CLOSED: the room is closed or draining; TQ_REFUSED: the token is not
 * genuine, is revoked or belongs to another (enter without it to begin anew);
 * never for a visitor whom the room knows.
 *
 * @param room        Borrowed.
 * @param visitors    Borrowed.
 * @param count       1 to TQ_BATCH_MAX.
 * @param out_places  `count` elements with `size` set. Written on TQ_OK, of no use otherwise.
 * @param err         Optional.
 * @return TQ_OK         Each place has its own status.
 * @return TQ_E_UNKNOWN  Perhaps some entered. Ask again: nobody enters twice.
 * @return another failure: nobody entered.
 * @since 0.1
 */
TQ_API TQ_MUST_CHECK int tq_room_enter(tq_room *room, const struct tq_visitor *visitors,
                                       size_t count, struct tq_place *out_places,
                                       struct tq_error *err);

/**
 * Ask for places; this is also the heartbeat of those who ask.
 *
 * `status` of each place: TQ_OK; TQ_GONE: not in this room, never or no longer
 * (enter again, with the token).
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
 * @return a failure; after TQ_E_UNKNOWN tick again.
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
 * @return TQ_REPEAT     An action with this request key is in the trail. Nothing changed.
 * @return TQ_E_INVALID  No such order, no actor, a key that is no id, a reason that is no text or
 *                       does not end. Nothing changed.
 * @return TQ_E_LIMIT    The value is out of range. Nothing changed.
 * @return another failure; after TQ_E_UNKNOWN ask again with the same request key.
 * @since 0.1
 */
TQ_API TQ_MUST_CHECK int tq_room_operate(tq_room *room, const struct tq_room_action *action,
                                         struct tq_error *err);

/**
 * Read the audit trail, oldest first: the newest TQ_ROOM_AUDIT_MAX actions.
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

/**
 * Check a pass at a gateway. No I/O.
 *
 * @param keys        Ring with the keys for TQ_PURPOSE_PASS. Borrowed.
 * @param room        The id of the room that the pass must be for. Borrowed.
 * @param min_epoch   The room's epoch, as far as the gateway knows it; 0 accepts any.
 * @param token       Untrusted bytes. Borrowed.
 * @param bytes       Their length.
 * @param out_claims  `subject` is the visitor. Written on TQ_OK, TQ_EXPIRED and TQ_STALE.
 * @param err         Optional.
 * @return TQ_OK       Genuine and in its time.
 * @return TQ_EXPIRED  Genuine, but its time is over.
 * @return TQ_STALE    Genuine, but revoked by a reset.
 * @return TQ_REFUSED  Anything else.
 * @return a failure of the environment.
 * @since 0.1
 */
TQ_API TQ_MUST_CHECK int tq_pass_check(tq_keys *keys, const char *room, int64_t min_epoch,
                                       const char *token, size_t bytes,
                                       struct tq_claims *out_claims, struct tq_error *err);

TQ_END_DECLS
#endif /* TICKETQ_ROOM_H */
