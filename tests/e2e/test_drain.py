# SPDX-License-Identifier: MIT
"""SIGTERM: what is in flight is finished, and no client sees an error."""
import socket
import threading
import time

import requests

from world import wait_for

CLIENTS = 32
BODY_TIMEOUT_S = 20
PROVIDER_TIMEOUT_S = 60


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


def test_who_sends_slowly_does_not_hold_it_up(world):
    """Halves of requests of every kind; a body may take 20 s, and a drain does not."""
    halves = [b"GET /v1/events HT", b"GET /v1/events HTTP/1.1\r\nHost: a\r\nX",
              b"POST /v1/auth/login HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\n\r\n{",
              b"POST /v1/auth/login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"]
    sockets = []
    for half in halves * 8:
        sockets.append(socket.create_connection(("127.0.0.1", world.port)))
        sockets[-1].sendall(half)
    whole = socket.create_connection(("127.0.0.1", world.port))
    whole.sendall(b"GET /v1/events HTTP/1.1\r\nHost: a\r\n\r\n")
    began = time.monotonic()
    assert world.ticketqd.stop() == 0
    assert time.monotonic() - began < BODY_TIMEOUT_S / 2
    assert whole.recv(12) == b"HTTP/1.1 200"
    for each in [whole, *sockets]:
        each.close()


def test_a_provider_that_hangs_does_not_hold_it_up(make_world):
    """The call is given up, its outcome is unknown, and after the start it is asked for."""
    world = make_world("--portone-timeout-ms", str(PROVIDER_TIMEOUT_S * 1000))
    schedule = world.sale()
    held = world.held("ann", schedule, world.seats(schedule)[:1])
    world.fault("webhook", "lost", count=10)
    world.fault("confirm", "timeoutAfterEffect", delayMs=60000)
    payment = world.pay("ann", held["reservationId"])
    wait_for("the provider to have taken the money",
             lambda: (world.book_of(payment["paymentId"]) or {}).get("status") == "PAID")
    began = time.monotonic()
    assert world.ticketqd.stop() == 0
    assert time.monotonic() - began < PROVIDER_TIMEOUT_S / 2
    world.clear_faults()
    world.ticketqd.start()
    world.until_payment("ann", payment["paymentId"], "PAID")
    world.until_reservation("ann", held["reservationId"], status="CONFIRMED")
    report = world.assert_clean()
    assert report["totals"]["tickets"] == 1
