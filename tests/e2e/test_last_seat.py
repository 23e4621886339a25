# SPDX-License-Identifier: MIT
"""Five hundred visitors reach for one last seat at the same moment: one gets it."""
import collections
import threading

VISITORS = 500


def test_one_of_500_gets_the_last_seat(world):
    schedule = world.sale(rows=1, seats_per_row=1)
    seat = world.seats(schedule)
    visitors = [f"visitor-{i}" for i in range(VISITORS)]
    passes = [world.ticket_pass(visitor, schedule) for visitor in visitors]
    start = threading.Barrier(VISITORS)
    answers = [None] * VISITORS

    def reach(i):
        start.wait()
        answers[i] = world.hold(visitors[i], schedule, seat, queue_token=passes[i])

    threads = [threading.Thread(target=reach, args=(i,)) for i in range(VISITORS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = collections.Counter(answer.status_code for answer in answers)
    assert counts == {201: 1, 409: VISITORS - 1}
    assert all(answer.json()["takenSeatIds"] == seat for answer in answers
               if answer.status_code == 409)
    winner = next(i for i, answer in enumerate(answers) if answer.status_code == 201)
    held = answers[winner].json()
    payment = world.pay(visitors[winner], held["reservationId"])
    world.until_payment(visitors[winner], payment["paymentId"], "PAID")
    world.until_reservation(visitors[winner], held["reservationId"], status="CONFIRMED")
    report = world.assert_clean()
    assert report["totals"]["sold"] == 1 and report["totals"]["available"] == 0
