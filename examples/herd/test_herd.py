#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Shows that the herd finds what is wrong: it runs against a small ticketq that lies on purpose.

usage: test_herd.py TICKETQ_HERD SCENARIO
"""
import base64
import itertools
import json
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FREE, HOLD, PAYING, SOLD = range(4)
# lie: the violation by which the herd must tell
LIES = {
    None: None,
    "place": "placeMovedBack",
    "pass": "passNotHonoured",
    "twice": "seatSoldTwice",
    "held": "seatHeldTwice",
    "free": "takenSeatShownFree",
    "amount": "wrongAmount",
    "early": "toldWrongWait",
    "forgotten": "paymentLost",
    "fault": "unexpectedAnswer",
    "crossed": None,  # no lie: maps that overtake each other on the way
}


def stamp(ahead=0.0):
    moment = datetime.fromtimestamp(time.time() + ahead, timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


class Sale:
    """The whole service in memory: a line, seats, reservations."""

    def __init__(self, lie, seats=12):
        self.lie = lie
        self.lock = threading.Lock()
        self.numbers = itertools.count(1)
        self.line, self.polls, self.keys = {}, {}, {}
        self.states = [FREE] * seats
        self.reservations, self.payments = {}, {}
        self.maps, self.told, self.overtaken = 0, None, threading.Event()

    def place(self, user, is_enter):
        if user not in self.line:
            if not is_enter:
                return 404, {"code": "NOT_IN_QUEUE"}
            self.line[user] = next(self.numbers)
        self.polls[user] = self.polls.get(user, 0) + 1
        number = self.line[user]
        if self.lie == "place" and self.polls[user] == 2:
            number += 1
        if self.lie == "early" and self.polls[user] == 2:
            return 429, {"code": "POLL_TOO_EARLY"}
        answer = {"status": "WAITING", "sequence": number, "ahead": 0, "pollAfterMs": 50,
                  "placeToken": "p"}
        if self.polls[user] > 2:
            answer.update(status="ADMITTED", queueToken="t", queueTokenExpiresAt=stamp(60))
        return 200, answer

    def seat_map(self, known):
        """A map with its tag. The first one is on its way until somebody asks, long after seats were
        sold, whether the newest still holds; he is told so only behind it."""
        status, answer = self.read_map()
        etag = f'"{answer["bits"]}"'
        if self.lie != "crossed":
            return status, answer
        if known == etag:
            is_late = self.told and time.monotonic() > self.told + 1.7
            return 304, None, etag, self.overtaken.set if is_late else None
        self.maps += 1
        return status, answer, etag, (lambda: self.overtaken.wait(5)) if self.maps == 1 else None

    def read_map(self):
        states = [FREE] * len(self.states) if self.lie == "free" else self.states
        packed = bytearray((len(states) + 3) // 4)
        for i, state in enumerate(states):
            packed[i // 4] |= state << (i % 4 * 2)
        bits = base64.urlsafe_b64encode(packed).rstrip(b"=").decode()
        return 200, {"seats": len(states), "available": states.count(FREE),
                     "hold": states.count(HOLD), "paying": states.count(PAYING),
                     "sold": states.count(SOLD), "bits": bits}

    def hold(self, user, body):
        if self.lie == "pass":
            return 401, {"code": "QUEUE_TOKEN_EXPIRED"}
        if self.lie == "fault":
            return 500, {"code": "INTERNAL"}
        seats = [int(seat) for seat in body["seatIds"]]
        if self.lie != "twice" and any(self.states[seat] for seat in seats):
            return 409, {"code": "SEATS_TAKEN"}
        for seat in seats:
            self.states[seat] = FREE if self.lie == "held" else HOLD
        name = f"r{next(self.numbers)}"
        self.reservations[name] = {"seats": seats, "status": "PENDING"}
        return 201, {"reservationId": name, "holdExpiresAt": stamp(60),
                     "totalAmount": 10 * len(seats) + (self.lie == "amount")}

    def confirm(self, payment):
        reservation = self.reservations[self.payments[payment]]
        declined = reservation.get("card") == "decline"
        for seat in reservation["seats"]:
            self.states[seat] = FREE if declined else SOLD
        if self.lie == "twice":
            self.states = [FREE] * len(self.states)
        reservation["status"] = "CANCELLED" if declined else "CONFIRMED"
        reservation["ticketNumber"] = "T1"
        return 202, {}

    def release(self, name):
        for seat in self.reservations[name]["seats"]:
            self.states[seat] = FREE
        return 202, {}

    def answer(self, method, path, user, body, known=None):
        """Status and body, for a map also its tag and what happens before it is sent."""
        part = path.split("?")[0].strip("/").split("/")
        if path.startswith("/v1/queue/leave"):
            return 204, None
        if path.startswith("/v1/queue/"):
            return self.place(user, method == "POST")
        if part[-1] == "seats":
            return 200, {"seats": [{"seatId": str(i), "section": "A", "row": str(i // 4), "price": 10}
                                   for i in range(len(self.states))]}
        if part[-1] == "seat-map":
            return self.seat_map(known)
        if part[1] == "schedules":
            return 200, {"salesOpenAt": stamp(), "currency": "KRW", "personLimit": 4}
        if part[-1] == "hold":
            return self.hold(user, body)
        if part[1] == "reservations" and method == "DELETE":
            return self.release(part[2])
        if part[1] == "reservations":
            found = dict(self.reservations[part[2]])
            if self.lie == "forgotten":
                found["status"] = "PENDING"
            if found["status"] == "CONFIRMED" and not self.told:
                self.told = time.monotonic()
            return 200, found
        if part[-1] == "confirm":
            return self.confirm(part[2])
        if part[1] == "payments":
            name = f"m{next(self.numbers)}"
            self.payments[name] = body["reservationId"]
            seats = self.reservations[body["reservationId"]]["seats"]
            return 201, {"paymentId": name, "amount": 10 * len(seats) + (self.lie == "amount")}
        self.reservations[self.payments[body["paymentId"]]]["card"] = body["card"]
        return 201, {"paymentToken": "c"}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def serve(self):
        sale = self.server.sale
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length) or "{}")
        token = self.headers.get("Authorization", ". . .").split(".")
        key = self.headers.get("Idempotency-Key")
        with sale.lock:
            if not key or key not in sale.keys:
                made = sale.answer(self.command, self.path, token[1][:60], body,
                                   self.headers.get("If-None-Match"))
                sale.keys[key] = made
            status, answer, etag, before = (*sale.keys[key], None, None)[:4]
        if before:
            before()
            time.sleep(0.12 if status == 304 else 0)
        text = json.dumps(answer).encode() if answer is not None else b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        if etag:
            self.send_header("ETag", etag)
        if status == 429:
            self.send_header("Retry-After", "1")
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_DELETE = serve

    def log_message(self, *_):
        pass


def run(herd, scenario, folder, lie):
    """What is wrong with the herd's verdict on this lie; empty when nothing is."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.sale = Sale(lie)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    report = folder / f"{lie}.json"
    done = subprocess.run(
        [herd, "--url", url, "--sandbox", url, "--schedule", "s", "--keys", folder / "keys.json",
         "--scenario", scenario, "--json", report, "--time-limit", "20" if lie == "crossed" else "6", "--connections", "8"],
        capture_output=True, text=True)
    server.shutdown()
    if done.returncode == 2:
        return f"could not run: {done.stderr}"
    found = {name for name, count in json.loads(report.read_text())["violations"].items() if count}
    wanted = LIES[lie]
    if (wanted in found) if wanted else (not found and done.returncode == 0):
        return "" if done.returncode == (1 if wanted else 0) else f"exit {done.returncode}"
    return f"found {found or 'nothing'}, exit {done.returncode}\n{done.stdout}"


def main():
    herd, scenario = sys.argv[1:]
    failed = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        secret = base64.urlsafe_b64encode(bytes(32)).rstrip(b"=").decode()
        (folder / "keys.json").write_text(
            json.dumps({"keys": [{"kid": "access-1", "use": "access", "k": secret}]}))
        with ThreadPoolExecutor(len(LIES)) as pool:
            verdicts = list(pool.map(lambda lie: run(herd, scenario, folder, lie), LIES))
        for number, (lie, wrong) in enumerate(zip(LIES, verdicts), 1):
            failed += bool(wrong)
            print(f"{'not ' if wrong else ''}ok {number} - lie: {lie}")
            print("".join(f"# {line}\n" for line in wrong.splitlines()), end="")
    print(f"1..{len(LIES)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
