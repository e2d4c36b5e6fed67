"""'slurmtf watch' in a terminal: what it shows, what keys do, and how often twenty of them query Slurm."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from slurmtf import Run
from slurmtf.cli.commands.watch import _FollowedLog
from slurmtf.job.contract.layout import RunLayout
from slurmtf.runs import RunState
from slurmtf.scheduler import JobRef, SubmittedJob
from tests.cluster.machine import wait_for
from tests.patience import HANG_S
from tests.terminals import Terminal

from .conftest import Submit

SLURMTF = str(Path(sys.executable).with_name("slurmtf"))
LEFT = "\x1b[?1049l"
"""The screen as it was before (xterm, rmcup)."""
TRAINS = """
log("loss", 0.5, 3)
print("epoch one", flush=True)
time.sleep(120)
"""


@pytest.fixture
def environ(tmp_path: Path, workspace: Path) -> dict[str, str]:
    return {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache"), "SLURMTF_WORKSPACE": str(workspace)}


def test_a_run_is_watched_opened_and_canceled(submit: Submit, environ: dict[str, str]) -> None:
    done = submit("print('all done')\n")
    done.wait_for_completion()
    wait_for(
        lambda: time.strftime("%S", time.gmtime()) != done.id.split("-")[2][-2:], "the next second: the newest run is the first"
    )
    run = submit(TRAINS, primary_metric="loss")
    terminal = Terminal(SLURMTF, "watch", environ=environ)
    terminal.shows(run.id, "Running", "loss 0.5 at 3", "epoch one", "q: quit", done.id, "Completed")
    terminal.press("\x1b[B")
    terminal.shows("all done")
    terminal.press("/zzz")
    terminal.shows("filter: zzz", "no run matches")
    terminal.press("\x1b")
    terminal.shows("Completed", "q: quit")
    terminal.press("g")
    terminal.shows("epoch one")
    terminal.press("l")
    terminal.shows("Ctrl-C stops following", "epoch one")
    terminal.press("\x03")
    terminal.shows("any key: back")
    terminal.press("x")
    terminal.shows("q: quit")
    terminal.press("c")
    terminal.shows(f"cancel {run.id}? y/n")
    terminal.press("y")
    terminal.shows(f"{run.id}: cancel requested", "Canceled")
    terminal.press("c")
    terminal.shows(f"{run.id}: was Canceled")
    terminal.press("?")
    terminal.shows("the run above", "any key: back")
    terminal.press("x")
    terminal.shows("q: quit")
    terminal.press("q")
    assert terminal.end() == 0
    assert LEFT in terminal.seen


def test_the_main_thread_gets_ctrl_c_and_imports_nothing_while_a_log_is_followed(
    submit: Submit, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An interrupt in an import could leave Python's import lock held, and a cancellation waiting for it."""
    threads: list[threading.Thread] = []
    follow = Run.follow

    def note_thread(run: Run, *arguments: Any) -> RunState:
        threads.append(threading.current_thread())
        return follow(run, *arguments)

    monkeypatch.setattr(Run, "follow", note_thread)
    run = submit(TRAINS)
    log = _FollowedLog(run)
    wait_for(lambda: "epoch one" in capsys.readouterr().out, "the log")
    log.stop()
    assert threads and threads[0] is not threading.main_thread()
    log.wait()  # the thread ends although the run does not
    assert not run.state.status.final


def test_it_gives_the_terminal_back_while_it_is_suspended(environ: dict[str, str], pending: RunLayout) -> None:
    name = Path(pending.folder).name
    shell = Terminal("/bin/bash", "--norc", "-i", environ=environ)  # the kernel stops no job without a shell to return to
    shell.press(f"PATH=/nonexistent {SLURMTF} watch\r")
    shell.shows(name, "q: quit")
    shell.press("\x1a")
    shell.shows("Stopped")
    assert LEFT in shell.seen
    shell.press("fg\r")
    shell.shows(name, "q: quit")
    shell.press("q")
    shell.shows_raw(LEFT)
    shell.press("exit\r")
    assert shell.end() == 0


def test_a_narrow_terminal_still_shows_names_states_and_keys(environ: dict[str, str], pending: RunLayout) -> None:
    terminal = Terminal(SLURMTF, "watch", environ={**environ, "PATH": "/nonexistent"}, lines=5, columns=20)
    terminal.shows("…", Path(pending.folder).name[-6:], "no log yet", "q: quit")
    terminal.press("q")
    assert terminal.end() == 0


def test_a_dumb_terminal_is_refused(environ: dict[str, str]) -> None:
    terminal = Terminal(SLURMTF, "watch", environ=environ, term="dumb")
    terminal.shows("$TERM is dumb", "slurmtf ls")
    assert terminal.end() == 2


def test_it_needs_a_terminal(environ: dict[str, str]) -> None:
    done = subprocess.run([SLURMTF, "watch"], env=environ, capture_output=True, text=True, timeout=HANG_S, check=False)
    assert (done.returncode, "slurmtf ls" in done.stderr) == (2, True)


@pytest.fixture
def pending(workspace: Path) -> RunLayout:
    """A run whose job waits in Slurm."""
    layout = RunLayout(str(workspace.resolve() / "views" / "views-20261120-120000-abcdef"))
    Path(layout.logs).mkdir(parents=True)
    Path(layout.plan).write_text(json.dumps({"warnings": [], "site": "lab", "provenance": {"estimator": {}}}))
    job = SubmittedJob(JobRef(None, "77"), "slurm", layout.folder, time.time() - 600, "submitted")
    Path(layout.jobs).write_text(json.dumps(job.to_dict()) + "\n")
    return layout


def test_keys_are_taken_while_slurm_does_not_answer(environ: dict[str, str], pending: RunLayout, tmp_path: Path) -> None:
    answers = tmp_path / "answers"  # nothing is written into it at first
    os.mkfifo(answers)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "squeue").write_text(f"#!/bin/sh\nread line < {answers}\nexit 1\n")
    (tmp_path / "bin" / "squeue").chmod(0o755)
    terminal = Terminal(SLURMTF, "watch", environ={**environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"})
    terminal.shows("not answered for", "q: quit")
    terminal.press("?")
    terminal.shows("the run above")
    terminal.press("x")
    terminal.shows("not answered for")
    with answers.open("w") as squeue:
        squeue.write("\n")
    terminal.shows(Path(pending.folder).name)
    terminal.press("q")
    assert terminal.end() == 0


@pytest.mark.parametrize("gone", ["run", "workspace"])
def test_it_goes_on_when_a_folder_vanishes(gone: str, environ: dict[str, str], pending: RunLayout, workspace: Path) -> None:
    terminal = Terminal(SLURMTF, "watch", environ={**environ, "PATH": "/nonexistent"})
    terminal.shows(Path(pending.folder).name, "q: quit")
    terminal.press("j")
    shutil.rmtree(pending.folder if gone == "run" else workspace)
    terminal.shows("--workspace", "q: quit")
    terminal.press("c?")
    terminal.shows("the run above")
    terminal.press("xq")
    assert terminal.end() == 0


@pytest.fixture
def twenty(environ: dict[str, str], pending: RunLayout, tmp_path: Path) -> Iterator[tuple[float, list[Terminal]]]:
    """Start twenty terminals, with a squeue that records its calls; yields also when the first one started."""
    (tmp_path / "bin").mkdir()
    line = f"77|PENDING|{round(time.time())}|N/A|N/A||Priority|{pending.folder}"
    (tmp_path / "bin" / "squeue").write_text(f"#!/bin/sh\necho >> {tmp_path}/calls\necho '{line}'\n")
    (tmp_path / "bin" / "squeue").chmod(0o755)
    path = {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    began = time.monotonic()
    terminals = [Terminal(SLURMTF, "watch", environ={**environ, **path}) for _ in range(20)]
    yield began, terminals
    for terminal in terminals:
        terminal.kill()


def test_twenty_terminals_ask_slurm_once_a_minute(twenty: tuple[float, list[Terminal]], tmp_path: Path) -> None:
    began, terminals = twenty
    for terminal in terminals:
        terminal.shows("views-20261120-120000-abcdef", "Queued", "Priority")
    for terminal in terminals:
        terminal.press("x")
        terminal.shows("Queued")
    calls = len((tmp_path / "calls").read_text().splitlines())
    assert calls <= 1 + (time.monotonic() - began) // 60
