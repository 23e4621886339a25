# SPDX-License-Identifier: MIT
"""The tool that gives tests real servers: they answer, come back after faults, leave nothing."""
import contextlib
import os
import secrets
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
# What runs in the background of a script is deaf to Ctrl-C, and a shell cannot undo that.
RUN = ["env", "--default-signal=INT,QUIT", HERE / "run.sh"]
PSQL = "/usr/lib/postgresql/15/bin/psql"


def wait_until(check, seconds=60):
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


def output(*command, **options):
    return subprocess.run(command, check=True, text=True, stdin=subprocess.DEVNULL, timeout=120,
                          stdout=subprocess.PIPE, **options).stdout.strip()


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Run:
    """A run.sh whose command lasts as long as its input, so it ends when this process does."""

    def __init__(self, *names, env=None):
        self.process = subprocess.Popen(
            [*RUN, *names, "--", "bash", "-c",
             'cat "$TICKETQ_TEST_SERVICES/env"; echo; exec cat'],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True, text=True,
            env={**os.environ, **(env or {})})
        self.env = {}
        for line in iter(self.process.stdout.readline, "\n"):
            assert line, "run.sh ended"
            name, _, value = line.removeprefix("export ").strip().partition("=")
            self.env[name] = value.strip("'")
        self.folder = Path(self.env["TICKETQ_TEST_SERVICES"])
        self.mark = self.folder / secrets.token_hex(8)  # another run's folder may have its name
        self.mark.touch()

    def __getitem__(self, name):
        return self.env["TICKETQ_TEST_" + name]

    def ctl(self, *words):
        subprocess.run([HERE / "ctl.sh", *words], check=True, timeout=180,
                       env={**os.environ, **self.env})

    def pid(self, process):
        return int((self.folder / process / "pid").read_text().split()[0])

    def pids(self):
        """Of all processes that work in the folder: servers and their children."""
        found = []
        for entry in Path("/proc").glob("[0-9]*/cwd"):
            try:
                if os.readlink(entry).startswith(f"{self.folder}/"):
                    found.append(int(entry.parent.name))
            except OSError:
                continue
        return found

    def redis(self, *words):
        return output("redis-cli", "-u", self["REDIS"], *words)

    def node(self, number, *words):
        port = self["REDIS_CLUSTER"].split(",")[number - 1].rpartition(":")[2]
        return output("redis-cli", "-c", "-p", port, *words)

    def sql(self, name, text):
        return output(PSQL, self[name], "-Atqc", text)

    def kafka(self):
        return self["KAFKA"].removeprefix("kafka://")

    def topic(self, name):
        output("java", "-cp", self["KAFKA_JARS"], "org.apache.kafka.tools.TopicCommand",
               "--bootstrap-server", self.kafka(), "--create", "--topic", name, "--partitions", "2",
               stderr=subprocess.DEVNULL)

    def produce(self, topic, text, broker=None):
        subprocess.run(["kcat", "-P", "-b", broker or self.kafka(), "-t", topic, "-X", "acks=all"],
                       input=text, text=True, check=True, timeout=60)

    def consume(self, topic):
        return output("kcat", "-C", "-q", "-e", "-b", self.kafka(), "-t", topic).split()

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(60)

    def end(self):
        self.process.stdin.close()
        return self.process.wait(60)

    def is_there(self):
        return self.mark.exists()

    def assert_gone(self, pids):
        wait_until(lambda: not self.is_there())
        assert not [pid for pid in pids if is_alive(pid)]


@pytest.fixture(name="servers", scope="module")
def fixture_servers():
    run = Run("all")
    yield run
    pids = run.pids()
    assert run.end() == 0
    assert not run.is_there()
    run.assert_gone(pids)


@pytest.fixture(name="make_run")
def fixture_make_run():
    runs = []

    def make(*names, **options):
        runs.append(Run(*names, **options))
        return runs[-1]
    yield make
    for run in runs:
        run.end()


def relay(listener, target):
    """Hands bytes on between whoever connects and the target, until either hangs up."""
    def pump(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        sink.close()

    while True:
        client, _ = listener.accept()
        server = socket.create_connection(target)
        for pair in ((client, server), (server, client)):
            threading.Thread(target=pump, args=pair, daemon=True).start()


def address(text):
    host, _, port = text.partition(":")
    return host, int(port)


def test_redis(servers):
    assert servers.redis("ping") == "PONG"
    assert "redis_version:7." in servers.redis("info", "server")


def test_cluster_of_three_masters_and_three_replicas(servers):
    assert "cluster_state:ok" in servers.node(1, "cluster", "info")
    roles = [servers.node(number, "role").split()[0] for number in range(1, 7)]
    assert roles == ["master"] * 3 + ["slave"] * 3


def test_postgres_of_both_versions(servers):
    assert servers.sql("POSTGRES", "show server_version_num").startswith("15")
    assert servers.sql("POSTGRES18", "show server_version_num").startswith("18")
    assert servers.sql("POSTGRES18", "show fsync") == "on"


def test_pgbouncer_lets_in_a_role_that_a_test_made(servers):
    servers.sql("POSTGRES", "create role seller login password 'of seats'")
    url = servers["PGBOUNCER"].replace("ticketq:ticketq", "seller:of%20seats")
    assert output(PSQL, url, "-Atqc", "select current_user") == "seller"
    wrong = servers["PGBOUNCER"].replace("ticketq:ticketq", "seller:wrong")
    assert subprocess.run([PSQL, wrong, "-c", "select 1"], capture_output=True).returncode != 0
    console = servers["PGBOUNCER"].rpartition("/")[0] + "/pgbouncer"
    config = dict(line.split("|")[:2] for line in
                  output(PSQL, console, "-Atqc", "show config").splitlines())
    assert config["pool_mode"] == "transaction"


def test_kafka_keeps_what_it_acknowledged_through_a_kill(servers):
    servers.topic("tickets")
    servers.produce("tickets", "a\nb\n")
    servers.ctl("kill", "kafka")
    servers.ctl("start", "kafka")
    servers.produce("tickets", "c\n")
    assert sorted(servers.consume("tickets")) == ["a", "b", "c"]


def test_kafka_behind_a_proxy_of_the_test(servers):
    servers.topic("proxied")
    with socket.create_server(address(servers["KAFKA_PROXY"])) as listener:
        threading.Thread(target=relay, args=(listener, address(servers["KAFKA_INNER"])),
                         daemon=True).start()
        servers.produce("proxied", "x\n", servers["KAFKA_PROXY"])
    assert servers.consume("proxied") == ["x"]


def test_a_killed_redis_comes_back_with_its_data(servers):
    servers.redis("set", "seat", "A1")
    before = servers.pid("redis")
    servers.ctl("kill", "redis")
    assert not is_alive(before)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address(servers["REDIS"].removeprefix("redis://")))
    servers.ctl("start", "redis")
    assert servers.redis("get", "seat") == "A1"


@pytest.mark.parametrize("action", ["kill", "stop"])
@pytest.mark.parametrize("name, variable",
                         [("postgres15", "POSTGRES"), ("postgres18", "POSTGRES18")])
def test_postgres_comes_back_with_its_data(servers, name, variable, action):
    servers.sql(variable, "create table seat as select 7 as number")
    children = output("pgrep", "-P", str(servers.pid(name))).split()
    servers.ctl(action, name)
    assert not [pid for pid in children if is_alive(pid)]
    servers.ctl("start", name)
    assert servers.sql(variable, "select number from seat") == "7"
    servers.sql(variable, "drop table seat")
    if name == "postgres15":
        wait_until(lambda: subprocess.run([PSQL, servers["PGBOUNCER"], "-c", "select 1"],
                                          capture_output=True).returncode == 0)


def test_a_paused_server_keeps_connections_and_says_nothing(servers):
    with socket.create_connection(address(servers["REDIS"].removeprefix("redis://"))) as peer:
        servers.ctl("pause", "redis")
        peer.sendall(b"PING\r\n")
        peer.settimeout(0.3)
        with pytest.raises(TimeoutError):
            peer.recv(10)
        servers.ctl("resume", "redis")
        peer.settimeout(30)
        assert peer.recv(10) == b"+PONG\r\n"


def test_cluster_failover_reshard_and_a_lost_master(servers):
    servers.ctl("failover", "cluster.4")
    wait_until(lambda: servers.node(1, "role").startswith("slave"))
    servers.node(2, "set", "{b}seat", "A1")
    slots = int(servers.node(3, "cluster", "info").split("cluster_slots_assigned:")[1].split()[0])
    assert slots == 16384
    servers.ctl("reshard", "100", "cluster.2", "cluster.3")
    own = [line for line in servers.node(3, "cluster", "nodes").splitlines() if "myself" in line]
    assert len(own[0].split()) == 10 # a second range of slots
    assert servers.node(5, "get", "{b}seat") == "A1"
    servers.ctl("kill", "cluster.2")
    wait_until(lambda: servers.node(5, "role").startswith("master"))
    servers.ctl("start", "cluster.2")
    wait_until(lambda: servers.node(2, "role").startswith("slave"))
    servers.ctl("stop", "cluster")
    servers.ctl("start", "cluster")
    assert "cluster_state:ok" in servers.node(1, "cluster", "info")
    assert servers.node(1, "get", "{b}seat") == "A1"


def test_runs_side_by_side_share_nothing(make_run):
    first, second = make_run("redis", "postgres15"), make_run("redis", "postgres15")
    assert first.folder != second.folder and first["REDIS"] != second["REDIS"]
    first.redis("set", "mine", "1")
    assert second.redis("exists", "mine") == "0"
    assert first.sql("POSTGRES", "select 1") == second.sql("POSTGRES", "select 1") == "1"
    first.end()
    assert not first.is_there()
    assert second.redis("ping") == "PONG"


def test_runs_in_two_folders_have_ports_of_their_own_while_nobody_listens(make_run, tmp_path):
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
    first = make_run("redis", env={"TMPDIR": str(folders[0])})
    first.ctl("kill", "redis")
    second = make_run("redis", env={"TMPDIR": str(folders[1])})
    assert first["REDIS"] != second["REDIS"]
    first.ctl("start", "redis")


def test_status_and_input_are_the_commands():
    run = subprocess.run([HERE / "run.sh", "redis", "--", "bash", "-c",
                          'cat; mktemp "$TICKETQ_TEST_SERVICES/XXXXXX"; exit 7'],
                         input="through\n", capture_output=True, text=True, timeout=60)
    assert run.returncode == 7
    words = run.stdout.split()
    assert words[0] == "through" and not Path(words[1]).exists()
    for wrong in (["redys"], [], ["--", "true"]):
        assert subprocess.run([HERE / "run.sh", *wrong], capture_output=True).returncode == 2


def test_what_does_not_start_is_an_error_and_is_cleared_away(tmp_path):
    (tmp_path / "redis-server").write_text("#!/bin/sh\necho no memory; exit 1\n")
    (tmp_path / "redis-server").chmod(0o755)
    (tmp_path / "runs").mkdir()
    run = subprocess.run([HERE / "run.sh", "redis", "postgres15", "--", "echo", "reached"],
                         capture_output=True, text=True, timeout=120,
                         env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}",
                              "TMPDIR": str(tmp_path / "runs")})
    assert run.returncode == 2 and not run.stdout
    assert "redis has ended" in run.stderr and "no memory" in run.stderr
    assert not list((tmp_path / "runs").iterdir())


def test_the_command_finds_its_servers_until_it_ends_after_a_ctrl_c():
    script = "trap 'redis-cli -u $TICKETQ_TEST_REDIS ping; exit' INT; echo ready; read -r line"
    for _ in range(5):  # a shell that waits in a trap hangs now and then
        process = subprocess.Popen([*RUN, "redis", "--", "bash", "-c", script],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                   start_new_session=True)
        assert process.stdout.readline() == "ready\n"
        os.killpg(process.pid, signal.SIGINT)
        assert process.stdout.read() == "PONG\n"
        assert process.wait(60) == 130


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_takes_command_and_servers_along(make_run, number, status):
    run = make_run("redis", "postgres15")
    pids = run.pids()
    assert len(pids) > 2
    assert run.stop(number) == status
    assert not run.is_there()
    run.assert_gone(pids)


def test_interrupted_while_it_starts(tmp_path):
    process = subprocess.Popen([HERE / "run.sh", "cluster", "postgres15"], start_new_session=True,
                               env={**os.environ, "TMPDIR": str(tmp_path)})
    wait_until(lambda: list(tmp_path.glob("*/cluster.2/pid")))
    texts = [path.read_text() for path in tmp_path.glob("*/*/pid")]
    pids = [int(text.split()[0]) for text in texts if text]  # one may be written just now
    process.terminate()
    assert process.wait(60) == 143
    assert not list(tmp_path.iterdir())
    assert pids and not [pid for pid in pids if is_alive(pid)]


def shared_segments(pid):
    rows = [line.split() for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]]
    return [row for row in rows if int(row[4]) == pid]


def test_a_killed_run_is_reaped_at_once(make_run):
    run = make_run("redis", "postgres15")
    postgres, pids = run.pid("postgres15"), run.pids()
    assert shared_segments(postgres)
    run.ctl("kill", "postgres15")
    assert run.stop(signal.SIGKILL) == -signal.SIGKILL
    run.assert_gone(pids)
    assert not shared_segments(postgres)


def test_a_run_killed_with_its_watcher_is_reaped_by_the_next(make_run, tmp_path):
    place = {"TMPDIR": str(tmp_path)}
    run = make_run("redis", env=place)
    pids = run.pids()
    for watcher in output("pgrep", "-f", f"{HERE} {run.folder}$").split():
        os.kill(int(watcher), signal.SIGKILL)
    run.stop(signal.SIGKILL)
    assert run.folder.exists() and is_alive(run.pid("redis"))
    following = make_run("redis", env=place)
    assert not [pid for pid in pids if is_alive(pid)]
    assert [path.name for path in tmp_path.iterdir()] == [following.folder.name]
    following.end()
    assert not list(tmp_path.iterdir())
