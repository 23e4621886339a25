# SPDX-License-Identifier: MIT
"""The audit finds each kind of damage, and names the rows."""
import shutil
import sqlite3
import subprocess
import time

import pytest

from world import BUILD, DEADLINE_S, World

HOUR_MS = 3600000


@pytest.fixture(name="sold", scope="module")
def fixture_sold(tmp_path_factory):
    """A small sale with every kind of end: sold, refunded, declined, expired, held."""
    world = World(tmp_path_factory.mktemp("sold"), "--hold-ttl-ms", "600000").start()
    schedule = world.sale(rows=2, seats_per_row=5)
    seats = world.seats(schedule)
    world.bought = world.buy("ann", schedule, seats[:2])
    given = world.buy("bob", schedule, seats[2:3])
    world.call("DELETE", "/v1/reservations/" + given["reservationId"], user="bob")
    world.until_payment("bob", given["paymentId"], "REFUNDED")
    world.given = world.until_reservation("bob", given["reservationId"], phase="CANCELLED")
    held = world.held("cid", schedule, seats[3:4])
    payment = world.pay("cid", held["reservationId"], card="decline")
    world.until_payment("cid", payment["paymentId"], "FAILED")
    world.held_row = world.held("dan", schedule, seats[4:5])
    world.schedule = schedule
    wait_until_told(world)
    assert world.ticketqd.stop() == 0
    yield world
    world.close()


def wait_until_told(world):
    end = time.monotonic() + DEADLINE_S
    while world.audit()["underWay"] > 1:  # dan's hold
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.fixture(name="copy")
def fixture_copy(sold, tmp_path):
    """A copy of the files that a test may damage; nothing in it is on its way any more."""
    data = tmp_path / "data"
    shutil.copytree(sold.data, data)
    for service in ("event", "reservation", "payment"):
        with sqlite3.connect(data / (service + ".db")) as db:
            db.execute("UPDATE told_events SET told_ms = told_ms - 60000")
        db.close()

    def damage(service, sql, *values):
        with sqlite3.connect(data / (service + ".db")) as db:
            changed = db.execute(sql, values).rowcount
        db.close()
        assert changed != 0, "the damage was not done"
        return lambda: sold.audit(data=str(data))
    damage.world = sold
    return damage


def off(report, check):
    """The rows of a check that are off; nothing else may be."""
    assert not report["isClean"]
    return [row["row"] + " " + row["why"]
            for entry in report["checks"] if entry["name"] == check for row in entry["off"]]


def test_an_intact_sale_is_clean(sold):
    report = sold.audit()
    assert report["isClean"] and report["isMoneyCompared"]
    assert [check["name"] for check in report["checks"]] == [
        "paymentEnds", "seatOwners", "seatsAddUp", "nothingOverdue", "eventsApplied",
        "stepsTold", "money"]
    totals = report["totals"]
    assert (totals["sold"], totals["hold"], totals["available"]) == (2, 1, 7)
    assert totals["moneyIn"] == totals["moneyForTickets"] + totals["moneyBack"]


def test_a_schedule_whose_prices_are_being_written_is_under_way(copy):
    copy("reservation", "DELETE FROM seat_prices")
    report = copy("reservation", "UPDATE schedules SET is_loaded = 0")()
    assert report["isClean"] and report["underWay"] == 2  # dan's hold


DAMAGE = {
    # name: (check, service, statement, what names the row)
    "a paid payment whose reservation is gone": (
        "paymentEnds", "reservation", "DELETE FROM reservations WHERE phase = 'SOLD'",
        "PAID, but reservation"),
    "a ticket without a payment": (
        "paymentEnds", "payment", "DELETE FROM payments WHERE phase = 'PAID'",
        "has a ticket, but its payment is not there"),
    "a ticket whose payment failed": (
        "paymentEnds", "payment", "UPDATE payments SET phase = 'FAILED' WHERE phase = 'PAID'",
        "has a ticket, but its payment is FAILED"),
    "a payment that never ended": (
        "paymentEnds", "payment",
        "UPDATE payments SET phase = 'UNKNOWN', updated_ms = 1 WHERE phase = 'PAID'",
        "is still UNKNOWN"),
    "a refund of too little": (
        "paymentEnds", "payment",
        "UPDATE payments SET cancelled_amount = 1 WHERE phase = 'REFUNDED'", "1 of 50000 went back"),
    "a payment of another amount": (
        "paymentEnds", "payment", "UPDATE payments SET amount = amount + 1 WHERE phase = 'PAID'",
        "the reservation costs 100000"),
    "a price that was changed afterwards": (
        "paymentEnds", "reservation", "UPDATE reservation_seats SET price = 1 WHERE position = 1",
        "its seats cost 50001"),
    "a sold seat that is free": (
        "seatOwners", "reservation",
        "UPDATE tq_hold_seats SET hold = NULL WHERE hold IN "
        "(SELECT id FROM tq_holds WHERE state = 3)", "belongs to nobody"),
    "a seat of a hold that is not there": (
        "seatOwners", "reservation",
        "UPDATE tq_hold_seats SET hold = 'ghost' WHERE seat = "
        "(SELECT MAX(seat) FROM tq_hold_seats WHERE hold IS NULL)",
        "belongs to hold ghost, which is not there"),
    "a seat of a hold that has ended": (
        "seatOwners", "reservation",
        "UPDATE tq_hold_seats SET hold = (SELECT id FROM tq_holds WHERE state > 3 LIMIT 1) "
        "WHERE seat = (SELECT MAX(seat) FROM tq_hold_seats WHERE hold IS NULL)",
        "which has ended"),
    "a hold without a reservation": (
        "seatOwners", "reservation", "DELETE FROM reservations WHERE phase = 'HOLD'",
        "is a live hold in state 1, its reservation is not there"),
    "one seat on two tickets": (
        "seatOwners", "reservation",
        "UPDATE reservation_seats SET seat_id = (SELECT seat_id FROM reservation_seats s JOIN "
        "reservations r USING (reservation_id) WHERE r.phase = 'SOLD' AND s.position = 0) "
        "WHERE position = 1", "has 2 tickets"),
    "a ticket without a number": (
        "seatOwners", "reservation",
        "UPDATE reservations SET ticket_number = NULL WHERE phase = 'SOLD'",
        "has status CONFIRMED in phase SOLD"),
    "a person who is counted wrongly": (
        "seatOwners", "reservation", "UPDATE person_seats SET seats = 9 WHERE user_id = 'ann'",
        "is counted with 9 seats and has 2"),
    "a person who is not counted": (
        "seatOwners", "reservation", "DELETE FROM person_seats WHERE user_id = 'ann'",
        "/ann has seats and is not counted"),
    "a person who has too many": (
        "seatOwners", "reservation", "UPDATE schedules SET person_limit = 1",
        "has 2 seats, a person may have 1"),
    "a reservation whose hold is gone": (
        "seatOwners", "reservation", "DELETE FROM tq_holds WHERE state = 1",
        "is in phase HOLD, its hold is not there"),
    "a reservation whose hold has ended": (
        "seatOwners", "reservation",
        "UPDATE tq_holds SET state = 4, sweep_ms = NULL WHERE state = 1",
        "is in phase HOLD, its hold is in state 4"),
    "a ticket of somebody else": (
        "seatOwners", "reservation", "UPDATE tq_holds SET holder = 'eve' WHERE state = 3",
        "its hold is of eve"),
    "a hold of another fence": (
        "seatOwners", "reservation", "UPDATE tq_holds SET fence = 0 WHERE state = 3",
        "its hold is of fence 0"),
    "a reservation that lost its seats": (
        "seatOwners", "reservation", "DELETE FROM reservation_seats", "has 2 seats and 0 rows"),
    "a ticket for money that never came": (
        "paymentEnds", "payment", "UPDATE payments SET paid_amount = 0 WHERE phase = 'PAID'",
        "PAID, but the book said 0"),
    "a refund that the reservation never heard of": (
        "paymentEnds", "payment",
        "UPDATE payments SET phase = 'REFUNDED', updated_ms = 1 WHERE phase = 'PAID'",
        "got 0 back, its payment gave 100000"),
    "a seat that vanished": (
        "seatsAddUp", "reservation", "DELETE FROM tq_hold_seats WHERE hold IS NULL AND seat = "
        "(SELECT MAX(seat) FROM tq_hold_seats WHERE hold IS NULL)", "has 9 seats, not 10"),
    "a price that vanished": (
        "seatsAddUp", "reservation", "DELETE FROM seat_prices WHERE position = 9",
        "10 seats and 9 prices"),
    "another number of seats than the event has": (
        "seatsAddUp", "event", "UPDATE events SET seats = 11", "the event has 11"),
    "a hold past its time": (
        "nothingOverdue", "reservation", "UPDATE tq_holds SET expires_ms = 1000 WHERE state = 1",
        "ran out"),
    "a reservation past its time": (
        "nothingOverdue", "reservation",
        "UPDATE reservations SET hold_expires_ms = 1000 WHERE phase = 'HOLD'", "its time ran out"),
    "a saga past its deadline": (
        "nothingOverdue", "reservation",
        "UPDATE sagas SET deadline_ms = 1000 WHERE state = 'HOLD'", "its deadline passed"),
    "a saga that says something else": (
        "nothingOverdue", "payment", "UPDATE sagas SET state = 'CAPTURED' WHERE state = 'PAID'",
        "its saga is in state CAPTURED"),
    "an event that was never applied": (
        "eventsApplied", "reservation",
        "DELETE FROM processed_events WHERE event_id = (SELECT MIN(event_id) FROM "
        "processed_events)", "was never applied by reservation"),
    "an event that nobody told": (
        "eventsApplied", "payment",
        "INSERT INTO processed_events (consumer, event_id, at_ms) VALUES "
        "('payment', 'phantom', strftime('%s') * 1000)", "but nobody told it"),
    "a dead letter": (
        "eventsApplied", "payment",
        "UPDATE processed_events SET dead_reason = 'planted' WHERE event_id = "
        "(SELECT MIN(event_id) FROM processed_events)", "dead letter of payment: planted"),
    "an event that was never published": (
        "eventsApplied", "payment",
        "INSERT INTO outbox_events (event_id, partition, topic, event_key, type, aggregate_type, "
        "aggregate_id, created_ms, headers, payload) VALUES ('stuck', 0, 'payment.events', 'k', "
        "'PaymentPaid', 'payment', 'p', 1000, '{}', '{}')", "waits in the outbox"),
    "a step that was taken out of a history": (
        "stepsTold", "reservation",
        "DELETE FROM saga_history WHERE to_state = 'PAYING' AND saga_id = "
        "(SELECT MIN(saga_id) FROM saga_history)", "its history has 2 steps up to 3"),
    "a history that was changed": (
        "stepsTold", "payment", "UPDATE saga_history SET to_state = 'UNKNOWN' "
        "WHERE to_state = 'CONFIRMING'", "left state CONFIRMING after it had come to UNKNOWN"),
    "money for nothing": (
        "money", "payment", "UPDATE payments SET phase = 'FAILED', updated_ms = 1 "
        "WHERE phase = 'PAID'", "with 100000 at the provider, not 0"),
    "a payment that only the provider knows": (
        "money", "payment", "DELETE FROM payments WHERE phase = 'PAID'", "that is not ours"),
    "a refund that never reached the provider": (
        "money", "payment", "UPDATE payments SET phase = 'REFUNDED', cancelled_amount = "
        "paid_amount WHERE phase = 'PAID'", "with 100000 at the provider, not 0"),
    "a payment that the provider does not know": (
        "money", "payment", "UPDATE payments SET payment_id = 'MADEUP' WHERE phase = 'PAID'",
        "MADEUP is PAID, the provider does not know it"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_the_audit_finds(copy, name):
    check, service, sql, words = DAMAGE[name]
    report = copy(service, sql)()
    found = off(report, check)
    assert any(words in row for row in found), (words, found)


def told_events(world):
    """(service, id, type, key) of everything that was told."""
    for service in ("event", "reservation", "payment"):
        with sqlite3.connect(f"{world.data}/{service}.db") as db:
            yield from ((service, *row) for row in
                        db.execute("SELECT event_id, type, event_key FROM told_events"))
        db.close()


def test_an_event_that_was_wiped_out_everywhere_is_missed(sold, tmp_path):
    """Journal, outbox and inboxes know nothing of it; the steps around it do."""
    events = list(told_events(sold))
    assert {type for _, _, type, _ in events} >= {
        "SchedulePublished", "ReservationHeld", "ReservationPinned", "ReservationConfirmed",
        "ReservationCancelled", "ReservationRefundAsked", "PaymentRequested", "PaymentPaid",
        "PaymentFailed", "PaymentRefunded"}
    for service, event, kind, key in events:
        data = tmp_path / event
        shutil.copytree(sold.data, data)
        for reader in (service, "queue", "reservation", "payment"):
            with sqlite3.connect(data / (reader + ".db")) as db:
                db.execute("DELETE FROM processed_events WHERE event_id = ?", (event,))
                db.execute("DELETE FROM outbox_events WHERE event_id = ?", (event,))
                if reader == service:
                    db.execute("DELETE FROM told_events WHERE event_id = ?", (event,))
            db.close()
        report = sold.audit(data=str(data))
        assert not report["isClean"], (kind, key)
        found = off(report, "stepsTold")
        assert any(kind in row for row in found), (kind, key, found)
        shutil.rmtree(data)


def test_the_row_is_named(copy):
    report = copy("payment", "UPDATE payments SET phase = 'FAILED', updated_ms = 1 "
                  "WHERE payment_id = ?", copy.world.bought["paymentId"])()
    assert any(row.startswith(copy.world.bought["paymentId"]) for row in off(report, "money"))
    assert any(row.startswith(copy.world.bought["reservationId"])
               for row in off(report, "paymentEnds"))


def audit(*arguments):
    return subprocess.run([BUILD + "/servers/ticketqd/ticketqd", "audit", *arguments],
                          capture_output=True, text=True, timeout=DEADLINE_S, check=False)


def test_the_report_for_people_and_the_exit_statuses(sold, tmp_path):
    clean = audit("--data", sold.data, "--portone", sold.sandbox_url)
    assert clean.returncode == 0 and "The books agree." in clean.stdout
    without = audit("--data", sold.data)
    assert without.returncode == 0 and "Money was not compared" in without.stdout
    assert audit("--data", str(tmp_path / "nowhere")).returncode == 2
    assert audit().returncode == 2
    strange = tmp_path / "strange"
    shutil.copytree(sold.data, strange)
    with sqlite3.connect(strange / "reservation.db") as db:
        db.execute("DROP TABLE reservations")
    db.close()
    unread = audit("--data", str(strange))
    assert unread.returncode == 2 and "reservations" in unread.stderr and not unread.stdout
    assert audit("--data", sold.data, "--portone", "http://127.0.0.1:1").returncode == 2
    data = tmp_path / "data"
    shutil.copytree(sold.data, data)
    with sqlite3.connect(data / "reservation.db") as db:
        db.execute("UPDATE tq_holds SET expires_ms = 1000 WHERE state = 1")
    db.close()
    damaged = audit("--data", str(data), "--portone", sold.sandbox_url)
    assert damaged.returncode == 1 and "The books do not agree." in damaged.stdout
    assert "OFF  nothing stays held past its time (1 off)" in damaged.stdout


def test_the_audit_changes_nothing(sold):
    before = {name: (sold.path("data/" + name + ".db")) for name in ("reservation", "payment")}
    dumps = {name: dump(path) for name, path in before.items()}
    sold.audit()
    assert {name: dump(path) for name, path in before.items()} == dumps


def dump(path):
    db = sqlite3.connect(path)
    text = list(db.iterdump())
    db.close()
    return text
