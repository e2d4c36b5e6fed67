"""Query, find and cancel the user's jobs on one cluster, all together."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate

from slurmtf.errors import SlurmError
from slurmtf.job.contract import variables as var
from slurmtf.job.contract.schedulers import SLURM
from slurmtf.job.contract.system import trust
from slurmtf.scheduler.base import RECORD_LAG_S, SUBMIT_SLACK_S, Canceler, JobRef, JobState, Observation, SubmittedJob, match
from slurmtf.scheduler.books import Ahead, JobUsage
from slurmtf.scheduler.slurm import accounting, commands, jobs_ahead
from slurmtf.scheduler.slurm.calls import run_command
from slurmtf.scheduler.slurm.sharing import share

QUEUE_AGE_S = 30.0
"""The maximum age, in seconds, of an answer from which the jobs ahead of ours are counted."""
AWAY = re.compile(r"Connection refused|persistent connection|talking to the database|[Tt]imed out|not answer|is missing")
"""Messages of or about sacct if accounting exists but does not answer (sacct(1): slurmdbd may be down)."""
CLUSTERS = (var.SBATCH_CLUSTERS, var.SLURM_CLUSTERS)


def observe(jobs: Iterable[SubmittedJob], cluster: str | None, max_age_s: float = 0.0) -> dict[SubmittedJob, Observation]:
    """Query jobs with squeue, and then with sacct for jobs that squeue has forgotten, for who canceled them, and for the exit
    codes of failed ones: at most two calls for any number of jobs.

    Answers from before one of them was submitted are not used.
    """
    asked = [one for job in jobs for one in job.each]
    age = compute_max_age((job.submitted for job in asked), max_age_s, time.time())
    found = match(asked, list_mine(cluster, age))
    lacking = [job for job in asked if job not in found or _needs_accounting(found[job])]
    accounted = {job: _name_canceler(seen, job) for job, seen in _ask_accounting(lacking, cluster, age).items()}
    both = {job: _complete(found[job], seen) for job, seen in accounted.items() if job in found}
    return {**accounted, **found, **both}


def _needs_accounting(seen: Observation) -> bool:
    """Return whether squeue does not say how a job ended. For elements of an array, it is enough that they have ended."""
    failed = seen.state is JobState.FAILED and seen.ref.element is None
    return failed or seen.state is JobState.CANCELLED


def _complete(seen: Observation, accounted: Observation) -> Observation:
    """Return squeue's facts about a job, completed from accounting, which may not know them yet seconds after the end."""
    if not accounted.state.final:
        return replace(seen, unconfirmed=accounted.state is JobState.UNKNOWN)
    return replace(seen, canceler=accounted.canceler, exit_code=accounted.exit_code, signal=accounted.signal)


def _name_canceler(seen: Observation, job: SubmittedJob) -> Observation:
    """Return the observation of a job with the name of the user who canceled it."""
    if seen.canceler is None or seen.canceler.uid is None:
        return seen
    uid = seen.canceler.uid
    return replace(seen, canceler=Canceler(uid, trust.get_user_name(uid), uid == _get_owner(job.folder)))


def _get_owner(folder: str) -> int:
    """Return the owner of a folder; the current user if it has been removed, because only own jobs are queried."""
    try:
        return os.stat(folder).st_uid  # noqa: PTH116 - called for thousands of jobs
    except OSError:
        return os.getuid()


def compute_max_age(moments: Iterable[float], max_age_s: float, now: float) -> float:
    """Return the maximum age of an answer: at most ``max_age_s``, and no older than any of these moments."""
    return max(0.0, min([max_age_s, *(now - moment for moment in moments)]))


def list_mine(cluster: str | None, max_age_s: float = 0.0) -> list[Observation]:
    """Return all of the user's jobs that slurmctld remembers, or remembered at most ``max_age_s`` ago. Raises SlurmError."""
    return commands.parse_squeue(share(commands.build_squeue(cluster), run_command, max_age_s), cluster)


def _ask_accounting(jobs: Sequence[SubmittedJob], cluster: str | None, max_age_s: float) -> dict[SubmittedJob, Observation]:
    """Return what accounting knows; nothing on a cluster without it. If it does not answer, states are unknown."""
    ids = sorted({job.ref.job_id for job in jobs})
    if not ids or shutil.which("sacct") is None:
        return {}
    try:
        return match(jobs, commands.parse_sacct(share(commands.build_sacct(ids, cluster), run_command, max_age_s), cluster))
    except SlurmError as err:
        why = f"sacct: {err.findings[0].what}"
        away = AWAY.search(why) is not None
        return {job: Observation(job.ref, JobState.UNKNOWN, why, folder=job.folder) for job in jobs if away}


def find_ahead(job: SubmittedJob, cluster: str | None) -> Ahead | None:
    """Query all waiting jobs, and count those ahead of ours."""
    try:
        output = share(jobs_ahead.build_waiting_query(cluster), run_command, QUEUE_AGE_S)
    except SlurmError:
        return None
    return jobs_ahead.find_ahead(jobs_ahead.parse_waiting(output), job.ref.job_id)


def read_usage(jobs: Sequence[SubmittedJob], cluster: str | None) -> dict[SubmittedJob, JobUsage]:
    """Ask accounting what jobs have used, in one call; nothing on a cluster without accounting."""
    if not jobs or shutil.which("sacct") is None:
        return {}
    try:
        usage = accounting.parse_usage(
            run_command(accounting.build_usage_query(sorted({job.ref.name for job in jobs}), cluster))
        )
    except SlurmError:
        return {}
    return {job: usage[job.ref.name] for job in jobs if job.ref.name in usage and usage[job.ref.name].folder == job.folder}


def find(folders: Mapping[str, float], cluster: str | None, max_age_s: float = 0.0) -> dict[str, list[SubmittedJob]]:
    """Find jobs in the queue of sbatch's default clusters, and in accounting if the queue has forgotten them, with at most two
    calls. Answers from before one of the folders was built are not used. Raises SlurmError, also if accounting does not
    answer."""
    clusters = cluster or next(filter(None, map(os.environ.get, CLUSTERS)), None)
    age = compute_max_age(folders.values(), max_age_s, time.time())
    found = group_by_folder(folders, list_mine(clusters, age))
    others = {folder: built for folder, built in folders.items() if folder not in found}
    return {**found, **group_by_folder(others, _ask_accounting_since(min(others.values()), clusters, age))} if others else found


def _ask_accounting_since(built: float, cluster: str | None, max_age_s: float) -> list[Observation]:
    """Return what accounting knows about the user's jobs since ``built``; nothing on a cluster without accounting."""
    if shutil.which("sacct") is None:
        return []
    hours = int(max(0.0, time.time() - built + SUBMIT_SLACK_S) // 3600) + 1
    try:
        return commands.parse_sacct(share(commands.build_sacct_since(hours, cluster), run_command, max_age_s), cluster)
    except SlurmError as err:
        if AWAY.search(err.findings[0].what):
            raise
        return []


def group_by_folder(folders: Iterable[str], seen: Iterable[Observation]) -> dict[str, list[SubmittedJob]]:
    """Return the jobs that work in these folders, for each in the order of submission. Pure."""
    wanted = {os.path.normpath(folder): folder for folder in folders}
    found: dict[str, dict[JobRef, list[Observation]]] = {}
    for one in seen:
        folder = wanted.get(os.path.normpath(one.folder)) if one.folder else None
        if folder is not None:
            found.setdefault(folder, {}).setdefault(replace(one.ref, element=None), []).append(one)
    return {folder: _sort_jobs(folder, jobs) for folder, jobs in found.items()}


def _sort_jobs(folder: str, jobs: Mapping[JobRef, Sequence[Observation]]) -> list[SubmittedJob]:
    """Return the jobs of a folder in order. Several arrays are slices of one array, and each begins at 0."""
    found = [_build_job(ref, folder, seen) for ref, seen in jobs.items()]
    found.sort(key=lambda job: (job.submitted, len(job.ref.job_id), job.ref.job_id))
    begins = accumulate((job.elements for job in found), initial=0)
    return [replace(job, first=begin) for job, begin in zip(found, begins, strict=False)]


def _build_job(ref: JobRef, folder: str, seen: Sequence[Observation]) -> SubmittedJob:
    numbers = [one.ref.element for one in seen if one.ref.element is not None]
    return SubmittedJob(ref, SLURM, folder, min(one.submitted or 0.0 for one in seen), elements=max(numbers, default=-1) + 1)


def cancel(jobs: Sequence[SubmittedJob], cluster: str | None) -> None:
    """Query the jobs, then cancel those that still exist and are ours, with two calls for any number of jobs.

    An id can't be reused between the two calls: slurmctld gives it to another job only after it has forgotten ours, MinJobAge
    after its end, which is at least two seconds. scancel's filters would make slurmctld send the whole queue first.
    """
    names = select_cancellable(jobs, list_mine(cluster), time.time()) if jobs else []
    if names:
        run_command(commands.build_scancel(names, cluster))


def select_cancellable(jobs: Iterable[SubmittedJob], queue: Sequence[Observation], now: float) -> list[str]:
    """Return the names of the jobs that may be canceled: our jobs that have not ended, and those too young to be listed.

    Some sites answer squeue from a cache. A job whose id is listed with another folder is no longer ours, even if it is young.
    """
    alive = {job for job, seen in match([one for job in jobs for one in job.each], queue).items() if not seen.state.final}
    listed = {seen.ref.job_id for seen in queue}
    young = {job for job in jobs if job.ref.job_id not in listed and now - job.submitted < RECORD_LAG_S}
    return [job.ref.name for job in jobs if job in young or alive.intersection(job.each)]
