# SPDX-License-Identifier: MIT
"""What is read most is loaded once for all processes, and is not out of date for long.

Wants TICKETQ_TEST_REDIS and TICKETQ_TEST_POSTGRES, as tests/services/run.sh gives them, and
redis-server for those tests that mistreat it.
"""
import concurrent.futures
import re
import shutil
import signal
import subprocess
import time

import pytest
import requests

from test_engines import fixture_database, fixture_mark, server  # pylint: disable=unused-import
from test_events import draft, publish, venue_of
from world import DEADLINE_S, Program, free_port, moment, wait_for

CROWD = 24


class Another:
    """A second ticketqd on the engines and the neighbours of a world's first."""

    def __init__(self, world, folder):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        args = [f"127.0.0.1:{self.port}" if word == f"127.0.0.1:{world.port}" else word
                for word in world.ticketqd.args]
        self.program = Program("ticketqd", args, str(folder))
        self.ops = self.program.start()["ops"]

    def get(self, path):
        return requests.get(self.url + path, timeout=DEADLINE_S)


def counted(ops, kind):
    """Pages by where they came from: {"hit": 3, "miss": 1}."""
    text = requests.get(f"http://{ops}/metrics", timeout=DEADLINE_S).text
    rows = re.findall(r'ticketq_event_pages_total\{kind="%s",outcome="(\w+)"\} (\d+)' % kind, text)
    return {outcome: int(count) for outcome, count in rows}


def redis_cli(url, *words):
    return subprocess.run(["redis-cli", "-u", url, *words], check=True, capture_output=True,
                          text=True, timeout=DEADLINE_S).stdout.strip()


@pytest.fixture(name="two")
def fixture_two(make_world, database, mark, tmp_path):
    """Two processes on one sale: the world, another, and a schedule."""
    line = f"{server('REDIS')}?prefix={mark}-"
    world = make_world("--ledger", database, "--room", line, "--hold", line,
                       "--seat-map-ttl-ms", "60000")
    schedule = world.sale()
    folder = tmp_path / "another"
    folder.mkdir()
    another = Another(world, folder)
    yield world, another, schedule
    another.program.kill()


def test_a_stampede_over_processes_costs_one_load(two):
    world, another, schedule = two
    url = f"/v1/schedules/{schedule}/seats"
    with concurrent.futures.ThreadPoolExecutor(CROWD) as crowd:
        answers = list(crowd.map(lambda i: another.get(url) if i % 2 else world.call("GET", url),
                                 range(CROWD)))
    assert [answer.status_code for answer in answers] == [200] * CROWD
    assert len({answer.text for answer in answers}) == 1
    counts = [counted(world.addresses["ops"], "layout"), counted(another.ops, "layout")]
    assert sum(count["miss"] for count in counts) == 1, counts
    assert sum(count["hit"] for count in counts) == 1, counts  # then each has a copy of its own
    assert sum(count["alone"] + count["refused"] for count in counts) == 0, counts


def test_an_event_makes_pages_go(two, mark):
    world, another, schedule = two
    key = f"{mark}-cache:{{{schedule}}}:seat-map"
    before = world.seat_map(schedule)
    assert redis_cli(server("REDIS"), "EXISTS", key) == "1"
    world.held("ann", schedule, world.seats(schedule)[:1])
    wait_for("the seat map to be dropped",
             lambda: redis_cli(server("REDIS"), "EXISTS", key) == "0")
    after = another.get(f"/v1/schedules/{schedule}/seat-map").json()
    assert after["version"] > before["version"]
    assert world.seat_map(schedule) == before  # the process's own copy, until its time


def test_a_new_event_is_in_the_list_at_once(two):
    world, another, _ = two
    def listed(answer):
        return len(answer.json()["events"])
    wait_for("a hit", lambda: listed(another.get("/v1/events")) == 1
             and listed(world.call("GET", "/v1/events")) == 1
             and counted(world.addresses["ops"], "list")["hit"])
    publish(world, draft(venue_of(world)["venueId"]))
    assert listed(another.get("/v1/events")) == listed(world.call("GET", "/v1/events")) == 2


def test_a_page_is_good_until_a_status_in_it_changes(two, mark):
    world, another, _ = two
    opens = int(time.time()) + 9  # a document is good for ten seconds otherwise
    schedule = publish(world, draft(venue_of(world)["venueId"], schedules=[{
        "startsAt": moment(opens + 9000), "salesOpenAt": moment(opens),
        "salesCloseAt": moment(opens + 7200)}]))
    begin = time.time()
    seen = another.get(f"/v1/schedules/{schedule}").json()["status"]
    left_ms = int(redis_cli(server("REDIS"), "PTTL", f"{mark}-cache:{{{schedule}}}:schedule"))
    assert seen == ("UPCOMING" if begin < opens else "ONGOING")
    assert left_ms <= (opens - begin) * 1000 + 1 or begin >= opens


class OwnRedis:
    """A server that a test may mistreat."""

    def __init__(self, folder):
        if not shutil.which("redis-server"):
            pytest.skip("there is no redis-server")
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        self.folder = str(folder)
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir",
             self.folder, "--maxmemory", "50mb", "--maxmemory-policy", "allkeys-lru"],
            stdout=subprocess.DEVNULL)
        wait_for("redis-server", lambda: subprocess.run(
            ["redis-cli", "-u", self.url, "PING"], capture_output=True, check=False,
            timeout=DEADLINE_S).returncode == 0)

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()


@pytest.fixture(name="redis")
def fixture_redis(tmp_path):
    redis = OwnRedis(tmp_path)
    yield redis
    redis.kill()


def test_a_cache_that_dies_is_silent_or_lies_costs_no_answer(make_world, redis):
    world = make_world("--cache", redis.url, "--seat-map-ttl-ms", "1")
    schedule = world.sale()  # it is not there yet
    paths = ["/v1/events", f"/v1/schedules/{schedule}", f"/v1/schedules/{schedule}/seat-map"]
    good = [world.call("GET", path).text for path in paths]

    def reads_are_good():
        with concurrent.futures.ThreadPoolExecutor(8) as crowd:
            answers = list(crowd.map(lambda i: world.call("GET", paths[i % 3]), range(24)))
        assert [answer.text for answer in answers] == good * 8

    def hits():
        return counted(world.addresses["ops"], "schedule")["hit"]
    reads_are_good()
    assert hits() == 0
    redis.start()
    wait_for("a hit", lambda: reads_are_good() or hits())
    redis.process.send_signal(signal.SIGSTOP)
    reads_are_good()
    redis.process.send_signal(signal.SIGCONT)
    redis.kill()
    reads_are_good()
    redis.start()
    before = hits()
    wait_for("a hit", lambda: reads_are_good() or hits() > before)
    redis_cli(redis.url, "SET", f"cache:{{{schedule}}}:schedule", "Pnot a page", "EX", "60")
    reads_are_good()
    assert counted(world.addresses["ops"], "schedule")["refused"] >= 1
