"""The commands of the pages about a run that waits, died or was preempted, in their order, on such a run."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable
from typing import NamedTuple

import pytest

from slurmtf import Run, RunStatus
from tests.terminals import CODES, Terminal
from tests.unit.cli.documents import FILES, documented

from .support import COMMAND, HELLO, POLITE, Lab, call, get_job, wait_until_ended, wait_until_started

pytestmark = pytest.mark.slurm

NAMED = re.compile(r"\btrain-\d{8}-\d{6}-\w{6}\b")
NUMBERED = re.compile(r"(?<= )\d+(?= |$)")
# Its first worker raises a MemoryError.
DIES = """
import os, time
print("begins", flush=True)
if os.environ["SLURMTF_RANK"] == "0":
    raise MemoryError("no room")
time.sleep(3600)
"""


def waits(lab: Lab) -> Run:
    return lab.submit(HELLO, sbatch={"hold": True})


def died(lab: Lab) -> Run:
    run = lab.submit(DIES, memory="8G", distributed_backend="multiworker", worker_count=2)
    wait_until_ended(run)
    return run


def preempted(lab: Lab) -> Run:
    run = lab.submit(POLITE, partition="low", exclusive=True, sbatch={"nodelist": "node2", "no-requeue": True})
    wait_until_started(run)
    job = call(
        "sbatch", "--parsable", "--partition=high", "--exclusive", "--nodelist=node2", "--wrap=sleep 3600", "--output=/dev/null"
    )
    wait_until_ended(run)
    call("scancel", job)
    return run


class Page(NamedTuple):
    """A page: how to get such a run, and what each command's answer contains (``{run}`` is the run); then the status in which
    the run ended, and settings of the run that was submitted last."""

    prepared: Callable[[Lab], Run]
    answers: dict[str, tuple[str, ...]]
    status: RunStatus
    settings: dict[str, object]


PAGES = {
    "waiting.md": Page(
        waits,
        {
            "why": ("{run}", "JobHeldUser", "scontrol release {job}", " in debug"),
            "status": ("{run}", "Queued", "JobHeldUser"),
            "watch": ("{run}", "Queued", "JobHeldUser"),
            "cancel 29": ("{run}",),
            "rerun 29 --with time=2:00:00": ("lab-",),
        },
        RunStatus.CANCELED,
        {"time": "2:00:00"},
    ),
    "died.md": Page(
        died,
        {
            "why": ("{run}", "[host-memory]", "worker-0", "no room", "8.0G", "slurmtf rerun {run} --with memory=12G"),
            "rerun train-20261123-041040-a06dd9 --with memory=12G": ("lab-",),
            "logs --role worker-0 train-20261123-041040-a06dd9": ("begins", "MemoryError: no room"),
            "logs --job train-20261123-041040-a06dd9": (),  # Slurm and the launcher say nothing about a script that dies
        },
        RunStatus.FAILED,
        {"memory": "12G"},
    ),
    "preempted.md": Page(
        preempted,
        {
            "why": ("{run}", "[preempted]", "Canceled"),
            "status": ("{run}", "Canceled", "preempted"),
            "submit train.py --restart preempted=unlimited": ("train-",),
            "rerun train-20261123-041040-a06dd9": ("lab-",),
        },
        RunStatus.CANCELED,
        {"partition": "low"},
    ),
}


@pytest.fixture
def desk(lab: Lab) -> Lab:
    """Make the working directory one with a script, and Slurm the default site."""
    settings = lab.folder / "config" / "slurmtf" / "config.yaml"
    settings.parent.mkdir(parents=True)
    settings.write_text("default_site: slurm\n")
    (lab.folder / "train.py").write_text(FILES["train.py"])
    return lab


@pytest.mark.parametrize("document", PAGES)
def test_the_commands_of_a_page_work_on_such_a_run(document: str, desk: Lab) -> None:
    prepared, answers, status, settings = PAGES[document]
    shown = [words for where, words in documented() if where == document]
    assert shown == list(answers)
    run = prepared(desk)
    for words in shown:
        output = answer(NAMED.sub(run.id, NUMBERED.sub(get_job(run), words)), desk, run)
        wanted = [text.format(run=run.id, job=get_job(run)) for text in answers[words]]
        assert [text for text in wanted if text not in output] == [], (words, output)
    (state,) = wait_until_ended(run)
    assert state.status is status
    last = Run.find("last", desk.workspace)
    assert last.id != run.id
    assert last.receipt["rerun_of"] == run.id
    assert settings.items() <= last.plan["provenance"]["estimator"].items()


def answer(words: str, desk: Lab, run: Run) -> str:
    """Return what a command prints. It must succeed."""
    if words.startswith("watch"):
        return watched(words, desk, run)
    done = desk.slurmtf(*shlex.split(words))
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


def watched(words: str, desk: Lab, run: Run) -> str:
    terminal = Terminal(str(COMMAND), *shlex.split(words), environ={**os.environ, "SLURMTF_WORKSPACE": str(desk.workspace)})
    terminal.shows(run.id, "q: quit")
    seen = CODES.sub("", terminal.seen)
    terminal.press("q")
    assert terminal.end() == 0
    return seen
