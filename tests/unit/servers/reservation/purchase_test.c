/* SPDX-License-Identifier: MIT */
/*
 * reservation/purchase.c and steps.c: every event in every phase ends where the
 * table at the top of purchase.c says; row, saga, seats, front and the person's
 * count agree afterwards.
 */
#include "core/error.h"
#include "hall.h"

struct way {
    const char *phase;
    const char *events[3]; /* that lead there from HOLD */
};

static const struct way ways[] = {
    {"HOLD", {NULL}},
    {"PAYING", {"PaymentRequested"}},
    {"CANCELLING", {"PaymentRequested", "CancelAsked"}},
    {"SOLD", {"PaymentRequested", "PaymentPaid"}},
    {"REFUNDING", {"PaymentRequested", "PaymentPaid", "CancelAsked"}},
    {"EXPIRED", {"PaymentRequested", "PaymentFailed"}},
    {"CANCELLED", {"CancelAsked"}},
};

static const char *const events[] = {"PaymentRequested", "PaymentPaid", "PaymentFailed",
                                     "PaymentRefunded",  "HoldExpired", "CancelAsked",
                                     "PaymentDisowned",  "Overdue"};
#define EVENTS (sizeof events / sizeof *events)
#define PHASES (sizeof ways / sizeof *ways)

/* Where each leads: "-" nothing happens, "!" refused. */
static const char *const leads[PHASES][EVENTS] = {
    {"PAYING", "SOLD", "EXPIRED", "-", "EXPIRED", "CANCELLED", "!", "HOLD"},
    {"PAYING", "SOLD", "EXPIRED", "-", "!", "CANCELLING", "EXPIRED", "PAYING"},
    {"CANCELLING", "CANCELLED", "CANCELLED", "-", "!", "-", "CANCELLED", "CANCELLING"},
    {"-", "SOLD", "!", "CANCELLED", "!", "REFUNDING", "!", "-"},
    {"-", "REFUNDING", "-", "CANCELLED", "-", "-", "CANCELLED", "REFUNDING"},
    {"EXPIRED", "SOLD", "-", "EXPIRED", "-", "-", "-", "-"},
    {"CANCELLED", "CANCELLED", "-", "CANCELLED", "-", "-", "-", "-"},
};

/* What the seats of a reservation are in a phase. */
static enum tq_seat_state seat_state_of(const char *phase)
{
    static const struct {
        const char *phase;
        enum tq_seat_state state;
    } states[] = {{"HOLD", TQ_SEAT_HOLD},
                  {"PAYING", TQ_SEAT_PAYING},
                  {"CANCELLING", TQ_SEAT_PAYING},
                  {"SOLD", TQ_SEAT_SOLD},
                  {"REFUNDING", TQ_SEAT_SOLD}};
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        if (strcmp(states[i].phase, phase) == 0) {
            return states[i].state;
        }
    }
    return TQ_SEAT_AVAILABLE;
}

static void walk_to(const struct way *way, struct reservation *row)
{
    hall_open_at("sqlite::memory:"); /* a hundred times */
    ck_assert_int_eq(hold("ann", 0, 2, row), TQ_OK);
    for (size_t i = 0; i < 3 && way->events[i]; i++) {
        ck_assert_int_eq(bring(row->id, way->events[i]), TQ_OK);
    }
    ck_assert_str_eq(ask("SELECT phase FROM reservations"), way->phase);
}

static void check_agreement(const char *phase)
{
    enum tq_seat_state state = seat_state_of(phase);
    int has_seats = state != TQ_SEAT_AVAILABLE;
    ck_assert_str_eq(ask("SELECT phase FROM reservations WHERE user_id = 'ann'"), phase);
    ck_assert_str_eq(ask("SELECT state FROM sagas WHERE saga_id = (SELECT reservation_id FROM "
                         "reservations WHERE user_id = 'ann')"),
                     phase);
    ck_assert_str_eq(ask("SELECT CAST(seats AS TEXT) FROM person_seats WHERE user_id = 'ann'"),
                     has_seats ? "2" : "0");
    ck_assert_uint_eq(seats_in(TQ_SEAT_AVAILABLE), has_seats ? SEATS - 2 : SEATS);
    ck_assert_uint_eq(seats_in(state), has_seats ? 2 : SEATS);
}

static void try_cell(size_t place, size_t event)
{
    const char *wanted = leads[place][event];
    int is_none = strcmp(wanted, "-") == 0;
    int is_refused = strcmp(wanted, "!") == 0;
    struct reservation row;
    walk_to(&ways[place], &row);
    if (strcmp(events[event], "HoldExpired") == 0 && place == 0) {
        atomic_fetch_add(&hall.desk.test.now_ms, 2 * TTL_MS); /* the sweep brings it itself */
        ck_assert_int_eq(reservation_sweep(&hall.service, &hall.err), TQ_OK);
    } else {
        int rc = bring(row.id, events[event]);
        ck_assert_msg(rc == (is_none      ? TQ_REPEAT
                             : is_refused ? TQ_REFUSED
                                          : TQ_OK),
                      "%s, %s: %s", ways[place].phase, events[event], tq_status_name(rc));
    }
    check_agreement(is_none || is_refused ? ways[place].phase : wanted);
    hall_close();
}

START_TEST(every_event_in_every_phase)
{
    for (size_t place = 0; place < PHASES; place++) {
        for (size_t event = 0; event < EVENTS; event++) {
            try_cell(place, event);
        }
    }
}
END_TEST

START_TEST(a_pin_after_the_time_is_refused_and_ends_the_reservation)
{
    struct reservation row;
    walk_to(&ways[0], &row);
    atomic_fetch_add(&hall.desk.test.now_ms, 2 * TTL_MS);
    ck_assert_int_eq(bring(row.id, "PaymentRequested"), TQ_OK);
    ck_assert_str_eq(last_told(), "ReservationPinRefused");
    check_agreement("EXPIRED");
    hall_close();
}
END_TEST

START_TEST(paid_after_the_end_gets_all_seats_or_none)
{
    struct reservation row;
    walk_to(&ways[5], &row);
    ck_assert_int_eq(hold("bob", 1, 1, NULL), TQ_OK);
    ck_assert_int_eq(bring(row.id, "PaymentPaid"), TQ_OK);
    ck_assert_str_eq(last_told(), "ReservationRefundAsked");
    ck_assert_str_eq(ask("SELECT phase FROM reservations WHERE user_id = 'ann'"), "EXPIRED");
    ck_assert_uint_eq(seats_in(TQ_SEAT_HOLD), 1);
    ck_assert_uint_eq(seats_in(TQ_SEAT_AVAILABLE), SEATS - 1);
    hall_close();
}
END_TEST

START_TEST(paid_after_the_end_keeps_to_the_persons_limit)
{
    struct reservation row;
    walk_to(&ways[5], &row);
    ck_assert_int_eq(hold("ann", 4, LIMIT - 1, NULL), TQ_OK);
    ck_assert_int_eq(bring(row.id, "PaymentPaid"), TQ_OK);
    ck_assert_str_eq(last_told(), "ReservationRefundAsked");
    ck_assert_str_eq(ask("SELECT CAST(seats AS TEXT) FROM person_seats"), "3");
    hall_close();
}
END_TEST

struct several {
    const char *id;
    const char *const *events;
};

static int bring_several(tq_tx *tx, void *arg, struct tq_error *err)
{
    const struct several *several = arg;
    for (size_t i = 0; i < 3 && several->events[i]; i++) {
        struct bringing bringing = {several->id, several->events[i], {.payment = "P"}};
        TQ_TRY(bring_in(tx, &bringing, err));
    }
    return TQ_OK;
}

START_TEST(the_front_hears_of_several_moves_at_once)
{
    static const struct {
        size_t from;
        const char *events[3];
        const char *phase;
    } rows[] = {{1, {"PaymentFailed", "PaymentRefunded"}, "EXPIRED"},
                {1, {"PaymentPaid", "PaymentRefunded"}, "CANCELLED"},
                {1, {"PaymentPaid", "CancelAsked"}, "REFUNDING"},
                {0, {"PaymentRequested", "CancelAsked"}, "CANCELLING"},
                {0, {"PaymentRequested", "PaymentFailed", "PaymentPaid"}, "SOLD"},
                {5, {"PaymentPaid", "CancelAsked"}, "REFUNDING"},
                {5, {"PaymentPaid", "PaymentRefunded"}, "CANCELLED"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct reservation row, other;
        walk_to(&ways[rows[i].from], &row);
        struct several several = {row.id, rows[i].events};
        ck_assert_int_eq(tq_ledger_run(hall.service.ledger, bring_several, &several, &hall.err),
                         TQ_OK);
        const char *id = row.id;
        purchase_reflect(&hall.service, &id, 1);
        ck_assert_int_eq(hold("bob", SEATS - 1, 1, &other), TQ_OK); /* settles doubts */
        ck_assert_int_eq(bring(other.id, "CancelAsked"), TQ_OK);
        check_agreement(rows[i].phase);
        hall_close();
    }
}
END_TEST

/* Bring events in a transaction, and tell the front nothing. */
static void bring_quietly(const char *id, const char *const *moves)
{
    struct several several = {id, moves};
    ck_assert_int_eq(tq_ledger_run(hall.service.ledger, bring_several, &several, &hall.err), TQ_OK);
}

START_TEST(the_front_hears_of_many_at_once)
{
    static const char *const moves[][3] = {{"PaymentRequested"},
                                           {"PaymentRequested", "PaymentPaid"},
                                           {"PaymentRequested", "PaymentFailed"},
                                           {"PaymentRequested", "PaymentPaid", "CancelAsked"}};
    struct reservation rows[SEATS];
    const char *ids[5 * SEATS];
    char user[8];
    hall_open();
    for (int i = 0; i < SEATS; i++) {
        snprintf(user, sizeof user, "u-%d", i);
        ck_assert_int_eq(hold(user, i, 1, &rows[i]), TQ_OK);
        bring_quietly(rows[i].id, moves[i % 4]);
        for (int times = 0; times < 5; times++) {
            ids[times * SEATS + i] = times % 2 ? rows[i].id : "nobody";
        }
    }
    ck_assert_uint_eq(seats_in(TQ_SEAT_HOLD), SEATS);
    purchase_reflect(&hall.service, ids, 5 * SEATS);
    ck_assert_uint_eq(seats_in(TQ_SEAT_PAYING), SEATS / 4);
    ck_assert_uint_eq(seats_in(TQ_SEAT_SOLD), SEATS / 2);
    ck_assert_uint_eq(seats_in(TQ_SEAT_AVAILABLE), SEATS / 4);
    hall_close();
}
END_TEST

START_TEST(the_front_frees_before_it_takes)
{
    static const char *const cancelled[3] = {"CancelAsked"};
    static const char *const paid[3] = {"PaymentPaid"};
    struct reservation row, other;
    walk_to(&ways[5], &row);
    ck_assert_int_eq(hold("bob", 1, 1, &other), TQ_OK);
    bring_quietly(other.id, cancelled);
    bring_quietly(row.id, paid);
    const char *ids[] = {row.id, other.id};
    purchase_reflect(&hall.service, ids, 2);
    check_agreement("SOLD");
    hall_close();
}
END_TEST

START_TEST(a_payment_of_nothing_we_know_is_told_so)
{
    hall_open();
    ck_assert_int_eq(bring("nobody", "PaymentRequested"), TQ_OK);
    ck_assert_str_eq(last_told(), "ReservationPinRefused");
    ck_assert_int_eq(bring("nobody", "PaymentPaid"), TQ_OK);
    ck_assert_str_eq(last_told(), "ReservationRefundAsked");
    hall_close();
}
END_TEST

UNIT_MAIN("servers.reservation.purchase", every_event_in_every_phase,
          a_pin_after_the_time_is_refused_and_ends_the_reservation,
          the_front_hears_of_several_moves_at_once, the_front_hears_of_many_at_once,
          the_front_frees_before_it_takes, paid_after_the_end_gets_all_seats_or_none,
          paid_after_the_end_keeps_to_the_persons_limit, a_payment_of_nothing_we_know_is_told_so)
