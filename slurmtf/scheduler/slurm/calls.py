"""Slurm's commands, run: no other module starts one, but for sbatch, which submitit starts."""

from __future__ import annotations

import os
import subprocess
import time

from slurmtf.errors import SlurmError
from slurmtf.findings import Finding

TIMEOUT_S = 60
TRIES = 3
PATIENCE_S = 5
"""A command that fails after more seconds is not tried again: it has tried itself (slurm.conf(5), MessageTimeout)."""
TRANSIENT = (
    "Socket timed out",
    "Unable to contact slurm controller",
    "Resource temporarily unavailable",
    "Connection refused",
)


def output(argv: list[str]) -> str:
    """Run a command and return what it prints; tried again when the controller is too busy to answer. Raises SlurmError."""
    began = time.monotonic()
    for attempt in range(1, TRIES + 1):
        try:
            done = _run(argv)
        except FileNotFoundError:
            raise SlurmError(
                Finding("no-slurm", argv[0], "is not in PATH", "run slurmtf on a login node of the cluster")
            ) from None
        except subprocess.TimeoutExpired:
            raise SlurmError(Finding("slurm-timeout", argv[0], f"did not answer in {TIMEOUT_S} s", "try again later")) from None
        if done.returncode == 0:
            return done.stdout
        last = attempt == TRIES or time.monotonic() - began > PATIENCE_S
        if last or not any(word in done.stderr for word in TRANSIENT):
            raise SlurmError(
                Finding("slurm-failed", argv[0], done.stderr.strip() or f"exit code {done.returncode}", "try again later")
            )
        time.sleep(2**attempt)
    raise AssertionError("unreachable")


def _run(argv: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",  # the folder of any other job of the user may stand in the answer
        timeout=TIMEOUT_S,
        env=_environment(),
        check=False,
    )


def _environment() -> dict[str, str]:
    """Return our environment, but for what the user prefers to read.

    Slurm's times are seconds since 1970, and the elements of an array are all named: by default their list is cut after 64
    characters (squeue(1), SLURM_BITSTR_LEN).
    """
    mine = {name: value for name, value in os.environ.items() if not name.startswith(("SQUEUE_", "SACCT_"))}
    return {**mine, "SLURM_TIME_FORMAT": "%s", "SLURM_BITSTR_LEN": "0"}
