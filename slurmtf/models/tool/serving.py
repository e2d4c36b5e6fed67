"""A model behind HTTP: waitress takes the requests, and a separate process, which a bad request may end, scores them."""

from __future__ import annotations

import contextlib
import hmac
import json
import os
import secrets
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .answering import HEALTHY, UNUSABLE, Spoken, read_frame, refuse, write_frame
from .files import write_json, write_whole

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


THREADS = 8
IDLE_S = 30
"""After which a connection on which nothing comes is closed."""
CONNECTIONS = 200
OUTPUTS, LOOPBACK = "outputs", "127.0.0.1"
LATE = (
    "the scoring process was not ready after {:g} s (init() and loading the model included), and was killed: make that faster, "
    "or use a larger --start-seconds"
)


class StartError(Exception):
    """The scorer can't be loaded; the log says why."""


class Worker:
    """The scoring process, which takes one request at a time. If it takes too long or ends, it is restarted at once."""

    def __init__(self, command: Sequence[str], limit: float, start_limit: float) -> None:
        """``limit``: seconds for a request, without the wait for earlier ones; ``start_limit``: seconds for each start."""
        self._command, self._limit, self._start_limit = command, limit, start_limit
        self._lock = threading.Lock()
        self._process: Any = None
        self._began, self._ready = 0.0, False

    def start(self) -> bytes:
        """Start the process and return its description of itself. Raises StartError."""
        self._begin()
        return self._wait_for_greeting(self._start_limit)

    def ask(self, body: bytes) -> Spoken:
        """Return the status and body of the response."""
        if not self._lock.acquire(timeout=self._limit):
            return refuse(503, "busy with earlier requests: try again")
        try:
            if self._process is None:
                self._begin()
            if not self._ready:
                self._wait_for_greeting(self._limit)
            return self._ask_process(body)
        except StartError as err:
            return refuse(503, str(err))
        finally:
            self._lock.release()

    def _begin(self) -> None:
        self._began, self._ready = time.monotonic(), False
        try:
            self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        except OSError as err:
            raise StartError(f"the scoring process can't be started: {err}") from None

    def _wait_for_greeting(self, patience: float) -> bytes:
        """Return what the process says when it is ready, for which we wait so long, and all in all as long as a start may
        take. Raises StartError."""
        left = self._began + self._start_limit - time.monotonic()
        if not select.select([self._process.stdout], [], [], max(0.0, min(patience, left)))[0]:
            if patience < left:
                raise StartError("the scoring process is being restarted: try again")
            self.end()
            raise StartError(LATE.format(self._start_limit))
        frame = read_frame(self._process.stdout)
        if frame is None or frame[0] == UNUSABLE:
            self.end()
            raise StartError(f"the scoring process failed to start: {frame[1].decode() if frame else 'the log says why'}")
        self._ready = True
        return frame[1]

    def _ask_process(self, body: bytes) -> Spoken:
        process, late = self._process, threading.Event()
        timer = threading.Timer(self._limit, _kill, (process, late))
        timer.start()
        try:
            write_frame(process.stdin, 0, body)
            frame = read_frame(process.stdout)
        except OSError:
            frame = None
        finally:
            timer.cancel()
        if frame is not None and not late.is_set():
            return frame
        code = self.end()
        self._begin()
        if late.is_set():
            return refuse(504, f"took more than {self._limit:g} s, and was stopped")
        return refuse(500, f"crashed the scoring process (exit code {code}), which is being restarted")

    def end(self) -> int:
        """End the process, and return its exit code."""
        process, self._process = self._process, None
        if process is None:
            return 0
        process.kill()
        code: int = process.wait()
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):  # what was written to it but never read
                pipe.close()
        return code


def _kill(process: subprocess.Popen[bytes], late: threading.Event) -> None:
    late.set()
    process.kill()


class Service:
    """The WSGI application: ``GET /``, ``GET /swagger.json``, ``POST /score``. All but the first need the token."""

    def __init__(self, ask: Callable[[bytes], Spoken], schema: bytes, token: str) -> None:
        self._ask, self._schema, self._expected = ask, schema, f"Bearer {token}".encode()

    def __call__(self, environ: WSGIEnvironment, start_response: Callable[..., object]) -> Iterable[bytes]:
        status, body = self._answer(environ)
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        headers += [("WWW-Authenticate", "Bearer")] if status == HTTPStatus.UNAUTHORIZED else []
        start_response(f"{status} {HTTPStatus(status).phrase}", headers)
        return [body]

    def _answer(self, environ: WSGIEnvironment) -> Spoken:
        method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO") or "/"
        expected = {"/": "GET", "/swagger.json": "GET", "/score": "POST"}.get(path)
        if path != "/" and not hmac.compare_digest(environ.get("HTTP_AUTHORIZATION", "").encode(), self._expected):
            return refuse(401, "send the header Authorization: Bearer TOKEN")
        if expected is None:
            return refuse(404, "there are /, /swagger.json and /score")
        if method != expected:
            return refuse(405, f"{path} takes {expected}")
        if path == "/score":
            return self._ask(environ["wsgi.input"].read())
        return 200, self._schema if path == "/swagger.json" else json.dumps(HEALTHY).encode()


def serve(path: str) -> int:
    """Serve the model of a request until terminated. Returns the exit code.

    The address is in ``outputs/endpoint.json``, the token in ``outputs/authorization``, as a header for ``curl -H @FILE``.
    """
    import waitress  # noqa: PLC0415 - of this program alone

    request = json.loads(Path(path).read_text(encoding="utf-8"))
    signal.signal(signal.SIGTERM, _on_sigterm)
    program, own = str(Path(sys.argv[0]).resolve()), str(Path(path).resolve())
    worker = Worker([request["python"], "-I", program, "work", own], request["limit"], request["start_limit"])
    try:
        schema, token = worker.start(), secrets.token_urlsafe(32)
        server = waitress.create_server(
            Service(worker.ask, schema, token),
            host=request["host"],
            port=0,
            threads=THREADS,
            max_request_body_size=request["body_bytes"],
            channel_timeout=IDLE_S,
            connection_limit=CONNECTIONS,
            ident=None,
        )
        _publish_endpoint(request["host"], server.effective_port, token)
        server.run()
    except StartError as err:
        print(err, file=sys.stderr)
        return 1
    finally:
        worker.end()
    return 0


def _publish_endpoint(host: str, port: int, token: str) -> None:
    Path(OUTPUTS).mkdir(exist_ok=True)
    write_whole(f"{OUTPUTS}/authorization", f"Authorization: Bearer {token}\n".encode())
    name = host if host == LOOPBACK else os.environ.get("SLURMD_NODENAME") or socket.gethostname()
    write_json(
        f"{OUTPUTS}/endpoint.json", {"host": name, "address": host if host == LOOPBACK else _find_address(), "port": port}
    )
    print(f"serving on {name}, port {port}", flush=True)


def _find_address() -> str:
    """Return this node's own address, for clients that can't resolve its name: as Slurm knows it (srun(1), OUTPUT ENVIRONMENT
    VARIABLES: that of the node where srun was started, which is this one), else that of the way out."""
    known = os.environ.get("SLURM_LAUNCH_NODE_IPADDR")
    if known:
        return known
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
        try:
            way.connect(("192.0.2.1", 9))  # no machine has it (RFC 5737); nothing is sent
            return str(way.getsockname()[0])
        except OSError:
            return LOOPBACK


def _on_sigterm(*_: object) -> None:
    raise SystemExit(143)
