"""A registry with one container image, as docker:// expects it (OCI distribution specification), with or without a login."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import sys
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


class Registry(ThreadingHTTPServer):
    """``blobs`` is by digest; ``asked`` has every path that a client has requested."""

    daemon_threads = True

    def __init__(self, root: Path, login: tuple[str, str] | None, address: str = "127.0.0.1") -> None:
        super().__init__((address, 0), _Handler)
        layer = _tar(root)
        config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Env": ["OF_IMAGE=yes"]},
                             "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]}}).encode()  # fmt: skip
        parts = {"config": _descriptor(CONFIG, config), "layers": [_descriptor(LAYER, layer)]}
        self.manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, **parts}).encode()
        self.blobs = {_digest(blob): blob for blob in (layer, config, self.manifest)}
        self.credentials = "Basic " + base64.b64encode(":".join(login).encode()).decode() if login else ""
        self.asked: list[str] = []

    @property
    def host(self) -> str:
        return f"localhost:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Registry
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if self.server.credentials and self.headers.get("Authorization") != self.server.credentials:
            self._send(401, b"{}", "application/json", {"WWW-Authenticate": 'Basic realm="test"'})
        elif self.path == "/v2/":
            self._send(200, b"{}", "application/json")
        elif "/manifests/" in self.path and not self.path.endswith("nothing"):
            self._send(200, self.server.manifest, MANIFEST)
        else:
            blob = self.server.blobs.get(self.path.rpartition("/")[2])
            self._send(200 if blob else 404, blob or b'{"errors": [{"code": "NAME_UNKNOWN"}]}', "application/octet-stream")

    do_HEAD = do_GET

    def _send(self, status: int, body: bytes, kind: str, more: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(more or {})}.items():
            self.send_header(name, value)
        self.send_header("Docker-Content-Digest", _digest(body))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *words: Any) -> None:
        """Log nothing: pytest would show it."""


def _tar(root: Path) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        archive.add(root, arcname=".")
    return data.getvalue()


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _descriptor(kind: str, data: bytes) -> dict[str, Any]:
    return {"mediaType": kind, "digest": _digest(data), "size": len(data)}


@contextmanager
def registry(root: Path, login: tuple[str, str] | None = None) -> Iterator[Registry]:
    """Serve the folder as an image, under every name that does not end in 'nothing'."""
    server = Registry(root, login)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


if __name__ == "__main__":
    for_all = Registry(Path(sys.argv[1]), None, "0.0.0.0")
    print(for_all.server_address[1], flush=True)
    for_all.serve_forever()
