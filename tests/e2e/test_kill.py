# SPDX-License-Identifier: MIT
"""ticketqd is killed again and again during a sale; the books agree in the end."""
import random
import time

from crowd import run_crowd

KILLS = 6
VISITORS = 80


def test_killed_at_random_moments_during_one_sale(make_world):
    world = make_world("--hold-ttl-ms", "4000", "--portone-timeout-ms", "2000")
    schedule = world.sale(rows=8, seats_per_row=10, personLimit=4,
                          room={"rate": 12, "burst": 4, "maxActive": 60, "pollMinMs": 200,
                                "pollMaxMs": 500})
    chance = random.Random(3)
    kills = []

    def kill(crowd):
        if len(kills) == KILLS:
            time.sleep(0.2)
            return
        time.sleep(chance.uniform(0.4, 1.6))
        if any(buyer.is_alive() for buyer in crowd):
            world.ticketqd.kill()
            world.ticketqd.start()
            kills.append(time.monotonic())

    crowd = run_crowd(world, schedule, VISITORS, kill)
    assert len(kills) >= 5
    for buyer in crowd:
        assert not buyer.errors
        assert len(set(buyer.sequences)) <= 1, f"{buyer.user} lost its place: {buyer.sequences}"
    confirmed = [buyer for buyer in crowd if buyer.status == "CONFIRMED"]
    report = world.assert_clean()
    assert report["totals"]["tickets"] == len(confirmed) > 0
    seats = [seat["seatId"] for buyer in confirmed
             for seat in world.reservation(buyer.user, buyer.reservation)["seats"]]
    assert len(seats) == len(set(seats)) == report["totals"]["sold"]


def test_a_payment_that_was_under_way_is_asked_for_after_the_kill(make_world):
    world = make_world()
    schedule = world.sale()
    world.fault("webhook", "lost", count=10)
    held = world.held("ann", schedule, world.seats(schedule)[:2])
    payment = world.begin_payment("ann", held["reservationId"])
    token = world.card(payment)
    with world.sandbox.paused():
        world.confirm("ann", payment, token=token)
        world.until_reservation("ann", held["reservationId"], phase="PAYING")
        time.sleep(0.2)
        world.ticketqd.kill()
    world.ticketqd.start()
    world.until_payment("ann", payment["paymentId"], "PAID")
    assert world.book_of(payment["paymentId"])["paid"] == payment["amount"]
    world.until_reservation("ann", held["reservationId"], status="CONFIRMED")
    world.assert_clean()
