# SPDX-License-Identifier: MIT
"""What a service can never apply lies in its dead-letter topic, with the reason, and comes back.

Wants TICKETQ_TEST_KAFKA, as tests/services/run.sh gives it; skipped without.
"""
import json
import os
import secrets
import subprocess

import pytest

from world import BUILD, DEADLINE_S, free_port, wait_for

WAIT_MS = 6000  # a group's first member takes a busy broker a while


@pytest.fixture(name="broker")
def fixture_broker():
    url = os.environ.get("TICKETQ_TEST_KAFKA")
    if not url:
        pytest.skip("TICKETQ_TEST_KAFKA is not set")
    return url.removeprefix("kafka://")


@pytest.fixture(name="prefix")
def fixture_prefix():
    return "tq_letters_" + secrets.token_hex(6) + "."


@pytest.fixture(name="transport")
def fixture_transport(broker, prefix):
    return f"kafka://{broker}?prefix={prefix}"


@pytest.fixture(name="tell")
def fixture_tell(broker, prefix):
    """Puts an event into a topic, as if a service had told it; gives its id."""
    def tell(topic, kind, key, payload):
        event = secrets.token_hex(16)
        headers = {"ce_specversion": "1.0", "ce_id": event, "ce_source": "/test", "ce_type": kind,
                   "ce_subject": key, "ce_time": "2026-11-22T10:00:00.000Z", "shop": "north"}
        command = ["kcat", "-P", "-b", broker, "-t", prefix + topic, "-k", key, "-X", "acks=all",
                   *(word for name, value in headers.items() for word in ("-H", f"{name}={value}"))]

        def produced():
            return subprocess.run(command, input=payload.encode(), capture_output=True,
                                  timeout=DEADLINE_S, check=False).returncode == 0
        wait_for(f"an event in {topic}", produced)
        return event
    return tell


@pytest.fixture(name="letters")
def fixture_letters(transport):
    def letters(topic, *more):
        done = subprocess.run([BUILD + "/servers/ticketqd/ticketqd", "letters", "--transport",
                               transport, "--topic", topic, "--wait-ms", str(WAIT_MS), *more],
                              capture_output=True, timeout=DEADLINE_S, check=False)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]
    return letters


def headers_at(broker, topic):
    """Of the messages of a topic, as another client sees them."""
    answer = subprocess.run(["kcat", "-C", "-q", "-e", "-b", broker, "-t", topic, "-f", "%h\n"],
                            capture_output=True, timeout=DEADLINE_S, check=False, text=True)
    return [dict(header.split("=", 1) for header in line.split(","))
            for line in answer.stdout.splitlines()]


def check(letter, event, topic, consumer, reason):
    assert (letter["id"], letter["topic"], letter["consumer"], letter["status"]) == \
        (event, topic, consumer, "TQ_E_INVALID")
    assert reason in letter["reason"]


def test_letters_of_both_services(make_world, broker, prefix, transport, tell, letters):
    world = make_world("--hold-ttl-ms", "60000", "--transport", transport)
    schedule = world.sale()
    held = world.held("ann", schedule, world.seats(schedule)[:1])
    world.begin_payment("ann", held["reservationId"])
    of_payment = tell("reservation.events", "ReservationPinned", held["reservationId"], "{no json}")
    of_reservation = tell("payment.events", "PaymentPaid", "r-none", '{"paymentId":"p1"}')
    for service, event in (("payment", of_payment), ("reservation", of_reservation)):
        raw = wait_for(f"a letter of {service}", lambda s=service: headers_at(
            broker, f"{prefix}dlq.{s}"))
        assert [letter["dead-id"] for letter in raw] == [event]
        assert raw[0]["dead-reason"] and raw[0]["shop"] == "north"
    (letter,) = letters("dlq.payment")
    check(letter, of_payment, "reservation.events", "payment", "JSON")
    assert letter["payload"] == "{no json}" and letter["key"] == held["reservationId"]
    (letter,) = letters("dlq.reservation")
    check(letter, of_reservation, "payment.events", "reservation", "PaymentPaid lacks a field")

    ledger = "sqlite:" + world.data + "/reservation.db"
    assert letters("dlq.reservation", "--id", "another", "--replay", ledger) == []
    first, *later = letters("dlq.reservation", "--id", of_reservation, "--replay", ledger)
    assert first["isReplayed"] and not any(letter["isReplayed"] for letter in later)
    again = wait_for("a second letter", lambda: (
        lambda found: found if len(found) > 1 else None)(headers_at(broker,
                                                                    f"{prefix}dlq.reservation")))
    assert [letter["dead-id"] for letter in again] == [of_reservation] * 2  # nobody mended it
    assert again[1]["shop"] == "north"


def test_letters_of_the_queue(make_world, broker, prefix, transport, tell, letters):
    make_world("--transport", transport)
    event = tell("event.events", "SchedulePublished", "s-none", "{}")
    (raw,) = wait_for("a letter of the queue", lambda: headers_at(broker, f"{prefix}dlq.queue"))
    assert raw["dead-id"] == event
    (letter,) = letters("dlq.queue")
    check(letter, event, "event.events", "queue", "malformed")


def test_what_is_wrong_with_a_call():
    for words in ([], ["--transport", "inproc:"], ["--topic", "dlq.payment"],
                  ["--transport", "inproc:", "--topic", "dlq.payment", "--wait-ms", "0"],
                  ["--transport", "inproc:", "--topic", "no topic"],
                  ["--transport", "inproc:", "--topic", "dlq.payment"],
                  ["--transport", "memory:", "--topic", "dlq.payment"]):
        done = subprocess.run([BUILD + "/servers/ticketqd/ticketqd", "letters", *words],
                              capture_output=True, timeout=DEADLINE_S, check=False)
        assert done.returncode == 2 and done.stderr


def test_a_topic_that_is_not_there_is_told_and_not_made(broker, prefix, transport):
    done = subprocess.run([BUILD + "/servers/ticketqd/ticketqd", "letters", "--transport",
                           transport + "&create=1", "--topic", "dlq.paymnt", "--wait-ms", "4000"],
                          capture_output=True, timeout=DEADLINE_S, check=False)
    assert done.returncode == 2 and not done.stdout
    assert f"{prefix}dlq.paymnt" in done.stderr.decode().splitlines()[-1]
    there = subprocess.run(["kcat", "-L", "-b", broker], capture_output=True, timeout=DEADLINE_S,
                           check=True, text=True)
    assert prefix not in there.stdout


def test_a_ledger_that_is_not_there_is_told_and_not_made(tmp_path):
    ledgers = {f"sqlite:{tmp_path}/paymnt.db": "there is no file",
               f"sqlite:{tmp_path}/paymnt.db?create=1&synchronous=full": "there is no file"}
    server = os.environ.get("TICKETQ_TEST_POSTGRES")
    if server:
        ledgers[f"{server}?schema=tq_paymnt"] = "there is no schema tq_paymnt"
    for ledger, reason in ledgers.items():
        for _ in range(2):  # the first call made it, once
            done = subprocess.run([BUILD + "/servers/ticketqd/ticketqd", "letters", "--transport",
                                   f"kafka://127.0.0.1:{free_port()}", "--topic", "dlq.payment",
                                   "--replay", ledger],
                                  capture_output=True, timeout=DEADLINE_S, check=False)
            assert done.returncode == 2 and not done.stdout
            assert reason in done.stderr.decode().splitlines()[-1]
    assert not os.listdir(tmp_path)


def test_no_letter_from_a_broker_that_is_away_is_not_none():
    done = subprocess.run([BUILD + "/servers/ticketqd/ticketqd", "letters", "--transport",
                           f"kafka://127.0.0.1:{free_port()}", "--topic", "dlq.payment",
                           "--wait-ms", "2000"], capture_output=True, timeout=DEADLINE_S, check=False)
    assert done.returncode == 2 and not done.stdout
    assert done.stderr.splitlines()[-1].startswith(b"ticketqd letters: ")
