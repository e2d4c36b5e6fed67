"""``slurmtf tensorboard``"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click

from slurmtf.cli import completing
from slurmtf.cli.output import emit, json_option, note, workspace_option
from slurmtf.errors import InputError, SlurmtfError
from slurmtf.experiments import Run
from slurmtf.findings import Finding
from slurmtf.runs.workspaces.workspace import check_ours

STARTING_S, ENDING_S, POLL_S = 120, 5, 0.2
ENDS = (signal.SIGTERM, signal.SIGHUP)
USUAL_PORT = 6006


@click.command("tensorboard")
@click.argument("runs", nargs=-1, shell_complete=completing.complete_runs)
@click.option("--port", type=click.IntRange(1, 65535), default=None, help="Port to listen on (default: a free one).")
@workspace_option
@json_option
def command(runs: tuple[str, ...], port: int | None, workspace: str | None) -> None:
    """Start TensorBoard on the event files of RUNS (default: the last one), until Ctrl-C.

    Uses the TensorBoard of a run's environment, or else the one in PATH. Listens on this machine alone, and leaves nothing
    behind.
    """
    found = [Run.find(run, workspace) for run in runs or ("last",)]
    program = _find_program(found)
    port = _check_port(port) if port else _find_free_port()
    with tempfile.TemporaryDirectory(prefix="slurmtf-tensorboard-") as folder, _interrupt_on_signals():
        logs = Path(folder, "runs")
        for run in found:
            _link(run, logs / run.id)
        _serve([program, "--logdir", str(logs), "--host", "localhost", "--port", str(port)], port, Path(folder, "log"))


def _link(run: Run, folder: Path) -> None:
    """Build a folder of links to the places where a run may have events: each once, although work/ links to the others."""
    layout, own = run.layout, folder / "work"
    own.mkdir(parents=True)
    for place in (layout.outputs, layout.logs, layout.children):
        if Path(place).is_dir():
            (folder / Path(place).name).symlink_to(place)
    for entry in Path(layout.work).iterdir() if Path(layout.work).is_dir() else ():
        if entry.is_dir() and not entry.is_symlink():
            (own / entry.name).symlink_to(entry)


def _find_program(runs: Iterable[Run]) -> str:
    """Return the path of TensorBoard. Raises InputError if there is none."""
    places = [
        *(_find_in_environment(run) for run in runs),
        shutil.which("tensorboard"),
        str(Path(sys.executable).with_name("tensorboard")),
    ]
    for place in places:
        if place and os.access(place, os.X_OK):
            return place
    what = "is neither in the environments of these runs nor in PATH"
    raise InputError(
        Finding("no-tensorboard", "tensorboard", what, "install it in an environment of its own: pip install tensorboard")
    )


def _find_in_environment(run: Run) -> str | None:
    """Return the path of TensorBoard in the environment of our own run; a path from another user's run is never executed."""
    try:
        check_ours(run.folder)
        batch = run.plan["batch"]
        return None if batch["container"] else str(Path(batch["python"]).with_name("tensorboard"))
    except (SlurmtfError, OSError, ValueError, LookupError, TypeError):
        return None


def _check_port(port: int) -> int:
    """Return this port. Raises InputError if it is in use."""
    with suppress(OSError), socket.create_connection(("localhost", port), 1):
        raise InputError(Finding("port-taken", "--port", f"{port} is taken", "use another one, or leave it out"))
    return port


def _find_free_port() -> int:
    with socket.socket() as one:
        one.bind(("localhost", 0))
        port: int = one.getsockname()[1]
    return port


@contextmanager
def _interrupt_on_signals() -> Iterator[None]:
    """Treat termination signals and the loss of the terminal like Ctrl-C."""

    def on_signal(*_: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, on_signal) for number in ENDS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _serve(words: list[str], port: int, log: Path) -> None:
    """Run TensorBoard until it is interrupted. Raises SlurmtfError if it ends by itself."""
    with log.open("wb") as written:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=written, stderr=written, start_new_session=True, cwd=log.parent
        )
    try:
        _wait_until_it_serves(process, port)
        _tell(words[0], port)
        process.wait()
    except KeyboardInterrupt:
        return
    finally:
        _stop_process(process)
    tail = " | ".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-3:])
    raise SlurmtfError(Finding("tensorboard-ended", words[0], f"ended with exit code {process.returncode}: {tail}"))


def _wait_until_it_serves(process: subprocess.Popen[bytes], port: int) -> None:
    give_up = time.monotonic() + STARTING_S
    while process.poll() is None and time.monotonic() < give_up:
        with suppress(OSError), socket.create_connection(("localhost", port), 1):
            return
        time.sleep(POLL_S)


def _tell(program: str, port: int) -> None:
    url = f"http://localhost:{port}/"
    ssh = f"ssh -N -L {USUAL_PORT}:localhost:{port} {_get_user_name()}@{socket.getfqdn()}"
    text = (
        f"TensorBoard ({program}): {url}\nfrom your machine: {ssh}\n                   and open http://localhost:{USUAL_PORT}/"
    )
    emit({"url": url, "ssh": ssh, "program": program, "port": port}, text)
    sys.stdout.flush()
    note("Ctrl-C ends it", dim=True)


def _get_user_name() -> str:
    return os.environ.get("USER") or os.environ.get("LOGNAME") or "USER"


def _stop_process(process: subprocess.Popen[bytes]) -> None:
    """End TensorBoard and its data server, which have their own session."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(ENDING_S)
