# SPDX-License-Identifier: MIT
"""Moments picked so that two sides decide at once; what is left is a ticket or the money."""
import threading
import time
from datetime import datetime

from world import moment

HOLD_MS = 1500
BUYERS = 16


def test_paid_in_the_moment_in_which_the_hold_runs_out(make_world):
    """Reservation says "cancelled" while the payment says "paid": they cross on their way."""
    world = make_world("--hold-ttl-ms", str(HOLD_MS))
    schedule = world.sale(rows=2, seats_per_row=BUYERS)
    seats = world.seats(schedule)
    bought = []

    def buy(i):
        user = f"buyer-{i}"
        held, payment = world.held_and_begun(user, schedule, [seats[i]])
        end_s = datetime.fromisoformat(held["holdExpiresAt"][:-1] + "+00:00").timestamp()
        end_s += (i / BUYERS - 0.3) / 2  # some before, some after
        time.sleep(max(0, end_s - time.time()))
        world.pay_behind_our_back(payment)
        bought.append((user, held["reservationId"], payment["paymentId"]))

    buyers = [threading.Thread(target=buy, args=(i,)) for i in range(BUYERS)]
    for buyer in buyers:
        buyer.start()
    for buyer in buyers:
        buyer.join()
    assert len(bought) == BUYERS
    for user, reservation_id, payment_id in bought:  # nobody else wants these seats
        world.until_payment(user, payment_id, "PAID")
        world.until_reservation(user, reservation_id, status="CONFIRMED")
    report = world.assert_clean()
    assert report["totals"]["tickets"] == BUYERS and report["totals"]["moneyBack"] == 0


def test_a_part_given_back_at_the_provider_does_not_stop_the_refund(world):
    schedule = world.sale()
    seats = world.seats(schedule)[:1]
    bought = world.buy("ann", schedule, seats)
    world.cancel_at_provider(bought, 1000)
    world.call("DELETE", "/v1/reservations/" + bought["reservationId"], user="ann")
    world.until_payment("ann", bought["paymentId"], "REFUNDED")
    world.until_reservation("ann", bought["reservationId"], phase="CANCELLED")
    assert world.book_of(bought["paymentId"])["cancelled"] == bought["totalAmount"]
    world.buy("bob", schedule, seats)
    world.assert_clean()


def test_a_price_of_nothing_is_refused(world):
    """No provider takes 0, and none gives it back: its seats would never be free again."""
    venue = world.admin("POST", "/v1/admin/venues/generate", {
        "name": "Hall", "sections": [{"name": "A", "grade": "R", "rows": 1, "seatsPerRow": 1}]})
    for price, status in ((0, 400), (-1, 400), (1, 201)):
        now = time.time()
        answer = world.call("POST", "/v1/admin/events", user="operator", role="admin", json={
            "title": "Evening", "venueId": venue["venueId"], "currency": "KRW",
            "prices": {"R": price}, "schedules": [{
                "startsAt": moment(now + 86400), "salesOpenAt": moment(now),
                "salesCloseAt": moment(now + 7200)}]})
        assert answer.status_code == status, answer.text
