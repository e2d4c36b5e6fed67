"""What a served model's answers mean to a client in Python."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from slurmtf import Run
from slurmtf.files import write_json
from slurmtf.serving import Service, ServiceError


@contextlib.contextmanager
def answering(folder: Path, answer: str) -> Iterator[Service]:
    """A service that answers once after it has read the head of a request, and then closes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError), server.accept()[0] as connection:
                connection.recv(64)
                connection.sendall(answer.encode())

        thread = threading.Thread(target=serve)
        thread.start()
        host, port = server.getsockname()
        (folder / "plan.json").write_text("{}")
        run = Run(folder)
        outputs = Path(run.layout.outputs)
        outputs.mkdir()
        write_json(outputs / "endpoint.json", {"host": host, "address": host, "port": port})
        (outputs / "authorization").write_text("Authorization: Bearer secret\n")
        yield Service(run)
        thread.join()


def message(status: str, body: str) -> str:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}"


@pytest.mark.parametrize(
    ("status", "body", "what", "remedy"),
    [
        ("413 Request Entity Too Large", "Too Large\r\n\r\nexceeds 9", "413: Too Large exceeds 9", "--body-megabytes"),
        ("504 Gateway Timeout", '{"message": "took 3 s"}', "504: took 3 s", "--request-seconds"),
        ("400 Bad Request", '{"message": "no rows"}', "400: no rows", ""),
    ],
)
@pytest.mark.parametrize("size", [1, 20_000_000])
def test_a_refusal_is_reported_however_much_of_the_request_was_read(
    tmp_path: Path, status: str, body: str, what: str, remedy: str, size: int
) -> None:
    with answering(tmp_path, message(status, body)) as service, pytest.raises(ServiceError) as caught:
        service.score("0" * size)
    (finding,) = caught.value.findings
    assert (finding.code, finding.what) == ("request-refused", what)
    assert remedy in finding.remedy
    assert bool(finding.remedy) == bool(remedy)


@pytest.mark.parametrize(("body", "expected"), [('{"score": [1]}', {"score": [1]}), ("null", None)])
def test_an_answer_returns_its_content(tmp_path: Path, body: str, expected: Any) -> None:
    with answering(tmp_path, message("200 OK", body)) as service:
        assert service.score([[1]]) == expected


@pytest.mark.parametrize("answer", ["", "no HTTP"])
def test_a_service_without_an_answer_is_not_serving(tmp_path: Path, answer: str) -> None:
    with answering(tmp_path, answer) as service, pytest.raises(ServiceError) as caught:
        service.score([[1]])
    assert caught.value.findings[0].code == "not-serving"
