"""Run a command of slurmtf, or submit our programs as jobs, and be killed before a step in the file system or towards Slurm.

    python killed.py STEP SINCE FOLDER WORDS...

Killed before step number STEP in FOLDER, counted from the start of the program SINCE, or from the beginning (``-``). WORDS are
a command's, or ``tool FOLDER``.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
from pathlib import Path
from typing import Any

from slurmtf.cli import main as slurmtf
from slurmtf.environments import EnvironmentStore
from slurmtf.sites import load
from slurmtf.submit.tools import Toolbox
from tests.system.slurm.killing import STEPS, reads


def main(last: int, since: str, folder: str, words: list[str]) -> None:
    sys.addaudithook(killer(last, since, folder))
    if words[0] == "tool":
        run_tool(Path(words[1]))
    else:
        sys.argv = ["slurmtf", *words]
        slurmtf()


def run_tool(folder: Path) -> None:
    """Submit a job that is held, and exit without waiting for it."""
    toolbox = Toolbox(load("slurm"), EnvironmentStore(folder / "store"), print)
    toolbox.run_each(sys.executable, ["score"], folder, "score", 1, {"hold": True}, leave)


def leave() -> None:
    os._exit(0)


def killer(last: int, since: str, folder: str) -> Any:
    """Return an audit hook (PEP 578) that kills the process before its step number ``last``."""
    taken = itertools.count()
    counts = since == "-"

    def on_event(event: str, facts: tuple[Any, ...]) -> None:
        nonlocal counts
        counts = counts or (event == "subprocess.Popen" and since in map(str, facts[1]))
        if counts and event in STEPS and folder in str(facts) and not reads(event, facts) and next(taken) == last:
            os.kill(os.getpid(), signal.SIGKILL)

    return on_event


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:])
