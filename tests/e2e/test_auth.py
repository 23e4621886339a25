# SPDX-License-Identifier: MIT
"""Accounts and access tokens: sign-up, login, a pool that sheds, tokens that are no good."""
import base64
import json
import threading

import pytest

from world import base64url

CHEAP = ("--scrypt-ln", "4", "--scrypt-p", "1")


def sign_up(world, email="kim@example.com", password="correct horse", name="Kim"):
    return world.call("POST", "/v1/auth/signup",
                      json={"email": email, "password": password, "name": name})


def log_in(world, email="kim@example.com", password="correct horse"):
    return world.call("POST", "/v1/auth/login", json={"email": email, "password": password})


def me(world, token):
    return world.call("GET", "/v1/users/me", headers={"Authorization": "Bearer " + token})


def test_an_account_signs_in_and_is_known(make_world):
    world = make_world(*CHEAP)
    made = sign_up(world, email="Kim@Example.COM", name="김 Kim")
    assert made.status_code == 201
    answer = log_in(world, email="KIM@example.com")
    assert answer.status_code == 200 and answer.json()["expiresIn"] == 900
    known = me(world, answer.json()["accessToken"]).json()
    assert known["userId"] == made.json()["userId"]
    assert known["email"] == "kim@example.com" and known["name"] == "김 Kim"
    world.ticketqd.kill()
    world.ticketqd.start()
    assert log_in(world).status_code == 200
    assert sign_up(world, email="kim@EXAMPLE.com").json()["code"] == "EMAIL_TAKEN"


def test_two_sign_ups_at_once_make_one_account(make_world):
    world = make_world(*CHEAP, "--hashing-threads", "4")
    statuses = []
    threads = [threading.Thread(target=lambda: statuses.append(sign_up(world).status_code))
               for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [201] + [409] * 7


def test_what_is_no_account(make_world):
    world = make_world(*CHEAP)
    for email in ("kim", "kim@", "@example.com", "kim@example", "k@e.c\n", "kïm@example.com",
                  "k" * 65 + "@example.com"):
        assert sign_up(world, email=email).json()["code"] == "EMAIL_INVALID", email
    assert sign_up(world, password="1234567").json()["code"] == "PASSWORD_TOO_SHORT"
    assert sign_up(world, password="x" * 513).json()["code"] == "FIELD_INVALID"
    assert sign_up(world, name="a\tb").json()["code"] == "NAME_INVALID"
    assert sign_up(world, name="n" * 121).json()["code"] == "FIELD_INVALID"
    for body in (b"", b"{", b"[]", b'{"email":1}', b'{"email":"a@b.c","email":"d@e.f"}'):
        answer = world.call("POST", "/v1/auth/signup", data=body)
        assert answer.status_code == 400, body
    assert sign_up(world, password="12345678", email="a@b.c").status_code == 201
    assert sign_up(world, password="x" * 512, email="b@b.c", name="n" * 120).status_code == 201
    assert log_in(world, email="b@b.c", password="x" * 511).status_code == 401
    assert log_in(world, email="b@b.c", password="x" * 512).status_code == 200


def test_an_unknown_user_looks_like_a_wrong_password(make_world):
    world = make_world("--scrypt-ln", "14", "--scrypt-p", "1")
    sign_up(world)

    def refused(email):
        """What is said, and the work: the time of the processor, which nobody else's adds to."""
        begin = world.ticketqd.worked_s()
        answers = [log_in(world, email, "wrong horse") for _ in range(10)]
        return ({(answer.status_code, answer.text) for answer in answers},
                world.ticketqd.worked_s() - begin)
    wrong, wrong_s = refused("kim@example.com")
    unknown, unknown_s = refused("nobody@example.com")
    assert wrong == unknown and len(wrong) == 1
    assert 0.4 < unknown_s / wrong_s < 2.5  # without the work it would be under a tenth


def test_a_full_hashing_pool_sheds(make_world):
    world = make_world("--scrypt-ln", "15", "--hashing-threads", "1", "--hashing-queue", "1")
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(log_in(world))) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) == {401, 503} and statuses.count(401) >= 2
    assert all(int(answer.headers["Retry-After"]) >= 1
               for answer in answers if answer.status_code == 503)


def forged(world):
    """Tokens that must not be taken for an access token, by what is wrong with them."""
    good = world.keys.sign("access", sub="ann", aud="ticketq")
    head, body, mac = good.split(".")

    def with_head(**members):
        return base64url(json.dumps(members).encode()) + "." + body + "." + mac
    changed = json.loads(base64.urlsafe_b64decode(body + "=="))
    changed["role"] = "admin"
    return {
        "nothing": "", "words": "a b c", "one part": head, "no signature": f"{head}.{body}.",
        "none": with_head(alg="none", typ="at+jwt", kid="access-1"),
        "NoNe": with_head(alg="NoNe", typ="at+jwt", kid="access-1"),
        "other kid": with_head(alg="HS256", typ="at+jwt", kid="../../dev/null"),
        "jku": with_head(alg="HS256", typ="at+jwt", kid="access-1", jku="http://127.0.0.1/"),
        "changed": f"{head}.{base64url(json.dumps(changed).encode())}.{mac}",
        "padded": good + "=", "long": good + "A" * 4096,
        "a pass": world.keys.sign("pass", sub="ann", aud="ticketq"),
        "other audience": world.keys.sign("access", sub="ann", aud="elsewhere"),
        "no expiry": world.keys.sign("access", sub="ann", aud="ticketq", exp="never"),
    }


def test_only_genuine_access_tokens_are_taken(world):
    for what, token in forged(world).items():
        answer = me(world, token)
        assert answer.status_code == 401, what
        assert answer.json()["code"] == "ACCESS_TOKEN_REQUIRED", what
    old = world.keys.sign("access", sub="ann", aud="ticketq", iat=1000, exp=2000)
    assert me(world, old).json()["code"] == "ACCESS_TOKEN_EXPIRED"
    assert world.call("GET", "/v1/users/me").json()["code"] == "ACCESS_TOKEN_REQUIRED"
    for scheme in ("Basic ", "", "Bearer"):
        token = world.keys.sign("access", sub="ann", aud="ticketq")
        answer = world.call("GET", "/v1/users/me", headers={"Authorization": scheme + token})
        assert answer.status_code == 401, scheme
    unknown = me(world, world.keys.sign("access", sub="ann", aud="ticketq"))
    assert unknown.json()["code"] == "USER_NOT_FOUND"


@pytest.mark.parametrize("path", ["/v1/admin/venues", "/v1/admin/venues/generate",
                                  "/v1/admin/events", "/v1/admin/rooms/x/orders"])
def test_administration_is_for_administrators(world, path):
    assert world.call("POST", path, json={}).status_code == 401
    assert world.call("POST", path, user="ann", json={}).json()["code"] == "ADMIN_ONLY"
    assert world.call("POST", path, user="ann", role="Admin", json={}).status_code == 403
    assert world.call("POST", path, user="ann", role="admin", json={}).status_code in (400, 404)
