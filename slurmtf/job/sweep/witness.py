"""Find out about the jobs of owners that show no sign of life: one element queries Slurm for all, and seldom."""

import contextlib
import json
import os
import subprocess
import time
from typing import Dict, Mapping, Optional, Sequence

from ..common import identity
from ..contract.sweep.leases import Owner
from ..contract.system import proc
from ..contract.system.private import write_private
from .candidates import GONE, RUNS, UNKNOWN, WAITS

ASK = ("squeue", "--me", "--noheader", "--array", "--format=%i %T")
PAUSE_S = 30.0
"""Seconds between two queries by all elements of a sweep together."""
TIMEOUT_S = 20.0
WAITING = ("PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT")
ENDED = (
    "COMPLETED",
    "FAILED",
    "CANCELLED",
    "TIMEOUT",
    "PREEMPTED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "BOOT_FAIL",
    "DEADLINE",
    "REVOKED",
)


class SlurmWitness:
    """``path`` is the file with the last answer, for all elements."""

    def __init__(self, path: str, environ: Mapping[str, str]) -> None:
        self._path = path
        self._environ = dict(environ)
        self._asked = -PAUSE_S

    def find_states(self, owners: Sequence[Owner]) -> Dict[str, str]:
        """Return what is known about the owners' jobs, by name."""
        if not owners:
            return {}
        answer = self._read()
        if answer is None and time.monotonic() - self._asked >= PAUSE_S:
            self._asked = time.monotonic()
            answer = self._ask()
        if answer is None:
            return {owner.job: UNKNOWN for owner in owners}
        return {owner.job: answer.get(owner.job, GONE) for owner in owners}

    def _read(self) -> Optional[Dict[str, str]]:
        """Return the last answer if it is recent enough."""
        try:
            with open(self._path, encoding="utf-8") as file:
                fresh = time.time() - os.fstat(file.fileno()).st_mtime < PAUSE_S
                found: object = json.load(file)
        except (OSError, ValueError):
            return None
        return found if fresh and isinstance(found, dict) else None

    def _ask(self) -> Optional[Dict[str, str]]:
        """Query the user's jobs; None if Slurm does not answer."""
        environ = {name: value for name, value in self._environ.items() if not name.startswith("SQUEUE_")}
        try:
            asked = subprocess.run(  # noqa: PLW1510
                ASK, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, timeout=TIMEOUT_S
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        if asked.returncode:
            return None
        answer = parse(asked.stdout.decode("ascii", "replace"))
        with contextlib.suppress(OSError):  # a full disk: the others ask for themselves
            write_private(self._path, json.dumps(answer).encode("utf-8"))
        return answer

    def cancel_waiting(self) -> None:
        """Cancel the waiting elements of our array: nothing is left for them to do."""
        array = identity.get_array_job_id(self._environ)
        if array:
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                subprocess.run(  # noqa: PLW1510
                    ["scancel", "--state=PENDING", array],
                    env=self._environ,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    timeout=TIMEOUT_S,
                )


def parse(text: str) -> Dict[str, str]:
    """Return the states of jobs from squeue's output, by name (``33_4`` for an array's element). Ended ones are left out."""
    found = {}
    for line in text.splitlines():
        name, _, state = line.strip().partition(" ")
        if state and state not in ENDED:
            found[name] = WAITS if state in WAITING else RUNS
    return found


class LocalWitness:
    """This machine: an owner's job is its process."""

    def find_states(self, owners: Sequence[Owner]) -> Dict[str, str]:
        return {owner.job: self._find_state(owner) for owner in owners}

    def cancel_waiting(self) -> None:
        """Do nothing: here, an element that waits sees for itself that it is not needed."""

    def _find_state(self, owner: Owner) -> str:
        if owner.host != identity.identify_process().host:
            return UNKNOWN
        return RUNS if str(proc.read_start(owner.pid)) == owner.started else GONE
