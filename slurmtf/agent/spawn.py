"""Several tasks on one machine, without a launcher: what srun is for a step, for the local target."""

import os
import signal
import subprocess
from typing import List

from .identity import OWN_RANK


def spawn(count: int, command: List[str]) -> int:
    """Start the command ``count`` times, each knowing its rank, and return the highest exit status.

    The tasks stay in this process group, so that they end with it. Signals are for the tasks: the supervisor tells them.
    """
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    tasks = [subprocess.Popen(command, env=dict(os.environ, **{OWN_RANK: str(rank)})) for rank in range(count)]
    codes = [task.wait() for task in tasks]
    return max(code if code >= 0 else 128 - code for code in codes)
