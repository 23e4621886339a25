# SPDX-License-Identifier: MIT
"""Fewer visitors are let in while events are not carried, and all again when they are.

Either the payment service cannot take them, because somebody else has its database, or the
broker sleeps (TICKETQ_TEST_KAFKA, started by tests/services/run.sh). Rates are counted from
outside: no more than burst + rate * share * span, by a clock of our own.
"""
import os
import re
import secrets
import sqlite3
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import requests

from world import DEADLINE_S, ROOT, wait_for

RATE, BURST, VISITORS = 20, 2, 60
SLOW, HOLDS = 5, 30


def metric(world, name):
    text = requests.get(f"http://{world.addresses['ops']}/metrics", timeout=DEADLINE_S).text
    return float(re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE).group(1))


def share(world):
    return metric(world, "ticketq_admission_share_ratio")


def admissions(world):
    return metric(world, "ticketq_queue_admissions_total")


def line_up(world, schedule):
    def enter(number):
        answer = world.call("POST", "/v1/queue/enter", user=f"visitor-{number}",
                            json={"scheduleId": schedule})
        assert answer.status_code == 200, answer.text
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(enter, range(VISITORS)))


@contextmanager
def busy_database(world):
    with sqlite3.connect(world.data + "/payment.db", isolation_level=None) as busy:
        busy.execute("BEGIN IMMEDIATE")
        yield
        busy.execute("ROLLBACK")


@contextmanager
def sleeping_broker(_world):
    ctl = [os.path.join(ROOT, "tests/services/ctl.sh")]
    subprocess.run(ctl + ["pause", "kafka"], check=True, timeout=DEADLINE_S)
    try:
        yield
    finally:
        subprocess.run(ctl + ["resume", "kafka"], check=True, timeout=DEADLINE_S)


def by_kafka():
    if not (os.environ.get("TICKETQ_TEST_KAFKA") and os.environ.get("TICKETQ_TEST_SERVICES")):
        pytest.skip("there is no Kafka that could be put to sleep")
    return ["--transport", f"{os.environ['TICKETQ_TEST_KAFKA']}?prefix=tq_{secrets.token_hex(6)}."]


@pytest.mark.parametrize("stop, options", [(busy_database, list), (sleeping_broker, by_kafka)],
                         ids=["busy database", "sleeping broker"])
def test_fewer_are_let_in_while_an_outbox_is_behind(stop, options, make_world):
    world = make_world("--outbox-depth-slow", str(SLOW), "--outbox-age-slow-ms", "0", *options())
    schedule = world.sale(rows=3, seats_per_row=10, room={
        "rate": RATE, "burst": BURST, "maxActive": 1000, "waitingMs": 600000,
        "pollMinMs": 1000, "pollMaxMs": 2000})
    assert share(world) == 1
    with stop(world):
        for number, seat in enumerate(world.seats(schedule)[:HOLDS]):
            world.held(f"buyer-{number}", schedule, [seat])
        slow = SLOW / (2 * HOLDS)
        wait_for("fewer to be let in", lambda: share(world) <= slow + 0.01)
        assert metric(world, 'ticketq_outbox_events{service="reservation"}') == HOLDS
        assert metric(world, 'ticketq_outbox_oldest_seconds{service="reservation"}') > 0

        begin, before = time.monotonic(), admissions(world)
        line_up(world, schedule)
        wait_for("some to be let in all the same", lambda: admissions(world) >= before + BURST + 2)
        count = admissions(world) - before
        assert count <= 2 * BURST + RATE * (slow + 0.01) * (time.monotonic() - begin)
        assert count < VISITORS

    wait_for("all to be let in again", lambda: share(world) == 1)
    wait_for("the line to be empty", lambda: admissions(world) == before + VISITORS)
    wait_for("the outbox to be empty",
             lambda: metric(world, 'ticketq_outbox_events{service="reservation"}') == 0)
