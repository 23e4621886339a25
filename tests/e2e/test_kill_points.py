# SPDX-License-Identifier: MIT
"""A purchase is killed at each of its steps, one after the other, and still ends lawfully.

A point is a call that leaves a trace (tests/lib/kill_point.c). A purchase without a death
tells how many it has; then it is made again and again, and ticketqd, the provider or both
die at the n-th, and sometimes once more while they start. The buyer repeats each request
under its Idempotency-Key. The ordinary run takes a sample; --all-points takes all.
"""
import os
import random
import secrets
import time

import pytest
import requests

from kill_point import Keeper, KillPoint

SAMPLE = {"ticketqd": 20, "ticketq-sandbox": 10, "both": 10}
ENDS = {"bought": ("PAID", "SOLD"), "givenBack": ("REFUNDED", "CANCELLED"),
        "declined": ("FAILED", "EXPIRED")}


class Purchase:
    """One buyer; what was answered is kept."""

    def __init__(self, world, keeper, schedule, seats, user, kind):
        self.world, self.keeper, self.schedule, self.seats = world, keeper, schedule, seats
        self.user, self.kind = user, kind
        self.answers = []  # (request, status, body)

    def patiently(self, ask):
        while True:
            self.keeper.check()
            try:
                return ask()
            except requests.RequestException:
                time.sleep(0.01)

    def ask(self, method, path, **kwargs):
        while True:
            answer = self.patiently(
                lambda: self.world.call(method, path, user=self.user, **kwargs))
            if answer.status_code not in (429, 503):
                return answer
            time.sleep(0.02)

    def post(self, path, body, **kwargs):
        request = {"path": path, "json": body, "key": secrets.token_hex(16), **kwargs}
        answer = self.ask("POST", **request)
        assert answer.status_code in (201, 202), answer.text
        self.answers.append((request, answer.status_code, answer.json()))
        return answer.json()

    def get(self, path):
        answer = self.ask("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def until(self, path, member, value):
        end = time.monotonic() + 60
        while (row := self.get(path))[member] != value:
            assert time.monotonic() < end, f"in vain waited for {value}: {row}"
            time.sleep(0.02)
        return row

    def make(self):
        payment_end, reservation_end = ENDS[self.kind]
        held = self.post("/v1/reservations/hold",
                         {"scheduleId": self.schedule, "seatIds": self.seats},
                         queue_token=self.world.ticket_pass(self.user, self.schedule))
        mine = "/v1/reservations/" + held["reservationId"]
        payment = self.post("/v1/payments", {"reservationId": held["reservationId"]})
        token = self.patiently(lambda: self.world.card(
            payment, "decline" if self.kind == "declined" else "ok"))
        self.post(f"/v1/payments/{payment['paymentId']}/confirm", {"paymentToken": token})
        if self.kind == "givenBack":
            self.until("/v1/payments/" + payment["paymentId"], "status", "PAID")
            self.until(mine, "phase", "SOLD")
            self.ask("DELETE", mine)
        self.until("/v1/payments/" + payment["paymentId"], "status", payment_end)
        self.until(mine, "phase", reservation_end)
        return payment

    def check(self, payment):
        """Everything happened once, and a repetition is told what was told before."""
        for request, status, body in self.answers:
            again = self.ask("POST", **request)
            assert (again.status_code, again.json()) == (status, body), request
        assert len(self.get("/v1/reservations")["reservations"]) == 1
        assert len(self.get("/v1/payments")["payments"]) == 1
        book = self.patiently(lambda: self.world.book_of(payment["paymentId"]))
        paid = 0 if self.kind == "declined" else payment["amount"]
        assert (book["paid"], book["cancelled"]) == (
            paid, paid if self.kind == "givenBack" else 0)


class Sale:
    """A sale whose programs can be made to die."""

    def __init__(self, make_world, is_power):
        self.world = make_world("--portone-timeout-ms", "2000", prepare=lambda world: setattr(
            self, "points", {world.ticketqd: KillPoint(world.ticketqd, is_power),
                             world.sandbox: KillPoint(world.sandbox, is_power)}))
        self.keeper = Keeper(self.points)
        self.schedule = self.world.sale(rows=100, seats_per_row=100)
        self.seats = iter(self.world.seats(self.schedule))
        self.keeper.start()
        self.made = 0

    def targets(self, name):
        return [point for program, point in self.points.items()
                if name in (program.name, "both")]

    def purchase(self, kind):
        self.made += 1
        seats = [next(self.seats), next(self.seats)]
        purchase = Purchase(self.world, self.keeper, self.schedule, seats,
                            f"buyer-{self.made}", kind)
        payment = purchase.make()
        for point in self.points.values():
            point.arm(0)
        self.keeper.until_all_are_up()
        purchase.patiently(lambda: self.world.book_of(payment["paymentId"]))
        self.world.assert_clean()
        purchase.check(payment)

    def points_of(self, kind):
        """How many points a purchase of this kind has in each program."""
        for point in self.points.values():
            point.arm(0)
        purchase = Purchase(self.world, self.keeper, self.schedule,
                            [next(self.seats), next(self.seats)], "dry-" + kind, kind)
        purchase.make()
        return {program.name: point.count() for program, point in self.points.items()}

    def all_points(self):
        for kind in ENDS:
            counts = self.points_of(kind)
            for name, count in counts.items():
                for number in range(1, count + 1):
                    yield name, kind, number
            for number in range(1, min(counts.values()) + 1):
                yield "both", kind, number


@pytest.mark.parametrize("is_power", [False, True], ids=["killed", "powerFails"])
def test_a_purchase_survives_a_death_at_any_point(make_world, request, is_power):
    sale = Sale(make_world, is_power)
    seed = int(os.environ.get("TICKETQ_SEED", time.time()))
    chance = random.Random(seed)
    points = list(sale.all_points())
    if not request.config.getoption("--all-points"):
        points = [point for name, count in SAMPLE.items()
                  for point in chance.sample([p for p in points if p[0] == name], count)]
    for name, kind, number in points:
        again = chance.choice((0, chance.randint(1, 40)))
        print(f"seed {seed}: {name} dies at point {number} of {kind}, then at {again}")
        for point in sale.targets(name):
            point.arm(number, again)
        sale.purchase(kind)
    sale.keeper.stop()
    assert sale.keeper.deaths > len(points) / 2  # the last points need not be reached
