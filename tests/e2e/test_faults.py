# SPDX-License-Identifier: MIT
"""What the payment provider does to us: every purchase still ends paid or undone."""
import time

import pytest
import requests

from world import DEADLINE_S, wait_for

SHORT = ("--portone-timeout-ms", "1000")


def taken(world, schedule):
    return world.seat_map(schedule)["seats"] - world.seat_map(schedule)["available"]


def test_a_confirmation_that_is_lost_after_the_effect_is_asked_for(make_world):
    world = make_world(*SHORT)
    schedule = world.sale()
    world.fault("webhook", "lost", count=10)
    world.fault("confirm", "timeoutAfterEffect")
    bought = world.buy("ann", schedule, world.seats(schedule)[:2])
    assert world.book_of(bought["paymentId"])["paid"] == bought["totalAmount"]
    world.assert_clean()


def test_an_outcome_stays_unknown_while_the_provider_says_nothing(make_world):
    world = make_world(*SHORT, "--hold-ttl-ms", "1000")
    schedule = world.sale()
    seats = world.seats(schedule)[:1]
    world.fault("webhook", "lost", count=10)
    world.fault("confirm", "timeoutAfterEffect")
    world.fault("get", "error5xx", count=1000)

    def unknown():
        held, payment = world.held_and_begun("ann", schedule, seats)
        world.confirm("ann", payment)
        end = wait_for("an end", lambda: (status := world.payment(
            "ann", payment["paymentId"])["status"]) in ("UNKNOWN", "FAILED") and status)
        return end == "UNKNOWN" and (held, payment)  # or the hold had run out
    held, payment = wait_for("an unknown outcome", unknown)
    time.sleep(1.5)  # longer than the hold: a pinned seat has no timer
    assert world.hold("bob", schedule, seats).status_code == 409
    assert world.payment("ann", payment["paymentId"])["status"] == "UNKNOWN"
    world.clear_faults()
    world.until_payment("ann", payment["paymentId"], "PAID")
    world.until_reservation("ann", held["reservationId"], status="CONFIRMED")
    world.assert_clean()


def test_a_server_error_before_the_effect_is_tried_again(make_world):
    world = make_world(*SHORT)
    schedule = world.sale()
    world.fault("confirm", "error5xx", count=2)
    world.fault("preRegister", "error5xx", count=2)
    bought = world.buy("ann", schedule, world.seats(schedule)[:1])
    assert world.book_of(bought["paymentId"])["paid"] == bought["totalAmount"]
    world.assert_clean()


def test_a_declined_card_gives_the_seats_back(world):
    schedule = world.sale()
    seats = world.seats(schedule)[:3]
    held = world.held("ann", schedule, seats)
    assert wait_for("the map to show it", lambda: taken(world, schedule) == 3)
    payment = world.pay("ann", held["reservationId"], card="decline")
    failed = world.until_payment("ann", payment["paymentId"], "FAILED")
    assert failed["failure"]
    ended = world.until_reservation("ann", held["reservationId"], status="CANCELLED")
    assert ended["cancelReason"] == failed["failure"]
    assert wait_for("the map to show it", lambda: taken(world, schedule) == 0)
    world.buy("bob", schedule, seats)
    world.assert_clean()


def test_a_token_that_is_no_good_charges_nothing(world):
    schedule = world.sale()
    held = world.held("ann", schedule, world.seats(schedule)[:1])
    payment = world.begin_payment("ann", held["reservationId"])
    answer = world.call("POST", f"/v1/payments/{payment['paymentId']}/confirm", user="ann",
                        key="k" * 16, json={"paymentToken": "made-up"})
    assert answer.status_code == 202
    world.until_payment("ann", payment["paymentId"], "FAILED")
    world.until_reservation("ann", held["reservationId"], status="CANCELLED")
    world.assert_clean()


@pytest.fixture(name="expired")
def fixture_expired(make_world):
    """A payment whose reservation has run out before anything was paid."""
    world = make_world("--hold-ttl-ms", "700")
    schedule = world.sale(personLimit=4)
    seats = world.seats(schedule)[:2]
    held, payment = world.held_and_begun("ann", schedule, seats)
    world.until_reservation("ann", held["reservationId"], phase="EXPIRED")
    world.until_payment("ann", payment["paymentId"], "FAILED")
    world.restart_with("--hold-ttl-ms", "600000")
    return world, schedule, seats, held, payment


def test_paid_after_expiry_with_the_seats_free_gets_them_again(expired):
    world, schedule, seats, held, payment = expired
    world.pay_behind_our_back(payment)
    bought = world.until_reservation("ann", held["reservationId"], status="CONFIRMED")
    assert bought["ticketNumber"] and bought["phase"] == "SOLD"
    world.until_payment("ann", payment["paymentId"], "PAID")
    refused = world.hold("bob", schedule, seats[:1])
    assert refused.status_code == 409
    world.assert_clean()


def test_paid_after_expiry_with_a_seat_sold_is_refunded(expired):
    world, schedule, seats, held, payment = expired
    sold = world.buy("bob", schedule, seats[1:])
    world.pay_behind_our_back(payment)
    world.until_payment("ann", payment["paymentId"], "REFUNDED")
    ended = world.reservation("ann", held["reservationId"])
    assert ended["status"] == "CANCELLED" and "ticketNumber" not in ended
    assert world.book_of(payment["paymentId"])["cancelled"] == payment["amount"]
    assert world.reservation("bob", sold["reservationId"])["status"] == "CONFIRMED"
    world.buy("cid", schedule, seats[:1])
    world.assert_clean()


def test_paid_after_expiry_over_the_persons_limit_is_refunded(expired):
    world, schedule, _, _, payment = expired
    world.buy("ann", schedule, world.seats(schedule)[4:8])
    world.pay_behind_our_back(payment)
    world.until_payment("ann", payment["paymentId"], "REFUNDED")
    world.assert_clean()


def test_paid_while_it_is_still_being_announced(world):
    """The webhook finds the call that announces the payment on the work list: it goes first."""
    schedule = world.sale()
    world.fault("preRegister", "error5xx", count=1000)
    held = world.held("ann", schedule, world.seats(schedule)[:1])
    payment = world.begin_payment("ann", held["reservationId"])
    world.pay_behind_our_back(payment)
    world.until_payment("ann", payment["paymentId"], "PAID")
    world.until_reservation("ann", held["reservationId"], status="CONFIRMED")
    world.assert_clean()


def test_a_slow_announcement_takes_no_later_call_with_it(world):
    """It ends while a webhook's question waits: that is another row of the same payment."""
    schedule = world.sale()
    world.fault("preRegister", "delay", delayMs=2000)
    held = world.held("ann", schedule, world.seats(schedule)[:1])
    payment = world.begin_payment("ann", held["reservationId"])
    assert world.confirm("ann", payment, "decline").status_code == 202
    world.until_payment("ann", payment["paymentId"], "FAILED")
    world.fault("get", "error5xx", count=1000)
    world.pay_behind_our_back(payment)
    time.sleep(2.5)
    world.clear_faults()
    world.until_payment("ann", payment["paymentId"], "PAID")
    world.until_reservation("ann", held["reservationId"], status="CONFIRMED")
    world.assert_clean()


def test_paid_late_after_the_connection_was_cut(make_world):
    world = make_world(*SHORT)
    schedule = world.sale()
    world.fault("confirm", "latePaid", delayMs=1500)
    bought = world.buy("ann", schedule, world.seats(schedule)[:1])
    assert world.book_of(bought["paymentId"])["paid"] == bought["totalAmount"]
    world.assert_clean()


@pytest.mark.parametrize("fault", ["lost", "double", "reorder", "late"])
def test_webhooks_lost_doubled_reordered_late(world, fault):
    schedule = world.sale()
    seats = world.seats(schedule)
    world.fault("webhook", fault, count=20, delayMs=300)
    kept = world.buy("ann", schedule, seats[:1])
    given = world.buy("bob", schedule, seats[1:2])
    world.call("DELETE", "/v1/reservations/" + given["reservationId"], user="bob")
    world.until_payment("bob", given["paymentId"], "REFUNDED")
    time.sleep(0.8)  # let the late ones come
    assert world.reservation("ann", kept["reservationId"])["status"] == "CONFIRMED"
    assert world.payment("bob", given["paymentId"])["status"] == "REFUNDED"
    world.assert_clean()


def test_a_part_cancelled_before_we_knew_of_the_money_makes_no_ticket(make_world):
    world = make_world(*SHORT, "--portone-store", "store-sandbox")
    schedule = world.sale()
    world.fault("confirm", "timeoutAfterEffect")
    world.fault("get", "error5xx", count=1000)
    held = world.held("ann", schedule, world.seats(schedule)[:2])
    payment = world.pay("ann", held["reservationId"])
    world.until_payment("ann", payment["paymentId"], "UNKNOWN")
    world.cancel_at_provider(payment, 1000)
    world.clear_faults()
    ended = world.until_payment("ann", payment["paymentId"], "REFUNDED")
    assert ended["failure"] == "CANCELLED_BY_PROVIDER"
    row = world.until_reservation("ann", held["reservationId"], status="CANCELLED",
                                  refundedAmount=payment["amount"])
    assert "ticketNumber" not in row
    assert world.book_of(payment["paymentId"])["cancelled"] == payment["amount"]
    world.buy("bob", schedule, world.seats(schedule)[:2])
    world.assert_clean()


def test_all_cancelled_before_we_knew_of_the_money_frees_the_seats(make_world):
    world = make_world(*SHORT)
    schedule = world.sale()
    world.fault("confirm", "timeoutAfterEffect")
    world.fault("get", "error5xx", count=1000)
    held = world.held("ann", schedule, world.seats(schedule)[:1])
    payment = world.pay("ann", held["reservationId"])
    world.until_payment("ann", payment["paymentId"], "UNKNOWN")
    world.cancel_at_provider(payment)
    world.clear_faults()
    world.until_payment("ann", payment["paymentId"], "FAILED")
    world.until_reservation("ann", held["reservationId"], status="CANCELLED")
    world.buy("bob", schedule, world.seats(schedule)[:1])
    world.assert_clean()


@pytest.mark.parametrize("amount", [None, 1000])
def test_a_ticket_whose_money_the_provider_gave_back_is_void(world, amount):
    schedule = world.sale()
    seats = world.seats(schedule)[:2]
    bought = world.buy("ann", schedule, seats)
    world.cancel_at_provider(bought, amount)
    ended = world.until_reservation("ann", bought["reservationId"], phase="CANCELLED")
    assert ended["cancelReason"] == "PAYMENT_REFUNDED"
    assert ended["refundedAmount"] == bought["totalAmount"]
    world.until_payment("ann", bought["paymentId"], "REFUNDED")
    assert world.book_of(bought["paymentId"])["cancelled"] == bought["totalAmount"]
    world.buy("bob", schedule, seats)
    world.assert_clean()


def test_a_refund_of_the_rest_while_the_provider_is_out_of_order(make_world):
    """The first request for the refund is lost and a part goes back: the rest needs a new key."""
    world = make_world(*SHORT)
    schedule = world.sale()
    bought = world.buy("ann", schedule, world.seats(schedule)[:1])
    world.fault("cancel", "error5xx", count=10)
    world.fault("webhook", "lost", count=10)
    world.call("DELETE", "/v1/reservations/" + bought["reservationId"], user="ann")
    world.until_payment("ann", bought["paymentId"], "REFUNDING")
    with world.ticketqd.paused():  # or it may be refunded first
        world.clear_faults()
        world.cancel_at_provider(bought, 700)
    world.until_payment("ann", bought["paymentId"], "REFUNDED")
    assert world.book_of(bought["paymentId"])["cancelled"] == bought["totalAmount"]
    world.until_reservation("ann", bought["reservationId"], phase="CANCELLED")
    world.assert_clean()


def test_money_of_another_store_buys_nothing(make_world):
    world = make_world("--portone-store", "store-of-somebody-else")
    schedule = world.sale()
    held = world.held("ann", schedule, world.seats(schedule)[:1])
    payment = world.pay("ann", held["reservationId"])
    failed = world.until_payment("ann", payment["paymentId"], "REFUNDED")
    assert failed["failure"] == "AMOUNT_MISMATCH"
    world.until_reservation("ann", held["reservationId"], status="CANCELLED")
    world.assert_clean()


def test_a_webhook_that_is_not_genuine_is_refused(world):
    body = '{"type":"Transaction.Paid","data":{"paymentId":"X"}}'
    good = {"webhook-id": "msg_1", "webhook-timestamp": str(int(time.time())),
            "webhook-signature": "v1,AAAA"}
    for missing in (None, "webhook-id", "webhook-timestamp", "webhook-signature"):
        headers = {name: value for name, value in good.items() if name != missing}
        answer = requests.post(world.url + "/v1/webhooks/portone", data=body, headers=headers,
                               timeout=DEADLINE_S)
        assert answer.status_code == 401


def test_a_refund_is_tried_until_it_is_done(make_world):
    world = make_world(*SHORT)
    schedule = world.sale()
    seats = world.seats(schedule)[:1]
    bought = world.buy("ann", schedule, seats)
    world.fault("cancel", "error5xx", count=3)
    world.fault("cancel", "timeoutAfterEffect")
    world.call("DELETE", "/v1/reservations/" + bought["reservationId"], user="ann")
    world.until_payment("ann", bought["paymentId"], "REFUNDED")
    assert world.book_of(bought["paymentId"])["cancelled"] == bought["totalAmount"]
    world.until_reservation("ann", bought["reservationId"], phase="CANCELLED")
    world.assert_clean()


def test_a_refunded_seat_is_not_sold_before_the_money_is_back(make_world):
    world = make_world(*SHORT)
    schedule = world.sale()
    seats = world.seats(schedule)[:1]
    bought = world.buy("ann", schedule, seats)
    world.fault("cancel", "error5xx", count=1000)
    world.call("DELETE", "/v1/reservations/" + bought["reservationId"], user="ann")
    world.until_payment("ann", bought["paymentId"], "REFUNDING")
    assert world.reservation("ann", bought["reservationId"])["phase"] == "REFUNDING"
    assert world.hold("bob", schedule, seats).status_code == 409
    world.clear_faults()
    world.until_reservation("ann", bought["reservationId"], phase="CANCELLED")
    assert world.hold("bob", schedule, seats).status_code == 201


def test_a_cancellation_while_the_payment_is_at_work(make_world):
    world = make_world(*SHORT)
    schedule = world.sale()
    seats = world.seats(schedule)
    ends = {}
    for user, card, seat in (("ann", "ok", seats[0]), ("bob", "decline", seats[1])):
        held = world.held(user, schedule, [seat])
        payment = world.begin_payment(user, held["reservationId"])
        token = world.card(payment, card)
        with world.sandbox.paused():
            world.confirm(user, payment, token=token)
            world.until_reservation(user, held["reservationId"], phase="PAYING")
            answer = world.call("DELETE", "/v1/reservations/" + held["reservationId"], user=user)
        assert answer.status_code == 202 and answer.json()["phase"] == "CANCELLING"
        ends[user] = (held["reservationId"], payment["paymentId"])
    world.until_payment("ann", ends["ann"][1], "REFUNDED")
    world.until_payment("bob", ends["bob"][1], "FAILED")
    for user, (reservation_id, _) in ends.items():
        ended = world.until_reservation(user, reservation_id, phase="CANCELLED")
        assert ended["cancelReason"] == "CANCELLED_BY_BUYER"
    world.buy("cid", schedule, seats[:2])
    world.assert_clean()
