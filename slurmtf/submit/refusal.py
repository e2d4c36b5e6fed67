"""What Slurm's refusals mean, and which line of our script they mean."""

from __future__ import annotations

import re
from collections.abc import Sequence

from slurmtf.errors import Problem, RefusedError, SlurmError, SlurmtfError

UNREACHABLE = re.compile(r"Unable to contact slurm|Socket timed out|Connection refused|Could not establish a configuration")
MEANINGS: Sequence[tuple[str, tuple[str, ...], str]] = (
    (r"invalid partition", ("partition",), "give a partition that exists: 'sinfo -s' lists them"),
    (r"[Ii]nvalid account", ("account", "partition"), "give an account of yours: 'sacctmgr show associations user=$USER'"),
    (r"[Ii]nvalid qos|QOS specification", ("qos",), "give a QOS of yours: 'sacctmgr show associations user=$USER format=qos'"),
    (r"[Mm]emory specification|memory.*can not be satisfied", ("mem",), "ask for less memory: 'sinfo -o \"%P %m\"' lists MiB"),
    (r"generic resource|[Gg]res", ("gres", "gpus-per-node", "gpus-per-task", "gpus"), "see 'sinfo -o \"%P %G\"'"),
    (r"[Ii]nvalid feature", ("constraint",), "give a feature that nodes have: 'sinfo -o \"%P %f\"' lists them"),
    (r"time limit", ("time",), "give a time within the partition's limit: 'sinfo -o \"%P %l\"' lists them"),
    (r"[Nn]ode count", ("nodes",), "give fewer nodes, or another partition"),
    (r"node configuration is not available|More processors requested",
     ("nodes", "gres", "gpus-per-node", "cpus-per-task", "mem", "constraint"),
     "no node of the partition has all of this at once: ask for less, see 'sinfo -N -l'"),
    (r"AssocMaxSubmitJob|QOSMaxSubmitJob", (), "you have as many jobs queued as you may: wait for one, or cancel one"),
    (r"violates accounting/QOS policy", ("account", "qos", "time", "nodes"), "a limit of your account or QOS is reached"),
    (r"mail-type", ("mail-type",), "give NONE, BEGIN, END, FAIL, REQUEUE, TIME_LIMIT or ALL"),
    (r"unrecognized option|Invalid option|invalid option", (), "this Slurm has no such flag: take it out of sbatch={...}"),
)  # fmt: skip


def refusal(message: str, script: str) -> SlurmtfError:
    """Return the error for what sbatch said on its standard error: Slurm's words, our line, and what to change."""
    words = "; ".join(re.sub(r"^sbatch: (error: )?", "", line) for line in message.splitlines() if line.strip())
    if UNREACHABLE.search(message):
        return SlurmError(Problem("sbatch", words or "no answer", "try again; 'sinfo' tells whether Slurm answers"))
    for pattern, flags, remedy in MEANINGS:
        if re.search(pattern, message):
            return RefusedError(Problem(_line_of(flags, script), words, remedy))
    return RefusedError(Problem("sbatch", words or "refused the job and said nothing", "see the script: slurmtf render"))


def _line_of(flags: Sequence[str], script: str) -> str:
    """Return the first line of the script that gives one of the flags."""
    for flag in flags:
        for number, line in enumerate(script.splitlines(), 1):
            if re.match(rf"#SBATCH --{flag}\b(?!-)", line):
                return f"job.sh, line {number}: {line}"
    return "sbatch"
