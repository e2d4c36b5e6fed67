"""The supervisor's side of the rendezvous: one TCP connection to every task of the job."""

import contextlib
import os
import resource
import selectors
import socket
from typing import Callable, Dict, List, Optional

from ..common import wire
from .listener import Guest, Listener

Report = Callable[[int, wire.Message], None]
SPARE_DESCRIPTORS = 256


class Peer(Guest):
    """The connection of one task."""

    def __init__(self, connection: socket.socket, on_messages: Callable[["Peer", List[wire.Message]], None]) -> None:
        super().__init__(connection)
        self.challenge = os.urandom(16).hex()
        self.lines = wire.Lines(wire.LONGEST_HELLO)
        self.rank: Optional[int] = None
        self._on_messages = on_messages

    def serve(self) -> None:
        self._on_messages(self, self.lines.feed(self.read()))


class Rendezvous:
    """Accepts the tasks, passes on what they report, and sends them messages. ``on_message(rank, message)`` is called for each
    message of a task, ``on_lost(rank)`` when a connection ends."""

    def __init__(
        self, world_size: int, selector: selectors.BaseSelector, on_message: Report, on_lost: Callable[[int], None]
    ) -> None:
        self.key = wire.generate_key()
        self._world_size = world_size
        self._on_message = on_message
        self._on_lost = on_lost
        self._peers: Dict[int, Peer] = {}
        self._listener = Listener(selector, self._on_connection, lambda: world_size - len(self._peers), self._on_closed)

    def address(self, host: str) -> str:
        """Return where tasks find this rendezvous, as the value of ``wire.ADDRESS``.

        A single task runs on this node, where the loopback address always works. Names can be wrong on the node itself (Debian
        maps its own name to 127.0.1.1), so the others try the name first.
        """
        hosts = [host, "127.0.0.1"] if self._world_size > 1 else ["127.0.0.1", host]
        return wire.format_address(hosts, self._listener.port)

    @property
    def present(self) -> List[int]:
        """The ranks that are connected."""
        return sorted(self._peers)

    def raise_descriptor_limit(self) -> None:
        """Raise this process's limit of descriptors to one for each task and its requests to Horovod's store; 1024 is a common
        limit."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        needed = 2 * self._world_size + SPARE_DESCRIPTORS
        if resource.RLIM_INFINITY != soft < needed:
            wanted = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
            with contextlib.suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))

    def tick(self) -> None:
        """Do what is due by the clock. Call it about every second."""
        self._listener.tick()

    def tell_all(self, message: wire.Message) -> None:
        data = wire.encode(message)
        for rank in self.present:
            self._send(rank, data)

    def tell(self, rank: int, message: wire.Message) -> None:
        """Send a message to one task; a task whose connection is gone counts as lost."""
        self._send(rank, wire.encode(message))

    def _send(self, rank: int, data: bytes) -> None:
        if rank in self._peers:
            self._listener.send(self._peers[rank], data)

    def close(self) -> None:
        """Close all connections, without reporting tasks as lost."""
        peers, self._peers = self._peers, {}
        for peer in peers.values():
            self._listener.drop(peer)
        self._listener.close()

    def _on_connection(self, connection: socket.socket, address: str) -> Peer:  # noqa: ARG002
        wire.keep_alive(connection)
        peer = Peer(connection, self._receive)
        peer.send(wire.encode({"challenge": peer.challenge}))
        return peer

    def _receive(self, peer: Peer, messages: List[wire.Message]) -> None:
        for message in messages:
            if peer.rank is None:
                self._admit(peer, message)
            self._on_message(peer.rank or 0, message)

    def _admit(self, peer: Peer, message: wire.Message) -> None:
        """Admit a task that proves that it belongs to this job."""
        rank = message.get("rank")
        if not wire.is_valid_proof(self.key, peer.challenge, message.get("proof")):
            raise ValueError("a stranger")
        if not isinstance(rank, int) or not 0 <= rank < self._world_size or rank in self._peers:
            raise ValueError("rank {!r} has no place in a job of {} tasks".format(rank, self._world_size))
        peer.rank = rank
        message["peer"] = peer.connection.getpeername()[0]
        peer.lines.longest = wire.LONGEST_LINE
        self._peers[rank] = peer
        self._listener.trust(peer)
        peer.send(wire.encode({"proof": wire.compute_proof(self.key, str(message.get("challenge")))}))

    def _on_closed(self, guest: Guest) -> None:
        rank = guest.rank if isinstance(guest, Peer) else None
        if rank is not None and self._peers.pop(rank, None) is not None:
            self._on_lost(rank)
