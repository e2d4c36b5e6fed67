"""The supervisor's side of the rendezvous: every task of the job, by one TCP connection each."""

import contextlib
import os
import resource
import selectors
import socket
import time
from collections import OrderedDict, deque
from typing import Any, Callable, Deque, Dict, List, Optional

from ..common import wire

Report = Callable[[int, wire.Message], None]
HELLO_TIMEOUT_S = 30.0
SPARE_DESCRIPTORS = 256


class Peer:
    """One task's connection. It never waits: what the other side does not take at once is kept."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._unsent: Deque[memoryview] = deque()
        self.challenge = os.urandom(16).hex()
        self.lines = wire.Lines(wire.LONGEST_HELLO)
        self.rank: Optional[int] = None

    @property
    def events(self) -> int:
        """What to wait for."""
        return selectors.EVENT_READ | (selectors.EVENT_WRITE if self._unsent else 0)

    def send(self, data: bytes) -> None:
        self._unsent.append(memoryview(data))
        self.flush()

    def flush(self) -> None:
        """Send as much of what was kept as the other side takes."""
        with contextlib.suppress(BlockingIOError):
            while self._unsent:
                rest = self._unsent[0][self.connection.send(self._unsent[0]) :]
                self._unsent.popleft()
                if rest:
                    self._unsent.appendleft(rest)

    def receive(self) -> List[wire.Message]:
        """Return the messages that have arrived. Raises OSError or ValueError when there will be no more."""
        try:
            data = self.connection.recv(1 << 16)
        except BlockingIOError:
            return []
        if not data:
            raise OSError("the task closed its connection")
        return self.lines.feed(data)


class Rendezvous:
    """Meets the tasks, hands on what they report, and tells them all the same.

    ``on_message(rank, message)`` is called for each message of a task, ``on_lost(rank)`` when a connection ends.
    """

    def __init__(
        self, world_size: int, selector: selectors.BaseSelector, on_message: Report, on_lost: Callable[[int], None]
    ) -> None:
        self.key = wire.new_key()
        self._world_size = world_size
        self._selector = selector
        self._on_message = on_message
        self._on_lost = on_lost
        self._peers: Dict[int, Peer] = {}
        self._strangers: "OrderedDict[Peer, float]" = OrderedDict()
        self._listener = socket.socket()
        self._listener.bind(("", 0))
        self._listener.listen(1024)
        self._listener.setblocking(False)
        selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def address(self, host: str) -> str:
        """Return where tasks find this rendezvous, as the value of ``wire.ADDRESS``.

        A single task runs on this node, where the loopback address is sure to work; names can be wrong for the node
        itself (Debian gives its own name 127.0.1.1), so the others try the name first.
        """
        port = self._listener.getsockname()[1]
        return wire.format_address([host, "127.0.0.1"] if self._world_size > 1 else ["127.0.0.1", host], port)

    @property
    def present(self) -> List[int]:
        """The ranks that are connected."""
        return sorted(self._peers)

    def make_room(self) -> None:
        """Let this process have a descriptor for each task; the limit that it was given is often 1024."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        needed = self._world_size + SPARE_DESCRIPTORS
        if resource.RLIM_INFINITY != soft < needed:
            wanted = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
            with contextlib.suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))

    def tell_all(self, message: wire.Message) -> None:
        data = wire.encode(message)
        for rank in self.present:
            self._send(self._peers.get(rank), data)

    def tell(self, rank: int, message: wire.Message) -> None:
        """Send a message to one task; one whose connection is gone is lost."""
        self._send(self._peers.get(rank), wire.encode(message))

    def _send(self, peer: Optional[Peer], data: bytes) -> None:
        if peer is not None:
            self._guarded(peer, lambda: peer.send(data))

    def close(self) -> None:
        for rank in self.present:
            self._peers.pop(rank).connection.close()
        for stranger in self._strangers:
            stranger.connection.close()
        self._listener.close()

    def _accept(self) -> None:
        self._drop_silent()
        try:
            connection, _ = self._listener.accept()
            connection.setblocking(False)
            wire.keep_alive(connection)
        except OSError:  # it is gone already, or we have no descriptor left for it
            return
        peer = Peer(connection)
        self._strangers[peer] = time.monotonic()
        self._selector.register(connection, selectors.EVENT_READ, lambda: self._guarded(peer, lambda: self._serve(peer)))
        self._send(peer, wire.encode({"challenge": peer.challenge}))

    def _drop_silent(self) -> None:
        """Close the connections that have not said who they are for too long."""
        too_old = time.monotonic() - HELLO_TIMEOUT_S
        while self._strangers and next(iter(self._strangers.values())) < too_old:
            self._drop(next(iter(self._strangers)))

    def _serve(self, peer: Peer) -> None:
        peer.flush()
        for message in peer.receive():
            if peer.rank is None:
                self._admit(peer, message)
            self._on_message(peer.rank or 0, message)

    def _admit(self, peer: Peer, message: wire.Message) -> None:
        """Take a task in that proves that it belongs to this job."""
        rank = message.get("rank")
        if not wire.proves(self.key, peer.challenge, message.get("proof")):
            raise ValueError("a stranger")
        if not isinstance(rank, int) or not 0 <= rank < self._world_size or rank in self._peers:
            raise ValueError("rank {!r} has no place in a job of {} tasks".format(rank, self._world_size))
        peer.rank = rank
        message["peer"] = peer.connection.getpeername()[0]
        peer.lines.longest = wire.LONGEST_LINE
        self._peers[rank] = peer
        del self._strangers[peer]
        peer.send(wire.encode({"proof": wire.proof(self.key, str(message.get("challenge")))}))

    def _guarded(self, peer: Peer, action: Callable[[], Any]) -> None:
        try:
            action()
            self._watch(peer)
        except (OSError, ValueError):
            self._drop(peer)

    def _watch(self, peer: Peer) -> None:
        with contextlib.suppress(KeyError):  # dropped meanwhile
            known = self._selector.get_key(peer.connection)
            if known.events != peer.events:
                self._selector.modify(peer.connection, peer.events, known.data)

    def _drop(self, peer: Peer) -> None:
        try:
            self._selector.unregister(peer.connection)
        except (KeyError, ValueError):
            return
        peer.connection.close()
        self._strangers.pop(peer, None)
        if peer.rank is not None and self._peers.pop(peer.rank, None) is not None:
            self._on_lost(peer.rank)
