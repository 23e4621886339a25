/* SPDX-License-Identifier: MIT */
/*
 * payment/charge.c: every event in every phase ends where the table at its top
 * says, and row and saga agree.
 */
#include "shop.h"

struct way {
    const char *phase;
    const char *events[5]; /* that lead there from READY */
};

static const struct way ways[] = {
    {"READY", {NULL}},
    {"REQUESTED", {"ConfirmAsked"}},
    {"CONFIRMING", {"ConfirmAsked", "Pinned"}},
    {"UNKNOWN", {"ConfirmAsked", "Pinned", "Unsure"}},
    {"CAPTURED", {"ConfirmAsked", "Pinned", "Captured"}},
    {"PAID", {"ConfirmAsked", "Pinned", "Captured", "ReservationConfirmed"}},
    {"REFUNDING", {"ConfirmAsked", "Pinned", "Captured", "RefundAsked"}},
    {"REFUNDED", {"ConfirmAsked", "Pinned", "Captured", "RefundAsked", "Refunded"}},
    {"FAILED", {"ConfirmAsked", "PinRefused"}},
};

static const char *const events[] = {
    "ConfirmAsked",         "Pinned",      "PinRefused", "Captured",
    "Mismatched",           "Declined",    "Unsure",     "ReservationConfirmed",
    "ReservationCancelled", "RefundAsked", "Refunded",   "Overdue"};
#define EVENTS (sizeof events / sizeof *events)
#define PHASES (sizeof ways / sizeof *ways)

/* Where each leads: "-" nothing happens, "!" refused. */
static const char *const leads[PHASES][EVENTS] = {
    {"REQUESTED", "-", "-", "CAPTURED", "REFUNDING", "-", "-", "!", "FAILED", "!", "!", "FAILED"},
    {"-", "CONFIRMING", "FAILED", "CAPTURED", "REFUNDING", "-", "-", "!", "FAILED", "!", "!",
     "REQUESTED"},
    {"-", "-", "-", "CAPTURED", "REFUNDING", "FAILED", "UNKNOWN", "!", "-", "!", "!", "UNKNOWN"},
    {"-", "-", "-", "CAPTURED", "REFUNDING", "FAILED", "-", "!", "-", "!", "!", "UNKNOWN"},
    {"-", "-", "-", "-", "REFUNDING", "!", "-", "PAID", "-", "REFUNDING", "REFUNDED", "CAPTURED"},
    {"-", "-", "-", "-", "REFUNDING", "!", "-", "-", "-", "REFUNDING", "REFUNDED", "-"},
    {"!", "-", "-", "-", "-", "-", "-", "-", "-", "-", "REFUNDED", "REFUNDING"},
    {"!", "-", "-", "-", "-", "-", "-", "-", "-", "REFUNDED", "-", "-"},
    {"!", "FAILED", "-", "CAPTURED", "REFUNDING", "-", "-", "!", "-", "!", "!", "-"},
};

static void walk_to(const struct way *way)
{
    shop_open_at("sqlite::memory:"); /* a hundred times */
    ck_assert_int_eq(tq_ledger_run(shop.service.ledger, add_payment, NULL, &shop.err), TQ_OK);
    for (size_t i = 0; i < 5 && way->events[i]; i++) {
        ck_assert_int_eq(bring(way->events[i]), TQ_OK);
    }
    ck_assert_str_eq(phase(), way->phase);
}

static void try_cell(size_t place, size_t event)
{
    const char *wanted = leads[place][event];
    int is_none = strcmp(wanted, "-") == 0;
    int is_refused = strcmp(wanted, "!") == 0;
    walk_to(&ways[place]);
    int rc = bring(events[event]);
    ck_assert_msg(rc == (is_none      ? TQ_REPEAT
                         : is_refused ? TQ_REFUSED
                                      : TQ_OK),
                  "%s, %s: %s", ways[place].phase, events[event], tq_status_name(rc));
    ck_assert_str_eq(phase(), is_none || is_refused ? ways[place].phase : wanted);
    char saga[64];
    snprintf(saga, sizeof saga, "%s", state());
    ck_assert_str_eq(phase(), saga);
    shop_close();
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

UNIT_MAIN("servers.payment.charge", every_event_in_every_phase)
