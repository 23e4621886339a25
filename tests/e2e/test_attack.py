# SPDX-License-Identifier: MIT
"""Moments picked so that two sides decide at once; what is left is a ticket or the money."""
import threading
import time

import requests

from world import DEADLINE_S

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
        began = time.monotonic()
        held = world.held(user, schedule, [seats[i]])
        payment = world.begin_payment(user, held["reservationId"])
        end_s = HOLD_MS / 1000 + (i / BUYERS - 0.3) / 2  # some before, some after
        time.sleep(max(0, began + end_s - time.monotonic()))
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


def test_money_given_back_at_the_provider_voids_the_ticket(world):
    schedule = world.sale()
    seats = world.seats(schedule)[:2]
    bought = world.buy("ann", schedule, seats)
    answer = requests.post(
        f"{world.sandbox_url}/payments/{bought['paymentId']}/cancel", timeout=DEADLINE_S,
        headers={"Authorization": "PortOne " + world.api_secret},
        json={"reason": "by hand, in the provider's console"})
    assert answer.status_code == 200, answer.text
    world.until_payment("ann", bought["paymentId"], "REFUNDED")
    ended = world.until_reservation("ann", bought["reservationId"], phase="CANCELLED")
    assert ended["cancelReason"] == "PAYMENT_REFUNDED"
    assert ended["refundedAmount"] == bought["totalAmount"]
    world.buy("bob", schedule, seats)
    world.assert_clean()
