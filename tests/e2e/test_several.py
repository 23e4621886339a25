# SPDX-License-Identifier: MIT
"""A second ticketqd on the same ledgers takes half of the events over, and gives them back.

Wants TICKETQ_TEST_POSTGRES. Each process has a transport of its own, so an event of a purchase
that begins in one of them is carried and applied by whoever leases its partition.
"""
import subprocess
from concurrent.futures import ThreadPoolExecutor

from test_engines import fixture_database, fixture_mark
from world import DEADLINE_S, Program, free_port, wait_for


def leased(database):
    """How many partitions each relay of the reservation service leases."""
    answer = subprocess.run(
        ["psql", "-XAtc", "SELECT owner, count(*) FROM reservation.outbox_partitions"
         " WHERE owner <> '' GROUP BY 1", database],
        check=True, capture_output=True, text=True, timeout=DEADLINE_S)
    return dict(line.split("|") for line in answer.stdout.split())


def beside(world):
    """Another ticketqd, with a folder and ports of its own."""
    args = list(world.ticketqd.args)
    for name, value in (("--data", world.path("data-2")),
                        ("--listen", f"127.0.0.1:{free_port()}")):
        args[args.index(name) + 1] = value
    other = Program("ticketqd", args, world.folder)
    other.ready = world.path("second.ready")
    return other


def buy_some(world, schedule, seats):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda seat: world.buy("buyer-" + seat, schedule, [seat]), seats))


def test_two_share_the_ledgers(database, make_world):
    world = make_world("--ledger", database)
    schedule = world.sale(rows=2, seats_per_row=8)
    seats = world.seats(schedule)
    wait_for("one relay to lease all", lambda: list(leased(database).values()) == ["64"])
    other = beside(world)
    other.start()
    try:
        wait_for("two to share", lambda: list(leased(database).values()) == ["32", "32"])
        buy_some(world, schedule, seats[:8])
        assert other.stop() == 0
    finally:
        other.kill()
    wait_for("one to have all again", lambda: list(leased(database).values()) == ["64"])
    buy_some(world, schedule, seats[8:])
    assert world.assert_clean()["totals"]["tickets"] == 16
