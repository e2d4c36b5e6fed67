"""Check the user's own flags of sbatch and srun: some are reserved for slurmtf, some duplicate a parameter."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping

from slurmtf.estimator import families
from slurmtf.estimator.quantities import LONG_NAMES, check_printable, check_time, normalize_flag
from slurmtf.findings import Finding

_FLAG = re.compile(r"-[A-Za-z]|(--)?[A-Za-z][A-Za-z0-9_-]*")
OWN_SBATCH_FLAGS = {
    "output": "the job's log is in the run folder: read it with 'slurmtf logs'",
    "error": "the job's log is in the run folder: read it with 'slurmtf logs'",
    "chdir": "each run has its folder; files that the script needs belong in `source_directory`",
    "nodes": "set `node_count`",
    "ntasks": "the distribution decides how many processes run",
    "ntasks-per-node": "the distribution decides how many processes run",
    "ntasks-per-gpu": "the distribution decides how many processes run; set `gpus_per_node`",
    "array": "an array would run the same run folder several times; submit several runs",
    "wrap": "`entry_script` says what runs",
    "parsable": "slurmtf reads the job id itself",
    "wait": "use 'slurmtf wait'",
    "test-only": "use 'slurmtf plan'",
    "signal": "slurmtf needs the warning before the time limit for itself",
    "open-mode": "slurmtf appends, so that a requeued job keeps its log",
}
OWN_SRUN_FLAGS = {
    "output": "each process has its log in the run folder: read it with 'slurmtf logs'",
    "error": "each process has its log in the run folder: read it with 'slurmtf logs'",
    "chdir": "the working directory is the run's copy of `source_directory`",
    "ntasks": "the distribution decides how many processes run",
    "nodes": "set `node_count`",
    "ntasks-per-gpu": "the distribution decides how many processes run; set `gpus_per_node`",
    "multi-prog": "the distribution decides what each process runs",
}
PARAMETER_OF = {
    "job-name": "job_name", "partition": "partition", "account": "account", "qos": "qos", "time": "time",
    "mem": "memory", "cpus-per-task": "cpus_per_task", "constraint": "constraint", "exclusive": "exclusive",
    "mail-type": "mail_type", "mail-user": "mail_user",
}  # fmt: skip
"""The estimator's parameter for each flag of sbatch that has one; for GPU requests, see :mod:`slurmtf.plan.gpus`."""
WHOLE = {
    *OWN_SBATCH_FLAGS, *OWN_SRUN_FLAGS, *PARAMETER_OF, *LONG_NAMES.values(), *families.GPU_FLAGS,
    *itertools.chain(*families.FAMILIES), "cluster", "export", "export-file", "gpu-freq", "kill-on-invalid-dep",
    "mem-bind", "sockets-per-node", "time-min", "wait-all-nodes",
}  # fmt: skip
"""Flags that slurmtf must recognize, and other flags whose names begin like theirs."""


def check_user_flags(sbatch: object, srun: object, given: Mapping[str, object]) -> Iterable[Finding]:
    """Yield what is wrong with the user's own flags. ``given`` are the user's parameters, by name."""
    yield from check_flags("sbatch", sbatch, OWN_SBATCH_FLAGS)
    yield from check_flags("srun", srun, OWN_SRUN_FLAGS)
    if not isinstance(sbatch, Mapping):
        return
    for flag, value in sbatch.items():
        yield from _check_duplicates(given, normalize_flag(str(flag)), value)


def _check_duplicates(given: Mapping[str, object], flag: str, value: object) -> Iterable[Finding]:
    """Check one of the user's own flags against the parameters that duplicate or exclude it."""
    where = f"sbatch[{flag!r}]"
    fields = {rival: PARAMETER_OF[rival] for rival in families.find_family(flag, value) if rival in PARAMETER_OF}
    for rival, name in fields.items():
        if given.get(name) is not None and given[name] is not False:
            yield Finding(
                "said-twice", where, f"says the same as `{name}`" if rival == flag else f"excludes `{name}`", "set one of them"
            )
    if flag == "time":
        yield from check_time(where, value)
        if given.get("max_run_duration_seconds") is not None:
            yield Finding("said-twice", where, "says the same as `max_run_duration_seconds`", "set one of them")


def check_flags(name: str, flags: object, reserved: Mapping[str, str]) -> Iterable[Finding]:
    """Check a pass-through mapping (``sbatch=``, ``srun=``). ``reserved`` says which flags can't be set, and why."""
    if not isinstance(flags, Mapping):
        yield Finding("bad-flags", name, f"{flags!r} is not a mapping", f"set `{name}[hint]=nomultithread`")
        return
    for key, value in flags.items():
        where = f"{name}[{key!r}]"
        if not isinstance(key, str) or not _FLAG.fullmatch(key):
            yield Finding(
                "bad-flag", where, "is not the long name of a flag", "write it as the man page does, for example 'hint'"
            )
        elif normalize_flag(key) in reserved:
            yield Finding("reserved-flag", where, "can't be passed through", reserved[normalize_flag(key)])
        elif meant := find_completions(normalize_flag(key)):
            yield Finding("short-flag", where, f"is short for {' or '.join(meant)}", "write the flag's whole name")
        else:
            yield from _check_value(where, value)


def _check_value(where: str, value: object) -> Iterable[Finding]:
    is_list = isinstance(value, list | tuple)
    for item in value if isinstance(value, list | tuple) else [value]:
        if not isinstance(item, str | int | float | None) or (is_list and (item is None or isinstance(item, bool))):
            yield Finding(
                "bad-flag",
                where,
                f"{item!r} is neither a string nor a number",
                "use a string, a number or true, or a list of strings",
            )
        elif isinstance(item, str):
            yield from check_printable(where, item, longest=100_000)


def find_completions(name: str) -> list[str]:
    """Return the flags that Slurm may read a name as an abbreviation of (getopt_long(3)); none if the name is complete."""
    return [] if name in WHOLE else sorted(whole for whole in WHOLE if whole.startswith(name))
