# SPDX-License-Identifier: MIT
"""A small crowd that buys through everything and puts up with a server that dies.

A buyer repeats a request under the same Idempotency-Key until it is answered, as a
browser would. What it is told is kept, so that a test can compare it with the books.
"""
import random
import secrets
import threading
import time

import requests


class Buyer(threading.Thread):
    def __init__(self, world, schedule, seats, number, through_queue=True):
        super().__init__(daemon=True)
        self.world, self.schedule, self.seats = world, schedule, seats
        self.user = f"buyer-{number}"
        self.random = random.Random(number)
        self.through_queue = through_queue
        self.sequences = []  # every sequence number this buyer was ever told
        self.reservation = None
        self.status = None  # CONFIRMED, CANCELLED, or None when nothing was to be had
        self.errors = []  # answers that no server should give

    def run(self):
        queue_token = self.line_up() if self.through_queue else \
            self.world.ticket_pass(self.user, self.schedule)
        held = self.take_seats(queue_token)
        if held:
            self.reservation = held["reservationId"]
            self.pay(held)

    def ask(self, method, path, **kwargs):
        """Until it is answered by something else than a server that is away."""
        while True:
            try:
                answer = self.world.call(method, path, user=self.user, **kwargs)
            except requests.RequestException:
                time.sleep(0.05)
                continue
            if answer.status_code in (429, 503):
                time.sleep(0.1)
                continue
            if answer.status_code >= 500:
                self.errors.append((method, path, answer.status_code, answer.text))
            return answer

    def line_up(self):
        answer = self.ask("POST", "/v1/queue/enter", json={"scheduleId": self.schedule})
        place = answer.json()
        token = place["placeToken"]
        while not place.get("queueToken"):
            self.sequences.append(place["sequence"])
            time.sleep(place["pollAfterMs"] / 1000)
            answer = self.ask("GET", "/v1/queue/status?scheduleId=" + self.schedule,
                              headers={"X-Queue-Place": token})
            if answer.status_code == 404:  # the room has forgotten: come back with the place
                answer = self.ask("POST", "/v1/queue/enter",
                                  json={"scheduleId": self.schedule, "placeToken": token})
            place = answer.json()
            token = place.get("placeToken", token)
        self.sequences.append(place["sequence"])
        return place["queueToken"]

    def take_seats(self, queue_token):
        for _ in range(4):
            seats = self.random.sample(self.seats, self.random.choice((1, 2, 2, 4)))
            answer = self.ask("POST", "/v1/reservations/hold", queue_token=queue_token,
                              key=secrets.token_hex(16),
                              json={"scheduleId": self.schedule, "seatIds": seats})
            if answer.status_code == 201:
                return answer.json()
            if answer.status_code != 409:
                self.errors.append(("hold", answer.status_code, answer.text))
        return None

    def pay(self, held):
        answer = self.ask("POST", "/v1/payments", key=secrets.token_hex(16),
                          json={"reservationId": held["reservationId"]})
        if answer.status_code != 201:
            return self.wait()
        payment = answer.json()
        if self.random.random() < 0.1:
            return self.wait()  # thinks better of it: the hold runs out
        card = "decline" if self.random.random() < 0.1 else "ok"
        self.ask("POST", f"/v1/payments/{payment['paymentId']}/confirm",
                 key=secrets.token_hex(16), json={"paymentToken": self.world.card(payment, card)})
        return self.wait()

    def wait(self):
        while self.status not in ("CONFIRMED", "CANCELLED"):
            time.sleep(0.1)
            answer = self.ask("GET", "/v1/reservations/" + self.reservation)
            self.status = answer.json().get("status")


def run_crowd(world, schedule, count, meanwhile=None, through_queue=True):
    """Everybody at once; `meanwhile` is called until all are done."""
    seats = world.seats(schedule)
    crowd = [Buyer(world, schedule, seats, i, through_queue) for i in range(count)]
    for buyer in crowd:
        buyer.start()
    while meanwhile and any(buyer.is_alive() for buyer in crowd):
        meanwhile(crowd)
    for buyer in crowd:
        buyer.join(timeout=120)
    assert not any(buyer.is_alive() for buyer in crowd), "somebody waits in vain"
    return crowd
