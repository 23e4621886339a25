# SPDX-License-Identifier: MIT
"""The same sale on every engine: a service must not know which it stands on.

Wants TICKETQ_TEST_REDIS, TICKETQ_TEST_POSTGRES and TICKETQ_TEST_KAFKA, as tests/services/run.sh
gives them; what wants a server that is not there is skipped.
"""
import os
import secrets
import subprocess

import pytest

from crowd import run_crowd
from world import BUILD, DEADLINE_S

VISITORS = 30


def server(name):
    url = os.environ.get("TICKETQ_TEST_" + name)
    if not url:
        pytest.skip(f"TICKETQ_TEST_{name} is not set")
    return url


@pytest.fixture(name="mark")
def fixture_mark():
    """What is made on shared servers begins with it."""
    return "tq_engines_" + secrets.token_hex(6)


@pytest.fixture(name="database")
def fixture_database(mark):
    """A database of its own, as URL."""
    url = server("POSTGRES")

    def psql(sql):
        subprocess.run(["psql", "-Xqc", sql, url], check=True, timeout=DEADLINE_S)
    psql(f"CREATE DATABASE {mark}")
    yield url.rpartition("/")[0] + "/" + mark
    psql(f"DROP DATABASE {mark} WITH (FORCE)")


@pytest.fixture(name="ledger")
def fixture_ledger(request):
    return ["--ledger", request.getfixturevalue("database")]


@pytest.fixture(name="front")
def fixture_front():
    return ["--room", server("REDIS"), "--hold", server("REDIS")]


@pytest.fixture(name="events")
def fixture_events(mark):
    return ["--transport", f"{server('KAFKA')}?prefix={mark}."]


MIXES = [("ledger",), ("front",), ("events",), ("front", "ledger", "events")]


@pytest.mark.parametrize("mix", MIXES, ids="+".join)
def test_a_sale(mix, request, make_world):
    """Thirty visitors line up for twenty seats; the process ends in between and comes back."""
    options = [word for part in mix for word in request.getfixturevalue(part)]
    # A topic's first message and a group's first member may take a broker seconds.
    ttl_ms = 15000 if "events" in mix else 3000
    world = make_world("--hold-ttl-ms", str(ttl_ms), *options)
    schedule = world.sale(rows=2, seats_per_row=10)
    crowd = run_crowd(world, schedule, VISITORS)
    assert [error for buyer in crowd for error in buyer.errors] == []
    report = world.assert_clean()
    sold = report["totals"]["sold"]
    assert sold + report["totals"]["available"] == 20 and sold > 0
    assert report["totals"]["tickets"] == sum(buyer.status == "CONFIRMED" for buyer in crowd)
    assert world.ticketqd.stop() == 0
    world.ticketqd.start()
    taken = [seat for seat in world.seats(schedule)
             if world.hold("late", schedule, [seat]).status_code == 409]
    assert len(taken) == sold
    world.assert_clean()


def test_the_audit_finds_damage_in_schemas(database, make_world):
    world = make_world("--ledger", database)
    schedule = world.sale(rows=1, seats_per_row=2)
    world.buy("ann", schedule, world.seats(schedule)[:1])
    assert world.assert_clean()["totals"]["tickets"] == 1
    subprocess.run(["psql", "-Xqc", "DELETE FROM payment.payments", database], check=True,
                   timeout=DEADLINE_S)
    report = world.audit()
    assert any("its payment is not there" in row["why"]
               for check in report["checks"] for row in check["off"])


REFUSED = {
    "a ledger that is no database": ["--ledger", "memory:"],
    "a ledger that names a schema": ["--ledger", "postgres://a@b/c?schema=mine"],
    "a room where none can be": ["--room", "sqlite:{folder}/room.db"],
    "a front where none can be": ["--hold", "sqlite:{folder}/hold.db"],
    "a transport that is a store": ["--transport", "memory:"],
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_does_not_start_on(name, make_world, tmp_path):
    with pytest.raises(AssertionError, match="ticketqd ended with 1"):
        make_world(*(word.format(folder=tmp_path) for word in REFUSED[name]))


def test_the_audit_wants_one_ledger(tmp_path):
    for words in ([], ["--data", str(tmp_path), "--ledger", "postgres://a@b/c"],
                  ["--ledger", "memory:"], ["--ledger", "postgres://u@127.0.0.1:1/none?wait_ms=0"]):
        done = subprocess.run([BUILD + "/servers/ticketqd/ticketqd", "audit", *words],
                              capture_output=True, timeout=DEADLINE_S, check=False)
        assert done.returncode == 2 and done.stderr
