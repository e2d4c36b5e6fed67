"""The arguments of Slurm's commands, and parsers of their output: squeue, sacct, sbatch, scontrol."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from slurmtf.job.contract import variables as var
from slurmtf.job.contract.schedulers import is_outside_of_job
from slurmtf.scheduler.base import Array, JobRef, JobState, Observation
from slurmtf.scheduler.slurm.states import parse_canceler, parse_state

SQUEUE_FIELDS = "%i|%T|%V|%S|%e|%N|%r|%Z"
SACCT_FIELDS = "JobID,State,ExitCode,Submit,Start,End,NodeList,WorkDir"
VARIABLES_OF_FLAG = {
    "time": (var.SBATCH_TIMELIMIT,),
    "mem": (var.SBATCH_MEM_PER_NODE,),
    "clusters": (var.SBATCH_CLUSTERS, var.SLURM_CLUSTERS),
    "hint": (var.SBATCH_HINT, var.SLURM_HINT),
}
"""The variables of each flag that has several, or one that is not named after it."""
MAX_ARRAY_SIZE, MOST_ELEMENTS = 1001, 4_000_001
"""The most elements of an array, by default and at the highest setting (slurm.conf(5), MaxArraySize)."""
NOT_YET = "0:0"
"""The exit code of a failed job that slurmdbd knows only in part, as it does briefly after it was down."""
CLUSTER_LINE = "CLUSTER: "
SUBMITTED = re.compile(r"Submitted batch job ([0-9]{1,10})(?: on cluster ([\w.-]+))?")
PARSABLE = re.compile(r"^([0-9]{1,10})(?:;([\w.-]+))?$", re.ASCII)
NUMBER = re.compile(r"[0-9]{1,18}")
RANGE = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9})(?::([0-9]{1,9}))?)?")
ELEMENTS = re.compile(rf"[0-9]{{1,9}}|\[{RANGE.pattern}(?:,{RANGE.pattern})*(?:%[0-9]+)?\]")
NEVER_INHERITED = (
    var.SBATCH_ARRAY_INX,
    var.SBATCH_WAIT,
    var.SBATCH_OUTPUT,
    var.SBATCH_ERROR,
    var.SBATCH_INPUT,
    var.SBATCH_NO_REQUEUE,
)


def _build_clusters_flag(cluster: str | None) -> list[str]:
    return [f"--clusters={cluster}"] if cluster else []


def build_sbatch(
    script: str,
    drop: Iterable[str],
    change: Mapping[str, str] | None = None,
    elements: range | None = None,
    at_once: int | None = None,
) -> list[str]:
    """Return the command that submits a script, with variables removed from the environment and others changed (env(1)).

    ``elements`` are submitted as an array. It begins at 0, because MaxArraySize also limits the numbers (slurm.conf(5)); the
    script's argument is the number of its first element in the whole array.
    """
    words = [word for name in drop for word in ("-u", name)]
    words += [f"{name}={value}" for name, value in (change or {}).items()]
    limit = f"%{at_once}" if at_once else ""
    array, first = ([f"--array=0-{len(elements) - 1}{limit}"], [str(elements.start)]) if elements else ([], [])
    return [*(["env", *words] if words else []), "sbatch", "--parsable", *array, script, *first]


def find_inherited(environ: Mapping[str, str], flags: Iterable[str]) -> list[str]:
    """Return the variables that sbatch must not see.

    ``SBATCH_*`` variables override the script's own lines (sbatch(1), INPUT ENVIRONMENT VARIABLES), so those of flags that the
    script sets are removed; the others are the user's defaults. Inside a job, all variables of Slurm and of the job's MPI
    launcher are removed.
    """
    if var.SLURM_JOB_ID in environ:
        return sorted(name for name in environ if not is_outside_of_job(name))
    given = {name for flag in flags for name in _iterate_variables(flag)}
    return sorted(environ.keys() & {*given, *NEVER_INHERITED})


def _iterate_variables(flag: str) -> Iterable[str]:
    """Yield the variables of a flag and of the flags that it excludes."""
    from slurmtf.estimator import families  # noqa: PLC0415 - only a submission needs them
    from slurmtf.estimator.quantities import normalize_flag  # noqa: PLC0415

    name = normalize_flag(flag)
    rivals = (*families.GPU_FLAGS, "cpus-per-gpu") if name in families.GPU_FLAGS else families.find_family(name)
    for rival in rivals:
        yield from VARIABLES_OF_FLAG.get(rival, (f"SBATCH_{rival.upper().replace('-', '_')}",))


def parse_sbatch(text: str) -> JobRef | None:
    """Return the job that was submitted, according to sbatch or a site's wrapper of it; None if the output can't be read.

    It is ``123`` or ``123;wice`` on a line of its own (``--parsable``), or ``Submitted batch job 123 on cluster wice``; other
    lines, of a wrapper, are skipped. Returns None if the output names two different jobs.
    """
    lines = [line.strip() for line in text.splitlines()]
    for pattern in (SUBMITTED, PARSABLE):
        found = {JobRef(match[2], match[1]) for line in lines if (match := pattern.search(line))}
        if found:
            return found.pop() if len(found) == 1 else None
    return None


def build_squeue(cluster: str | None = None) -> list[str]:
    """Return the command that lists all jobs of the user that slurmctld remembers, including ended ones (MinJobAge, 300 s by
    default)."""
    return ["squeue", *_build_clusters_flag(cluster), "--me", "--noheader", "--states=all", f"--format={SQUEUE_FIELDS}"]


def parse_squeue(text: str, cluster: str | None = None) -> list[Observation]:
    """Parse the output of :func:`build_squeue`. The folder is the last field, because it may contain any character.

    With several clusters, a line names the cluster of the jobs below it.
    """
    found: list[Observation] = []
    here = cluster
    for line in text.splitlines():
        if line.startswith(CLUSTER_LINE):
            here = line.removeprefix(CLUSTER_LINE).strip() if is_several(cluster) else cluster
        elif line.count("|") >= 7:
            found += _parse_squeue_line(line.split("|", 7), here)
    return found


def is_several(cluster: str | None) -> bool:
    """Return whether ``--clusters`` leaves the choice to Slurm (sbatch(1))."""
    return cluster is not None and ("," in cluster or cluster == "all")


def _parse_squeue_line(cells: Sequence[str], cluster: str | None) -> Iterable[Observation]:
    name, state, submitted, start, end, nodes, reason, folder = cells
    for ref in parse_name(name, cluster):
        yield Observation(
            ref, parse_state(state), "" if reason == "None" else reason, _parse_time(start), _parse_time(end), nodes,
            folder=folder, submitted=_parse_time(submitted),
        )  # fmt: skip


def build_sacct(job_ids: Iterable[str], cluster: str | None = None) -> list[str]:
    """Return the command that asks accounting for jobs by id, all in one call.

    ``--duplicates`` includes all jobs that ever had an id; without it, the last one hides ours (sacct(1)).
    """
    return [*_build_sacct_base(cluster), f"--jobs={','.join(job_ids)}"]


def build_sacct_since(hours: int, cluster: str | None = None) -> list[str]:
    """Return the command that asks accounting for the user's jobs of the last hours (sacct(1), TIME FORMATS)."""
    return [*_build_sacct_base(cluster), f"--starttime=now-{hours}hours"]


def _build_sacct_base(cluster: str | None) -> list[str]:
    return [
        "sacct",
        *_build_clusters_flag(cluster),
        "-X",
        "--noheader",
        "--parsable2",
        "--duplicates",
        f"--format={SACCT_FIELDS}",
    ]


def parse_sacct(text: str, cluster: str | None = None) -> list[Observation]:
    """Parse the output of :func:`build_sacct`."""
    rows = (line.split("|", 7) for line in text.splitlines() if line.count("|") >= 7)
    return [one for row in rows for one in _parse_sacct_line(row, cluster)]


def _parse_sacct_line(cells: Sequence[str], cluster: str | None) -> Iterable[Observation]:
    name, state, ended, submitted, start, end, nodes, folder = cells
    code, _, number = ended.partition(":") if (parse_state(state), ended) != (JobState.FAILED, NOT_YET) else ("", "", "")
    nodes = "" if nodes == "None assigned" else nodes
    for ref in parse_name(name, cluster):
        yield Observation(
            ref, parse_state(state), "", _parse_time(start), _parse_time(end), nodes,
            exit_code=_parse_number(code), signal=_parse_number(number) or None, folder=folder,
            submitted=_parse_time(submitted),
            canceler=parse_canceler(state),
        )  # fmt: skip


def parse_name(text: str, cluster: str | None = None) -> list[JobRef]:
    """Return the jobs in a name from squeue or sacct: ``33``, ``33_4``, or ``33_[1,5-7%2]``, which means four elements.

    Both programs print steps as in ``33_[0-8:4]``. ``76+1``, a part of a heterogeneous job, is returned as one name.
    """
    job_id, _, elements = text.partition("_")
    if not elements:
        return [JobRef(cluster, job_id)]
    if not ELEMENTS.fullmatch(elements):
        return [JobRef(cluster, text)]
    ranges = [_parse_range(part) for part in elements.strip("[]").partition("%")[0].split(",")]
    if sum(map(len, ranges)) > MOST_ELEMENTS:
        return [JobRef(cluster, text)]
    return [JobRef(cluster, job_id, element) for part in ranges for element in part]


def _parse_range(text: str) -> range:
    first, last, step = (_parse_number(word) for word in RANGE.fullmatch(text).groups())  # type: ignore[union-attr]
    return range(first or 0, (first or 0) + 1) if last is None else range(first or 0, last + 1, step or 1)


def _parse_number(text: str | None) -> int | None:
    """Parse a number in Slurm's format; None for anything else. str.isdigit() accepts ``²``, int() refuses 5,000 digits."""
    return int(text) if text and NUMBER.fullmatch(text) else None


def _parse_time(text: str) -> float | None:
    """Parse a time in the format SLURM_TIME_FORMAT=%s; Slurm writes N/A, Unknown or None if there is none."""
    return _parse_number(text) or None


def build_config_query(cluster: str | None = None) -> list[str]:
    """Return the command that shows the cluster's configuration."""
    return ["scontrol", *_build_clusters_flag(cluster), "show", "config"]


def parse_max_array_size(text: str) -> int:
    """Return how many elements a job array may have; Slurm's default if the configuration does not say (slurm.conf(5))."""
    found = re.search(r"^MaxArraySize\s*=\s*([0-9]{1,9})\s*$", text, re.MULTILINE)
    return max(1, int(found[1])) if found else MAX_ARRAY_SIZE  # 0 means no arrays: sbatch will report it


def split_array(array: Array, size: int) -> list[tuple[range, int | None]]:
    """Return the elements of an array in slices of at most ``size``, with how many of each run at once, in total no more than
    the array allows. If one of each would already be more, there are fewer slices, and so fewer elements."""
    parts = [range(first, min(first + size, array.elements)) for first in range(0, array.elements, size)][: array.at_once]
    if array.at_once is None:
        return [(part, None) for part in parts]
    share, rest = divmod(array.at_once, len(parts) or 1)
    return [(part, min(len(part), share + (n < rest))) for n, part in enumerate(parts)]


def build_dependency_update(job_id: str, dependency: str, cluster: str | None = None) -> list[str]:
    """Return the command that makes a job that has not started, or all elements of an array, wait for others."""
    return ["scontrol", *_build_clusters_flag(cluster), "update", f"jobid={job_id}", f"dependency={dependency}"]


def build_scancel(job_ids: Iterable[str], cluster: str | None = None) -> list[str]:
    """Return the command that cancels jobs. scancel does not report those that have ended."""
    return ["scancel", *_build_clusters_flag(cluster), *job_ids]
