# SPDX-License-Identifier: MIT
"""Rooms on a Redis of the test's own: away when a sale is published, and broken in parts."""
from concurrent.futures import ThreadPoolExecutor

import pytest

from test_pages import OwnRedis, redis_cli
from world import DEADLINE_S, wait_for

QUICK = {"rate": 100, "burst": 10, "maxActive": 10, "pollMinMs": 100}


class RoomRedis(OwnRedis):
    """One that forgets nothing as long as it lives."""

    def start(self):
        super().start()
        redis_cli(self.url, "CONFIG", "SET", "maxmemory-policy", "noeviction")


@pytest.fixture(name="redis")
def fixture_redis(tmp_path):
    redis = RoomRedis(tmp_path)
    redis.start()
    yield redis
    redis.kill()


def test_a_room_whose_server_was_away_when_it_was_published_opens_in_the_end(make_world, redis):
    world = make_world("--room", redis.url + "?wait_ms=100")
    redis.kill()
    with ThreadPoolExecutor(1) as pool:
        sale = pool.submit(world.sale, room=QUICK)
        wait_for("the room to be missed", lambda: "cannot be opened" in world.ticketqd.log())
        redis.start()
        assert world.enter("ann", sale.result(timeout=DEADLINE_S))


def test_rooms_that_fail_hold_up_no_others(make_world, redis):
    world = make_world("--room", redis.url)
    rooms = [world.sale(room=QUICK) for _ in range(4)]
    for room in rooms[::2]:
        redis_cli(redis.url, "SET", f"queue:{{{room}}}:state", "broken")
    for room in rooms[1::2]:
        assert world.enter("ann", room)
