# SPDX-License-Identifier: MIT
"""The ledger forgot a payment, and its reservation waits for it: an operator frees the seats."""
import os
import sqlite3


def free(world, reservation_id):
    return world.call("POST", f"/v1/admin/reservations/{reservation_id}/free", user="operator",
                      role="admin", json={"reason": "lost with the old server"})


def forget_payment(world, payment):
    """As if its transaction had not been copied to the server that took over, an hour ago."""
    with sqlite3.connect(os.path.join(world.data, "payment.db")) as db:
        for table, column in (("payments", "payment_id"), ("calls", "payment_id"),
                              ("sagas", "saga_id"), ("saga_history", "saga_id"),
                              ("told_events", "event_key"), ("outbox_events", "event_key")):
            key = payment["reservationId" if column == "event_key" else "paymentId"]
            db.execute(f"DELETE FROM {table} WHERE {column} = ?", (key,))
    db.close()
    with sqlite3.connect(os.path.join(world.data, "reservation.db")) as db:
        db.execute("UPDATE reservations SET updated_ms = updated_ms - 3600000")
    db.close()


def test_seats_that_wait_for_a_lost_payment_are_freed(make_world):
    world = make_world("--portone-timeout-ms", "30000")
    schedule = world.sale()
    seats = world.seats(schedule)[:2]
    held = world.held("ann", schedule, seats)
    world.fault("confirm", "delay", count=100, delayMs=20000)
    payment = world.pay("ann", held["reservationId"])
    stuck = world.until_reservation("ann", held["reservationId"], phase="PAYING")

    refused = free(world, stuck["reservationId"])
    assert refused.status_code == 409 and refused.json()["code"] == "PAYMENT_KNOWN"
    assert payment["paymentId"] in refused.json()["detail"]

    world.ticketqd.stop()
    world.clear_faults()
    forget_payment(world, payment)
    world.ticketqd.start()
    assert any(row["row"] == stuck["reservationId"] and "its payment is not there" in row["why"]
               for check in world.audit()["checks"] for row in check["off"])
    assert world.hold("bob", schedule, seats).status_code == 409
    freed = free(world, stuck["reservationId"])
    assert freed.status_code == 200, freed.text
    assert freed.json()["phase"] == "EXPIRED"
    assert freed.json()["cancelReason"] == "PAYMENT_UNKNOWN"
    assert free(world, stuck["reservationId"]).json() == freed.json()
    assert free(world, "nothing").json()["code"] == "RESERVATION_NOT_FOUND"
    world.buy("bob", schedule, seats)
