# SPDX-License-Identifier: MIT
"""Rate and cap of a waiting room, counted from outside by a clock of our own.

An observer only knows when it sent and when it was answered. So an admission is bracketed:
it came after the sending of the last question that was answered WAITING, and before the
first answer with a pass was here. What lies in a span for certain may not be more than
burst + rate * span; who is inside for certain may not be more than the cap.
"""
import random
import threading
import time

import pytest
import requests

ACTIVE_MS, PASS_MS = 1200, 5000
VISITORS = 60
RUN_S = 8
LIMITS = {"rate": (12, 4, 1000), "cap": (500, 100, 8)}  # rate, burst, cap: which of them is tight


class Visitor(threading.Thread):
    def __init__(self, world, schedule, number):
        super().__init__(daemon=True)
        self.world, self.schedule = world, schedule
        self.user = f"visitor-{number}"
        self.random = random.Random(number)
        self.after = self.before = self.left = None  # bracket of the admission; end of the slot
        self.place = {}

    def ask(self, method, path, **kwargs):
        """(when it was sent, the answer, when it was here); answer None: the server is away."""
        sent = time.monotonic()
        try:
            answer = self.world.call(method, path, user=self.user, **kwargs)
        except requests.RequestException:
            answer = None
        return sent, answer, time.monotonic()

    def enter(self):
        token = self.place.get("queueToken") or self.place.get("placeToken")
        return self.ask("POST", "/v1/queue/enter", json={
            "scheduleId": self.schedule, **({"placeToken": token} if token else {})})

    def run(self):
        end = time.monotonic() + RUN_S
        while self.before is None and time.monotonic() < end:
            sent, answer, here = self.enter()
            if answer is None or answer.status_code != 200:
                time.sleep(0.05)  # a restart
                continue
            self.place = answer.json()
            if self.place["status"] == "ADMITTED":
                self.before = here
                self.after = self.after or sent
                self.stay(sent)
                return
            self.after = sent
            time.sleep(0.1)

    def stay(self, heard):
        """Leave, fall silent, or stay until the pass ends; the slot is held until `left`."""
        way = self.random.choice(("leave", "leave", "silence", "stay"))
        until = time.monotonic() + self.random.uniform(0.1, 1.5)
        while way != "silence" and time.monotonic() < until:
            time.sleep(0.2)
            sent, answer, _ = self.enter()
            if answer is not None and answer.status_code == 200:
                heard = sent
        self.left = min(heard + ACTIVE_MS / 1000, self.after + PASS_MS / 1000)
        if way == "leave":
            self.left = min(self.left, time.monotonic())
            self.ask("POST", "/v1/queue/leave", json={"scheduleId": self.schedule})


def sale(world, limits):
    rate, burst, cap = limits
    return world.sale(room={"rate": rate, "burst": burst, "maxActive": cap, "waitingMs": 60000,
                            "activeMs": ACTIVE_MS, "passMs": PASS_MS,
                            "pollMinMs": 100, "pollMaxMs": 200})


def crowd(world, schedule, meanwhile=None):
    visitors = [Visitor(world, schedule, i) for i in range(VISITORS)]
    for visitor in visitors:
        visitor.start()
    if meanwhile:
        meanwhile()
    for visitor in visitors:
        visitor.join()
    return [visitor for visitor in visitors if visitor.before is not None]


def most_over_rate(admitted, rate):
    """By how many, at most, admissions in some span exceed rate * span."""
    most = 0
    for start in (visitor.after for visitor in admitted):
        ends = sorted(visitor.before for visitor in admitted if visitor.after >= start)
        most = max([most, *(count - rate * (end - start) for count, end in enumerate(ends, 1))])
    return most


def most_inside(admitted):
    stays = [(visitor.before, visitor.left) for visitor in admitted
             if visitor.before < visitor.left]
    moments = sorted([(begin, 1) for begin, _ in stays] + [(end, -1) for _, end in stays])
    inside = most = 0
    for _, step in moments:
        inside += step
        most = max(most, inside)
    return most


@pytest.mark.parametrize("tight", LIMITS)
def test_rate_and_cap_are_never_exceeded(world, tight):
    rate, burst, cap = LIMITS[tight]
    admitted = crowd(world, sale(world, LIMITS[tight]))
    assert len(admitted) > VISITORS / 2
    over, inside = most_over_rate(admitted, rate), most_inside(admitted)
    print(f"{len(admitted)} let in, {over:.1f} over the rate, {inside} inside")
    assert over <= burst and inside <= cap
    assert over > 0 if tight == "rate" else inside > cap / 2


@pytest.mark.parametrize("tight", LIMITS)
def test_a_death_grants_one_burst_and_nobody_above_the_cap(make_world, tight):
    """The line is forgotten with the process, but nobody is let in until leases have ended."""
    world = make_world("--queue-recovery-ms", str(ACTIVE_MS + 300))
    rate, burst, cap = LIMITS[tight]

    def kill():
        time.sleep(2)
        world.ticketqd.kill()
        world.ticketqd.start()
    admitted = crowd(world, sale(world, LIMITS[tight]), kill)
    assert len(admitted) > VISITORS / 3
    over, inside = most_over_rate(admitted, rate), most_inside(admitted)
    print(f"{len(admitted)} let in, {over:.1f} over the rate, {inside} inside")
    assert over <= 2 * burst and inside <= cap
