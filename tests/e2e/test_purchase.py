# SPDX-License-Identifier: MIT
"""One visitor buys seats through all services; and what holds may and may not do."""
import secrets

import requests

from world import DEADLINE_S


def test_a_visitor_walks_through_all_services(world):
    schedule = world.sale(price=77000)
    seats = world.seats(schedule)[:2]
    queue_token = world.enter("ann", schedule)
    answer = world.hold("ann", schedule, seats, queue_token=queue_token)
    assert answer.status_code == 201, answer.text
    held = answer.json()
    assert held["status"] == "PENDING" and held["phase"] == "HOLD"
    assert [seat["seatId"] for seat in held["seats"]] == seats
    assert held["totalAmount"] == 2 * 77000
    payment = world.begin_payment("ann", held["reservationId"])
    assert payment["status"] == "READY" and payment["amount"] == 2 * 77000
    assert world.confirm("ann", payment).status_code == 202
    world.until_payment("ann", payment["paymentId"], "PAID")
    bought = world.until_reservation("ann", held["reservationId"], status="CONFIRMED")
    assert bought["phase"] == "SOLD" and bought["ticketNumber"]
    assert world.seat_map(schedule)["seats"] == 10
    report = world.assert_clean()
    assert report["totals"]["sold"] == 2 and report["totals"]["available"] == 8
    assert report["totals"]["moneyIn"] == report["totals"]["moneyForTickets"] == 2 * 77000


def test_a_hold_is_all_or_nothing_and_names_what_is_taken(world):
    schedule = world.sale()
    seats = world.seats(schedule)
    world.held("ann", schedule, [seats[1], seats[3]])
    refused = world.hold("bob", schedule, [seats[0], seats[1], seats[2], seats[3]])
    assert refused.status_code == 409 and refused.json()["code"] == "SEATS_TAKEN"
    assert refused.json()["takenSeatIds"] == [seats[1], seats[3]]
    order = [seats[4], seats[0], seats[2]]
    assert [s["seatId"] for s in world.held("bob", schedule, order)["seats"]] == order


def test_the_same_key_gets_the_same_answer(world):
    schedule = world.sale()
    seats = world.seats(schedule)
    key = secrets.token_hex(16)
    first = world.hold("ann", schedule, seats[:1], key=key)
    again = world.hold("ann", schedule, seats[:1], key=key)
    assert first.status_code == again.status_code == 201 and first.json() == again.json()
    other = world.hold("ann", schedule, seats[1:2], key=key)
    assert other.status_code == 422 and other.json()["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert world.hold("bob", schedule, seats[1:2], key=key).status_code == 201
    world.ticketqd.kill()
    world.ticketqd.start()
    after = world.hold("ann", schedule, seats[:1], key=key)
    assert after.status_code == 201 and after.json() == first.json()


def test_a_refused_hold_leaves_its_key_unused(world):
    schedule = world.sale()
    seats = world.seats(schedule)
    key = secrets.token_hex(16)
    held = world.held("ann", schedule, seats[:1])
    assert world.hold("bob", schedule, seats[:1], key=key).status_code == 409
    assert world.call("DELETE", "/v1/reservations/" + held["reservationId"],
                      user="ann").status_code == 202
    assert world.hold("bob", schedule, seats[:1], key=key).status_code == 201


def test_the_limit_counts_open_and_confirmed_reservations(world):
    schedule = world.sale(personLimit=3)
    seats = world.seats(schedule)
    world.buy("ann", schedule, seats[:2])
    refused = world.hold("ann", schedule, seats[2:4])
    assert refused.status_code == 409 and refused.json()["code"] == "PERSON_LIMIT"
    assert refused.json()["limit"] == 3
    third = world.held("ann", schedule, seats[2:3])
    assert world.hold("ann", schedule, seats[3:4]).json()["code"] == "PERSON_LIMIT"
    assert world.call("DELETE", "/v1/reservations/" + third["reservationId"],
                      user="ann").status_code == 202
    assert world.hold("ann", schedule, seats[3:4]).status_code == 201
    assert world.hold("bob", schedule, seats[4:8]).json()["code"] == "PERSON_LIMIT"
    assert world.hold("bob", schedule, seats[4:7]).status_code == 201


def test_what_may_not_be_held(world):
    schedule = world.sale()
    closed = world.sale(salesOpenAt="2020-01-01T00:00:00Z", salesCloseAt="2020-01-02T00:00:00Z")
    seats = world.seats(schedule)
    answer = world.call("POST", "/v1/reservations/hold", user="ann", key="k" * 16,
                        json={"scheduleId": schedule, "seatIds": seats[:1]})
    assert answer.status_code == 401 and answer.json()["code"] == "QUEUE_TOKEN_REQUIRED"
    other = world.ticket_pass("ann", closed)
    answer = world.hold("ann", schedule, seats[:1], queue_token=other)
    assert answer.status_code == 403 and answer.json()["code"] == "QUEUE_TOKEN_MISMATCH"
    answer = world.hold("ann", closed, world.seats(closed)[:1])
    assert answer.status_code == 409 and answer.json()["code"] == "SALE_NOT_OPEN"
    answer = world.hold("ann", schedule, [seats[0], "nowhere"])
    assert answer.status_code == 404 and answer.json()["code"] == "SEAT_NOT_FOUND"
    assert answer.json()["seatIds"] == ["nowhere"]
    answer = world.hold("ann", "no-schedule", seats[:1])
    assert answer.status_code == 404 and answer.json()["code"] == "SCHEDULE_NOT_FOUND"
    for seat_ids in ([], [seats[0], seats[0]], ["a b"], "x", [f"s{i}" for i in range(33)]):
        assert world.hold("ann", schedule, seat_ids).status_code == 400
    assert world.hold("ann", schedule, seats[:1], key="k" * 15).status_code == 400


def test_nobody_sees_or_touches_what_is_not_theirs(world):
    schedule = world.sale()
    held = world.held("ann", schedule, world.seats(schedule)[:1])
    path = "/v1/reservations/" + held["reservationId"]
    payment = world.begin_payment("ann", held["reservationId"])
    assert world.call("GET", path, user="bob").status_code == 404
    assert world.call("DELETE", path, user="bob").status_code == 404
    assert world.call("POST", path + "/extend", user="bob").status_code == 404
    assert world.call("GET", "/v1/payments/" + payment["paymentId"], user="bob").status_code == 404
    assert world.confirm("bob", payment).status_code == 404
    stranger = world.call("POST", "/v1/payments", user="bob", key="k" * 16,
                          json={"reservationId": held["reservationId"]})
    assert stranger.status_code == 404
    assert world.call("GET", "/v1/reservations", user="bob").json()["reservations"] == []
    mine = world.call("GET", "/v1/reservations", user="ann").json()["reservations"]
    assert [row["reservationId"] for row in mine] == [held["reservationId"]]
    paid = world.call("GET", "/v1/payments", user="ann").json()["payments"]
    assert [row["paymentId"] for row in paid] == [payment["paymentId"]]


def test_lists_go_on_behind_their_cursors(world):
    schedule = world.sale()
    seats = world.seats(schedule)
    for seat in seats[:3]:
        held = world.held("ann", schedule, [seat])
        world.begin_payment("ann", held["reservationId"])
    for name, member in (("reservations", "reservationId"), ("payments", "paymentId")):
        whole = world.call("GET", f"/v1/{name}", user="ann").json()[name]
        first = world.call("GET", f"/v1/{name}?limit=2", user="ann").json()
        rest = world.call("GET", f"/v1/{name}?limit=2&cursor={first['nextCursor']}", user="ann")
        assert len(whole) == 3 and [row[member] for row in whole] == [
            row[member] for row in first[name] + rest.json()[name]]
        assert "nextCursor" not in rest.json()
        assert world.call("GET", f"/v1/{name}?limit=101", user="ann").status_code == 400
        assert world.call("GET", f"/v1/{name}?limit=0", user="ann").status_code == 400


def test_a_hold_ends_by_itself_and_can_be_extended(make_world):
    world = make_world("--hold-ttl-ms", "1500")
    schedule = world.sale()
    seats = world.seats(schedule)
    held = world.held("ann", schedule, seats[:1])
    extended = world.call("POST", f"/v1/reservations/{held['reservationId']}/extend", user="ann")
    assert extended.status_code == 200
    assert extended.json()["holdExpiresAt"] > held["holdExpiresAt"]
    ended = world.until_reservation("ann", held["reservationId"], status="CANCELLED")
    assert ended["cancelReason"] == "HOLD_EXPIRED" and ended["phase"] == "EXPIRED"
    late = world.call("POST", f"/v1/reservations/{held['reservationId']}/extend", user="ann")
    assert late.status_code == 409
    assert world.hold("bob", schedule, seats[:1]).status_code == 201
    too_late = world.call("POST", "/v1/payments", user="ann", key="k" * 16,
                          json={"reservationId": held["reservationId"]})
    assert too_late.status_code == 409 and too_late.json()["code"] == "RESERVATION_NOT_OPEN"


def test_a_ticket_can_be_given_back(world):
    schedule = world.sale()
    seats = world.seats(schedule)
    bought = world.buy("ann", schedule, seats[:2])
    path = "/v1/reservations/" + bought["reservationId"]
    assert world.call("DELETE", path, user="ann").status_code == 202
    assert world.call("DELETE", path, user="ann").status_code == 202
    ended = world.until_reservation("ann", bought["reservationId"], phase="CANCELLED")
    assert ended["cancelReason"] == "CANCELLED_BY_BUYER"
    assert ended["refundedAmount"] == bought["totalAmount"]
    world.until_payment("ann", bought["paymentId"], "REFUNDED")
    world.buy("bob", schedule, seats[:2])
    report = world.assert_clean()
    assert report["totals"]["moneyBack"] == bought["totalAmount"]


def test_a_reservation_has_one_payment(world):
    schedule = world.sale()
    held = world.held("ann", schedule, world.seats(schedule)[:1])
    first = world.begin_payment("ann", held["reservationId"])
    second = world.begin_payment("ann", held["reservationId"])
    assert first["paymentId"] == second["paymentId"]
    assert world.confirm("ann", first).status_code == 202
    assert world.confirm("ann", first).status_code == 202
    world.until_payment("ann", first["paymentId"], "PAID")
    assert world.book()["totals"]["paid"] == first["amount"]
    world.assert_clean()


def test_health_and_metrics(world):
    ops = "http://" + world.addresses["ops"]
    assert requests.get(ops + "/readyz", timeout=DEADLINE_S).status_code == 200
    metrics = requests.get(ops + "/metrics", timeout=DEADLINE_S).text
    for service in ("event", "queue", "reservation", "payment"):
        assert f'ticketq_outbox_events{{service="{service}"}} 0' in metrics
