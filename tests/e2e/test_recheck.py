# SPDX-License-Identifier: MIT
"""The provider does something by itself and every word of it is lost: it is found all the same."""
import os
import sqlite3

import pytest
import requests

from world import wait_for


def ask_rows(world, sql):
    with sqlite3.connect(os.path.join(world.data, "payment.db"), timeout=10) as rows:
        return rows.execute(sql).fetchone()[0]


def assert_nobody_told(world):
    assert ask_rows(world, "SELECT COUNT(*) FROM webhooks") == 0


def pay_late(world, payment):
    """The connection is cut, the money is taken a while later, and no webhook tells of it."""
    world.fault("confirm", "latePaid", delayMs=200)
    with pytest.raises(requests.ConnectionError):
        world.pay_behind_our_back(payment)
    wait_for("the money to be taken", lambda: world.book_of(payment["paymentId"])["paid"])


@pytest.fixture(name="expired")
def fixture_expired(make_world):
    """A payment whose reservation has run out before anything was paid; no webhook arrives."""
    world = make_world("--hold-ttl-ms", "700", "--payment-recheck-ms", "1000",
                       "--drain-delay-ms", "2500")
    world.fault("webhook", "lost", count=1000)
    schedule = world.sale()
    seats = world.seats(schedule)[:2]
    held, payment = world.held_and_begun("ann", schedule, seats)
    world.until_reservation("ann", held["reservationId"], phase="EXPIRED")
    world.until_payment("ann", payment["paymentId"], "FAILED")
    world.restart_with("--hold-ttl-ms", "600000")
    return world, schedule, seats, held, payment


def test_paid_late_with_the_seats_free_gets_them_again(expired):
    world, schedule, seats, held, payment = expired
    pay_late(world, payment)
    bought = world.until_reservation("ann", held["reservationId"], status="CONFIRMED")
    assert bought["ticketNumber"] and bought["phase"] == "SOLD"
    world.until_payment("ann", payment["paymentId"], "PAID")
    assert world.hold("bob", schedule, seats[:1]).status_code == 409
    assert_nobody_told(world)
    world.assert_clean()


def test_paid_late_with_a_seat_sold_is_refunded(expired):
    world, schedule, seats, held, payment = expired
    sold = world.buy("bob", schedule, seats[1:])
    pay_late(world, payment)
    world.until_payment("ann", payment["paymentId"], "REFUNDED")
    assert "ticketNumber" not in world.reservation("ann", held["reservationId"])
    assert world.book_of(payment["paymentId"])["cancelled"] == payment["amount"]
    assert world.reservation("bob", sold["reservationId"])["status"] == "CONFIRMED"
    assert_nobody_told(world)
    world.assert_clean()


def test_paid_while_nobody_was_up_and_killed_while_it_is_asked(expired):
    world, _, _, held, payment = expired
    world.ticketqd.kill()
    pay_late(world, payment)
    world.fault("get", "delay", delayMs=1500)
    world.ticketqd.start()
    wait_for("the question to be under way", lambda: ask_rows(
        world, "SELECT COUNT(*) FROM calls WHERE operation = 'ASK' AND attempts > 0"))
    world.ticketqd.kill()
    world.ticketqd.start()
    world.until_reservation("ann", held["reservationId"], status="CONFIRMED")
    world.until_payment("ann", payment["paymentId"], "PAID")
    assert_nobody_told(world)
    world.assert_clean()


def test_a_drain_begins_no_question(expired):
    """The time comes while the program drains; the next start asks."""
    world, _, _, _, payment = expired
    due = ask_rows(world, "SELECT recheck_ms FROM payments")
    assert world.ticketqd.stop() == 0
    assert ask_rows(world, "SELECT recheck_ms FROM payments") == due
    assert ask_rows(world, "SELECT COUNT(*) FROM calls") == 0
    world.ticketqd.start()
    wait_for("the question", lambda: ask_rows(world, "SELECT recheck_ms FROM payments") > due)
    assert world.payment("ann", payment["paymentId"])["status"] == "FAILED"
    world.assert_clean()


@pytest.mark.parametrize("amount", [None, 1000])
def test_a_ticket_whose_money_went_back_unheard_is_void(make_world, amount):
    world = make_world("--payment-recheck-ms", "20")
    world.fault("webhook", "lost", count=1000)
    schedule = world.sale()
    seats = world.seats(schedule)[:2]
    bought = world.buy("ann", schedule, seats)
    world.cancel_at_provider(bought, amount)
    ended = world.until_reservation("ann", bought["reservationId"], phase="CANCELLED")
    assert ended["cancelReason"] == "PAYMENT_REFUNDED"
    world.until_payment("ann", bought["paymentId"], "REFUNDED")
    assert world.book_of(bought["paymentId"])["cancelled"] == bought["totalAmount"]
    world.buy("bob", schedule, seats)
    assert_nobody_told(world)
    world.assert_clean()


def test_a_clock_that_went_back_by_a_day_delays_no_call(make_world):
    """What was due at once, or after a pause, is due a day later by the new clock."""
    world = make_world()
    schedule = world.sale()
    held = world.held("ann", schedule, world.seats(schedule)[:1])
    world.fault("confirm", "error5xx", count=2)
    payment = world.pay("ann", held["reservationId"])

    def put_a_day_later():
        with sqlite3.connect(os.path.join(world.data, "payment.db"), timeout=10) as rows:
            return rows.execute("UPDATE calls SET due_ms = due_ms + 86400000 "
                                "WHERE operation = 'CONFIRM' AND lease IS NULL").rowcount
    wait_for("the call to wait", put_a_day_later, pause_s=0.001)
    world.until_payment("ann", payment["paymentId"], "PAID")
    world.assert_clean()
