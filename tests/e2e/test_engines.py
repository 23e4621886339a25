# SPDX-License-Identifier: MIT
"""The same sale on every engine: a service must not know which it stands on.

Wants TICKETQ_TEST_REDIS, TICKETQ_TEST_REDIS_CLUSTER, TICKETQ_TEST_POSTGRES, TICKETQ_TEST_POSTGRES18
and TICKETQ_TEST_KAFKA, as tests/services/run.sh gives them; what wants a server that is not there
is skipped.
"""
import json
import os
import secrets
import subprocess
import time

import pytest

from crowd import run_crowd
from world import BUILD, DEADLINE_S, ROOT, wait_for

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


def psql(url, *words, **variables):
    done = subprocess.run(["psql", "-Xqt", *words, url], check=False, capture_output=True, text=True,
                          timeout=DEADLINE_S, env={**os.environ, **variables})
    return done.returncode, (done.stdout + done.stderr).strip()


def done_by_psql(url, *words):
    status, said = psql(url, *words)
    assert status == 0, said
    return said


def words_of(statements):
    return [word for sql in statements for word in ("-c", sql)]


def make_database(url, mark):
    """A database of its own, as URL."""
    done_by_psql(url, "-c", f"CREATE DATABASE {mark}")
    yield url.rpartition("/")[0] + "/" + mark
    done_by_psql(url, "-c", f"DROP DATABASE {mark} WITH (FORCE)")


@pytest.fixture(name="database")
def fixture_database(mark):
    yield from make_database(server("POSTGRES"), mark)


@pytest.fixture(name="ledger")
def fixture_ledger(database):
    return {"ledger": database}


@pytest.fixture(name="ledger18")
def fixture_ledger18(mark):
    for url in make_database(server("POSTGRES18"), mark):
        yield {"ledger": url}


@pytest.fixture(name="redis")
def fixture_redis():
    return {"room": server("REDIS"), "hold": server("REDIS")}


@pytest.fixture(name="cluster")
def fixture_cluster():
    url = server("REDIS_CLUSTER") + "?cluster=1"
    return {"room": url, "hold": url}


@pytest.fixture(name="kafka")
def fixture_kafka(mark):
    return {"transport": f"{server('KAFKA')}?prefix={mark}."}


def by_flags(world, options):
    world.ticketqd.args += [word for name, value in options.items() for word in ("--" + name, value)]


def by_variables(world, options):
    world.ticketqd.environment.update(
        {"TICKETQ_" + name.upper(): value for name, value in options.items()})


def by_file(world, options):
    world.write("config.json", json.dumps(options))
    world.ticketqd.args += ["--config", world.path("config.json")]


WAYS = {"flags": by_flags, "variables": by_variables, "file": by_file}

# memory, SQLite and inproc; parts of it elsewhere; all of it elsewhere
MIXES = [((), "flags"), (("ledger",), "file"), (("redis",), "variables"),
         (("redis", "ledger", "kafka"), "flags"), (("cluster", "ledger18", "kafka"), "file")]


@pytest.mark.parametrize("mix,way", MIXES, ids=lambda value: "+".join(value) or "default"
                         if isinstance(value, tuple) else value)
def test_a_sale(mix, way, request, make_world):
    """Thirty visitors line up for twenty seats; the process ends in between and comes back."""
    options = {name: value for part in mix
               for name, value in request.getfixturevalue(part).items()}

    def prepare(made):
        WAYS[way](made, options)
        made.ledger = options.get("ledger")
    # A topic's first message and a group's first member may take a broker seconds.
    ttl_ms = 15000 if "kafka" in mix else 3000
    world = make_world("--hold-ttl-ms", str(ttl_ms), prepare=prepare)
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
    done_by_psql(database, "-c", "DELETE FROM payment.payments")
    report = world.audit()
    assert any("its payment is not there" in row["why"]
               for check in report["checks"] for row in check["off"])


def test_a_ledger_that_takes_no_writes_for_a_while(mark, database, make_world):
    """Its disk is nearly full. What the provider said meanwhile is not forgotten."""
    def take_writes(word):
        done_by_psql(server("POSTGRES"), *words_of([
            f"ALTER DATABASE {mark} SET default_transaction_read_only = {word}",
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            f"WHERE datname = '{mark}'"]))
    world = make_world("--ledger", database)
    schedule = world.sale(rows=1, seats_per_row=2)
    seats = world.seats(schedule)
    held = world.held("ann", schedule, seats[:1])
    world.fault("confirm", "delay", delayMs=1000)
    payment = world.pay("ann", held["reservationId"])
    wait_for("the provider to be asked", lambda: done_by_psql(
        database, "-c", "SELECT count(*) FROM payment.calls"
        " WHERE operation = 'CONFIRM' AND attempts > 0") == "1")
    take_writes("on")
    assert world.hold("bob", schedule, seats[1:]).status_code == 503
    wait_for("the money", lambda: world.book_of(payment["paymentId"])["status"] == "PAID")
    time.sleep(1)
    take_writes("off")
    world.until_payment("ann", payment["paymentId"], "PAID")
    world.until_reservation("ann", held["reservationId"], status="CONFIRMED")
    assert world.hold("bob", schedule, seats[1:]).status_code == 201


@pytest.fixture(name="roles")
def fixture_roles(database, mark):
    """Roles as roles.sql makes them, each with a password of its own: by name, URLs."""
    names = ("user", "event", "queue", "reservation", "payment", "audit")
    script = os.path.join(ROOT, "servers", "ticketqd", "roles.sql")
    for _ in range(2):  # again does no harm
        done_by_psql(database, "-v", f"prefix={mark}_", "-f", script)
    passwords = {name: secrets.token_hex(8) for name in names}
    done_by_psql(database, *words_of(f"ALTER ROLE {mark}_{name} PASSWORD '{passwords[name]}'"
                                     for name in names))
    place = database.rpartition("@")[2]
    yield {name: f"postgres://{mark}_{name}:{passwords[name]}@{place}" for name in names}
    done_by_psql(database, *words_of(f"DROP OWNED BY {mark}_{name} CASCADE; DROP ROLE {mark}_{name}"
                                     for name in names))


def test_each_service_has_a_role_that_sees_its_own_schema_only(roles, mark, database, make_world):
    place = database.rpartition("@")[2]
    host, _, port = place.partition("/")[0].rpartition(":")

    def prepare(made):
        made.write("pgpass", "".join(
            f"{host}:{port}:{mark}:{mark}_{name}:{url.split(':')[2].partition('@')[0]}\n"
            for name, url in roles.items()))
        os.chmod(made.path("pgpass"), 0o600)
        made.ticketqd.environment["PGPASSFILE"] = made.path("pgpass")
        made.ledger = roles["audit"]
    world = make_world("--ledger", f"postgres://{mark}_{{service}}@{place}", prepare=prepare)
    schedule = world.sale(rows=1, seats_per_row=2)
    world.buy("ann", schedule, world.seats(schedule)[:1])
    assert world.assert_clean()["totals"]["tickets"] == 1
    services = [name for name in roles if name != "audit"]
    for name in services:
        mine = [f'CREATE TABLE "{name}".tried (n BIGINT)', f'SELECT * FROM "{name}".tried']
        not_mine = [sql.format(other) for other in services if other != name for sql in (
            'SELECT * FROM "{0}".outbox_events', 'CREATE TABLE "{0}".tried (n BIGINT)')]
        nobodys = ["CREATE SCHEMA tried", "CREATE TABLE public.tried (n BIGINT)",
                   "CREATE TEMPORARY TABLE tried (n BIGINT)", f"SET ROLE {mark}_audit"]
        assert "ERROR" not in done_by_psql(roles[name], *words_of(mine))
        denied = psql(roles[name], *words_of(not_mine + nobodys))[1].count("permission denied")
        assert denied == len(not_mine + nobodys), name
    assert done_by_psql(roles["audit"], "-c", "SELECT count(*) FROM payment.payments") == "1"
    changes = ["DELETE FROM payment.payments", "CREATE TABLE payment.mine (n BIGINT)"]
    assert psql(roles["audit"], *words_of(changes))[1].count("permission denied") == len(changes)


REFUSED = {
    "a ledger that is no database": ("ledger", "memory:"),
    "a ledger that names a schema": ("ledger", "postgres://a@b/c?schema=mine"),
    "a room where none can be": ("room", "sqlite:{folder}/room.db"),
    "a front where none can be": ("hold", "sqlite:{folder}/hold.db"),
    "a transport that is a store": ("transport", "memory:"),
    "a cache that keeps no pages": ("cache", "sqlite:{folder}/cache.db"),
    "a room that is not there": ("room", "redis://127.0.0.1:1?wait_ms=0"),
    "a ledger that is not there": ("ledger", "postgres://u@127.0.0.1:1/none?wait_ms=0"),
    "a transport with an option of no name": ("transport", "kafka://127.0.0.1:1?partition=3"),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", REFUSED)
def test_it_does_not_start_on(name, way, make_world, tmp_path):
    option, value = REFUSED[name]
    with pytest.raises(AssertionError, match=f"(?s)ticketqd ended with 1.*: --{option}"):
        make_world(prepare=lambda world: WAYS[way](
            world, {option: value.format(folder=tmp_path)}))
    assert not list(tmp_path.glob("*.db"))  # not even opened


def test_the_audit_makes_no_ledger(database):
    done = subprocess.run([BUILD + "/servers/ticketqd/ticketqd", "audit", "--ledger", database],
                          capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert done.returncode == 2 and "there is no schema event" in done.stderr


def test_the_audit_wants_one_ledger(tmp_path):
    for words in ([], ["--data", str(tmp_path), "--ledger", "postgres://a@b/c"],
                  ["--ledger", "memory:"], ["--ledger", "postgres://u@127.0.0.1:1/none?wait_ms=0"]):
        done = subprocess.run([BUILD + "/servers/ticketqd/ticketqd", "audit", *words],
                              capture_output=True, timeout=DEADLINE_S, check=False)
        assert done.returncode == 2 and done.stderr
