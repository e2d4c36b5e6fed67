"""``slurmtf tensorboard`` with the real TensorBoard: it serves the runs' events, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from slurmtf import Run
from tests.patience import HANG_S, until

from .conftest import Submit

SLURMTF = str(Path(sys.executable).with_name("slurmtf"))
pytestmark = pytest.mark.skipif(
    shutil.which("tensorboard", path=str(Path(sys.executable).parent)) is None,
    reason="no TensorBoard: pip install -e '.[dev]'",
)


@pytest.fixture
def run(submit: Submit) -> Run:
    """A run that wrote TensorBoard events into its outputs."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    found = submit("")
    found.wait_for_completion()
    writer = EventFileWriter(str(found.folder / "outputs/train"))
    for step in range(3):
        value = Summary.Value(tag="loss", simple_value=1 / (step + 1))
        writer.add_event(Event(step=step, wall_time=time.time(), summary=Summary(value=[value])))
    writer.close()
    return found


def children(pid: int) -> list[int]:
    """Return the descendants of a process."""
    own = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [*own, *(one for child in own for one in children(child))]


@pytest.fixture
def board(run: Run, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    process = subprocess.Popen(
        [SLURMTF, "tensorboard", str(run.folder) + "/", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "TMPDIR": str(scratch)},
    )  # fmt: skip
    yield process
    process.terminate()  # if it were killed, it could not end TensorBoard
    process.wait(HANG_S)


def read_data(board: subprocess.Popen[str]) -> dict[str, str]:
    assert board.stdout is not None
    line = board.stdout.readline()
    assert line, board.stderr.read() if board.stderr else ""
    data: dict[str, str] = json.loads(line)["data"]
    return data


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_it_serves_until_it_is_terminated(board: subprocess.Popen[str], run: Run, tmp_path: Path, number: int) -> None:
    data = read_data(board)
    assert data["ssh"].startswith(f"ssh -N -L 6006:localhost:{data['port']} ")

    def runs() -> list[str]:
        with urllib.request.urlopen(f"{data['url']}data/runs", timeout=HANG_S) as answer:
            listed: list[str] = json.loads(answer.read())
            return listed

    assert until(runs, "TensorBoard's runs") == [f"{run.id}/outputs/train"]
    started = children(board.pid)
    assert started
    board.send_signal(number)
    assert board.wait(HANG_S) == 0
    until(lambda: not [pid for pid in started if Path(f"/proc/{pid}").exists()], "the end of all that was started")
    assert list((tmp_path / "scratch").glob("slurmtf-*")) == []
    with socket.socket() as one:
        assert one.connect_ex(("localhost", int(data["port"]))) != 0


def test_a_port_in_use_is_reported(run: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("localhost", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [SLURMTF, "tensorboard", str(run.folder) + "/", "--port", port],
            capture_output=True,
            text=True,
            timeout=HANG_S,
            check=False,
        )
    assert done.returncode == 2
    assert f"{port} is taken" in done.stderr
