"""A listening port in a selector's loop, which can rest while no connection can be accepted."""

import selectors
import socket
import time
from typing import Callable, Optional, Tuple

REST_S = 0.5
QUEUE = 1024


class Port:
    """A port of the kernel's choice, with ``number``. ``on_ready`` is called while connections wait, unless the port rests."""

    def __init__(self, selector: selectors.BaseSelector, on_ready: Callable[[], None]) -> None:
        self._selector = selector
        self._on_ready = on_ready
        self._resting_until: Optional[float] = None
        self._socket = socket.socket()
        self._socket.bind(("", 0))
        self._socket.listen(QUEUE)
        self._socket.setblocking(False)
        self.number = int(self._socket.getsockname()[1])
        self._register()

    def accept(self) -> Tuple[socket.socket, str]:
        """Return a connection that waits, and its address. Raises OSError."""
        connection, address = self._socket.accept()
        return connection, str(address[0])

    def rest(self) -> None:
        """Accept nothing for a while: the selector would report the waiting connections again and again."""
        self._selector.unregister(self._socket)
        self._resting_until = time.monotonic() + REST_S

    def tick(self, now: float) -> None:
        """End a rest that has lasted long enough."""
        if self._resting_until is not None and now >= self._resting_until:
            self.resume()

    def resume(self) -> None:
        """End a rest, if there is one."""
        if self._resting_until is not None:
            self._resting_until = None
            self._register()

    def close(self) -> None:
        if self._resting_until is None:
            self._selector.unregister(self._socket)
        self._resting_until = None
        self._socket.close()

    def _register(self) -> None:
        self._selector.register(self._socket, selectors.EVENT_READ, self._on_ready)
