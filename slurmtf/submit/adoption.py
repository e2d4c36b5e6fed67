"""Find the jobs of runs whose client was killed, or got no answer, before it could record them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from slurmtf.errors import SlurmError
from slurmtf.files import load_json
from slurmtf.job.contract.attempt import journal
from slurmtf.job.contract.attempt.events import Started
from slurmtf.job.contract.layout import RunLayout
from slurmtf.processes import recognize
from slurmtf.scheduler import JobRef, SubmittedJob, get_scheduler
from slurmtf.submit.record import ADOPTED, BY_HAND, note, read_jobs


@dataclass(frozen=True)
class FoundJobs:
    """The jobs of a run; ``error``: why its scheduler could not be queried."""

    jobs: tuple[SubmittedJob, ...] = ()
    error: SlurmError | None = None


@dataclass(frozen=True)
class _Place:
    """Where the jobs of a run are, according to its plan; ``built``: when its folder was created, or the submission of
    additional jobs began, in seconds since 1970."""

    scheduler: str
    cluster: str | None
    folder: str
    sweep: bool
    built: float


def adopt(layout: RunLayout) -> tuple[SubmittedJob, ...]:
    """Return the jobs of a run; if none are recorded, find and record them. Raises OSError, SlurmError."""
    known = tuple(read_jobs(layout))
    if known:
        return known
    found = find_jobs([layout])[layout]
    if found.error:
        raise found.error
    note_found(layout, found.jobs)
    return found.jobs


def note_found(layout: RunLayout, jobs: Iterable[SubmittedJob]) -> None:
    """Record the jobs that were found for a run. Raises OSError."""
    for job in jobs:
        note(layout, replace(job, why=ADOPTED))


def find_jobs(layouts: Sequence[RunLayout], max_age_s: float = 0.0) -> dict[RunLayout, FoundJobs]:
    """Find the jobs of runs by their journals, or else by their working directory, the run folder.

    Each scheduler is queried once. ``max_age_s``: accept answers of up to this age, in seconds, that another process of the
    user got. The journals of a sweep know only the elements that have started.
    """
    places = {layout: place for layout in layouts if (place := _read_place(layout))}
    found = {layout: _find_in_journal(layout, place) for layout, place in places.items()}
    asking: dict[tuple[str, str | None], list[RunLayout]] = {}
    for layout, place in places.items():
        if place.sweep or not found[layout].jobs:
            asking.setdefault((place.scheduler, place.cluster), []).append(layout)
    for key, several in asking.items():
        listed = _ask_scheduler(*key, {layout: places[layout] for layout in several}, max_age_s)
        found.update({layout: one for layout, one in listed.items() if one.jobs or not found[layout].jobs})
    return {**dict.fromkeys(layouts, FoundJobs()), **found}


def _read_place(layout: RunLayout) -> _Place | None:
    """Return where the jobs of a run are; None if its plan does not say, or the run has just been removed."""
    try:
        plan, built = load_json(layout.plan), max(_read_mtime(layout.plan), _read_mtime(layout.submitting))
        job, cluster, folder = plan["job"], plan["cluster"], plan["run"]["folder"]
        get_scheduler(job["scheduler"], cluster)
        sound = isinstance(folder, str) and (cluster is None or isinstance(cluster, str))
        return _Place(job["scheduler"], cluster, folder, bool(job.get("sweep")), built) if sound else None
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def _read_mtime(path: str) -> float:
    try:
        return os.stat(path).st_mtime  # noqa: PTH116 - called for thousands of runs
    except FileNotFoundError:
        return 0.0


def _find_in_journal(layout: RunLayout, place: _Place) -> FoundJobs:
    """Return the job that started first; for a sweep, all elements that have started. When they were submitted is not known."""
    starts = [attempt.started for attempt in journal.read_attempts(layout)]
    try:
        began = tuple(dict.fromkeys(_read_start(start, place) for start in starts if start.job_id))
    except (LookupError, TypeError, ValueError, OverflowError):  # a line that slurmtf did not write
        return FoundJobs()
    return FoundJobs(began if place.sweep else began[:1])


def _read_start(event: Started, place: _Place) -> SubmittedJob:
    ref = JobRef(place.cluster, event.job_id, event.element)
    return SubmittedJob(ref, place.scheduler, place.folder, 0.0, BY_HAND, process=recognize(event.process))


def _ask_scheduler(
    scheduler: str, cluster: str | None, places: Mapping[RunLayout, _Place], max_age_s: float
) -> dict[RunLayout, FoundJobs]:
    """Return what a scheduler knows of several runs, in one query."""
    try:
        jobs = get_scheduler(scheduler, cluster).find({place.folder: place.built for place in places.values()}, max_age_s)
    except SlurmError as err:
        return dict.fromkeys(places, FoundJobs(error=err))
    return {layout: FoundJobs(tuple(jobs.get(place.folder, ()))) for layout, place in places.items()}
