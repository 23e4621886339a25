/* SPDX-License-Identifier: MIT */
/*
 * What places and passes are good for: after the store has lost its memory,
 * after a reset, in the wrong hands, when their time is over.
 */
#include "conform/room/promise.h"

#include <string.h>

#define LAST_SEQUENCE 1000

static struct tq_room_policy after_loss(int64_t first_sequence)
{
    return (struct tq_room_policy){
        .size = sizeof(struct tq_room_policy), .rate = 1, .first_sequence = first_sequence};
}

PROMISE(a_place_survives_the_store, .rate = 1)
{
    struct tq_place places[20];
    for (unsigned i = 0; i < 20; i++) {
        places[i] = room_enter(w, room_name(i), NULL);
    }
    struct tq_room_policy floor = after_loss(LAST_SEQUENCE);
    room_world_forget(w, &floor);
    ck_assert_int_eq(room_place(w, "v0").status, TQ_GONE);
    assert_next(room_enter(w, "newcomer", NULL).sequence, LAST_SEQUENCE - 1);
    for (unsigned i = 20; i-- > 0;) {
        struct tq_place back = room_enter(w, room_name(i), places[i].token);
        ck_assert_int_eq(back.status, TQ_OK);
        ck_assert_int_eq(back.sequence, places[i].sequence);
        ck_assert_uint_eq(back.ahead, 0);
    }
    assert_ahead(room_place(w, "newcomer").ahead, 20);
    ck_assert_uint_eq(room_place(w, "v7").ahead, places[7].ahead);
}

PROMISE(a_higher_number_raises_the_next, .rate = 1)
{
    struct tq_place place;
    for (unsigned i = 0; i < 50; i++) {
        place = room_enter(w, room_name(i), NULL);
    }
    struct tq_room_policy none = after_loss(0);
    room_world_forget(w, &none);
    ck_assert_int_eq(room_enter(w, "v49", place.token).sequence, place.sequence);
    assert_next(room_enter(w, "newcomer", NULL).sequence, place.sequence);
}

PROMISE(a_number_has_one_owner, .rate = 1)
{
    struct tq_place other, place = room_enter(w, "a", NULL);
    unsigned i = 0;
    do { /* somebody of the same shard */
        other = room_enter(w, room_name(i++), NULL);
    } while ((other.sequence - place.sequence) % fixture_shards());
    struct tq_room_policy none = after_loss(0);
    room_world_forget(w, &none);
    ck_assert_int_eq(room_enter(w, room_name(i - 1), NULL).sequence, place.sequence);
    struct tq_place back = room_enter(w, "a", place.token);
    ck_assert_int_eq(back.status, TQ_OK);
    assert_next(back.sequence, place.sequence);
}

PROMISE(a_pass_survives_the_store, .rate = 1)
{
    room_enter(w, "a", NULL);
    ck_assert_uint_eq(room_tick(w).admitted, 1);
    struct tq_place inside = room_place(w, "a");
    ck_assert_uint_eq(inside.visit, TQ_VISIT_ADMITTED);
    struct tq_room_policy floor = after_loss(LAST_SEQUENCE);
    room_world_forget(w, &floor);
    struct tq_place back = room_enter(w, "a", inside.pass);
    ck_assert_int_eq(back.status, TQ_OK);
    ck_assert_uint_eq(back.visit, TQ_VISIT_ADMITTED);
    ck_assert_int_eq(back.sequence, inside.sequence);
    ck_assert_uint_eq(room_state(w).active, 1);
    ck_assert_int_eq(room_leave(w, "a"), TQ_OK);
    ck_assert_uint_eq(room_enter(w, "a", inside.pass).visit, TQ_VISIT_WAITING);
}

PROMISE(a_restored_pass_takes_a_slot, .rate = 10, .max_active = 1)
{
    room_enter(w, "a", NULL);
    room_tick(w);
    struct tq_place inside = room_place(w, "a");
    struct tq_room_policy floor = after_loss(LAST_SEQUENCE);
    floor.max_active = 1;
    room_world_forget(w, &floor);
    room_enter(w, "b", NULL);
    room_enter(w, "a", inside.pass);
    ck_assert_uint_eq(room_tick(w).admitted, 0);
    room_leave(w, "a");
    ck_assert_uint_eq(room_tick(w).admitted, 1);
}

PROMISE(a_token_is_for_one_visitor_and_one_room, .rate = 1)
{
    struct tq_place place = room_enter(w, "a", NULL);
    room_leave(w, "a");
    ck_assert_int_eq(room_enter(w, "b", place.token).status, TQ_REFUSED);
    ck_assert_int_eq(room_enter(w, "b", "not.a.token").status, TQ_REFUSED);
    struct tq_error err = TQ_ERROR_INIT;
    tq_room *other = NULL;
    struct tq_place there = TQ_INIT(tq_place);
    assert_status(tq_room_open(w->store, w->keys, "concert-2", NULL, &other, &err), TQ_OK);
    assert_status(
        tq_room_enter(other, TQ_ARGS(tq_visitor, .id = "a", .token = place.token), 1, &there, &err),
        TQ_OK);
    ck_assert_int_eq(there.status, TQ_REFUSED);
    tq_room_close(other);
}

PROMISE(every_changed_byte_is_refused, .rate = 1)
{
    struct tq_place place = room_enter(w, "a", NULL);
    room_leave(w, "a");
    for (size_t i = 0; place.token[i]; i++) {
        char changed[TQ_TOKEN_SIZE];
        memcpy(changed, place.token, sizeof changed);
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        ck_assert_int_eq(room_enter(w, "a", changed).status, TQ_REFUSED);
    }
    ck_assert_int_eq(room_enter(w, "a", "").status, TQ_OK);
}

PROMISE(a_reset_revokes, .rate = 1)
{
    room_enter(w, "a", NULL);
    room_tick(w);
    struct tq_place a = room_place(w, "a");
    struct tq_place b = room_enter(w, "b", NULL);
    int64_t epoch = room_state(w).epoch;
    room_order(w, TQ_ROOM_RESET, 0, NULL);
    ck_assert_int_eq(room_state(w).epoch, epoch + 1);
    ck_assert_int_eq(room_place(w, "a").status, TQ_GONE);
    ck_assert_int_eq(room_enter(w, "a", a.pass).status, TQ_REFUSED);
    ck_assert_int_eq(room_enter(w, "b", b.token).status, TQ_REFUSED);
    assert_next(room_enter(w, "b", NULL).sequence, b.sequence);
    struct tq_error err = TQ_ERROR_INIT;
    struct tq_claims claims = TQ_INIT(tq_claims);
    size_t bytes = strlen(a.pass);
    assert_status(tq_pass_check(w->keys, ROOM_ID, epoch, a.pass, bytes, &claims, &err), TQ_OK);
    ck_assert_str_eq(claims.subject, "a");
    ck_assert_int_eq(claims.sequence, a.sequence);
    assert_status(tq_pass_check(w->keys, ROOM_ID, epoch + 1, a.pass, bytes, &claims, &err),
                  TQ_STALE);
    assert_status(tq_pass_check(w->keys, "other", 0, a.pass, bytes, &claims, &err), TQ_REFUSED);
}

PROMISE(the_epoch_of_the_host_revokes, .rate = 1)
{
    struct tq_place place = room_enter(w, "a", NULL);
    struct tq_room_policy floor = after_loss(LAST_SEQUENCE);
    floor.first_epoch = 5;
    room_world_forget(w, &floor);
    ck_assert_int_eq(room_state(w).epoch, 5);
    ck_assert_int_eq(room_enter(w, "a", place.token).status, TQ_REFUSED);
}

PROMISE(a_pass_ends_with_its_slot, .rate = 1, .active_ms = 1000, .pass_ms = 60000)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct tq_claims claims = TQ_INIT(tq_claims);
    room_enter(w, "a", NULL);
    int64_t begin_ms = room_now(w);
    room_tick(w);
    struct tq_place inside = room_place(w, "a");
    int64_t now_ms = room_state(w).now_ms;
    size_t bytes = strlen(inside.pass);
    int rc = tq_pass_check(w->keys, ROOM_ID, 0, inside.pass, bytes, &claims, &err);
    if (room_is_late(w, begin_ms, 1000)) {
        return;
    }
    assert_status(rc, TQ_OK);
    ck_assert_int_le(inside.pass_expires_ms, now_ms + 1000);
    ck_assert_int_ge(claims.expires_ms, inside.pass_expires_ms);
    ck_assert_int_lt(claims.expires_ms, inside.pass_expires_ms + 1000);
    room_advance(w, 2000);
    ck_assert_int_eq(room_place(w, "a").status, TQ_GONE);
    if (!fixture_has_own_clock()) {
        assert_status(tq_pass_check(w->keys, ROOM_ID, 0, inside.pass, bytes, &claims, &err),
                      TQ_EXPIRED);
    }
}

PROMISE(the_known_need_no_good_token, .rate = 1)
{
    assert_next(room_enter(w, "a", NULL).sequence, 0);
    ck_assert_int_eq(room_enter(w, "a", "not.a.token").status, TQ_OK);
}

#define RECOVERY_MS 1500

/* Those behind come back first, and a newcomer before all of them. */
PROMISE(a_line_that_recovers_lets_in_by_number, .rate = 1, .recovery_ms = RECOVERY_MS)
{
    struct tq_place places[3];
    ck_assert_int_eq(room_state(w).open_ms, 0);
    for (unsigned i = 0; i < 3; i++) {
        places[i] = room_enter(w, room_name(i), NULL);
    }
    struct tq_room_policy floor = after_loss(LAST_SEQUENCE);
    floor.recovery_ms = RECOVERY_MS;
    int64_t begin_ms = room_now(w);
    room_world_forget(w, &floor);
    room_enter(w, "newcomer", NULL);
    for (unsigned i = 3; i-- > 1;) {
        room_enter(w, room_name(i), places[i].token);
    }
    struct tq_room_state state = room_state(w);
    ck_assert_int_le(state.open_ms, state.now_ms + RECOVERY_MS);
    uint32_t early = room_tick(w).admitted;
    if (room_is_late(w, begin_ms, RECOVERY_MS)) {
        return;
    }
    ck_assert_uint_eq(early, 0);
    if (!fixture_has_own_clock()) {
        ck_assert_int_eq(state.open_ms, state.now_ms + RECOVERY_MS);
        room_advance(w, RECOVERY_MS - 1);
        ck_assert_uint_eq(room_tick(w).admitted, 0);
    }
    room_enter(w, "v0", places[0].token);
    room_advance(w, fixture_has_own_clock() ? RECOVERY_MS : 1);
    ck_assert_uint_eq(room_tick(w).admitted, 1);
    ck_assert_uint_eq(room_place(w, "v0").visit, TQ_VISIT_ADMITTED);
    ck_assert_int_eq(room_state(w).open_ms, 0);
    room_advance(w, 1000);
    ck_assert_uint_eq(room_tick(w).admitted, 1);
    ck_assert_uint_eq(room_place(w, "v1").visit, TQ_VISIT_ADMITTED);
}

PROMISE(an_operator_ends_a_recovery, .rate = 1)
{
    struct tq_room_policy floor = after_loss(LAST_SEQUENCE);
    floor.recovery_ms = RECOVERY_MS;
    int64_t begin_ms = room_now(w);
    room_world_forget(w, &floor);
    room_enter(w, "a", NULL);
    uint32_t early = room_tick(w).admitted;
    if (room_is_late(w, begin_ms, RECOVERY_MS)) {
        return;
    }
    ck_assert_uint_eq(early, 0);
    ck_assert_int_eq(room_order(w, TQ_ROOM_SET_OPEN, 0, ""), TQ_OK);
    ck_assert_uint_eq(room_tick(w).admitted, 1);
}

CONFORM_MAIN("conform.room.token", a_place_survives_the_store, a_higher_number_raises_the_next,
             a_number_has_one_owner, a_pass_survives_the_store, a_restored_pass_takes_a_slot,
             a_token_is_for_one_visitor_and_one_room, every_changed_byte_is_refused,
             a_reset_revokes, the_epoch_of_the_host_revokes, a_pass_ends_with_its_slot,
             the_known_need_no_good_token, a_line_that_recovers_lets_in_by_number,
             an_operator_ends_a_recovery)
