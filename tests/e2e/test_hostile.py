# SPDX-License-Identifier: MIT
"""What somebody sends who means harm, to every operation that the contract has.

The tables are made from servers/openapi.yaml: an operation that is new is attacked
without being named here, unless it has a body, of which a good one must be given. A
refusal is always a problem of the contract (World.call checks), never a fault.
"""
import base64
import copy
import hashlib
import hmac
import json
import secrets
import time

import jsonschema
import pytest
import requests

from contract import CONTRACT, NOT_PUBLIC
from test_auth import CHEAP, forged
from world import DEADLINE_S, World, moment

OPERATIONS = {found["operationId"]: (method.upper(), path, found)
              for path, item in CONTRACT.document["paths"].items()
              for method, found in item.items() if not set(found["tags"]) & NOT_PUBLIC}
WITH_BODY = [name for name, (_, _, found) in OPERATIONS.items() if "requestBody" in found]
WITH_KEY = [name for name, (_, _, found) in OPERATIONS.items()
            if {"$ref": "#/components/parameters/IdempotencyKey"} in found.get("parameters", [])]
RAW = "@raw@"  # stands for bytes that no JSON writer would write
VALUES = [None, True, -1, 0, 1.5, 2 ** 53, 2 ** 63, "", " ", "x" * 70, "x" * 70000, "\u0000",
          "\u202e\ud7ff", "' OR 1=1 --", "../../etc/passwd", "{}", [], {}, [[]], ["a", "a"]]
RAW_VALUES = [b"1e400", b"-0", b"01", b"NaN", b'"\\ud800"', b'"\xff\xfe"', b"'x'", b"[" * 500,
              b'{"a":' * 500]
BODIES = [b"", b"{", b"[]", b"null", b"7", b'"x"', b"{}{}", b"\xef\xbb\xbf{}", b"{\"a\":1,}",
          b"\x00", b"[" * 4000, b'{"a":' * 800 + b"1" + b"}" * 800, b"{\"\xc3\x28\":1}"]
IDS = ["%00", "a%00b", "..", "%2e%2e%2f", "a%2fb", "'", "%F0%9F%8E%AB", "x" * 65, "x" * 5000,
       "*", "{schedule}", "%", "%zz", "-", "_"]


@pytest.fixture(name="sale", scope="module")
def fixture_sale(tmp_path_factory):
    """A sale in which ann has a ticket, an open reservation and a payment that is ready."""
    world = World(tmp_path_factory.mktemp("hostile"), *CHEAP).start()
    world.schedule = world.sale(rows=10, seats_per_row=10)
    seats = world.seats(world.schedule)
    world.bought = world.buy("ann", world.schedule, seats[:1])
    world.open = world.held("ann", world.schedule, seats[1:2])
    world.ready = world.begin_payment("ann", world.open["reservationId"])
    world.call("POST", "/v1/queue/enter", user="ann", json={"scheduleId": world.schedule})
    venue = world.admin("POST", "/v1/admin/venues/generate", GOOD["generateVenue"](world))
    world.venue = venue["venueId"]
    yield world
    world.close()


GOOD = {
    "signUp": lambda w: {"email": f"{secrets.token_hex(4)}@example.com",
                         "password": "correct horse", "name": "Kim"},
    "logIn": lambda w: {"email": "kim@example.com", "password": "correct horse"},
    "enterQueue": lambda w: {"scheduleId": w.schedule, "placeToken": None},
    "leaveQueue": lambda w: {"scheduleId": w.schedule},
    "holdSeats": lambda w: {"scheduleId": w.schedule, "seatIds": ["A-5-1"]},
    "beginPayment": lambda w: {"reservationId": w.open["reservationId"]},
    "confirmPayment": lambda w: {"paymentToken": "made-up"},
    "takeWebhook": lambda w: {"type": "Transaction.Paid", "timestamp": "2026-01-01T00:00:00Z",
                              "data": {"paymentId": w.ready["paymentId"], "storeId": "s"}},
    "importVenue": lambda w: {
        "name": "Hall", "size": {"width": 1, "height": 1}, "categories": [{"name": "R"}],
        "zones": [{"name": "Z", "position": {"x": 0, "y": 0}, "rows": [
            {"row_number": "1", "seats": [{"seat_number": "1", "category": "R"}]}]}]},
    "generateVenue": lambda w: {"name": "Hall", "sections": [
        {"name": "A", "grade": "R", "rows": 1, "seatsPerRow": 2}]},
    "createEvent": lambda w: {
        "title": "Evening", "venueId": w.venue, "currency": "KRW", "prices": {"R": 1},
        "seatsLimit": 1, "schedules": [{
            "startsAt": moment(time.time() + 900), "salesOpenAt": moment(time.time()),
            "salesCloseAt": moment(time.time() + 600), "personLimit": 1,
            "room": {"rate": 1, "burst": 1, "maxActive": 1, "pollMinMs": 100}}]},
    "orderRoom": lambda w: {"order": "SET_RATE", "value": 100, "reason": "a test"},
    "freeReservation": lambda w: {"reason": "a test"},
}


def is_admins(name):
    return "admin" in OPERATIONS[name][2]["tags"]


def target_of(world, name):
    """Where to find the thing of ann's that an operation is about."""
    _, path, found = OPERATIONS[name]
    path = path.format(eventId="nothing", scheduleId=world.schedule,
                       reservationId=world.open["reservationId"],
                       paymentId=world.ready["paymentId"])
    is_about_schedule = {"$ref": "#/components/parameters/ScheduleIdQuery"} in \
        found.get("parameters", [])
    return path + (f"?scheduleId={world.schedule}" if is_about_schedule else "")


def send(world, name, body=None, user=None, target=None, headers=None, key=None):
    """One request as it is, without anybody mending its target or its body."""
    method = OPERATIONS[name][0]
    headers = dict(headers or {})
    if name == "takeWebhook" and "webhook-id" not in headers:
        headers.update(signed(world, body or b""))
    if user:
        headers["Authorization"] = "Bearer " + world.keys.sign(
            "access", sub=user, aud="ticketq", **({"role": "admin"} if is_admins(name) else {}))
    if name == "holdSeats" and user:
        headers.setdefault("X-Queue-Token", world.ticket_pass(user, world.schedule))
    if name in WITH_KEY:
        headers.setdefault("Idempotency-Key", key or secrets.token_hex(16))
    request = requests.Request(method, world.url, headers=headers, data=body).prepare()
    request.url = world.url + (target or target_of(world, name))
    with requests.Session() as session:
        answer = session.send(request, timeout=DEADLINE_S, stream=True)
        CONTRACT.check(method, request.url, answer)
        return answer


def signed(world, body, identity=None, at=None):
    identity = identity or "msg_" + secrets.token_hex(8)
    at = str(int(time.time()) if at is None else at)
    text = f"{identity}.{at}.".encode() + body
    mac = hmac.new(world.hook_secret, text, hashlib.sha256).digest()
    return {"webhook-id": identity, "webhook-timestamp": at,
            "webhook-signature": "v1," + base64.b64encode(mac).decode()}


def nothing_happened(world):
    """What is ann's is as it was, the books agree and the server did not stumble."""
    assert world.reservation("ann", world.bought["reservationId"]) == world.bought
    assert world.reservation("ann", world.open["reservationId"])["phase"] == "HOLD"
    assert world.payment("ann", world.ready["paymentId"])["status"] == "READY"
    assert world.audit()["isClean"]
    assert world.ticketqd.process.poll() is None
    assert '"level":"error"' not in world.ticketqd.log()


def test_every_operation_with_a_body_is_attacked():
    assert set(WITH_BODY) == set(GOOD)


@pytest.mark.parametrize("name", OPERATIONS)
def test_who_may_not(sale, name):
    """Nobody, with every kind of false token, or without the role."""
    found = OPERATIONS[name][2]
    security = found.get("security", CONTRACT.document["security"])
    if not security or {} in security:
        return
    body = json.dumps(GOOD[name](sale)).encode() if name in GOOD else None
    queue_token = {"X-Queue-Token": sale.ticket_pass("ann", sale.schedule)}
    assert send(sale, name, body, headers=queue_token).status_code == 401
    expired = sale.keys.sign("access", sub="ann", aud="ticketq", role="admin", iat=1000, exp=2000)
    for what, token in {**forged(sale), "expired": expired}.items():
        answer = send(sale, name, body, headers={
            **queue_token, "Authorization": "Bearer " + token})
        assert answer.status_code == 401, what
    if is_admins(name):
        token = sale.keys.sign("access", sub="ann", aud="ticketq")
        answer = send(sale, name, body, headers={"Authorization": "Bearer " + token})
        assert answer.status_code == 403
    if {"access": [], "pass": []} in security:
        for token in ("", "x", sale.ticket_pass("bob", sale.schedule),
                      sale.ticket_pass("ann", "elsewhere"),
                      sale.keys.sign("access", sub="ann", aud=sale.schedule),
                      sale.keys.sign("pass", sub="ann", aud=sale.schedule, iat=1000, exp=2000)):
            answer = send(sale, name, body, user="ann", headers={"X-Queue-Token": token})
            assert answer.status_code in (401, 403), token
    nothing_happened(sale)


def parts_of(body, way=()):
    """The way to each part of a body."""
    yield way
    if isinstance(body, (dict, list)):
        for place, part in body.items() if isinstance(body, dict) else enumerate(body):
            yield from parts_of(part, (*way, place))


def with_part(body, way, value):
    if not way:
        return value
    body = copy.deepcopy(body)
    parent = body
    for place in way[:-1]:
        parent = parent[place]
    parent[way[-1]] = value
    return body


def is_lawful(name, body):
    media = OPERATIONS[name][2]["requestBody"]["content"]["application/json"]
    return jsonschema.Draft202012Validator(
        media["schema"], resolver=CONTRACT.resolver).is_valid(body)


@pytest.mark.parametrize("name", WITH_BODY)
def test_bodies(sale, name):
    """No JSON; each part of a good body replaced by each hostile value; a member twice."""
    for body in BODIES:
        answer = send(sale, name, body, user="eve")
        assert 400 <= answer.status_code < 500, (body[:40], answer.text)
    good = GOOD[name](sale)
    is_believed = name != "takeWebhook"  # a webhook only makes us ask the provider
    for way in parts_of(good):
        for value in VALUES:
            body = with_part(good, way, value)
            answer = send(sale, name, json.dumps(body).encode(), user="eve" + secrets.token_hex(4))
            least = 0 if is_lawful(name, body) or not is_believed else 400
            assert least <= answer.status_code < 500, (way, value, answer.text)
        for raw in RAW_VALUES:
            text = json.dumps(with_part(good, way, RAW)).encode().replace(
                json.dumps(RAW).encode(), raw)
            answer = send(sale, name, text, user="eve")
            assert answer.status_code < 500, (way, raw[:40], answer.text)
    member = next(iter(good))
    twice = json.dumps(good)[:-1] + f', {json.dumps(member)}: "x"}}'
    assert send(sale, name, twice.encode(), user="eve").status_code == 400 or not is_believed
    nothing_happened(sale)


@pytest.mark.parametrize("name", OPERATIONS)
def test_targets(sale, name):
    """Each parameter in path and query replaced by what is no id and no number."""
    _, path, found = OPERATIONS[name]
    body = json.dumps(GOOD[name](sale)).encode() if name in GOOD else None
    for parameter in map(CONTRACT.resolve, found.get("parameters", [])):
        for value in IDS:
            if parameter["in"] == "path":
                target = path.replace("{" + parameter["name"] + "}", value)
                target += "?scheduleId=x"
            elif parameter["in"] == "query":
                target = target_of(sale, name).split("?")[0] + f"?{parameter['name']}={value}"
            else:
                continue
            answer = send(sale, name, body, user="eve", target=target)
            assert 400 <= answer.status_code < 500 or (
                parameter["name"] == "cursor" and answer.status_code == 200), (target, answer.text)
    target = target_of(sale, name)
    for more in ("?" * 10, "?a=" + "x" * 5000, "?" + "&".join("a" * 100), "#x", "/"):
        assert send(sale, name, body, user="eve", target=target + more).status_code < 500, more
    nothing_happened(sale)


@pytest.mark.parametrize("name", OPERATIONS)
def test_headers(sale, name):
    body = json.dumps(GOOD[name](sale)).encode() if name in GOOD else None
    for headers in ({"X-Long": "x" * 20000}, {f"X-{i}": "x" for i in range(200)},
                    {"traceparent": "\xff" * 55}, {"If-None-Match": '"' * 3000},
                    {"Last-Event-ID": "x" * 3000}, {"X-Queue-Place": "a.b.c"},
                    {"Content-Type": "text/xml"}, {"Expect": "x"}, {"Accept-Encoding": "\xfe"}):
        answer = send(sale, name, body, user="eve", headers=headers)
        assert answer.status_code < 500, (headers, answer.text)
    nothing_happened(sale)


@pytest.mark.parametrize("name", WITH_KEY)
def test_keys(sale, name):
    """No key, a bad one, one that served for something else, one of somebody else."""
    body = json.dumps(GOOD[name](sale)).encode()
    for key in ("", "x" * 15, "x" * 129, "x" * 5000, "k\xff" * 10, "k k" * 10):
        answer = send(sale, name, body, user="eve", headers={"Idempotency-Key": key})
        assert 400 <= answer.status_code < 500, key
    nothing_happened(sale)


def test_one_key_serves_one_request_of_one_buyer(sale):
    schedule = sale.schedule
    keys = [secrets.token_hex(16) for _ in range(3)]
    held = sale.hold("kim", schedule, ["A-9-1"], key=keys[0]).json()
    begin = {"reservationId": held["reservationId"]}
    payment = sale.call("POST", "/v1/payments", user="kim", key=keys[1], json=begin).json()
    confirm = f"/v1/payments/{payment['paymentId']}/confirm"
    token = {"paymentToken": sale.card(payment)}
    assert sale.call("POST", confirm, user="kim", key=keys[2], json=token).status_code == 202
    for path, key, other in (("/v1/payments", keys[1], {"reservationId": "another"}),
                             (confirm, keys[2], {"paymentToken": "another"})):
        answer = sale.call("POST", path, user="kim", key=key, json=other)
        assert answer.status_code == 422, path
    assert sale.hold("kim", schedule, ["A-9-2"], key=keys[0]).status_code == 422
    stranger = sale.call("POST", "/v1/payments", user="lee", key=keys[1], json=begin)
    assert stranger.status_code == 404
    assert sale.call("POST", confirm, user="lee", key=keys[2], json=token).status_code == 404
    sale.until_payment("kim", payment["paymentId"], "PAID")
    nothing_happened(sale)


@pytest.mark.parametrize("name", [name for name, (_, path, _) in OPERATIONS.items()
                                  if ("{reservationId}" in path or "{paymentId}" in path)
                                  and not is_admins(name)])
def test_what_is_anns_does_not_exist_for_others(sale, name):
    body = json.dumps(GOOD[name](sale)).encode() if name in GOOD else None
    answer = send(sale, name, body, user="eve")
    assert answer.status_code == 404 and "NOT_FOUND" in answer.json()["code"]
    missing = target_of(sale, name).replace(sale.open["reservationId"], "x").replace(
        sale.ready["paymentId"], "x")
    same = ("code", "status", "title", "detail")
    other = send(sale, name, body, user="eve", target=missing)
    assert [answer.json()[part] for part in same] == [other.json()[part] for part in same]
    nothing_happened(sale)


def test_webhooks_that_come_again_or_changed(sale):
    """The signature is of one id, one time and one body; an id counts once."""
    body = json.dumps(GOOD["takeWebhook"](sale)).encode()
    headers = signed(sale, body)
    for _ in range(3):
        assert send(sale, "takeWebhook", body, headers=headers).status_code == 200
    changed = {
        "body": (body + b" ", headers),
        "id": (body, {**headers, "webhook-id": "msg_other"}),
        "time": (body, {**headers, "webhook-timestamp": str(int(time.time()) + 1)}),
        "old": (body, signed(sale, body, at=time.time() // 1 - 3600)),
        "early": (body, signed(sale, body, at=int(time.time()) + 3600)),
        "no time": (body, signed(sale, body, at="now")),
        "version": (body, {**headers, "webhook-signature":
                           headers["webhook-signature"].replace("v1,", "v2,")}),
        "short": (body, {**headers, "webhook-signature": headers["webhook-signature"][:-4]}),
        "huge": (body, {**headers, "webhook-signature": "v1,AAAA " * 1000}),
    }
    for what, (text, given) in changed.items():
        assert send(sale, "takeWebhook", text, headers=given).status_code == 401, what
    for text in (b'{"type":"Unheard.Of","data":{}}', b'{"type":"Transaction.Paid","data":{}}',
                 json.dumps({"type": "Transaction.Paid", "timestamp": "x",
                             "data": {"paymentId": "A" * 26}}).encode()):
        assert send(sale, "takeWebhook", text).status_code in (200, 400), text
    nothing_happened(sale)


def test_nobody_moves_somebody_else_in_line(sale):
    place = sale.call("POST", "/v1/queue/enter", user="ann",
                      json={"scheduleId": sale.schedule}).json()
    for user, token in (("ivy", place["placeToken"]), ("ivy", place.get("queueToken", "a.b.c"))):
        answer = sale.call("POST", "/v1/queue/enter", user=user, headers={"X-Queue-Place": token},
                           json={"scheduleId": sale.schedule})
        assert answer.status_code == 403
    sale.call("POST", "/v1/queue/leave", user="ivy", json={"scheduleId": sale.schedule})
    again = sale.call("POST", "/v1/queue/enter", user="ann", json={"scheduleId": sale.schedule})
    assert again.json()["sequence"] == place["sequence"]
    stream = sale.call("GET", f"/v1/queue/events?scheduleId={sale.schedule}", user="mallory")
    assert stream.status_code == 404
