"""Horovod's rendezvous for Gloo: a small key-value store over HTTP, without MPI, ssh or horovodrun.

``PUT``, ``GET`` and ``DELETE`` of ``/<scope>/<key>``; 404 means "not there yet". The meaning of each verb is that of
``RendezvousHandler`` in Horovod's ``horovod/runner/http/http_server.py``. It is used when Horovod starts and when a script adds
process sets. It knows no passwords: requests are taken from the nodes of the job alone. It belongs to one launch.
"""

import selectors
import socket
from typing import Collection, Dict, Mapping, NamedTuple, Optional, Set, Tuple

from ..contract import variables as var
from ..contract.interchange import JsonView
from .listener import Guest, Listener

TIMEOUT_S = 300
LONGEST_HEAD = 1 << 13
LONGEST_BODY = 1 << 26
REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 501: "Not Implemented"}


class Request(NamedTuple):
    """One request; ``scope`` and ``key`` are taken from the path."""

    method: str
    scope: str
    key: str
    body: bytes


def parse_request(data: bytes) -> Optional[Request]:
    """Return the request, or None while it is incomplete. Raises ValueError if it is not a request."""
    head, blank, body = data.partition(b"\r\n\r\n")
    if len(head) > LONGEST_HEAD:
        raise ValueError("a header that does not end")
    if not blank:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    method, path, _ = first.split(" ")
    _, scope, key = path.split("/")
    length = int(headers["content-length"]) if method == "PUT" else 0
    if not 0 <= length <= LONGEST_BODY:
        raise ValueError("a body of {} bytes".format(length))
    return Request(method, scope, key, body[:length]) if len(body) >= length else None


class Scopes:
    """The keys that ranks leave for each other; ``sizes`` are the numbers of ranks of the scopes that exist from the start.

    A rank deletes its key when *it* has connected to all others, who may not have read it yet: such a scope is cleared when
    each of its ranks has done so, and starts over. In scopes that the ranks created themselves, a key is removed at once.
    """

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self._sizes = sizes
        self._values: Dict[str, Dict[str, bytes]] = {}
        self._finished: Dict[str, Set[str]] = {}

    def answer(self, request: Request) -> Tuple[int, bytes]:
        """Return the response: status and body."""
        if request.method == "PUT":
            self._values.setdefault(request.scope, {})[request.key] = request.body
        elif request.method == "DELETE":
            self._finish(request.scope, request.key)
        elif request.method != "GET":
            return 501, b""
        else:
            value = self._values.get(request.scope, {}).get(request.key)
            return (404, b"") if value is None else (200, value)
        return 200, b""

    def _finish(self, scope: str, key: str) -> None:
        if scope not in self._sizes:
            self._values.get(scope, {}).pop(key, None)
            return
        finished = self._finished.setdefault(scope, set())
        finished.add(key)
        if len(finished) == self._sizes[scope]:
            self._values.pop(scope, None)
            finished.clear()


class _Client(Guest):
    """The connection of one request."""

    def __init__(self, connection: socket.socket, scopes: Scopes) -> None:
        super().__init__(connection)
        self._scopes = scopes
        self._data = bytearray()

    def serve(self) -> None:
        if self.done:
            return
        self._data += self.read()
        try:
            request = parse_request(bytes(self._data))
        except (ValueError, KeyError):
            self._reply(400)
            return
        if request is not None:
            self._reply(*self._scopes.answer(request))

    def _reply(self, status: int, body: bytes = b"") -> None:
        self.done = True
        head = "HTTP/1.0 {} {}\r\nContent-Length: {}\r\n\r\n".format(status, REASONS[status], len(body))
        self.send(head.encode("ascii") + body)


class Store:
    """Serves the scopes of one launch to the nodes with these addresses, until it is closed."""

    def __init__(self, selector: selectors.BaseSelector, allowed: Collection[str], sizes: Mapping[str, int]) -> None:
        self._allowed = frozenset(allowed)
        self._scopes = Scopes(sizes)
        self._listener = Listener(selector, self._on_connection, lambda: sizes.get("global", 1), lambda _: None)
        self.port = self._listener.port

    def tick(self) -> None:
        """Do what is due by the clock. Call it about every second."""
        self._listener.tick()

    def close(self) -> None:
        self._listener.close()

    def _on_connection(self, connection: socket.socket, address: str) -> Optional[Guest]:
        ours = address in self._allowed or address.startswith("127.")
        return _Client(connection, self._scopes) if ours else None


def compute_scope_sizes(ranks: Mapping[int, JsonView]) -> Dict[str, int]:
    """Return the number of ranks of each scope that Horovod starts with, from the variables of all ranks."""
    sizes = {"global": len(ranks)}
    for own in ranks.values():
        sizes["local_{}".format(own[var.HOROVOD_HOSTNAME])] = own[var.HOROVOD_LOCAL_SIZE]
        sizes["cross_{}".format(own[var.HOROVOD_LOCAL_RANK])] = own[var.HOROVOD_CROSS_SIZE]
    return sizes


def build_gloo_variables(host: str, port: int) -> Dict[str, str]:
    """Return the variables with which Horovod finds the store and does not use MPI."""
    return {
        var.HOROVOD_GLOO_RENDEZVOUS_ADDR: host,
        var.HOROVOD_GLOO_RENDEZVOUS_PORT: str(port),
        var.HOROVOD_GLOO_TIMEOUT_SECONDS: str(TIMEOUT_S),
        var.HOROVOD_CONTROLLER: "gloo",
        var.HOROVOD_CPU_OPERATIONS: "gloo",
    }
