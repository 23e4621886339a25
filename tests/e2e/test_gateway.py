# SPDX-License-Identifier: MIT
"""What the gateway checks, for our own routes and for other gateways."""
import requests

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def authz(world, schedule, queue_token=None, user=None, **kwargs):
    return world.call("GET", f"/v1/authz?scheduleId={schedule}", queue_token=queue_token,
                      user=user, **kwargs)


def test_other_gateways_get_one_of_three_answers(world):
    schedule = world.sale(room={"rate": 100, "pollMinMs": 100})
    queue_token = world.enter("ann", schedule)
    passed = authz(world, schedule, queue_token)
    assert passed.status_code == 200 and passed.headers["X-Ticketq-Visitor"] == "ann"
    assert authz(world, schedule, queue_token, user="ann").status_code == 200
    assert authz(world, schedule, queue_token, user="bob").status_code == 403
    assert authz(world, "elsewhere", queue_token).json()["code"] == "QUEUE_TOKEN_MISMATCH"
    nobody = authz(world, schedule)
    assert nobody.status_code == 401
    assert nobody.headers["X-Ticketq-Location"] == "/queue?scheduleId=" + schedule
    old = world.keys.sign("pass", sub="ann", aud=schedule, iat=1000, exp=2000)
    assert authz(world, schedule, old).json()["code"] == "QUEUE_TOKEN_EXPIRED"
    for forged in ("x", "a.b.c", world.keys.sign("access", sub="ann", aud=schedule),
                   queue_token[:-2] + ("AA" if queue_token[-2:] != "AA" else "BB")):
        answer = authz(world, schedule, forged)
        assert answer.status_code == 401 and answer.json()["code"] == "QUEUE_TOKEN_REQUIRED"
    assert world.call("GET", "/v1/authz").status_code == 403
    assert world.call("GET", "/v1/authz?scheduleId=a%20b").status_code == 403


def test_where_to_line_up_can_be_set(make_world):
    world = make_world("--queue-location", "https://tickets.example/line/")
    assert authz(world, "s1").headers["X-Ticketq-Location"] == "https://tickets.example/line/s1"


def test_identity_comes_from_tokens_only(world):
    schedule = world.sale()
    spoofed = {"X-User-Id": "boss", "X-User-Role": "admin", "X_User_Id": "boss",
               "X-Ticketq-Internal": "x"}
    answer = world.call("POST", "/v1/admin/events", user="ann", json={}, headers=dict(spoofed))
    assert answer.status_code == 403
    assert world.call("GET", "/v1/reservations", headers=dict(spoofed)).status_code == 401
    held = world.held("ann", schedule, world.seats(schedule)[:1])
    answer = world.call("GET", "/v1/reservations/" + held["reservationId"], user="bob",
                        headers={"X-User-Id": "ann"})
    assert answer.status_code == 404


def test_a_pass_is_its_visitors_own(world):
    schedule = world.sale()
    seats = world.seats(schedule)
    anns = world.ticket_pass("ann", schedule)
    answer = world.hold("bob", schedule, seats[:1], queue_token=anns)
    assert answer.status_code == 403 and answer.json()["code"] == "QUEUE_TOKEN_MISMATCH"
    old = world.keys.sign("pass", sub="ann", aud=schedule, iat=1000, exp=2000)
    answer = world.hold("ann", schedule, seats[:1], queue_token=old)
    assert answer.status_code == 401 and answer.json()["code"] == "QUEUE_TOKEN_EXPIRED"
    answer = world.hold("ann", schedule, seats[:1], queue_token="not.a.pass")
    assert answer.status_code == 401 and answer.json()["code"] == "QUEUE_TOKEN_REQUIRED"


def test_a_trace_is_taken_over(world):
    given = f"00-{TRACE}-00f067aa0ba902b7-01"
    answer = world.call("GET", "/v1/events", headers={"traceparent": given})
    assert answer.headers["X-Request-Id"] == TRACE
    for bad in (given.replace("00-", "ff-", 1), f"00-{'0' * 32}-00f067aa0ba902b7-01", "x"):
        answer = world.call("GET", "/v1/events", headers={"traceparent": bad})
        assert answer.headers["X-Request-Id"] not in (TRACE, "0" * 32)
    ids = {world.call("GET", "/v1/events").headers["X-Request-Id"] for _ in range(5)}
    assert len(ids) == 5


def test_paths_and_sizes(world):
    assert world.call("GET", "/v1/nothing").json()["code"] == "NOT_FOUND"
    assert world.call("GET", "/internal/rooms").status_code == 404
    assert world.call("GET", "/metrics").status_code == 404
    wrong = world.call("DELETE", "/v1/events")
    assert wrong.status_code == 405 and wrong.headers["Allow"] == "GET"
    body = b'{"scheduleId":"x"}'
    fits = world.call("POST", "/v1/queue/enter", user="ann", data=body.ljust(4096))
    assert fits.json()["code"] == "SCHEDULE_NOT_FOUND"
    over = world.call("POST", "/v1/queue/enter", user="ann", data=body.ljust(4097))
    assert over.status_code == 413


def test_the_internal_listener_is_for_services(world):
    url = f"http://{world.addresses['internal']}/internal/rooms"
    assert requests.get(url, timeout=30).json()["code"] == "INTERNAL_ONLY"
    for use in ("access", "pass"):
        token = world.keys.sign(use, sub="x", aud="internal")
        answer = requests.get(url, timeout=30, headers={"X-Ticketq-Internal": token})
        assert answer.status_code == 401


def test_ops_listener(world):
    ops = f"http://{world.addresses['ops']}"
    assert requests.get(ops + "/livez", timeout=30).json() == {"status": "alive"}
    assert requests.get(ops + "/readyz", timeout=30).json() == {"status": "ready"}
    world.call("GET", "/v1/users/me")
    text = requests.get(ops + "/metrics", timeout=30).text
    assert 'ticketq_gateway_checks_total{verdict="no_access"} 1' in text
    assert "ticketq_queue_waiting 0" in text
