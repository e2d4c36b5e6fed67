"""A model served on this machine: scored, refused, canceled; a bad request does not end the service."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slurmtf import Run, RunStatus
from slurmtf.environments.tools import SCORING
from slurmtf.models import score
from slurmtf.serving import Service, ServiceError, serve
from tests.patience import HANG_S

from .support import COMMAND, PACKAGE

pytestmark = [pytest.mark.tensorflow, pytest.mark.usefixtures("here")]

SCRIPT = """
import os, time
import six
def init():
    global calls
    calls = 0
    print("ready")
def run(data):
    global calls
    calls += 1
    if data[0][0] == -1:
        os._exit(9)
    if data[0][0] == -2:
        time.sleep(3600)
    return [calls] * len(data)
"""


@pytest.fixture
def served(saved: Path) -> Iterator[Service]:
    found = serve(saved / "mlp.onnx", time_limit="0:05:00")
    yield found
    found.cancel()
    assert found.run.wait_for_completion(raise_on_error=False)["status"] == RunStatus.CANCELED
    with pytest.raises(ServiceError, match="can't be reached"):
        found.score([])


def test_the_service_answers_like_a_batch_and_requires_the_token(served: Service, saved: Path) -> None:
    with np.load(saved / "part-0.npz") as held:
        rows = held["x"]
    with np.load(score(saved / "mlp.onnx", [str(saved / "part-0.npz")])["scores"]) as held:
        (name,) = set(held.files) - {"row"}
        expected = held[name]
    assert np.abs(np.array(served.score(rows.tolist())[name]) - expected).max() < 1e-6
    assert served.fetch_schema()["definitions"]["ServiceInput"]["properties"]["data"]["items"]["minItems"] == 4
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{served.url}/score", b'{"data": []}', timeout=HANG_S)
    assert caught.value.code == 401
    with urllib.request.urlopen(served.url, timeout=HANG_S) as answer:
        assert json.load(answer) == "Healthy"
    for bad in ([[1, 2]], "no rows", [["a"] * 4]):
        with pytest.raises(ServiceError, match="400"):
            served.score(bad)
    assert len(served.score([[0.0] * 4])[name]) == 1


def test_the_token_is_only_in_a_private_file(served: Service) -> None:
    token = served.authorization.read_text().split()[-1]
    holders = [path for path in served.run.folder.rglob("*") if path.is_file() and token.encode() in path.read_bytes()]
    assert {path.resolve() for path in holders} == {served.authorization.resolve()}
    assert served.authorization.stat().st_mode & 0o777 == 0o600
    processes = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if os.access(path, os.R_OK)]
    assert not any(token.encode() in one for one in processes)
    listening = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    port = f":{served.address[1]:04X}"
    assert {one[1] for one in listening if one[1].endswith(port) and one[3] == "0A"} == {f"0100007F{port}"}  # loopback only


def until_ready(service: Service) -> Any:
    """Return the next answer once the scoring process is ready again; on a slow machine that may exceed a request's limit."""
    while True:
        try:
            return service.score([[1]])
        except ServiceError as err:
            if "503" not in err.findings[0].what:
                raise


def test_a_request_that_ends_or_blocks_the_script_affects_no_other(saved: Path) -> None:
    Path("own.py").write_text(SCRIPT)
    words = ["--script", "own.py", "--pip", PACKAGE, "--time", "0:05:00", "--json"]
    words += ["--request-seconds", "3", "--body-megabytes", "0.1"]
    done = subprocess.run(
        [COMMAND, "serve", saved / "mlp.onnx", *words], capture_output=True, text=True, check=True, timeout=HANG_S
    )
    found = json.loads(done.stdout)["data"]
    service = Service(Run.find(found["run"]))
    assert (found["url"], found["authorization"]) == (service.url, str(service.authorization))
    try:
        assert service.score([[1], [2]]) == {"score": [1, 1]}
        for data, why in (([[-1]], "500.*exit code 9"), ([[-2]], "504.*3 s"), ([[0.0]] * 50_000, "413")):
            with pytest.raises(ServiceError, match=why):
                service.score(data)
            assert until_ready(service)["score"][0] in (1, 2)
        with socket.create_connection(service.address, 5) as silent:
            silent.sendall(b"POST /score HTTP/1.1\r\nContent-Length: 100\r\n")
            assert service.score([[1]])["score"]
    finally:
        assert subprocess.run([COMMAND, "cancel", found["run"]], timeout=HANG_S, check=False).returncode == 0
    logs = [path.read_text() for path in Path(service.run.layout.logs).iterdir()]
    assert sum(text.count("ready") for text in logs) == 3  # one for each scoring process


def test_a_model_that_can_not_be_loaded_is_reported_and_nothing_is_left(saved: Path) -> None:
    Path("bad.onnx").write_bytes(b"no model")
    with pytest.raises(ServiceError) as caught:
        serve("bad.onnx", time_limit="0:05:00")
    assert caught.value.findings[0].code == "run-failed"
    assert Run.find("last").state.status is RunStatus.FAILED


def test_the_time_limit_ends_the_service(saved: Path) -> None:
    with contextlib.suppress(ServiceError):  # if loading the model takes longer than that
        serve(saved / "mlp.onnx", time_limit="0:00:08", environment=SCORING)
    run = Run.find("last")
    run.wait_for_completion(raise_on_error=False)
    assert "time limit" in run.state.message
