# SPDX-License-Identifier: MIT
"""The waiting room over HTTP: places, paces, streams, operators, restarts."""
import json
import time

from world import moment, wait_for

SLOW = {"rate": 1, "burst": 1, "maxActive": 1, "pollMinMs": 2000, "waitingMs": 60000}


def enter(world, user, schedule, **more):
    return world.call("POST", "/v1/queue/enter", user=user, json={"scheduleId": schedule, **more})


def status(world, user, schedule):
    return world.call("GET", f"/v1/queue/status?scheduleId={schedule}", user=user)


def state(world, schedule):
    return world.call("GET", f"/v1/queue/state?scheduleId={schedule}").json()


def order(world, schedule, verb, value=None, reason="a test"):
    body = {"order": verb, "reason": reason, **({} if value is None else {"value": value})}
    return world.call("POST", f"/v1/admin/rooms/{schedule}/orders", user="operator",
                      role="admin", json=body)


def closed_room(world, **room):
    """A schedule whose line does not move until it is told to."""
    schedule = world.sale(room={**SLOW, **room})
    assert order(world, schedule, "PAUSE").json()["paused"] is True
    return schedule


def test_a_place_is_kept(world):
    schedule = closed_room(world)
    first = enter(world, "ann", schedule).json()
    second = enter(world, "bob", schedule).json()
    assert (first["sequence"], second["sequence"]) == (1, 2)
    assert (first["ahead"], second["ahead"]) == (0, 1)
    assert first["status"] == "WAITING" and first["waitLowMs"] is None  # it is paused
    again = enter(world, "ann", schedule, placeToken=first["placeToken"]).json()
    assert again["sequence"] == 1
    assert enter(world, "ann", schedule).json()["sequence"] == 1
    wait_for("the state to say so", lambda: state(world, schedule)["waiting"] == 2)
    document = state(world, schedule)
    assert (document["tail"], document["active"]) == (2, 0)


def test_asking_too_early_is_refused_and_costs_nothing(world):
    schedule = closed_room(world)
    place = enter(world, "ann", schedule).json()
    early = status(world, "ann", schedule)
    assert early.status_code == 429 and early.json()["code"] == "POLL_TOO_EARLY"
    assert int(early.headers["Retry-After"]) * 1000 <= place["pollAfterMs"] + 1000
    assert enter(world, "ann", schedule).json()["sequence"] == place["sequence"]
    time.sleep(place["pollAfterMs"] / 2000 if place["pollAfterMs"] < 8000 else 0)
    if place["pollAfterMs"] < 8000:
        assert status(world, "ann", schedule).json()["sequence"] == place["sequence"]


def test_who_leaves_is_gone(world):
    schedule = closed_room(world)
    place = enter(world, "ann", schedule).json()
    body = {"scheduleId": schedule}
    assert world.call("POST", "/v1/queue/leave", user="ann", json=body).status_code == 204
    assert world.call("POST", "/v1/queue/leave", user="ann", json=body).status_code == 204
    assert status(world, "cid", schedule).json()["code"] == "NOT_IN_QUEUE"
    anew = enter(world, "ann", schedule, placeToken=place["placeToken"])
    assert anew.status_code in (200, 403)
    if anew.status_code == 200:
        assert anew.json()["sequence"] > place["sequence"]


def test_what_is_refused_at_the_door(world):
    schedule = closed_room(world, capacity=2)
    place = enter(world, "ann", schedule).json()
    stolen = enter(world, "bob", schedule, placeToken=place["placeToken"])
    assert stolen.status_code == 403 and stolen.json()["code"] == "PLACE_TOKEN_REFUSED"
    assert enter(world, "bob", schedule, placeToken="a.b.c").status_code == 403
    assert enter(world, "bob", schedule).status_code == 200
    full = enter(world, "cid", schedule)
    assert full.status_code == 503 and full.json()["code"] == "QUEUE_FULL"
    assert enter(world, "ann", schedule).json()["sequence"] == place["sequence"]
    for unknown in ("nowhere", "x" * 64):
        assert enter(world, "ann", unknown).json()["code"] == "SCHEDULE_NOT_FOUND"
        assert status(world, "ann", unknown).json()["code"] == "SCHEDULE_NOT_FOUND"
    for bad in ("", "a b", "x" * 65, None, 7):
        assert enter(world, "ann", bad).json()["code"] == "FIELD_INVALID", bad
    assert world.call("GET", "/v1/queue/status", user="ann").json()["code"] == "QUERY_INVALID"
    assert world.call("POST", "/v1/queue/enter", json={}).status_code == 401
    order(world, schedule, "DRAIN")
    assert enter(world, "dan", schedule).json()["code"] == "QUEUE_CLOSED"


def test_no_more_are_inside_than_the_cap(world):
    schedule = world.sale(room={"rate": 100, "maxActive": 2, "pollMinMs": 100})
    users = [f"u{i}" for i in range(6)]
    for user in users:
        enter(world, user, schedule)
    wait_for("two inside", lambda: state(world, schedule)["active"] == 2)
    time.sleep(0.3)
    document = state(world, schedule)
    assert (document["active"], document["waiting"], document["serving"]) == (2, 4, 2)
    passed = enter(world, "u0", schedule).json()
    assert passed["status"] == "ADMITTED" and passed["ahead"] == 0
    assert enter(world, "u2", schedule).json()["status"] == "WAITING"
    world.call("POST", "/v1/queue/leave", user="u0", json={"scheduleId": schedule})
    wait_for("the next", lambda: enter(world, "u2", schedule).json()["status"] == "ADMITTED")
    order(world, schedule, "ADVANCE", 2)
    assert state(world, schedule)["active"] == 4


def test_orders_are_recorded_and_survive_a_kill(make_world):
    world = make_world("--queue-recovery-ms", "0")  # it would show as the time of opening
    schedule = closed_room(world)
    closes = moment(time.time() + 5000)
    assert order(world, schedule, "SET_RATE", 77).json()["rate"] == 77
    assert order(world, schedule, "SET_CAP", 88).json()["maxActive"] == 88
    assert order(world, schedule, "SET_CLOSE", closes).json()["closeAt"] == closes
    world.call("POST", f"/v1/admin/rooms/{schedule}/orders", user="operator", role="admin",
               json={"order": "SET_OPEN", "value": None, "reason": "open"})
    assert order(world, schedule, "DRAIN", reason="다 팔렸다").json()["draining"] is True
    path = f"/v1/admin/rooms/{schedule}/audit"
    trail = world.call("GET", path, user="operator", role="admin").json()["actions"]
    assert [(row["order"], row["value"]) for row in trail] == [
        ("PAUSE", None), ("SET_RATE", 77), ("SET_CAP", 88), ("SET_CLOSE", closes),
        ("SET_OPEN", None), ("DRAIN", None)]
    assert [row["number"] for row in trail] == [1, 2, 3, 4, 5, 6]
    assert trail[-1]["reason"] == "다 팔렸다" and {row["actor"] for row in trail} == {"operator"}
    world.ticketqd.kill()
    world.ticketqd.start()
    document = state(world, schedule)
    assert document["paused"] and document["draining"]
    assert (document["rate"], document["maxActive"]) == (77, 88)
    assert (document["openAt"], document["closeAt"]) == (None, closes)
    assert world.call("GET", path, user="operator", role="admin").json()["actions"] == trail
    behind = world.call("GET", path + "?after=4", user="operator", role="admin").json()
    assert [row["number"] for row in behind["actions"]] == [5, 6]
    assert not order(world, schedule, "RESUME").json()["draining"]
    assert enter(world, "ann", schedule).status_code == 200


def test_what_is_no_order(world):
    schedule = closed_room(world)
    assert order(world, schedule, "EXPLODE").json()["code"] == "ORDER_INVALID"
    assert order(world, schedule, "PAUSE", reason="a\nb").json()["code"] == "REASON_INVALID"
    assert order(world, schedule, "PAUSE", reason="r" * 160).json()["code"] == "FIELD_INVALID"
    assert order(world, schedule, "PAUSE", reason="r" * 159).status_code == 200
    for verb, values in (("SET_RATE", (0, 1000001, "5", None)), ("SET_CAP", (0, -1, None)),
                         ("ADVANCE", (0, 4097, None)), ("SET_OPEN", ("soon", 5))):
        for value in values:
            assert order(world, schedule, verb, value).json()["code"] == "FIELD_INVALID", verb
    early = order(world, schedule, "SET_CLOSE", "2020-01-01T00:00:00Z")
    assert early.status_code == 409 and early.json()["code"] == "ROOM_TIMES_INVALID"
    assert order(world, "nowhere", "PAUSE").status_code == 404
    assert len(world.call("GET", f"/v1/admin/rooms/{schedule}/audit", user="operator",
                          role="admin").json()["actions"]) == 2


def test_numbers_never_run_back(world):
    schedule = closed_room(world)
    places = [enter(world, f"u{i}", schedule).json() for i in range(5)]
    world.ticketqd.kill()
    world.ticketqd.start()
    stranger = enter(world, "stranger", schedule).json()
    assert stranger["sequence"] > 5
    assert status(world, "u3", schedule).json()["code"] == "NOT_IN_QUEUE"
    for number in (3, 0):
        back = enter(world, f"u{number}", schedule, placeToken=places[number]["placeToken"])
        assert back.json()["sequence"] == places[number]["sequence"]
    assert enter(world, "stranger", schedule).json()["ahead"] == 2


def test_a_lost_line_is_let_in_by_number(make_world):
    """Whoever was last in line comes back first, and waits for those before."""
    world = make_world("--queue-recovery-ms", "600000")
    schedule = closed_room(world)
    places = [enter(world, f"u{i}", schedule).json() for i in range(3)]
    world.ticketqd.kill()
    world.ticketqd.start()
    assert order(world, schedule, "SET_RATE", 1).status_code == 200
    assert order(world, schedule, "SET_CAP", 1).status_code == 200
    assert order(world, schedule, "RESUME").status_code == 200
    assert enter(world, "stranger", schedule).json()["status"] == "WAITING"
    for number in (2, 1, 0):
        back = enter(world, f"u{number}", schedule, placeToken=places[number]["placeToken"]).json()
        assert (back["status"], back["sequence"]) == ("WAITING", places[number]["sequence"])
    world.call("POST", f"/v1/admin/rooms/{schedule}/orders", user="operator", role="admin",
               json={"order": "SET_OPEN", "value": None, "reason": "all are back"})
    wait_for("the first to be let in",
             lambda: enter(world, "u0", schedule).json()["status"] == "ADMITTED")
    for name in ("u1", "u2", "stranger"):
        assert enter(world, name, schedule).json()["status"] == "WAITING"


def test_a_reset_revokes_places_and_passes(world):
    schedule = world.sale(room={"rate": 100, "pollMinMs": 100})
    queue_token = world.enter("ann", schedule)
    place = enter(world, "ann", schedule).json()
    seat = world.seats(schedule)[0]
    assert order(world, schedule, "RESET").json()["active"] == 0

    def revoked():
        answer = world.hold("ann", schedule, [seat], queue_token=queue_token)
        if answer.status_code == 201:  # the gateway has yet to hear of it
            world.call("DELETE", "/v1/reservations/" + answer.json()["reservationId"], user="ann")
        return answer.json() if answer.status_code == 401 else None
    assert wait_for("the pass to be revoked", revoked)["code"] == "QUEUE_TOKEN_EXPIRED"
    again = enter(world, "ann", schedule, placeToken=place["placeToken"])
    assert again.json()["code"] == "PLACE_TOKEN_REFUSED"
    world.ticketqd.kill()
    world.ticketqd.start()
    again = enter(world, "ann", schedule, placeToken=place["placeToken"])
    assert again.json()["code"] == "PLACE_TOKEN_REFUSED"
    assert enter(world, "ann", schedule).status_code == 200


def read_events(answer):
    """(event, id, data) as they come."""
    event = {}
    for line in answer.iter_lines(decode_unicode=True):
        if line.startswith(":"):
            continue
        if line:
            name, _, value = line.partition(": ")
            event[name] = value
        elif "data" in event:
            yield event["event"], event.get("id"), json.loads(event["data"])
            event = {}


def listen(world, user, schedule, last_id=None):
    headers = {"Last-Event-ID": last_id} if last_id else {}
    return world.call("GET", f"/v1/queue/events?scheduleId={schedule}", user=user,
                      stream=True, headers=headers)


def test_a_stream_tells_place_and_pass(world):
    schedule = closed_room(world)
    enter(world, "ann", schedule)
    answer = listen(world, "ann", schedule)
    assert len(answer.headers["X-Request-Id"]) == 32
    stream = read_events(answer)
    name, first_id, place = next(stream)
    assert name == "place" and place["sequence"] == 1 and place["status"] == "WAITING"
    order(world, schedule, "RESUME")
    events = list(stream)
    name, last_id, place = events[-1]
    assert name == "admitted" and last_id != first_id
    answer = world.hold("ann", schedule, world.seats(schedule)[:1],
                        queue_token=place["queueToken"])
    assert answer.status_code == 201
    assert listen(world, "ann", schedule, last_id).status_code == 204
    assert listen(world, "bob", schedule).status_code == 404


def test_a_stream_ends_when_the_place_is_lost(world):
    schedule = closed_room(world)
    enter(world, "ann", schedule)
    stream = read_events(listen(world, "ann", schedule))
    assert next(stream)[0] == "place"
    world.call("POST", "/v1/queue/leave", user="ann", json={"scheduleId": schedule})
    assert list(stream)[-1][0] == "closed"


def test_streams_are_bounded_and_the_newest_wins(make_world):
    world = make_world("--queue-streams", "2")
    schedule = closed_room(world)
    for user in ("ann", "bob"):
        enter(world, user, schedule)
    older = read_events(listen(world, "ann", schedule))
    assert next(older)[0] == "place"
    newer = read_events(listen(world, "ann", schedule))
    assert next(newer)[0] == "place"
    assert list(older) == []
    other = read_events(listen(world, "bob", schedule))
    assert next(other)[0] == "place"
    full = listen(world, "bob", schedule)
    assert full.status_code == 503 and full.json()["code"] == "STREAMS_FULL"
    world.call("POST", "/v1/queue/leave", user="ann", json={"scheduleId": schedule})
    assert list(newer)[-1][0] == "closed"
    wait_for("room for a stream", lambda: listen(world, "bob", schedule).status_code == 200)
