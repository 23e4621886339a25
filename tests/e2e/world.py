# SPDX-License-Identifier: MIT
"""A world of its own for a test: ticketqd and the payment sandbox on free ports.

A World has a folder for everything it writes. Programs are started and stopped by
their process, never by name. Visitors are signed in by tokens made from the same
key ring that ticketqd reads, so that a test need not hash passwords.
"""
import base64
import contextlib
import hashlib
import hmac
import itertools
import json
import os
import secrets
import signal
import socket
import subprocess
import time

import requests

from contract import CONTRACT

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("TICKETQ_BUILD", os.path.join(ROOT, "build"))
FIRST_PORT = 23000 + os.getpid() % 80 * 100
OUR_PORTS = itertools.cycle(range(FIRST_PORT, FIRST_PORT + 100))
DEADLINE_S = 60  # of anything that is waited for; only a hang takes this long


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def free_port():
    """A port that stays free while its server is dead: below those which the system hands out to
    who connects, and of a hundred that processes beside this one leave alone."""
    while True:
        port = next(OUR_PORTS)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port


def wait_for(what, ask, deadline_s=DEADLINE_S, pause_s=0.02):
    """Ask until the answer is true, and return it."""
    end = time.monotonic() + deadline_s
    while True:
        answer = ask()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"in vain waited for: {what}")
        time.sleep(pause_s)


class Program:
    """A program that writes a ready file."""

    def __init__(self, name, args, folder):
        self.name, self.args, self.folder = name, args, folder
        self.environment = {}  # what it has more than others
        self.ready = os.path.join(folder, name + ".ready")
        self.process = None

    def start(self):
        if os.path.exists(self.ready):
            os.unlink(self.ready)
        path = os.path.join(BUILD, "servers", "sandbox" if "sandbox" in self.name else self.name,
                            self.name)
        log = open(os.path.join(self.folder, self.name + ".log"), "ab")
        with log:
            self.process = subprocess.Popen([path, *self.args, "--ready-file", self.ready],
                                            stdout=log, stderr=log,
                                            env={**os.environ, **self.environment})
        wait_for(self.name, self.is_serving)
        with open(self.ready, encoding="utf-8") as file:
            return json.load(file)

    def is_serving(self):
        if self.process.poll() is not None:
            raise AssertionError(f"{self.name} ended with {self.process.returncode}:\n"
                                 + self.log()[-4000:])
        return os.path.exists(self.ready)

    def log(self):
        with open(os.path.join(self.folder, self.name + ".log"), encoding="utf-8") as file:
            return file.read()

    def worked_s(self):
        """How long processors have worked for it."""
        with open(f"/proc/{self.process.pid}/stat", encoding="utf-8") as file:
            words = file.read().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        if self.process:
            self.process.wait()

    @contextlib.contextmanager
    def paused(self):
        """It does nothing meanwhile."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def stop(self):
        """Tell it to stop and return its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=DEADLINE_S)


class Keys:
    """The key ring of a world."""

    USES = ("place", "pass", "access", "internal")
    TYPES = {"pass": "tq-pass+jwt", "access": "at+jwt"}

    def __init__(self, path):
        self.secrets = {use: secrets.token_bytes(32) for use in self.USES}
        ring = [{"kid": use + "-1", "use": use, "k": base64url(key)}
                for use, key in self.secrets.items()]
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"keys": ring}, file)

    def sign(self, use, **claims):
        now = int(time.time())
        head = {"alg": "HS256", "kid": use + "-1", "typ": self.TYPES[use]}
        body = {"iat": now, "exp": now + 3600, "jti": secrets.token_hex(8), **claims}
        text = ".".join(base64url(json.dumps(part, separators=(",", ":")).encode())
                        for part in (head, body))
        mac = hmac.new(self.secrets[use], text.encode(), hashlib.sha256).digest()
        return text + "." + base64url(mac)


class World:
    def __init__(self, folder, *options):
        self.folder = str(folder)
        self.data = os.path.join(self.folder, "data")
        self.ledger = dict(zip(options, options[1:])).get("--ledger")
        self.keys = Keys(self.path("keys.json"))
        self.api_secret = secrets.token_urlsafe(24)
        self.hook_secret = secrets.token_bytes(32)
        self.write("portone.secret", self.api_secret)
        self.write("webhook.secret", "whsec_" + base64.b64encode(self.hook_secret).decode())
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.sandbox_port = free_port()
        self.sandbox_url = f"http://127.0.0.1:{self.sandbox_port}"
        self.sandbox = Program("ticketq-sandbox", [
            "--listen", f"127.0.0.1:{self.sandbox_port}", "--data", self.path("sandbox.db"),
            "--secret", self.path("portone.secret"),
            "--webhook-url", self.url + "/v1/webhooks/portone",
            "--webhook-secret", self.path("webhook.secret"),
            "--webhook-retry-ms", "100"], self.folder)
        self.ticketqd = Program("ticketqd", [
            "serve", "--data", self.data, "--listen", f"127.0.0.1:{self.port}",
            "--internal", "127.0.0.1:0", "--ops", "127.0.0.1:0", "--keys", self.path("keys.json"),
            "--portone", self.sandbox_url, "--portone-secret", self.path("portone.secret"),
            "--webhook-secret", self.path("webhook.secret"), *options], self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    def start(self):
        self.sandbox.start()
        self.addresses = self.ticketqd.start()
        return self

    def restart_with(self, option, value):
        """From now on another value of an option that it has."""
        self.ticketqd.kill()
        self.ticketqd.args[self.ticketqd.args.index(option) + 1] = value
        self.addresses = self.ticketqd.start()

    def close(self):
        self.ticketqd.kill()
        self.sandbox.kill()

    # ---- asking ----

    def call(self, method, path, user=None, role="", queue_token=None, key=None, **kwargs):
        headers = kwargs.pop("headers", {})
        if user:
            token = self.keys.sign("access", sub=user, aud="ticketq",
                                   **({"role": role} if role else {}))
            headers["Authorization"] = "Bearer " + token
        if queue_token:
            headers["X-Queue-Token"] = queue_token
        if key:
            headers["Idempotency-Key"] = key
        answer = requests.request(method, self.url + path, headers=headers, timeout=DEADLINE_S,
                                  **kwargs)
        if not kwargs.get("stream") and \
                len(answer.content) < int(answer.headers.get("Content-Length", 0)):
            raise requests.ConnectionError("the answer was cut off")
        CONTRACT.check(method, path, answer)
        return answer

    def admin(self, method, path, body):
        answer = self.call(method, path, user="operator", role="admin", json=body)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    def fault(self, operation, fault, **more):
        answer = requests.post(self.sandbox_url + "/sandbox/faults", timeout=DEADLINE_S,
                               json={"operation": operation, "fault": fault, **more})
        assert answer.status_code == 201, answer.text

    def clear_faults(self):
        requests.delete(self.sandbox_url + "/sandbox/faults", timeout=DEADLINE_S)

    def book(self):
        return requests.get(self.sandbox_url + "/sandbox/book", timeout=DEADLINE_S).json()

    def book_of(self, payment_id):
        return next((p for p in self.book()["payments"] if p["paymentId"] == payment_id), None)

    # ---- a sale ----

    def sale(self, rows=2, seats_per_row=5, price=50000, **schedule):
        """A hall, an event and one schedule on sale; returns the schedule's id."""
        venue = self.admin("POST", "/v1/admin/venues/generate", {
            "name": "Hall", "sections": [
                {"name": "A", "grade": "R", "rows": rows, "seatsPerRow": seats_per_row}]})
        now = time.time()
        event = self.admin("POST", "/v1/admin/events", {
            "title": "Evening", "venueId": venue["venueId"], "currency": "KRW",
            "prices": {"R": price}, "schedules": [{
                "startsAt": moment(now + 86400), "salesOpenAt": moment(now - 60),
                "salesCloseAt": moment(now + 7200), **schedule}]})
        schedule_id = event["schedules"][0]["scheduleId"]
        for path in (f"/v1/schedules/{schedule_id}/seat-map",
                     f"/v1/queue/state?scheduleId={schedule_id}"):
            wait_for(path, lambda path=path: self.call("GET", path).status_code == 200)
        return schedule_id

    def seats(self, schedule_id):
        answer = self.call("GET", f"/v1/schedules/{schedule_id}/seats")
        assert answer.status_code == 200, answer.text
        return [seat["seatId"] for seat in answer.json()["seats"]]

    def seat_map(self, schedule_id):
        answer = self.call("GET", f"/v1/schedules/{schedule_id}/seat-map")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def enter(self, user, schedule_id):
        """Through the queue; returns the pass."""
        place = self.call("POST", "/v1/queue/enter", user=user,
                          json={"scheduleId": schedule_id}).json()

        def admitted():
            answer = self.call("GET", f"/v1/queue/status?scheduleId={schedule_id}", user=user,
                               headers={"X-Queue-Place": place["placeToken"]})
            token = answer.json().get("queueToken")
            if not token:
                time.sleep(answer.json().get("pollAfterMs", 500) / 1000)
            return token
        return place.get("queueToken") or wait_for("a pass", admitted)

    def ticket_pass(self, user, schedule_id):
        """A pass without the queue, for tests that are not about it."""
        return self.keys.sign("pass", sub=user, aud=schedule_id)

    def hold(self, user, schedule_id, seats, key=None, queue_token=None):
        return self.call("POST", "/v1/reservations/hold", user=user,
                         queue_token=queue_token or self.ticket_pass(user, schedule_id),
                         key=key or secrets.token_hex(16),
                         json={"scheduleId": schedule_id, "seatIds": seats})

    def held(self, user, schedule_id, seats):
        answer = self.hold(user, schedule_id, seats)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def begin_payment(self, user, reservation_id):
        answer = self.call("POST", "/v1/payments", user=user, key=secrets.token_hex(16),
                           json={"reservationId": reservation_id})
        assert answer.status_code == 201, answer.text
        return answer.json()

    def held_and_begun(self, user, schedule_id, seats):
        """A short hold and its payment, which began in time; a busy machine may need another."""
        def begin():
            hold = self.hold(user, schedule_id, seats)
            if hold.status_code != 201:
                return None  # the last one is about to end
            held = hold.json()
            payment = self.call("POST", "/v1/payments", user=user, key=secrets.token_hex(16),
                                json={"reservationId": held["reservationId"]})
            return (held, payment.json()) if payment.status_code == 201 else None
        return wait_for("a payment that begins in time", begin)

    def card(self, payment, card="ok"):
        """What the buyer's browser gets from the provider."""
        answer = requests.post(self.sandbox_url + "/sandbox/tokens", timeout=DEADLINE_S, json={
            "paymentId": payment["paymentId"], "totalAmount": payment["amount"],
            "currency": payment["currency"], "card": card})
        assert answer.status_code == 201, answer.text
        return answer.json()["paymentToken"]

    def confirm(self, user, payment, card="ok", key=None, token=None):
        return self.call("POST", f"/v1/payments/{payment['paymentId']}/confirm", user=user,
                         key=key or secrets.token_hex(16),
                         json={"paymentToken": token or self.card(payment, card)})

    def pay(self, user, reservation_id, card="ok"):
        """Begin and confirm; returns the payment as it was then."""
        payment = self.begin_payment(user, reservation_id)
        answer = self.confirm(user, payment, card)
        assert answer.status_code == 202, answer.text
        return payment

    def pay_behind_our_back(self, payment):
        """The provider takes the money without having been asked by us, and tells."""
        answer = requests.post(
            f"{self.sandbox_url}/payments/{payment['paymentId']}/confirm", timeout=DEADLINE_S,
            headers={"Authorization": "PortOne " + self.api_secret,
                     "Idempotency-Key": '"' + secrets.token_hex(16) + '"'},
            json={"paymentToken": self.card(payment), "totalAmount": payment["amount"],
                  "currency": payment["currency"]})
        assert answer.status_code == 200, answer.text

    def cancel_at_provider(self, payment, amount=None):
        """Somebody at the provider's console gives money back, all that is left or a part."""
        answer = requests.post(
            f"{self.sandbox_url}/payments/{payment['paymentId']}/cancel", timeout=DEADLINE_S,
            headers={"Authorization": "PortOne " + self.api_secret},
            json={"reason": "console", **({"amount": amount} if amount else {})})
        assert answer.status_code == 200, answer.text

    def reservation(self, user, reservation_id):
        answer = self.call("GET", f"/v1/reservations/{reservation_id}", user=user)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def payment(self, user, payment_id):
        answer = self.call("GET", f"/v1/payments/{payment_id}", user=user)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def until_reservation(self, user, reservation_id, **wanted):
        def ask():
            row = self.reservation(user, reservation_id)
            return row if all(row.get(name) == value for name, value in wanted.items()) else None
        return wait_for(f"reservation {reservation_id} to be {wanted}", ask)

    def until_payment(self, user, payment_id, status):
        def ask():
            row = self.payment(user, payment_id)
            return row if row["status"] == status else None
        return wait_for(f"payment {payment_id} to be {status}", ask)

    def buy(self, user, schedule_id, seats):
        """The whole way; returns the reservation."""
        held = self.held(user, schedule_id, seats)
        payment = self.pay(user, held["reservationId"])
        self.until_payment(user, payment["paymentId"], "PAID")
        return self.until_reservation(user, held["reservationId"], status="CONFIRMED")

    # ---- the audit ----

    def audit(self, data=None, with_money=True):
        command = [os.path.join(BUILD, "servers", "ticketqd", "ticketqd"), "audit", "--json",
                   *(["--ledger", self.ledger] if self.ledger else ["--data", data or self.data])]
        if with_money:
            command += ["--portone", self.sandbox_url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S,
                              check=False)
        assert done.returncode in (0, 1), done.stderr
        report = json.loads(done.stdout)
        assert report["isClean"] == (done.returncode == 0)
        return report

    def assert_clean(self):
        """Nothing is under way any more, and the books agree."""
        def settled():
            report = self.audit()
            return report if report["underWay"] == 0 or not report["isClean"] else None
        report = wait_for("everything to be settled", settled, pause_s=0.2)
        assert report["isClean"], json.dumps(report["checks"], indent=1)
        return report


def moment(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + ".000Z"
