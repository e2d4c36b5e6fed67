"""Accept connections of peers that have not identified themselves yet: how many are kept, and for how long.

Neither a flood of connections nor a lack of file descriptors may cost CPU time or keep out a peer that belongs here. At the
limit the oldest connection is closed, once it has had ``GRACE_S`` to speak; until then, new ones wait in the kernel's queue
(listen(2)).
"""

import contextlib
import errno
import resource
import selectors
import socket
import time
from collections import OrderedDict, deque
from typing import Callable, Deque, Optional

from .port import Port

SPARE = 64
"""Connections that are kept in addition to the expected ones."""
RESERVED = 64
"""Descriptors that are reserved for files, children and whatever else the process opens."""
GRACE_S = 2.0
HELLO_TIMEOUT_S = 30.0
EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Guest:
    """One connection. It never blocks: what the other side does not accept at once is buffered."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.done = False
        """Nothing more is wanted of it: it is closed when everything has been sent."""
        self._unsent: Deque[memoryview] = deque()

    @property
    def events(self) -> int:
        """The events to wait for."""
        return selectors.EVENT_READ | (selectors.EVENT_WRITE if self._unsent else 0)

    @property
    def may_go(self) -> bool:
        return self.done and not self._unsent

    def send(self, data: bytes) -> None:
        self._unsent.append(memoryview(data))
        self.flush()

    def flush(self) -> None:
        """Send as much of the buffer as the other side accepts."""
        with contextlib.suppress(BlockingIOError):
            while self._unsent:
                rest = self._unsent[0][self.connection.send(self._unsent[0]) :]
                self._unsent.popleft()
                if rest:
                    self._unsent.appendleft(rest)

    def read(self) -> bytes:
        """Return what has arrived. Raises OSError if no more will come."""
        try:
            data = self.connection.recv(1 << 16)
        except BlockingIOError:
            return b""
        if not data:
            raise OSError("the connection was closed")
        return data

    def serve(self) -> None:
        """Act on what has arrived. Raises OSError or ValueError if the connection must be closed."""
        raise NotImplementedError


class Listener:
    """A port in a selector's loop, with the connections that it has accepted.

    ``welcome(connection, address)`` returns the guest, or None to refuse it; ``expected()`` is how many peers that belong here
    may have to be served at once; ``on_closed(guest)`` is called for each connection that ended.
    """

    def __init__(
        self,
        selector: selectors.BaseSelector,
        welcome: Callable[[socket.socket, str], Optional[Guest]],
        expected: Callable[[], int],
        on_closed: Callable[[Guest], None],
    ) -> None:
        self._selector = selector
        self._welcome = welcome
        self._expected = expected
        self._on_closed = on_closed
        self._strangers: "OrderedDict[Guest, float]" = OrderedDict()
        self._port = Port(selector, self._accept)
        self.port = self._port.number

    @property
    def strangers(self) -> int:
        """The number of connections that are not trusted yet."""
        return len(self._strangers)

    def tick(self) -> None:
        """Do what is due by the clock. Call it about every second."""
        now = time.monotonic()
        while self._strangers and next(iter(self._strangers.values())) < now - HELLO_TIMEOUT_S:
            self.drop(next(iter(self._strangers)))
        self._port.tick(now)

    def trust(self, guest: Guest) -> None:
        """Keep a guest until it leaves."""
        self._strangers.pop(guest, None)

    def send(self, guest: Guest, data: bytes) -> None:
        self._guard(guest, lambda: guest.send(data))

    def drop(self, guest: Guest) -> None:
        try:
            self._selector.unregister(guest.connection)
        except (KeyError, ValueError):
            return
        guest.connection.close()
        self._strangers.pop(guest, None)
        self._port.resume()
        self._on_closed(guest)

    def close(self) -> None:
        """Close the port, and the connections of strangers."""
        self._port.close()
        for guest in list(self._strangers):
            self.drop(guest)

    def _accept(self) -> None:
        if self._is_full() and not self._evict():
            self._port.rest()
            return
        try:
            connection, address = self._port.accept()
        except OSError as err:  # mostly it is gone already
            if err.errno in EXHAUSTED and not self._evict():
                self._port.rest()
            return
        self._receive(connection, address)

    def _is_full(self) -> bool:
        """Return whether one more would be too many, or take a descriptor that this process may need for its own work."""
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        limited = limit != resource.RLIM_INFINITY and len(self._selector.get_map()) >= limit - RESERVED
        return limited or self.strangers >= self._expected() + SPARE

    def _receive(self, connection: socket.socket, address: str) -> None:
        try:
            connection.setblocking(False)
            guest = self._welcome(connection, address)
        except OSError:
            guest = None
        if guest is None:
            connection.close()
            return
        self._strangers[guest] = time.monotonic()
        self._selector.register(connection, guest.events, lambda: self._serve_guest(guest))

    def _serve_guest(self, guest: Guest) -> None:
        def serve() -> None:
            guest.flush()
            guest.serve()

        self._guard(guest, serve)

    def _guard(self, guest: Guest, action: Callable[[], None]) -> None:
        try:
            action()
            if guest.may_go:
                raise OSError("all is said")
            self._watch(guest)
        except (OSError, ValueError):
            self.drop(guest)

    def _watch(self, guest: Guest) -> None:
        with contextlib.suppress(KeyError):  # dropped meanwhile
            known = self._selector.get_key(guest.connection)
            if known.events != guest.events:
                self._selector.modify(guest.connection, guest.events, known.data)

    def _evict(self) -> bool:
        """Close the oldest untrusted connection, unless it is new or has spoken; return whether trying again makes sense."""
        guest, since = next(iter(self._strangers.items()), (None, 0.0))
        if guest is None or time.monotonic() - since < GRACE_S:
            return False
        self._serve_guest(guest)
        if guest in self._strangers:
            self.drop(guest)
        return True
