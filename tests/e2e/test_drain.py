# SPDX-License-Identifier: MIT
"""SIGTERM: what is in flight is finished, and no client sees an error."""
import threading
import time

import requests

CLIENTS = 32


def test_drains_without_an_error_to_any_client(make_world):
    world = make_world("--drain-delay-ms", "300")
    schedule = world.sale(rows=20, seats_per_row=50)
    seats = world.seats(schedule)
    broken, answered = [], []
    stop = threading.Event()

    def ask(number):
        session = requests.Session()
        token = world.keys.sign("access", sub=f"u{number}", aud="ticketq")
        queue_token = world.ticket_pass(f"u{number}", schedule)
        for turn, seat in enumerate(seats[number::CLIENTS]):
            if stop.is_set():
                return
            try:
                answer = session.post(
                    world.url + "/v1/reservations/hold", timeout=30,
                    headers={"Authorization": "Bearer " + token, "X-Queue-Token": queue_token,
                             "Idempotency-Key": f"key-of-{number:04}-{turn:08}"},
                    json={"scheduleId": schedule, "seatIds": [seat]})
            except requests.ConnectionError as error:
                if "refused" not in str(error):  # nobody listens any more: that is no error
                    broken.append(str(error))
                return
            answered.append(answer.status_code)
            if answer.headers.get("Connection") == "close":
                return

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(CLIENTS)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    status = world.ticketqd.stop()
    stop.set()
    for thread in threads:
        thread.join()
    assert status == 0
    assert not broken
    assert answered and set(answered) == {201}
    world.ticketqd.start()
    report = world.audit()
    assert report["isClean"], report
    assert report["totals"]["hold"] == report["totals"]["reservations"] == len(answered)


def test_events_under_way_are_finished_before_it_ends(world):
    schedule = world.sale(rows=4, seats_per_row=10)
    seats = world.seats(schedule)
    bought = []
    for i in range(10):
        held = world.held(f"u{i}", schedule, [seats[i]])
        world.pay(f"u{i}", held["reservationId"])
        bought.append(held["reservationId"])
    assert world.ticketqd.stop() == 0
    report = world.audit()
    assert report["isClean"] and report["totals"]["tickets"] == 10 and report["underWay"] == 0
