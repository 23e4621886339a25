# SPDX-License-Identifier: MIT
"""Who is started while Kafka is away serves, says why it is not ready, and becomes ready by itself.

What wants a broker wants TICKETQ_TEST_KAFKA_PROXY, as tests/services/run.sh gives it.
"""
import contextlib
import os
import secrets
import socket
import threading

import pytest
import requests

from world import DEADLINE_S, free_port, wait_for


@contextlib.contextmanager
def forwarding(outer, inner):
    """Whoever connects to the one address is connected with the other."""
    def pump(source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def accept():
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(inner)
                ends.extend((near, far))
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=pump, args=pair, daemon=True).start()

    ends = []
    with socket.create_server(outer) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield
        listener.shutdown(socket.SHUT_RDWR)
    for end in ends:
        end.close()


def health(world, path):
    answer = requests.get(f"http://{world.addresses['ops']}{path}", timeout=DEADLINE_S)
    return answer.status_code, answer.json()


def check_not_ready(world, address):
    status, body = health(world, "/readyz")
    assert status == 503 and body["status"] == "starting"
    assert body["reason"].startswith("--transport: ") and address in body["reason"]
    assert health(world, "/livez") == (200, {"status": "alive"})
    assert world.call("GET", "/v1/events").status_code == 200
    assert "not ready: --transport: " in world.ticketqd.log()


def test_while_kafka_is_away_it_serves_and_ends_as_ever(make_world):
    address = f"127.0.0.1:{free_port()}"
    world = make_world("--transport", "kafka://" + address)
    check_not_ready(world, address)
    assert world.ticketqd.stop() == 0


def test_when_kafka_comes_it_is_ready_and_stays_so(make_world):
    proxy, inner = (os.environ.get("TICKETQ_TEST_KAFKA_" + name) for name in ("PROXY", "INNER"))
    if not proxy:
        pytest.skip("TICKETQ_TEST_KAFKA_PROXY is not set")
    outer, inner = ((host, int(port)) for host, port in (a.split(":") for a in (proxy, inner)))
    world = make_world("--transport", f"kafka://{proxy}?prefix=tq_ready_{secrets.token_hex(6)}.")
    check_not_ready(world, proxy)
    with forwarding(outer, inner):
        wait_for("it to be ready", lambda: health(world, "/readyz") == (200, {"status": "ready"}))
        schedule = world.sale()  # which is told over Kafka
        assert world.held("ann", schedule, world.seats(schedule)[:1])
    assert health(world, "/readyz") == (200, {"status": "ready"})
