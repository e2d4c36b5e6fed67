"""Run Slurm's commands. No other module starts one, except that submitit starts sbatch."""

from __future__ import annotations

import os
import re
import subprocess
import time

from slurmtf.errors import SlurmError, UnreachableError
from slurmtf.findings import Finding
from slurmtf.job.contract import variables as var

TIMEOUT_S = 60
TRIES = 3
PATIENCE_S = 5
"""Seconds after which a failed command is not repeated, because it has retried by itself (slurm.conf(5), MessageTimeout)."""
TRANSIENT = (
    "Socket timed out",
    "Unable to contact slurm controller",
    "Resource temporarily unavailable",
    "Connection refused",
)
CUT = "ended in the middle of a line: the rest of its answer is missing"
NO_WAY = re.compile(
    r"Unable to resolve|establish a configuration source|Temporary failure in name resolution|Name or service not known"
    r"|No route to host|Network is unreachable|Unable to process configuration"
)
"""Messages of a command if the machine can't reach the controller, or does not know where it is."""
NO_ANSWER = re.compile(
    r"Unable to contact slurm|Socket timed out|Connection refused|Connection timed out|Connection reset|standby mode"
    r"|Zero Bytes were transmitted|Unexpected message received|Protocol authentication error|Unable to establish contr"
)
"""Messages of a command if the controller did not answer, or its answer was not understood."""


def format_output(text: str) -> str:
    """Return a command's output joined to one line, without the command's name at the beginning of each line."""
    return "; ".join(
        re.sub(r"^(sbatch|squeue|sacct|scancel|scontrol): ((error|fatal): )?", "", line.strip())
        for line in text.splitlines()
        if line.strip()
    )


def describe_failure(command: str, text: str) -> SlurmError | None:
    """Return the error of a command that did not reach Slurm, with the line that says so; None if it did."""
    for pattern, error, code, remedy in (
        (NO_WAY, UnreachableError, "slurm-unreachable", "run slurmtf on a login node of the cluster, or set SLURM_CONF"),
        (NO_ANSWER, SlurmError, "slurm-failed", "try again; 'sinfo' tells whether Slurm answers"),
    ):
        found = next((line for line in reversed(text.splitlines()) if pattern.search(line)), None)
        if found is not None:
            return error(Finding(code, command, format_output(found), remedy))
    return None


def run_command(argv: list[str]) -> str:
    """Run a command and return its output; repeat it if the controller is too busy to answer. Raises SlurmError."""
    began = time.monotonic()
    for attempt in range(1, TRIES + 1):
        try:
            done = _run(argv)
        except FileNotFoundError:
            where = "run slurmtf on a login node of the cluster"
            raise UnreachableError(Finding("no-slurm", argv[0], "is not in PATH", where)) from None
        except subprocess.TimeoutExpired:
            raise SlurmError(Finding("slurm-timeout", argv[0], f"did not answer in {TIMEOUT_S} s", "try again later")) from None
        cut = done.returncode == 0 and bool(done.stdout) and not done.stdout.endswith("\n")
        if done.returncode == 0 and not cut:
            return done.stdout
        last = attempt == TRIES or time.monotonic() - began > PATIENCE_S
        if last or not (cut or any(word in done.stderr for word in TRANSIENT)):
            what = format_output(done.stderr) or (CUT if cut else f"exit code {done.returncode}")
            raise describe_failure(argv[0], done.stderr) or SlurmError(
                Finding("slurm-failed", argv[0], what, "try again later")
            )
        time.sleep(2**attempt)
    raise AssertionError("unreachable")


def _run(argv: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",  # the output may have the folders of the user's other jobs
        timeout=TIMEOUT_S,
        env=_build_environment(),
        check=False,
    )


def _build_environment() -> dict[str, str]:
    """Return our environment without the user's output preferences and preferred cluster: a job's cluster is recorded.

    It makes Slurm print times in seconds since 1970, and all elements of an array, whose list is truncated to 64 characters by
    default (squeue(1), SLURM_BITSTR_LEN).
    """
    mine = {name: value for name, value in os.environ.items() if not name.startswith(("SQUEUE_", "SACCT_", var.SLURM_CLUSTERS))}
    return {**mine, var.SLURM_TIME_FORMAT: "%s", var.SLURM_BITSTR_LEN: "0"}
