# SPDX-License-Identifier: MIT
"""Bytes that are no proper request, over bare sockets: refused, closed, and nobody else notices."""
import json
import socket
import time

import pytest

from world import World

TARGET = b"/v1/events"
HOST = b"Host: a\r\n"
GET = b"GET " + TARGET + b" HTTP/1.1\r\n" + HOST
POST = b"POST /v1/auth/login HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
NEXT = GET + b"\r\n"  # what must not be taken for a request of its own
SHORT_MS = 500


@pytest.fixture(name="wire", scope="module")
def fixture_wire(tmp_path_factory):
    """One world for all: what is refused must harm nobody after it."""
    world = World(tmp_path_factory.mktemp("wire"), "--head-timeout-ms", str(SHORT_MS),
                  "--body-timeout-ms", str(SHORT_MS), "--connections-per-address", "64").start()
    yield world
    world.close()


def connect(world):
    return socket.create_connection(("127.0.0.1", world.port), timeout=30)


def read_all(sock):
    """Everything until the other side closes."""
    data = b""
    try:
        while True:
            part = sock.recv(65536)
            if not part:
                return data
            data += part
    except ConnectionResetError:
        return data


def ask(world, data):
    with connect(world) as sock:
        sock.sendall(data)
        return read_all(sock)


def assert_alive(world):
    assert ask(world, GET + b"Connection: close\r\n\r\n").startswith(b"HTTP/1.1 200 ")


REFUSED = {
    "NUL in the path": b"GET /v1/ev\0ents HTTP/1.1\r\n" + HOST + b"\r\n",
    "NUL behind the path": b"GET /v1/events\0/x HTTP/1.1\r\n" + HOST + b"\r\n",
    "NUL in the query": b"GET /v1/events?limit=1\0&x HTTP/1.1\r\n" + HOST + b"\r\n",
    "encoded NUL": b"GET /v1/events%00 HTTP/1.1\r\n" + HOST + b"\r\n",
    "encoded NUL in the query": b"GET /v1/events?limit=%00 HTTP/1.1\r\n" + HOST + b"\r\n",
    "NUL in a value": GET + b"X-A: b\0c\r\n\r\n",
    "NUL ends the head": POST + b"\0Content-Length: 5\r\n\r\n" + NEXT,
    "NUL hides a length": POST + b"X: \0\r\nContent-Length: 0\r\n\r\n" + NEXT,
    "a folded line": GET + b"X-A: b\r\n c\r\n\r\n",
    "a folded length": POST + b"Content-Length: 0\r\n 0\r\n\r\n" + NEXT,
    "LF after the request line": b"GET /v1/events HTTP/1.1\n" + HOST + b"\r\n",
    "LF after a field": b"GET /v1/events HTTP/1.1\r\nHost: a\n\r\n",
    "LF at the end": GET + b"\n",
    "only LF": b"GET /v1/events HTTP/1.1\nHost: a\n\n",
    "two blanks": b"GET  /v1/events HTTP/1.1\r\n" + HOST + b"\r\n",
    "a blank in the target": b"GET /v1/ev ents HTTP/1.1\r\n" + HOST + b"\r\n",
    "absolute form": b"GET http://a/v1/events HTTP/1.1\r\n" + HOST + b"\r\n",
    "dot segments": b"GET /v1/../v1/events HTTP/1.1\r\n" + HOST + b"\r\n",
    "no Host": b"GET /v1/events HTTP/1.1\r\n\r\n",
    "two Hosts": GET + HOST + b"\r\n",
    "two lengths": POST + b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n" + NEXT,
    "two different lengths": POST + b"Content-Length: 0\r\nContent-Length: 40\r\n\r\n" + NEXT,
    "length and coding": POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
                         + NEXT,
    "two codings": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "another coding": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "a blank before the colon": POST + b"Content-Length : 0\r\n\r\n" + NEXT,
    "a body with GET": GET + b"Content-Length: 3\r\n\r\nabc",
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_a_problem(wire, name):
    answer = ask(wire, REFUSED[name])
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 "), answer
    assert b"application/problem+json" in head and answer.count(b"HTTP/1.1 ") == 1
    assert json.loads(body)["code"] == "REQUEST_REFUSED"
    assert_alive(wire)


# libmicrohttpd answers these itself, without a problem document, or closes: see openapi.yaml.
BELOW_US = {
    "no request": b"hello\r\n\r\n",
    "no version": b"GET /v1/events\r\n\r\n",
    "another version": b"GET /v1/events HTTP/9.9\r\n" + HOST + b"\r\n",
    "a field without a colon": GET + b"hello\r\n\r\n",
    "NUL in a name": GET + b"X\0A: b\r\n\r\n",
    "binary": bytes(range(256)) * 8 + b"\r\n\r\n",
    "a head without an end": GET + b"X: " + b"a" * 40000,
    "a target without an end": b"GET /" + b"a" * 40000,
    "very many fields": GET + b"X: a\r\n" * 8000 + b"\r\n",
    "a bad chunk": POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n" + NEXT,
    "a chunk beyond 64 bits": POST + b"Transfer-Encoding: chunked\r\n\r\n"
                              + b"f" * 20 + b"\r\nabc\r\n0\r\n\r\n" + NEXT,
}


@pytest.mark.parametrize("name", BELOW_US)
def test_refused_in_some_way(wire, name):
    answer = ask(wire, BELOW_US[name])
    assert answer == b"" or answer[:10] == b"HTTP/1.1 4" or answer[:10] == b"HTTP/1.1 5" \
        or answer[:10] == b"HTTP/1.0 4", answer
    assert answer.count(b"HTTP/1.") <= 1
    assert_alive(wire)


LIMITS = {
    "a target of 4096": (b"GET /v1/events?a=" + b"b" * (4096 - 13) + b" HTTP/1.1\r\n" + HOST, None),
    "a target of 4097": (b"GET /v1/events?a=" + b"b" * (4097 - 13) + b" HTTP/1.1\r\n" + HOST,
                         (414, "TARGET_TOO_LONG")),
    "64 fields": (GET + b"X: a\r\n" * 62, None),
    "65 fields": (GET + b"X: a\r\n" * 63, (431, "HEAD_TOO_LARGE")),
}


@pytest.mark.parametrize("name", LIMITS)
def test_limits_of_the_head(wire, name):
    data, refusal = LIMITS[name]
    head, _, body = ask(wire, data + b"Connection: close\r\n\r\n").partition(b"\r\n\r\n")
    if refusal:
        assert int(head[9:12]) == refusal[0] and json.loads(body)["code"] == refusal[1]
    else:
        assert int(head[9:12]) not in (414, 431)


SLOW = {
    "nothing": (b"", b""),
    "a request line": (b"GET /v1", b"x"),
    "a head": (GET, b"X: a\r\n"),
    "a body": (POST + b"Content-Length: 100000\r\n\r\n", b" "),
    "chunks": (POST + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
}


@pytest.mark.parametrize("name", SLOW)
def test_a_trickle_is_cut(wire, name):
    first, drop = SLOW[name]
    with connect(wire) as sock:
        sock.sendall(first)
        end = time.monotonic() + 30
        is_closed = False
        while not is_closed and time.monotonic() < end:
            time.sleep(SHORT_MS / 10000)
            try:
                sock.sendall(drop)
                sock.settimeout(0.01)
                is_closed = sock.recv(4096) == b""
            except socket.timeout:
                pass
            except OSError:
                is_closed = True
        assert is_closed
    assert_alive(wire)


def test_an_address_has_so_many_connections_and_no_more(wire):
    held = [connect(wire) for _ in range(64)]
    for sock in held:
        sock.sendall(GET + b"\r\n")
    served = sum(sock.recv(12) == b"HTTP/1.1 200" for sock in held)
    assert served == 64
    assert ask(wire, NEXT) == b""
    for sock in held:
        sock.close()
    end = time.monotonic() + 30
    while not ask(wire, GET + b"Connection: close\r\n\r\n").startswith(b"HTTP/1.1 200"):
        assert time.monotonic() < end
