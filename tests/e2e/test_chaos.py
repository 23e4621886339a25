# SPDX-License-Identifier: MIT
"""Everything at once: overlapping seats, short holds, crossing requests, faults and kills.

Each client does at random what a buyer, a mean one too, may do; its moments are chosen so
that cancelling, confirming, expiring and late webhooks cross. ticketqd and the provider are
killed meanwhile, and the books are audited after each kill. What a client does follows from
the seed (TICKETQ_SEED), which is printed; when it happens does not.
"""
import os
import random
import secrets
import threading
import time

import requests

from world import DEADLINE_S, wait_for

CLIENTS = 64
RUN_S = 25
HOLD_MS = 1500
# Not "lost": of money that it takes unasked, the provider has to tell us sooner or later.
FAULTS = [("webhook", "late"), ("webhook", "double"), ("webhook", "reorder"),
          ("confirm", "timeoutAfterEffect"), ("confirm", "error5xx"), ("confirm", "latePaid"),
          ("confirm", "delay"), ("cancel", "error5xx"), ("cancel", "timeoutAfterEffect"),
          ("get", "error5xx"), ("preRegister", "error5xx")]


class Owners:
    """Who was told to have a ticket for a seat, and has not begun to give it back."""

    def __init__(self):
        self.lock = threading.Lock()
        self.owners = {}

    def of(self, seats):
        with self.lock:
            return {seat: self.owners[seat] for seat in seats if seat in self.owners}

    def add(self, seats, reservation):
        with self.lock:
            for seat in seats:
                assert self.owners.setdefault(seat, reservation) == reservation, \
                    f"seat {seat}: {self.owners[seat]} and {reservation}"

    def remove(self, seats):
        with self.lock:
            for seat in seats:
                self.owners.pop(seat, None)


class Client(threading.Thread):
    def __init__(self, world, schedule, seats, owners, end_s, seed):
        super().__init__(daemon=True)
        self.world, self.schedule, self.seats = world, schedule, seats
        self.owners, self.end_s = owners, end_s
        self.chance = random.Random(seed)
        self.user = f"client-{seed}"
        self.granted = 0
        self.error = None

    def run(self):
        try:
            while time.monotonic() < self.end_s:
                self.visit()
        except Exception as error:  # pylint: disable=broad-except
            self.error = error

    def ask(self, method, path, lawful, **kwargs):
        """One of the lawful answers; again while there is none."""
        while True:
            try:
                answer = self.world.call(method, path, user=self.user, **kwargs)
            except requests.RequestException:
                time.sleep(0.05)
                continue
            if answer.status_code not in (429, 503):
                assert answer.status_code in lawful, (method, path, answer.text)
                return answer
            time.sleep(0.05)

    def visit(self):
        wanted = self.chance.sample(self.seats, self.chance.choice((1, 2, 3, 4)))
        owned = self.owners.of(wanted)
        answer = self.ask("POST", "/v1/reservations/hold", (201, 409),
                          queue_token=self.world.ticket_pass(self.user, self.schedule),
                          key=secrets.token_hex(16),
                          json={"scheduleId": self.schedule, "seatIds": wanted})
        if answer.status_code == 409:
            time.sleep(self.chance.uniform(0, 0.1))
            return
        # Who was owned before the request and is owned still was granted twice.
        still = self.owners.of(wanted)
        assert not any(still.get(seat) == owner for seat, owner in owned.items()), wanted
        self.granted += 1
        self.end_hold(answer.json(), time.monotonic())

    def end_hold(self, held, began_s):
        mine = "/v1/reservations/" + held["reservationId"]
        way = self.chance.choice(("vanish", "cancel", "pay", "pay", "pay", "behind"))
        if way == "cancel":
            self.ask("DELETE", mine, (202, 409))
        if way in ("vanish", "cancel"):
            return
        answer = self.ask("POST", "/v1/payments", (201, 404, 409), key=secrets.token_hex(16),
                          json={"reservationId": held["reservationId"]})
        if answer.status_code != 201:
            return
        payment = answer.json()
        if self.chance.random() < 0.4:  # about the moment in which the hold ends
            at_s = began_s + HOLD_MS / 1000 * self.chance.uniform(0.8, 1.2)
            time.sleep(max(0, at_s - time.monotonic()))
        if way == "behind":
            self.pay_behind(payment)
        else:
            self.confirm(payment)
        if self.chance.random() < 0.3:
            self.ask("DELETE", mine, (202, 409))
        self.see_end(mine)

    def card(self, payment):
        try:
            return self.world.card(payment, self.chance.choice(("ok", "ok", "ok", "decline")))
        except (requests.RequestException, AssertionError):
            return "made-up"

    def confirm(self, payment):
        body = {"paymentToken": self.card(payment)}
        path = f"/v1/payments/{payment['paymentId']}/confirm"
        for _ in range(self.chance.choice((1, 1, 2))):
            self.ask("POST", path, (202, 409), key=secrets.token_hex(16), json=body)

    def pay_behind(self, payment):
        try:
            self.world.pay_behind_our_back(payment)
        except (requests.RequestException, AssertionError):
            pass  # the provider is away, or refuses

    def see_end(self, mine):
        """Wait a while for the end; a ticket may be given back, by two at once."""
        end_s = time.monotonic() + 3
        while time.monotonic() < end_s:
            row = self.ask("GET", mine, (200,)).json()
            seats = [seat["seatId"] for seat in row["seats"]]
            if row["phase"] == "SOLD":
                self.owners.add(seats, row["reservationId"])
                if self.chance.random() < 0.6:
                    self.owners.remove(seats)
                    twice = threading.Thread(target=self.ask, args=("DELETE", mine, (202, 409)))
                    twice.start()
                    self.ask("DELETE", mine, (202, 409))
                    twice.join()
                return
            if row["status"] == "CANCELLED":
                return
            time.sleep(0.1)


def off_twice(world):
    """Rows that are off, and still are a moment later: nothing that was on its way."""
    def off():
        return {(check["name"], row["row"], row["why"])
                for check in world.audit()["checks"] for row in check["off"]}
    rows = off()
    if rows:
        time.sleep(0.5)
        rows &= off()
    return rows


def disturb(world, chance):
    operation, fault = chance.choice(FAULTS)
    world.fault(operation, fault, count=chance.randint(1, 3), delayMs=chance.randint(100, 1800))
    time.sleep(chance.uniform(0.2, 1.2))
    if chance.random() < 0.5:
        programs = chance.choice(([world.ticketqd], [world.ticketqd], [world.sandbox],
                                  [world.ticketqd, world.sandbox]))
        for program in programs:
            program.kill()
        for program in programs:
            program.start()
        assert not off_twice(world)
        return 1
    return 0


def money_of(world, clients):
    """(seats, money) of all tickets, as their owners are told."""
    seats, money = [], 0
    for client in clients:
        cursor = ""
        while cursor is not None:
            page = world.call("GET", "/v1/reservations?limit=100" + cursor, user=client.user).json()
            for row in page["reservations"]:
                if row["status"] == "CONFIRMED":
                    seats += [seat["seatId"] for seat in row["seats"]]
                    money += row["totalAmount"]
            cursor = page.get("nextCursor") and "&cursor=" + page["nextCursor"]
    return seats, money


def until_settled(world, clients):
    """The report when tickets and money are the same; what was late may still come."""
    report = world.assert_clean()
    sold, money = money_of(world, clients)
    book = world.book()["totals"]
    assert len(sold) == len(set(sold))
    is_settled = len(sold) == report["totals"]["sold"] and \
        money == book["paid"] - book["cancelled"]
    return report if is_settled else None


def test_chaos(make_world):
    seed = int(os.environ.get("TICKETQ_SEED", time.time()))
    print(f"TICKETQ_SEED={seed}")
    chance = random.Random(seed)
    world = make_world("--hold-ttl-ms", str(HOLD_MS), "--portone-timeout-ms", "1000")
    schedule = world.sale(rows=6, seats_per_row=10)
    seats = world.seats(schedule)
    owners = Owners()
    end_s = time.monotonic() + RUN_S
    clients = [Client(world, schedule, seats, owners, end_s, seed + i) for i in range(CLIENTS)]
    for client in clients:
        client.start()
    kills = 0
    while time.monotonic() < end_s:
        kills += disturb(world, chance)
    world.clear_faults()
    for client in clients:
        client.join(timeout=DEADLINE_S)
    for client in clients:
        assert not client.error and not client.is_alive(), client.error
    report = wait_for("the last webhook to have come", lambda: until_settled(world, clients))
    assert kills >= 3 and sum(client.granted for client in clients) > CLIENTS
    assert report["totals"]["refunded"] > 0
