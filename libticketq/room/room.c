/* SPDX-License-Identifier: MIT */
/*
 * The public functions of a room: check what the host gives, turn tokens into
 * what they prove, ask the driver in one call, and turn spots into places.
 *
 * A batch is one call of the driver, however many visitors; its arrays lie on
 * the stack up to BATCH_SMALL and on the heap above. Everything that can be
 * wrong with a request is found before the driver is asked. What fails after
 * it has acted (signing) is TQ_E_UNKNOWN, and asking again is safe.
 *
 * A store may lose a room while it is open here (an engine without persistence
 * was started anew): the driver says TQ_GONE, and the room is opened again with
 * the policy it had, with numbers and epoch above all that this handle has seen.
 *
 * Threads: [any]; the handle is constant but for three atomics.
 */
#include <ticketq/room.h>

#include <stdatomic.h>
#include <string.h>

#include "core/args.h"
#include "core/bytes.h"
#include "core/env.h"
#include "room/policy.h"
#include "room/proof.h"
#include "room/wait.h"
#include "store/store.h"
#include "token/keys.h"

#define BATCH_SMALL 16
#define AUDIT_STEP 8

struct tq_room {
    const struct tq_env *env;
    tq_store *store;
    tq_keys *keys;
    const struct tq_room_driver *driver;
    void *state;
    struct tq_room_policy policy; /* to open it again */
    atomic_llong tail;            /* the highest that was seen */
    atomic_llong epoch;
    atomic_ullong chance; /* state of the jitter */
    char id[TQ_ID_SIZE];
};

static void raise_to(atomic_llong *target, int64_t value)
{
    long long seen = atomic_load_explicit(target, memory_order_relaxed);
    while (seen < value && !atomic_compare_exchange_weak(target, &seen, value)) {
    }
}

static void note_view(tq_room *room, const struct tq_room_view *view)
{
    raise_to(&room->tail, view->state.tail);
    raise_to(&room->epoch, view->state.epoch);
}

/* Opens a room again that the store has lost. Where others use it too, they may have
 * seen higher numbers. */
static int reopen(tq_room *room, struct tq_error *err)
{
    struct tq_room_policy policy = room->policy;
    int64_t tail = atomic_load(&room->tail), epoch = atomic_load(&room->epoch);
    tail += tq_store_caps(room->store) & TQ_STORE_SHARED ? TQ_ROOM_LOSS_GAP : 0;
    policy.first_sequence = tail < policy.first_sequence ? policy.first_sequence : tail + 1;
    policy.first_epoch = epoch < policy.first_epoch ? policy.first_epoch : epoch;
    tq__log(room->env, TQ_LOG_WARN, "room", "the store has lost room %s; opened again", room->id);
    return room->driver->open(room->state, room->id, &policy, err);
}

static int not_there(int rc, struct tq_error *err)
{
    return rc == TQ_GONE ? tq__fail(err, TQ_E_UNAVAILABLE, "room", "the store loses the room") : rc;
}

/* Calls a slot, once more if the store has lost the room. */
#define ASK(room, err, slot, ...)                                                                  \
    ({                                                                                             \
        int ask_rc = (room)->driver->slot((room)->state, (room)->id, __VA_ARGS__, (err));          \
        if (ask_rc == TQ_GONE && (ask_rc = reopen((room), (err))) == TQ_OK) {                      \
            ask_rc = (room)->driver->slot((room)->state, (room)->id, __VA_ARGS__, (err));          \
        }                                                                                          \
        not_there(ask_rc, (err));                                                                  \
    })

static int check_driver(const struct tq_room_driver *driver, struct tq_error *err)
{
    if (!driver) {
        return tq__fail(err, TQ_E_UNSUPPORTED, "room", "this store keeps no rooms");
    }
    if (!driver->open || !driver->enter || !driver->place || !driver->leave || !driver->tick ||
        !driver->view || !driver->operate || !driver->audit) {
        return tq__fail(err, TQ_E_ABI, "room", "a required slot of the driver is NULL");
    }
    return TQ_OK;
}

static int open_in_store(tq_room *room, int is_given, struct tq_error *err)
{
    int rc = TQ_GONE;
    if (!is_given) {
        rc = room->driver->open(room->state, room->id, NULL, err);
    }
    if (rc == TQ_GONE) {
        rc = room->driver->open(room->state, room->id, &room->policy, err);
    }
    return rc;
}

TQ_AUTO_DEFINE(tq_room, tq_room_close)

int tq_room_open(tq_store *store, tq_keys *keys, const char *id,
                 const struct tq_room_policy *policy, tq_room **out_room, struct tq_error *err)
{
    struct tq_room_policy use;
    uint64_t chance;
    TQ_AUTO(tq_room) *room = NULL;
    TQ_TRY(TQ__REQUIRE("room", err, store, out_room));
    const struct tq_room_driver *driver = tq__store_room(store);
    const struct tq_env *env = tq__store_env(store);
    TQ_TRY(check_driver(driver, err));
    TQ_TRY(tq__id_check(id, "id", "room", err));
    TQ_TRY(tq__policy_read(&use, policy, err));
    TQ_TRY(tq__random(env, &chance, sizeof chance, err));
    room = tq__alloc(env, 1, sizeof *room);
    if (!room) {
        return tq__nomem("room", err);
    }
    room->env = env;
    room->store = tq__store_ref(store);
    room->keys = keys ? tq__keys_ref(keys) : NULL;
    room->driver = driver;
    room->state = tq__store_state(store);
    room->policy = use;
    atomic_init(&room->tail, 0);
    atomic_init(&room->epoch, 0);
    atomic_init(&room->chance, chance);
    tq__id_copy(room->id, id);
    TQ_TRY(open_in_store(room, policy != NULL, err));
    *out_room = tq__take(&room);
    return TQ_OK;
}

void tq_room_close(tq_room *room)
{
    if (room) {
        tq_store *store = room->store;
        tq_keys_free(room->keys);
        tq__release(room->env, room);
        tq_store_close(store);
    }
}

/* What a batch needs besides the caller's arrays. */
struct batch {
    const struct tq_env *env;
    size_t count;
    struct tq_room_arrival *arrivals;
    struct tq_room_spot *spots;
    const char **ids;
    void *heap;
    struct tq_room_view view;
    struct small {
        struct tq_room_arrival arrivals[BATCH_SMALL];
        struct tq_room_spot spots[BATCH_SMALL];
        const char *ids[BATCH_SMALL];
    } small;
};

static void batch_done(struct batch *batch)
{
    tq__release(batch->env, batch->heap);
}

static int batch_begin(struct batch *batch, const tq_room *room, size_t count, struct tq_error *err)
{
    batch->env = room->env;
    batch->count = count;
    batch->heap = NULL;
    batch->arrivals = batch->small.arrivals;
    batch->spots = batch->small.spots;
    batch->ids = batch->small.ids;
    if (count <= BATCH_SMALL) {
        return TQ_OK;
    }
    size_t each = sizeof *batch->arrivals + sizeof *batch->spots + sizeof *batch->ids;
    batch->heap = tq__alloc(room->env, count, each);
    if (!batch->heap) {
        return tq__nomem("room", err);
    }
    batch->arrivals = batch->heap;
    batch->spots = (struct tq_room_spot *)(void *)(batch->arrivals + count);
    batch->ids = (const char **)(void *)(batch->spots + count);
    return TQ_OK;
}

static struct tq_place *place_at(struct tq_place *places, size_t i)
{
    return (struct tq_place *)(uintptr_t)tq__args_at(places, i);
}

static int read_visitor(const struct tq_visitor *visitors, size_t i, struct tq_visitor *out,
                        struct tq_error *err)
{
    const struct tq_visitor *visitor = tq__args_at(visitors, i);
    TQ_TRY(TQ__READ(out, visitor, "room", err));
    return tq__id_check(out->id, "visitor.id", "room", err);
}

/* What is wrong with a batch as a whole. */
static int check_batch(const tq_room *room, const struct tq_visitor *visitors, size_t count,
                       struct tq_error *err)
{
    TQ_TRY(TQ__REQUIRE("room", err, room));
    TQ_TRY(tq__args_count(count, TQ_BATCH_MAX, "count", "room", err));
    return TQ__CHECK(visitors, count, "room", err);
}

/* splitmix64: a step of the state and a mix of it. */
static uint32_t next_chance(tq_room *room)
{
    uint64_t step = UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = atomic_fetch_add_explicit(&room->chance, step, memory_order_relaxed) + step;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)(z >> 32);
}

static int tell(tq_room *room, const char *visitor, const struct tq_room_view *view,
                const struct tq_room_spot *spot, struct tq_place *out, struct tq_error *err)
{
    struct tq__wait wait = {0, 0};
    out->status = spot->status;
    out->visit = spot->visit;
    out->sequence = spot->sequence;
    out->ahead = spot->ahead;
    out->wait_low_ms = out->wait_high_ms = 0;
    out->poll_after_ms = out->reserved = 0;
    out->pass_expires_ms = spot->visit == TQ_VISIT_ADMITTED ? spot->expires_ms : 0;
    out->token[0] = out->pass[0] = '\0';
    memset((char *)out + sizeof *out, 0, out->size - sizeof *out);
    if (spot->status != TQ_OK) {
        return TQ_OK;
    }
    if (spot->visit == TQ_VISIT_WAITING) {
        wait = tq__wait_of(view, spot->ahead);
    }
    out->wait_low_ms = wait.low_ms;
    out->wait_high_ms = wait.high_ms;
    out->poll_after_ms = tq__poll_after_ms(view, spot, &wait, next_chance(room));
    return room->keys ? tq__proof_sign(room->keys, room->id, visitor, view, spot, out, err) : TQ_OK;
}

/* The driver has acted: whatever fails now, it may have been applied. */
static int tell_all(tq_room *room, const struct batch *batch, const struct tq_visitor *visitors,
                    struct tq_place *out_places, struct tq_error *err)
{
    note_view(room, &batch->view);
    for (size_t i = 0; i < batch->count; i++) {
        const struct tq_visitor *visitor = tq__args_at(visitors, i);
        int rc =
            tell(room, visitor->id, &batch->view, &batch->spots[i], place_at(out_places, i), err);
        if (rc < 0) {
            return tq__fail(err, TQ_E_UNKNOWN, "room", "a token could not be signed (%s)",
                            tq_status_name(rc));
        }
    }
    return TQ_OK;
}

static int prove_all(tq_room *room, struct batch *batch, const struct tq_visitor *visitors,
                     struct tq_error *err)
{
    for (size_t i = 0; i < batch->count; i++) {
        struct tq_visitor visitor;
        TQ_TRY(read_visitor(visitors, i, &visitor, err));
        TQ_TRY(tq__proof_read(room->keys, room->id, &visitor, &batch->arrivals[i], err));
    }
    return TQ_OK;
}

static int enter_all(tq_room *room, struct batch *batch, const struct tq_visitor *visitors,
                     struct tq_place *out_places, struct tq_error *err)
{
    TQ_TRY(prove_all(room, batch, visitors, err));
    TQ_TRY(ASK(room, err, enter, batch->arrivals, batch->count, batch->spots, &batch->view));
    return tell_all(room, batch, visitors, out_places, err);
}

typedef int on_all(tq_room *room, struct batch *batch, const struct tq_visitor *visitors,
                   struct tq_place *out_places, struct tq_error *err);

/* The frame of enter and place. */
static int on_places(tq_room *room, const struct tq_visitor *visitors, size_t count,
                     struct tq_place *out_places, on_all *act, struct tq_error *err)
{
    struct batch batch;
    TQ_TRY(check_batch(room, visitors, count, err));
    TQ_TRY(TQ__CHECK(out_places, count, "room", err));
    int rc = batch_begin(&batch, room, count, err);
    if (rc == TQ_OK) {
        rc = act(room, &batch, visitors, out_places, err);
    }
    batch_done(&batch);
    return rc;
}

int tq_room_enter(tq_room *room, const struct tq_visitor *visitors, size_t count,
                  struct tq_place *out_places, struct tq_error *err)
{
    return on_places(room, visitors, count, out_places, enter_all, err);
}

static int read_ids(struct batch *batch, const struct tq_visitor *visitors, struct tq_error *err)
{
    for (size_t i = 0; i < batch->count; i++) {
        struct tq_visitor visitor;
        TQ_TRY(read_visitor(visitors, i, &visitor, err));
        batch->ids[i] = visitor.id;
    }
    return TQ_OK;
}

static int place_all(tq_room *room, struct batch *batch, const struct tq_visitor *visitors,
                     struct tq_place *out_places, struct tq_error *err)
{
    TQ_TRY(read_ids(batch, visitors, err));
    TQ_TRY(ASK(room, err, place, batch->ids, batch->count, batch->spots, &batch->view));
    return tell_all(room, batch, visitors, out_places, err);
}

int tq_room_place(tq_room *room, const struct tq_visitor *visitors, size_t count,
                  struct tq_place *out_places, struct tq_error *err)
{
    return on_places(room, visitors, count, out_places, place_all, err);
}

int tq_room_leave(tq_room *room, const struct tq_visitor *visitors, size_t count,
                  int32_t *out_statuses, struct tq_error *err)
{
    struct batch batch;
    TQ_TRY(check_batch(room, visitors, count, err));
    TQ_TRY(TQ__REQUIRE("room", err, out_statuses));
    int rc = batch_begin(&batch, room, count, err);
    if (rc == TQ_OK) {
        rc = read_ids(&batch, visitors, err);
    }
    if (rc == TQ_OK) {
        rc = ASK(room, err, leave, batch.ids, count, out_statuses);
    }
    batch_done(&batch);
    return rc;
}

int tq_room_tick(tq_room *room, struct tq_room_tick *out_tick, struct tq_error *err)
{
    struct tq_room_tick tick = TQ_INIT(tq_room_tick);
    TQ_TRY(TQ__REQUIRE("room", err, room));
    TQ_TRY(TQ__CHECK(out_tick, 1, "room", err));
    int rc = ASK(room, err, tick, &tick);
    if (rc >= 0) {
        TQ__WRITE(out_tick, &tick);
    }
    return rc;
}

int tq_room_state(tq_room *room, struct tq_room_state *out_state, struct tq_error *err)
{
    struct tq_room_view view;
    TQ_TRY(TQ__REQUIRE("room", err, room));
    TQ_TRY(TQ__CHECK(out_state, 1, "room", err));
    TQ_TRY(ASK(room, err, view, &view));
    note_view(room, &view);
    view.state.poll_after_ms = view.policy.poll_min_ms;
    TQ__WRITE(out_state, &view.state);
    return TQ_OK;
}

int tq_room_operate(tq_room *room, const struct tq_room_action *action, struct tq_error *err)
{
    struct tq_room_action use;
    TQ_TRY(TQ__REQUIRE("room", err, room));
    TQ_TRY(tq__order_read(&use, action, err));
    return ASK(room, err, operate, &use);
}

int tq_room_audit(tq_room *room, uint64_t after, tq_room_action_fn *visit, void *arg,
                  struct tq_error *err)
{
    struct tq_room_action actions[AUDIT_STEP];
    size_t count = AUDIT_STEP;
    TQ_TRY(TQ__REQUIRE("room", err, room, visit));
    while (count == AUDIT_STEP) {
        TQ_TRY(ASK(room, err, audit, after, actions, AUDIT_STEP, &count));
        for (size_t i = 0; i < count; i++) {
            int rc = visit(arg, &actions[i]);
            if (rc != 0) {
                return rc;
            }
            after = actions[i].number;
        }
    }
    return TQ_OK;
}
