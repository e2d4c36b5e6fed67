"""The rendezvous of tasks and supervisor, with strangers, broken clients and slow ones on the same port."""

from __future__ import annotations

import json
import resource
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from slurmtf.job.common import wire
from slurmtf.job.contract.attempt.outcome import Cause
from slurmtf.job.supervisor import listener
from slurmtf.job.supervisor.rendezvous import Rendezvous
from tests.patience import HANG_S, until

from .jobs import NewJob, say_hello

WORLD = 4
DEEP = b"[" * 3000 + b"\n"


class Hall:
    """A rendezvous and its loop in this process; the clients are sockets of the test."""

    def __init__(self, world_size: int = WORLD) -> None:
        self.selector = selectors.DefaultSelector()
        self.heard: list[tuple[int, wire.Message]] = []
        self.lost: list[int] = []
        self.guests: list[Guest] = []
        self.meeting = Rendezvous(
            world_size, self.selector, lambda rank, message: self.heard.append((rank, message)), self.lost.append
        )
        self.port = wire.parse_address(self.meeting.address("localhost"))[0][1]

    def turn(self, timeout_s: float = 0.0) -> None:
        for key, _ in self.selector.select(timeout_s):
            key.data()
        self.meeting.tick()

    def until(self, condition: Callable[[], Any]) -> Any:
        def turned() -> Any:
            self.turn(0.01)
            return condition()

        return until(turned, "the rendezvous")

    def guest(self) -> Guest:
        self.guests.append(Guest(self))
        return self.guests[-1]

    def task(self, rank: int) -> Guest:
        """Return a guest that has been accepted as a task."""
        guest = self.guest()
        guest.send(say_hello(self.meeting.key, rank, guest.challenge))
        self.until(lambda: rank in self.meeting.present)
        return guest

    def close(self) -> None:
        self.meeting.close()
        self.selector.close()
        for guest in self.guests:
            guest.socket.close()


class Guest:
    """A connection to the rendezvous that has read its first line."""

    def __init__(self, hall: Hall, connection: socket.socket | None = None) -> None:
        self.hall = hall
        self.socket = connection or socket.create_connection(("127.0.0.1", hall.port), timeout=HANG_S)
        self.lines = wire.Lines()
        self.received: list[wire.Message] = []
        hall.until(self.hears)
        self.challenge = str(self.received[0]["challenge"])

    def hears(self) -> bool:
        """Read what has arrived and return whether there is anything. Raises ConnectionError if the other side has hung up."""
        self.socket.setblocking(False)
        try:
            while True:
                data = self.socket.recv(1 << 20)
                if not data:
                    raise ConnectionResetError
                self.received += self.lines.feed(data)
        except BlockingIOError:
            return bool(self.received)
        finally:
            self.socket.settimeout(HANG_S)

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def is_thrown_out(self) -> bool:
        def gone() -> bool:
            try:
                self.hears()
            except ConnectionError:
                return True
            return False

        return bool(self.hall.until(gone))


@pytest.fixture
def hall() -> Iterator[Hall]:
    one = Hall()
    yield one
    one.close()


def test_a_task_is_accepted_and_the_supervisor_proves_itself(hall: Hall) -> None:
    guest = hall.task(2)
    assert hall.heard[0][0] == 2
    assert hall.heard[0][1]["event"] == "hello"
    hall.until(lambda: guest.hears() and len(guest.received) == 2)
    assert guest.received[1] == {"proof": wire.compute_proof(hall.meeting.key, "00")}
    guest.send(wire.encode({"event": "task-ended", "exit_code": 0}))
    hall.until(lambda: len(hall.heard) == 2)
    guest.socket.close()
    hall.until(lambda: hall.lost == [2])


STRANGERS: dict[str, Callable[[Hall, Guest], bytes]] = {
    "wrong key": lambda hall, guest: say_hello("0" * 64, 0, guest.challenge),
    "no proof": lambda hall, guest: wire.encode({"event": "hello", "rank": 0}),
    "a proof that is no ASCII": lambda hall, guest: say_hello(hall.meeting.key, 0, guest.challenge, proof="\u00e9\ud800"),
    "a proof that is no text": lambda hall, guest: say_hello(hall.meeting.key, 0, guest.challenge, proof=[1]),
    "the answer to another challenge": lambda hall, guest: say_hello(hall.meeting.key, 0, hall.guest().challenge),
    "orders before a hello": lambda hall, guest: wire.encode({"event": "task-ended", "exit_code": 0}),
    "a rank too high": lambda hall, guest: say_hello(hall.meeting.key, WORLD, guest.challenge),
    "a rank too low": lambda hall, guest: say_hello(hall.meeting.key, -1, guest.challenge),
    "a rank that is text": lambda hall, guest: say_hello(hall.meeting.key, "0", guest.challenge),
    "a rank that is a list": lambda hall, guest: say_hello(hall.meeting.key, [0], guest.challenge),
    "no rank": lambda hall, guest: say_hello(hall.meeting.key, None, guest.challenge),
    "HTTP": lambda hall, guest: b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "TLS": lambda hall, guest: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n",
    "bytes": lambda hall, guest: bytes(range(256)) * 10,
    "an empty line": lambda hall, guest: b"\n",
    "a list": lambda hall, guest: b"[]\n",
    "null": lambda hall, guest: b"null\n",
    "deep nesting": lambda hall, guest: DEEP,
    "deeper nesting": lambda hall, guest: b'{"a":' * 10_000 + b"\n",
    "a line without end": lambda hall, guest: b"x" * (wire.LONGEST_HELLO + 1),
    "half a surrogate": lambda hall, guest: b'{"proof": "\\ud800"}\n',
}


@pytest.mark.parametrize("kind", STRANGERS)
def test_a_stranger_is_disconnected_without_effect_on_tasks(hall: Hall, kind: str) -> None:
    known = hall.task(1)
    heard = len(hall.heard)
    stranger = hall.guest()
    stranger.send(STRANGERS[kind](hall, stranger))
    assert stranger.is_thrown_out()
    assert hall.meeting.present == [1]
    assert hall.lost == []
    assert len(hall.heard) == heard
    hall.task(0)
    hall.meeting.tell_all({"order": "start"})
    hall.until(lambda: known.hears() and known.received[-1] == {"order": "start"})


def test_a_rank_is_accepted_only_once(hall: Hall) -> None:
    first = hall.task(0)
    second = hall.guest()
    second.send(say_hello(hall.meeting.key, 0, second.challenge))
    assert second.is_thrown_out()
    assert (hall.meeting.present, hall.lost) == ([0], [])
    first.socket.close()
    hall.until(lambda: hall.lost == [0])
    hall.task(0)


def test_a_task_that_sends_garbage_is_lost(hall: Hall) -> None:
    guest = hall.task(3)
    guest.send(DEEP)
    assert guest.is_thrown_out()
    assert hall.lost == [3]


@pytest.mark.parametrize("sent", [0, 1, 20])
def test_a_client_may_leave_during_its_hello(hall: Hall, sent: int) -> None:
    guest = hall.guest()
    guest.send(say_hello(hall.meeting.key, 0, guest.challenge)[:sent])
    guest.socket.close()
    hall.turn(0.1)
    assert (hall.meeting.present, hall.lost) == ([], [])
    hall.task(0)


def test_a_client_may_leave_without_reading_the_answer(hall: Hall) -> None:
    guest = hall.guest()
    guest.send(say_hello(hall.meeting.key, 0, guest.challenge))
    guest.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    guest.socket.close()  # with a reset
    for _ in range(5):
        hall.turn(0.02)
    assert hall.meeting.present == []
    hall.task(0)


def test_a_hello_may_arrive_in_single_bytes(hall: Hall) -> None:
    guest = hall.guest()
    for byte in say_hello(hall.meeting.key, 0, guest.challenge):
        guest.send(bytes([byte]))
        hall.turn()
    hall.until(lambda: hall.meeting.present == [0])


def test_silent_clients_delay_no_task_and_are_disconnected(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    silent = [hall.guest() for _ in range(50)]
    began = time.monotonic()
    hall.task(0)
    assert time.monotonic() - began < listener.HELLO_TIMEOUT_S / 2
    with monkeypatch.context() as patched:
        patched.setattr(listener, "HELLO_TIMEOUT_S", 0.0)
        hall.turn()
    assert all(guest.is_thrown_out() for guest in silent)
    hall.task(1)
    assert hall.meeting.present == [0, 1]


def test_a_known_task_may_send_long_messages(hall: Hall) -> None:
    guest = hall.task(0)
    message = {"event": "task-ended", "words": "x" * 3_000_000}
    data = wire.encode(message)
    while data:
        sent = guest.socket.send(data[:200_000])
        data = data[sent:]
        hall.turn()
    hall.until(lambda: len(hall.heard) == 2)
    assert hall.heard[1] == (0, message)


def test_an_endless_line_costs_no_time(hall: Hall) -> None:
    """A stranger is disconnected after a few thousand bytes; the bytes of a known task are joined once."""
    lines = wire.Lines()
    began = time.process_time()
    for _ in range(900):
        assert lines.feed(b"x" * (1 << 16)) == []
    assert time.process_time() - began < 1
    with pytest.raises(ValueError, match="without end"):
        for _ in range(200):
            lines.feed(b"x" * (1 << 16))


def test_a_client_waits_if_no_descriptor_is_left(hall: Hall) -> None:
    """The client waits until a descriptor is free again, which uses no CPU time here."""
    known = hall.task(0)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    late = socket.create_connection(("127.0.0.1", hall.port), timeout=HANG_S)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
    turns, until = 0, time.monotonic() + 1
    while time.monotonic() < until:
        hall.turn(0.5)
        turns += 1
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert turns < 10
    hall.meeting.tell_all({"order": "start"})
    hall.until(lambda: known.hears() and known.received[-1] == {"order": "start"})
    hall.until(lambda: hall.meeting._listener.strangers == 1)
    late.close()


SILENT = """\
import socket, sys
kept = []
for _ in range(int(sys.argv[2])):
    one = socket.socket()
    one.setblocking(False)
    one.connect_ex(("127.0.0.1", int(sys.argv[1])))
    kept.append(one)
print("there", flush=True)
sys.stdin.read()
"""
FLOOD = 500
FEW_DESCRIPTORS = 300


@contextmanager
def flooded(hall: Hall) -> Iterator[None]:
    """A rendezvous with few descriptors and many silent clients."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    command = [sys.executable, "-c", SILENT, str(hall.port), str(FLOOD)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as silent:
        assert silent.stdin is not None and silent.stdout is not None
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(FEW_DESCRIPTORS, limits[1]), limits[1]))
        try:
            assert silent.stdout.readline() == b"there\n"
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            silent.stdin.close()


@pytest.mark.parametrize("most", [listener.SPARE, 2 * FEW_DESCRIPTORS], ids=["at the cap", "few descriptors"])
def test_a_flood_costs_no_cpu_time_and_keeps_no_task_out(
    hall: Hall, most: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(listener, "SPARE", most)
    late = socket.socket()
    with flooded(hall):
        used, until = time.process_time(), time.monotonic() + 4
        while time.monotonic() < until:
            hall.turn(1)
            assert hall.meeting._listener.strangers <= min(WORLD + most, FEW_DESCRIPTORS - listener.RESERVED)
            (tmp_path / "journal").write_text("there is always a descriptor for our own files")
        assert time.process_time() - used < 1  # a busy loop takes all 4 s, however slow the machine is
        late.connect(("127.0.0.1", hall.port))
        guest = Guest(hall, late)
        guest.send(say_hello(hall.meeting.key, 0, guest.challenge))
        hall.until(lambda: hall.meeting.present == [0])
    late.close()


def test_a_client_that_has_sent_its_hello_is_not_dropped_for_another(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "SPARE", -WORLD + 1)
    monkeypatch.setattr(listener, "GRACE_S", 0.0)
    first = hall.guest()
    first.send(say_hello(hall.meeting.key, 0, first.challenge))
    second = socket.create_connection(("127.0.0.1", hall.port), timeout=HANG_S)
    hall.meeting._listener._accept()  # before the first one's hello is read
    assert hall.meeting.present == [0]
    second.close()


def test_an_unreachable_task_is_lost_and_the_others_get_their_orders(hall: Hall) -> None:
    gone, there = hall.task(0), hall.task(1)
    gone.socket.shutdown(socket.SHUT_RDWR)
    gone.socket.close()
    for _ in range(3):
        hall.meeting.tell_all({"order": "start"})
        hall.turn(0.02)
    assert hall.lost == [0]
    hall.until(lambda: there.hears() and there.received[-1] == {"order": "start"})


ATTACKS = """\
import json, os, socket, subprocess, sys
host, port = os.environ["SLURMTF_RENDEZVOUS"].split(",")[0].split()
def connect():
    return socket.create_connection((host, int(port)), timeout=10)
kept = [connect() for _ in range(20)]  # and never a word
deep = b"[" * 4000 + b"\\n"
for data in (b"GET / HTTP/1.0\\r\\n\\r\\n", deep, b'{"proof": "\\\\u00e9"}\\n', b"x" * 100000, b"\\xff\\n", b""):
    one = connect()
    try:
        one.sendall(data)
    except OSError:
        pass
    if data:
        kept.append(one)
    else:
        one.close()
slow = connect()
slow.sendall(b'{"event": "hel')
sys.exit(subprocess.call(sys.argv[1:]))
"""


def test_a_job_survives_a_scan_of_its_port(job: NewJob) -> None:
    one = job("pass", {"attack.py": ATTACKS})
    one.launcher = [one.python, "work/attack.py"]
    assert one.run() == 0, one.log()
    assert one.end["seconds"] < listener.HELLO_TIMEOUT_S
    assert "Traceback" not in one.log()


@pytest.mark.parametrize("key", ["0" * 64, ""])
def test_a_task_with_a_wrong_key_runs_nothing(job: NewJob, key: str) -> None:
    one = job("open('outputs/ran', 'w')")
    one.launcher = ["env", f"SLURMTF_RENDEZVOUS_KEY={key}"]
    assert one.run() == 1
    assert one.end["cause"] == "launcher"
    assert one.outcome.detail["missing"] == ["main-0"]
    assert not (one.folder / "outputs" / "ran").exists()


def test_a_task_does_not_trust_another_supervisor(job: NewJob) -> None:
    """Another process has taken over the port of a supervisor that has ended."""
    impostor = socket.socket()
    impostor.bind(("127.0.0.1", 0))
    impostor.listen()
    impostor.settimeout(HANG_S)
    one = job("open('outputs/ran', 'w')")
    address = f"127.0.0.1 {impostor.getsockname()[1]}"
    one.launcher = ["env", f"SLURMTF_RENDEZVOUS={address}"]
    one.start()
    connection, _ = impostor.accept()
    connection.settimeout(HANG_S)
    connection.sendall(wire.encode({"challenge": "00"}))
    hello = json.loads(connection.makefile().readline())
    assert hello["rank"] == 0
    connection.sendall(wire.encode({"proof": hello["proof"]}) + wire.encode({"order": "start"}))
    assert one.wait() == 1
    assert (one.outcome.cause, one.outcome.detail["missing"]) == (Cause.LAUNCHER, ["main-0"])
    assert "prove" in one.outcome.tail
    assert not (one.folder / "outputs" / "ran").exists()
    with suppress(OSError):
        connection.close()
    impostor.close()


def test_a_task_that_does_not_read_delays_no_other(hall: Hall) -> None:
    deaf, there = hall.task(0), hall.task(1)
    for _ in range(30):
        hall.meeting.tell_all({"cluster": "x" * 1_000_000})
    hall.meeting.tell_all({"order": "start"})
    hall.until(lambda: there.hears() and there.received[-1] == {"order": "start"})
    assert (hall.meeting.present, hall.lost) == ([0, 1], [])
    hall.until(lambda: deaf.hears() and deaf.received[-1] == {"order": "start"})
    assert len(deaf.received) == 33


def test_unread_messages_are_dropped_with_their_task(hall: Hall) -> None:
    deaf = hall.task(0)
    hall.meeting.tell_all({"cluster": "x" * 30_000_000})
    deaf.socket.close()
    hall.until(lambda: hall.lost == [0])
    hall.turn(0.05)


def test_a_large_job_has_room_for_its_connections() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    hall = Hall(world_size=2000)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, hard), hard))
        hall.meeting.raise_descriptor_limit()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (min(4256, hard), hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        hall.close()
