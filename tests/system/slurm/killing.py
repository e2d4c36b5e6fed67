"""Submit again and again, each time killed one step later in the file system.

    python killing.py FOLDER TARGET

Each submission has a workspace of its own, FOLDER/0, FOLDER/1 ...; the last one survives. This is a program of its own because
it forks, and the tests may have threads.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
from pathlib import Path
from typing import Any

from slurmtf import Experiment, TensorFlow

STEPS = {"open", "os.mkdir", "os.rename", "os.link", "os.symlink", "os.remove", "os.rmdir", "os.chmod", "subprocess.Popen"}


def main(folder: Path, target: str) -> None:
    estimator = TensorFlow(folder / "source", compute_target=target)
    Experiment("lab", folder / "rehearsal").plan(estimator)  # import everything that a submission needs
    for step in itertools.count():
        child = os.fork()
        if not child:
            sys.addaudithook(killer(step, str(folder / str(step))))
            Experiment("lab", folder / str(step)).submit(estimator)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            sys.exit(os.WEXITSTATUS(status))
        assert os.WTERMSIG(status) == signal.SIGKILL


def killer(last: int, workspace: str) -> Any:
    """Return an audit hook (PEP 578) that kills the process before its step number `last` in the workspace or towards Slurm."""
    taken = itertools.count()

    def on_event(event: str, facts: tuple[Any, ...]) -> None:
        if event in STEPS and workspace in str(facts) and not reads(event, facts) and next(taken) == last:
            os.kill(os.getpid(), signal.SIGKILL)

    return on_event


def reads(event: str, facts: tuple[Any, ...]) -> bool:
    return event == "open" and not facts[2] & (os.O_WRONLY | os.O_RDWR)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
