"""Explain Slurm's refusals, and find the line of our script that they refer to."""

from __future__ import annotations

import re
from collections.abc import Sequence

from slurmtf.errors import RefusedError, SlurmtfError
from slurmtf.findings import Finding
from slurmtf.scheduler.base import SEE_SCRIPT
from slurmtf.scheduler.slurm.calls import describe_failure, format_output

LAST_LINES = 8
MEANINGS: Sequence[tuple[str, tuple[str, ...], str]] = (
    (r"mutually exclusive", (), "leave one of them out"),
    (r"partition not available", ("partition",),
     "it is closed or drained: wait, or set `partition` to one that is up ('sinfo -s')"),
    (r"[Ii]nvalid partition", ("partition",),
     "set `partition` to one that exists: 'sinfo -s' lists them"),
    (r"[Ii]nvalid account", ("account", "partition"), "set `account` to one of yours: 'sacctmgr show associations user=$USER'"),
    (r"[Ii]nvalid qos|QOS specification", ("qos",),
     "set `qos` to one of yours: 'sacctmgr show associations user=$USER format=qos'"),
    (r"AssocMaxSubmitJob|QOSMaxSubmitJob", (), "you have reached your limit on jobs: wait for one to end, or cancel one"),
    (r"MaxWallDuration", ("time",), "set a shorter `time`: 'sacctmgr show qos format=name,maxwall' lists the limits"),
    (r"violates accounting/QOS policy", ("account", "qos", "time", "nodes"), "a limit of your account or QOS is reached"),
    (r"[Mm]emory specification can", ("mem",), "ask for less memory: 'sinfo -o \"%P %m\"' lists MiB"),
    (r"CPU count", ("cpus-per-task",), "ask for fewer CPUs: 'sinfo -o \"%P %c\"' lists them"),
    (r"generic resource|[Gg]res|TRES", ("gres", "gpus-per-node", "gpus-per-task", "gpus"), "see 'sinfo -o \"%P %G\"'"),
    (r"[Ii]nvalid feature", ("constraint",), "set `constraint` to features that nodes have: 'sinfo -o \"%P %f\"' lists them"),
    (r"time limit", ("time",), "set `time` within the partition's limit: 'sinfo -o \"%P %l\"' lists them"),
    (r"[Nn]ode count", ("nodes",), "use fewer nodes, or another `partition`"),
    (r"node configuration is not available|More processors requested",
     ("gres", "gpus-per-node", "gpus-per-task", "gpus", "constraint", "mem", "cpus-per-task", "nodes"),
     "no node of the partition has all of this at once: ask for less, see 'sinfo -N -l'"),
    (r"[Rr]eservation", ("reservation",), "use a reservation of yours: 'scontrol show reservation' lists them"),
    (r"[Ll]icense", ("licenses",), "use a license that exists: 'scontrol show licenses' lists them"),
    (r"node name", ("nodelist", "exclude"), "use nodes that exist: 'sinfo -N' lists them"),
    (r"[Nn]o cluster|entry for --cluster", ("clusters",), "use a cluster that exists: 'sacctmgr show clusters' lists them"),
    (r"mail-type", ("mail-type",), "use NONE, BEGIN, END, FAIL, REQUEUE, TIME_LIMIT or ALL"),
    (r"temporarily unable to accept|Resource temporarily unavailable", (),
     "the cluster accepts no more jobs at the moment (MaxJobCount): try again later"),
    (r"unrecognized option|Invalid option|invalid option", (), "this Slurm has no such flag: take it out of `sbatch`"),
    (r"Invalid --|Invalid numeric value|requires an argument|unrecognized --", (), "see sbatch(1) for what it takes"),
)  # fmt: skip


def describe_refusal(errors: str, output: str, script: str) -> SlurmtfError:
    """Return the error for a failure of sbatch, or a site's wrapper of it, with its message, our line, and what to change.

    ``errors`` is its standard error, ``output`` its standard output, to which some sites' filters write refusals.
    """
    failed = describe_failure("sbatch", errors)
    if failed is not None:
        return failed
    reason = format_output("\n".join([*errors.splitlines(), *_select_reasons(output)]))
    for pattern, flags, remedy in MEANINGS:
        if re.search(pattern, reason):
            named = re.findall(r"--([a-z][a-z-]+)", reason)
            return RefusedError(Finding("refused", _locate_flag([*named, *flags], script), reason, remedy))
    return RefusedError(Finding("refused", "sbatch", reason or "refused the job and said nothing", SEE_SCRIPT))


def _select_reasons(output: str) -> list[str]:
    """Return the lines that may say why a filter refused, without rulers and passed checks."""
    lines = [line.strip() for line in output.splitlines() if re.search(r"\w", line)]
    return [line for line in lines if not re.search(r"\.\.\.\s*(OK|PASSED)$", line, re.IGNORECASE)][-LAST_LINES:]


def _locate_flag(flags: Sequence[str], script: str) -> str:
    """Return the first line of the script that has one of the flags."""
    for flag in flags:
        for number, line in enumerate(script.splitlines(), 1):
            if re.match(rf"#SBATCH --{flag}\b(?!-)", line):
                return f"job.sh, line {number}: {line}"
    return "sbatch"
