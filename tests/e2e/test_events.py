# SPDX-License-Identifier: MIT
"""Halls, events, schedules, layouts and seat maps."""
import re
import threading
import time

import requests

from world import moment, wait_for

SEATING_PLAN = {
    "name": "소극장", "size": {"width": 100, "height": 60},
    "categories": [{"name": "VIP", "color": "#f00"}, {"name": "R석"}],
    "zones": [
        {"name": "1층", "position": {"x": 10, "y": 5}, "zone_id": "z1", "rows": [
            {"row_number": "A", "position": {"x": 0, "y": 1}, "row_number_position": "both",
             "seats": [
                 {"seat_guid": "A-1", "seat_number": "1", "category": "VIP",
                  "position": {"x": 0.5, "y": 0}},
                 {"seat_guid": "1층/A/2", "seat_number": "2", "category": "VIP",
                  "position": {"x": 1.5, "y": 0}, "radius": 0.4}]},
            {"row_number": "B", "seats": [{"seat_number": "1", "category": "R석"}]}]},
        {"name": "Balcony", "rows": [
            {"row_number": "A", "seats": [{"seat_number": "1", "category": "R석"}]}]}]}


def venue_of(world, plan=None):
    return world.admin("POST", "/v1/admin/venues", plan or SEATING_PLAN)


def draft(venue_id, **changes):
    now = time.time()
    schedule = {"startsAt": moment(now + 9000), "salesOpenAt": moment(now - 60),
                "salesCloseAt": moment(now + 7200), "room": {"shards": 64}}
    return {"title": "공연", "venueId": venue_id, "currency": "KRW",
            "prices": {"VIP": 150000, "R석": 90000}, "schedules": [schedule], **changes}


def publish(world, body):
    return world.admin("POST", "/v1/admin/events", body)["schedules"][0]["scheduleId"]


def test_a_seating_plan_becomes_a_layout(world):
    venue = venue_of(world)
    assert venue["name"] == "소극장" and venue["seats"] == 4
    path = f"/v1/schedules/{publish(world, draft(venue['venueId']))}/seats"
    layout = world.call("GET", path)
    seats = layout.json()["seats"]
    assert [seat["section"] for seat in seats] == ["1층", "1층", "1층", "Balcony"]
    assert [seat["price"] for seat in seats] == [150000, 150000, 90000, 90000]
    assert seats[0]["seatId"] == "A-1" and seats[3]["seatId"] == "Balcony-A-1"
    assert (seats[0]["x"], seats[0]["y"]) == (10.5, 6)
    assert (seats[1]["row"], seats[1]["number"]) == ("A", "2")
    assert len({seat["seatId"] for seat in seats}) == 4
    tag = layout.headers["ETag"]
    assert world.call("GET", path, headers={"If-None-Match": tag}).status_code == 304
    assert world.call("GET", path, headers={"If-None-Match": '"x", ' + tag}).status_code == 304
    assert world.call("GET", path, headers={"If-None-Match": '"x"'}).status_code == 200
    again = f"/v1/schedules/{publish(world, draft(venue_of(world)['venueId']))}/seats"
    assert [s["seatId"] for s in world.call("GET", again).json()["seats"]] == \
        [s["seatId"] for s in seats]


def test_only_the_first_seats_are_sold(world):
    venue = venue_of(world)["venueId"]
    first = draft(venue, seatsLimit=2, prices={"VIP": 1})
    schedule = publish(world, first)
    assert len(world.seats(schedule)) == 2
    assert world.call("GET", f"/v1/schedules/{schedule}").json()["seats"] == 2
    wait_for("the seat map", lambda: world.call(
        "GET", f"/v1/schedules/{schedule}/seat-map").status_code == 200)
    assert world.seat_map(schedule)["seats"] == 2
    missing = world.call("POST", "/v1/admin/events", user="op", role="admin",
                         json={**first, "seatsLimit": 3})
    assert missing.status_code == 422 and missing.json()["code"] == "PRICE_MISSING"


def test_what_is_no_event(world):
    venue = venue_of(world)["venueId"]

    def refused(**changes):
        return world.call("POST", "/v1/admin/events", user="op", role="admin",
                          json=draft(venue, **changes)).json()["code"]
    schedule = draft(venue)["schedules"][0]
    assert refused(venueId="nowhere") == "VENUE_NOT_FOUND"
    assert refused(currency="krw") == "CURRENCY_INVALID"
    assert refused(title="a\nb") == "TITLE_INVALID"
    for prices in ({}, [], {"VIP": -1}, {"VIP": 1.5}, {"VIP": "1"}, {"VIP": 10 ** 13}):
        assert refused(prices=prices) == "PRICES_INVALID", prices
    for schedules in ([], {}, [1], [schedule] * 33):
        assert refused(schedules=schedules) == "SCHEDULES_INVALID"
    assert refused(schedules=[{**schedule, "salesCloseAt": schedule["salesOpenAt"]}]) == \
        "SALE_TIMES_INVALID"
    assert refused(schedules=[{**schedule, "startsAt": "tomorrow"}]) == "FIELD_INVALID"
    for room in ({"rate": 0}, {"rate": 1000001}, {"speed": 1}, [], {"pollMinMs": "1"},
                 {"shards": 0}, {"shards": 65}):
        assert refused(schedules=[{**schedule, "room": room}]) == "ROOM_INVALID", room
    assert world.call("GET", "/v1/events").json() == {"events": [], "nextCursor": None}


def test_what_is_no_hall(world):
    def refused(path="/v1/admin/venues", **kwargs):
        return world.call("POST", path, user="op", role="admin", **kwargs)
    assert refused(data=b"{").json()["code"] == "JSON_INVALID"
    assert refused(json={**SEATING_PLAN, "zones": []}).json()["code"] == "VENUE_INVALID"
    twice = {**SEATING_PLAN, "zones": SEATING_PLAN["zones"] * 2}
    assert "twice" in refused(json=twice).json()["detail"]
    answer = refused("/v1/admin/venues/generate", json={"name": "H", "sections": [
        {"name": "A", "grade": "R", "rows": 200001, "seatsPerRow": 1}]})
    assert answer.json()["code"] == "VENUE_INVALID"


def test_status_follows_from_the_clock(world):
    venue = venue_of(world)["venueId"]
    now = time.time()
    schedule = publish(world, draft(venue, schedules=[{
        "startsAt": moment(now + 9000), "salesOpenAt": moment(now + 2),
        "salesCloseAt": moment(now + 4)}]))
    seen = []

    def ended():
        status = world.call("GET", f"/v1/schedules/{schedule}").json()["status"]
        if not seen or seen[-1] != status:
            seen.append(status)
        return status == "ENDED"
    wait_for("the schedule to end", ended)
    assert seen in (["UPCOMING", "ONGOING", "ENDED"], ["ONGOING", "ENDED"])


def test_events_come_in_pages_the_newest_first(world):
    venue = venue_of(world)["venueId"]
    made = [world.admin("POST", "/v1/admin/events", draft(venue))["eventId"] for _ in range(5)]
    listed, cursor = [], ""
    while cursor is not None:
        page = world.call("GET", "/v1/events?limit=2" + (f"&cursor={cursor}" if cursor else ""))
        listed += [event["eventId"] for event in page.json()["events"]]
        cursor = page.json()["nextCursor"]
    assert sorted(listed) == sorted(made) and listed == sorted(listed, reverse=True)
    assert world.call("GET", "/v1/events/" + made[0]).json()["eventId"] == made[0]
    world.ticketqd.kill()
    world.ticketqd.start()
    assert len(world.call("GET", "/v1/events").json()["events"]) == 5
    for query in ("limit=0", "limit=101", "limit=x", "cursor=a%20b"):
        assert world.call("GET", "/v1/events?" + query).json()["code"] == "QUERY_INVALID", query
    for path in ("/v1/events/none", "/v1/schedules/none", "/v1/schedules/none/seats",
                 "/v1/schedules/none/seat-map", "/v1/schedules/a%20b"):
        assert world.call("GET", path).status_code == 404, path


def test_the_seat_map_has_a_version(make_world):
    world = make_world("--seat-map-ttl-ms", "1")
    schedule = world.sale()
    path = f"/v1/schedules/{schedule}/seat-map"
    before = world.call("GET", path)
    tag = before.headers["ETag"]
    assert tag == f'"{before.json()["version"]}"'
    assert world.call("GET", path, headers={"If-None-Match": tag}).status_code == 304
    world.held("ann", schedule, world.seats(schedule)[:3])

    def changed():
        answer = world.call("GET", path, headers={"If-None-Match": tag})
        return answer if answer.status_code == 200 else None
    after = wait_for("the seat map to change", changed).json()
    assert after["version"] > before.json()["version"]
    assert (after["hold"], after["available"]) == (3, 7)


def test_the_largest_hall_can_be_sold(world):
    venue = world.admin("POST", "/v1/admin/venues/generate", {"name": "Stadium", "sections": [
        {"name": "S" * 48, "grade": "G" * 64, "rows": 200, "seatsPerRow": 1000}]})
    assert venue["seats"] == 200000
    schedule = publish(world, draft(venue["venueId"], prices={"G" * 64: 10 ** 12}))
    wait_for("the seat map", lambda: world.call(
        "GET", f"/v1/schedules/{schedule}/seat-map").status_code == 200)
    last = f"{'S' * 48}-200-1000"
    assert world.held("ann", schedule, [last])["totalAmount"] == 10 ** 12


def loads(world):
    text = requests.get(f"http://{world.addresses['ops']}/metrics", timeout=30).text
    return float(re.search(r'ticketq_event_loads\{kind="seat_map"\} (\S+)', text).group(1))


def test_a_stampede_costs_one_load(make_world):
    world = make_world("--seat-map-ttl-ms", "60000", "--event-threads", "8")
    schedule = world.sale()
    world.ticketqd.stop()  # what was cached is forgotten
    world.addresses = world.ticketqd.start()
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(world.call(
        "GET", f"/v1/schedules/{schedule}/seat-map"))) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in answers] == [200] * 64
    assert loads(world) == 1
