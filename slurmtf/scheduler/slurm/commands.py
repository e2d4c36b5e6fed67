"""Arguments out, text in: one pair of pure functions for each Slurm command."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from slurmtf.errors import SlurmError
from slurmtf.scheduler.slurm.states import JobInfo, parse_state

SQUEUE_FIELDS = "%i|%T|%S|%e|%N|%r|%Z"
SACCT_FIELDS = "JobID,State,ExitCode,Start,End,NodeList,WorkDir"
KEPT_IN_A_JOB = ("SLURM_CONF",)
OF_A_JOB = re.compile(r"(SLURM|SLURMD|SBATCH|SRUN|SALLOC|PMI|PMIX|OMPI_COMM_WORLD|OMPI_UNIVERSE|MV2_COMM_WORLD)_")
"""Variables of the job in which we may have been started, of its MPI launcher too: they say which rank a process is."""
OF_GPUS = ("SBATCH_GPUS", "SBATCH_GPUS_PER_NODE", "SBATCH_GPUS_PER_TASK", "SBATCH_GRES", "SBATCH_CPUS_PER_GPU")
VARIABLES_OF_FLAG = {
    "time": ("SBATCH_TIMELIMIT",),
    "mem": ("SBATCH_MEM_PER_NODE", "SBATCH_MEM_PER_CPU", "SBATCH_MEM_PER_GPU"),
    "cpus-per-task": ("SBATCH_CPUS_PER_GPU",),
    "clusters": ("SBATCH_CLUSTERS", "SLURM_CLUSTERS"),
    "hint": ("SBATCH_HINT", "SLURM_HINT"),
    **dict.fromkeys(("gres", "gpus", "gpus-per-node", "gpus-per-task"), OF_GPUS),
}
"""The variables that speak of the same as a flag, where they are not named like it, or are more than one."""
NEVER_INHERITED = (
    "SBATCH_ARRAY_INX",
    "SBATCH_WAIT",
    "SBATCH_OUTPUT",
    "SBATCH_ERROR",
    "SBATCH_INPUT",
    "SBATCH_NO_REQUEUE",
)


def _clusters(cluster: str | None) -> list[str]:
    return [f"--clusters={cluster}"] if cluster else []


def sbatch(script: str, drop: Iterable[str], change: Mapping[str, str] | None = None) -> list[str]:
    """Submit a script, with variables taken out of the environment, and others changed (env(1))."""
    words = [word for name in drop for word in ("-u", name)]
    words += [f"{name}={value}" for name, value in (change or {}).items()]
    return [*(["env", *words] if words else []), "sbatch", "--parsable", script]


def inherited(environ: Mapping[str, str], flags: Iterable[str]) -> list[str]:
    """Return the variables that sbatch must not see.

    Its ``SBATCH_*`` variables win over the script's own lines (sbatch(1), INPUT ENVIRONMENT VARIABLES): those of flags that
    the script gives are dropped, the others are the user's defaults. Inside a job all of Slurm's and of its
    MPI launcher's are dropped.
    """
    if "SLURM_JOB_ID" in environ:
        return sorted(name for name in environ if not outside_of_a_job(name))
    given = {name for flag in flags for name in VARIABLES_OF_FLAG.get(flag, (f"SBATCH_{flag.upper().replace('-', '_')}",))}
    return sorted(environ.keys() & {*given, *NEVER_INHERITED})


def outside_of_a_job(name: str) -> bool:
    """Tell whether a variable means the same outside of the job in which it is set."""
    return not OF_A_JOB.match(name) or name in KEPT_IN_A_JOB


def parse_sbatch(text: str) -> str:
    """Return the job id of ``sbatch --parsable``: ``123`` or ``123;cluster`` on its last line."""
    lines = text.strip().splitlines()
    job_id = lines[-1].split(";")[0].strip() if lines else ""
    if not job_id.isdigit():
        raise SlurmError(f"sbatch did not say which job it made: {text.strip()!r}")
    return job_id


def squeue(cluster: str | None = None) -> list[str]:
    """Ask for all jobs of the user that slurmctld remembers, ended ones too (MinJobAge, 300 s by default)."""
    return ["squeue", *_clusters(cluster), "--me", "--noheader", "--states=all", f"--format={SQUEUE_FIELDS}"]


def parse_squeue(text: str) -> list[JobInfo]:
    """Read what :func:`squeue` prints. The folder stands last since it may hold anything."""
    return [_from_squeue(line.split("|", 6)) for line in text.splitlines() if line.count("|") >= 6]


def _from_squeue(cells: Sequence[str]) -> JobInfo:
    job_id, state, start, end, nodes, reason, folder = cells
    told = "" if reason == "None" else reason
    return JobInfo(job_id, parse_state(state), told, _time(start), _time(end), nodes, folder=folder)


def sacct(job_ids: Iterable[str], cluster: str | None = None) -> list[str]:
    """Ask the accounting for jobs by id, all in one call."""
    ids = ",".join(job_ids)
    return [
        "sacct",
        *_clusters(cluster),
        "-X",
        "--noheader",
        "--parsable2",
        f"--format={SACCT_FIELDS}",
        f"--jobs={ids}",
    ]


def parse_sacct(text: str) -> list[JobInfo]:
    """Read what :func:`sacct` prints."""
    return [_from_sacct(line.split("|", 6)) for line in text.splitlines() if line.count("|") >= 6]


def _from_sacct(cells: Sequence[str]) -> JobInfo:
    job_id, state, ended, start, end, nodes, folder = cells
    code, _, number = ended.partition(":")
    nodes = "" if nodes == "None assigned" else nodes
    return JobInfo(
        job_id, parse_state(state), "", _time(start), _time(end), nodes,
        exit_code=int(code) if code.isdigit() else None, signal=int(number) if number.isdigit() and int(number) else None,
        folder=folder,
    )  # fmt: skip


def _time(text: str) -> float | None:
    """Read a time as SLURM_TIME_FORMAT=%s writes it; Slurm says N/A, Unknown or None when there is none."""
    return float(text) if text.isdigit() and int(text) else None


def scancel(job_ids: Iterable[str], cluster: str | None = None) -> list[str]:
    """End jobs; scancel says nothing of those that have ended already."""
    return ["scancel", *_clusters(cluster), *job_ids]
