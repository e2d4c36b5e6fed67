"""Horovod's rendezvous for Gloo: a small key-value store over HTTP, without MPI, ssh or horovodrun.

``PUT``, ``GET`` and ``DELETE`` of ``/<scope>/<key>``; 404 means "not there yet" (horovod/runner/http/http_server.py). It is
used during ``hvd.init()`` only. It knows no passwords: requests are taken from the nodes of the job alone.
"""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import TCPServer, ThreadingMixIn
from typing import Any, Collection, Dict

TIMEOUT_S = 300


class _Store(ThreadingMixIn, HTTPServer):
    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, allowed: Collection[str]) -> None:
        super().__init__(("", 0), _Handler)
        self.values: Dict[str, bytes] = {}
        self._allowed = set(allowed) | {"127.0.0.1"}

    def server_bind(self) -> None:
        """Bind without HTTPServer's look-up of our own name, which takes seconds where the name service is slow."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ARG002
        return client_address[0] in self._allowed


class _Handler(BaseHTTPRequestHandler):
    server: _Store

    def do_PUT(self) -> None:
        self.server.values[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(200)

    def do_GET(self) -> None:
        value = self.server.values.get(self.path)
        self._answer(404 if value is None else 200, value or b"")

    def do_DELETE(self) -> None:
        self.server.values.pop(self.path, None)
        self._answer(200)

    def _answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Be silent: a job's log is its user's."""


def serve(allowed: Collection[str]) -> int:
    """Serve the store to the nodes with these addresses, as long as this process lives. Returns the port."""
    store = _Store(allowed)
    threading.Thread(target=store.serve_forever, daemon=True).start()
    return int(store.server_address[1])


def variables(host: str, port: int) -> Dict[str, str]:
    """Return what Horovod needs to find the store and to leave MPI alone."""
    return {
        "HOROVOD_GLOO_RENDEZVOUS_ADDR": host,
        "HOROVOD_GLOO_RENDEZVOUS_PORT": str(port),
        "HOROVOD_GLOO_TIMEOUT_SECONDS": str(TIMEOUT_S),
        "HOROVOD_CONTROLLER": "gloo",
        "HOROVOD_CPU_OPERATIONS": "gloo",
    }
