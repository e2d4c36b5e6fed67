"""Whatever comes to the rendezvous: messages, or a peer that is let go. Strangers never become tasks."""

from __future__ import annotations

import json
import selectors
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import strategies as st

from slurmtf.job.common import wire
from slurmtf.job.supervisor.rendezvous import Rendezvous

from .bounded import JUNK, fuzzed

HELLOS = st.fixed_dictionaries(
    {}, optional={"event": st.just("hello") | JUNK, "rank": st.integers(-1, 3) | JUNK, "proof": JUNK, "challenge": JUNK}
)
LINE = (HELLOS | JUNK).map(lambda value: json.dumps(value).encode() + b"\n")
NONSENSE = st.binary() | st.sampled_from(
    [b"[" * 5000 + b"\n", b"9" * 5000 + b"\n", b"\xff\n", b"GET / HTTP/1.1\r\n\r\n", b"\n"]
)
BYTES = st.lists(LINE | NONSENSE, max_size=4).map(b"".join)


@fuzzed(st.tuples(BYTES, st.lists(st.integers(0, 100), max_size=5)))
def test_lines(value: tuple[bytes, list[int]]) -> None:
    """Wherever the bytes are cut, the messages are the same."""
    data, cuts = value
    assert _messages([data]) == _messages(
        [data[at:to] for at, to in zip([0, *sorted(cuts)], [*sorted(cuts), None], strict=True)]
    )


def _messages(pieces: list[bytes]) -> list[Any]:
    lines, found = wire.Lines(1 << 12), []
    try:
        for piece in pieces:
            arrived = lines.feed(piece)
            assert all(isinstance(message, dict) for message in arrived)
            found += arrived
    except ValueError:
        return ["nonsense"]
    return [repr(message) for message in found]


class Meeting:
    """A rendezvous of two tasks that nobody may join."""

    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self.heard: list[Any] = []
        self.rendezvous = Rendezvous(2, self.selector, lambda *heard: self.heard.append(heard), self.heard.append)
        [self.address, *_] = wire.parse_address(self.rendezvous.address("localhost"))[::-1]

    def serve(self, seconds: float = 0.05) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for key, _ in self.selector.select(0.005):
                key.data()

    def hear(self, data: bytes) -> None:
        with socket.create_connection(("127.0.0.1", self.address[1])) as stranger:
            self.serve(0.01)
            stranger.sendall(data)
            stranger.shutdown(socket.SHUT_WR)
            self.serve(0.02)


@pytest.fixture(scope="module")
def meeting() -> Iterator[Meeting]:
    found = Meeting()
    yield found
    found.rendezvous.close()


def test_strangers(meeting: Meeting) -> None:
    @fuzzed(BYTES)
    def say(data: bytes) -> None:
        meeting.hear(data)
        assert meeting.rendezvous.present == []
        assert meeting.heard == []

    say()
    meeting.serve(0.2)
    assert len(meeting.selector.get_map()) == 1, "only the listener is left"


@fuzzed(st.text())
def test_proofs(text: str) -> None:
    key = wire.generate_key()
    assert not wire.is_valid_proof(key, "challenge", text)
    assert not wire.is_valid_proof(key, "challenge", {"proof": text})
