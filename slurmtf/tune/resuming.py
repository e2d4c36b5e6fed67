"""Resume a sweep that has ended, with its unfinished trials and additional ones."""

from __future__ import annotations

import contextlib
import os
import time
from functools import partial
from pathlib import Path

from slurmtf.errors import SpecError
from slurmtf.files import load_json, write_json, write_private
from slurmtf.findings import Finding
from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.contract.sweep.records import Point, SweepLayout, read_points, read_settings
from slurmtf.runs.workspaces.workspace import check_ours
from slurmtf.scheduler import Array, get_scheduler
from slurmtf.submit.additions import note_submission
from slurmtf.submit.record import note
from slurmtf.tune.checks import LONGEST_MINUTES, MOST_CONCURRENT, MOST_RUNS
from slurmtf.tune.run import SweepRun
from slurmtf.tune.samplers import build_sampling
from slurmtf.tune.submitting import format_json_lines

RESUMED = "resumed"


def resume(
    run: SweepRun, max_total_runs: int | None = None, max_concurrent_runs: int | None = None, minutes: int | None = None
) -> int:
    """Submit elements for the unfinished trials of a sweep that has ended, and return the number of these trials.

    The points that were drawn stay; additional points come from the same seed. Raises SpecError if nothing is left to do or the
    sweep is still running, RefusedError or SlurmError if it can't be submitted.
    """
    check_ours(run.folder)
    files = SweepLayout(run.layout.folder)
    settings = read_settings(files.settings)
    _check(run, settings.total, max_total_runs, max_concurrent_runs, minutes)
    sampling = build_sampling(settings.sampling, run.space, settings.seed)
    resumed = [point for point in read_points(files.points) if point.resumes]
    drawn = sampling.count_points((max_total_runs or settings.total) - len(resumed))
    by = "grid" if settings.sampling == "grid" else "random"
    points = [*resumed, *(Point(values, by) for values in sampling.draw_points(drawn, settings.seed))]
    total = len(points)
    left = total - run.facts.done
    if left <= 0:
        raise SpecError(Finding("nothing-left", run.id, "all its trials are done", "pass --max-total-runs for more"))
    concurrent = min(max_concurrent_runs or settings.concurrent, left)
    deadline = time.time() + 60 * (minutes or LONGEST_MINUTES)
    each = min(settings.per_element, concurrent)
    changed = settings._replace(total=total, concurrent=concurrent, deadline=deadline, per_element=each)
    write_private(files.points, format_json_lines(points))
    write_json(files.settings, {**load_json(files.settings), **changed.to_dict()})
    for path in (files.stopped, run.layout.ended):
        with contextlib.suppress(FileNotFoundError):
            Path(path).unlink()
    _submit(run.layout, Array(-(-left // each), max(1, concurrent // each)), run)
    return left


def _submit(layout: RunLayout, array: Array, run: SweepRun) -> None:
    scheduler = get_scheduler(run.plan["job"]["scheduler"], run.plan["cluster"])
    scheduler.check()
    with note_submission(layout):
        scheduler.submit(Path(layout.script), Path(layout.folder), os.environ, array, why=RESUMED, note=partial(note, layout))


def _check(run: SweepRun, total: int, wanted: int | None, concurrent: int | None, minutes: int | None) -> None:
    findings = []
    if not run.state.status.final:
        findings.append(
            Finding("sweep-goes-on", run.id, "it has not ended", f"'slurmtf sweep status {run.word}' shows how far it is")
        )
    if wanted is not None and not total <= wanted <= MOST_RUNS:
        what = f"{wanted} is not between {total}, which it has, and {MOST_RUNS}"
        findings.append(Finding("out-of-range", "--max-total-runs", what, "set one within these bounds"))
    if concurrent is not None and not 1 <= concurrent <= MOST_CONCURRENT:
        what = f"{concurrent} is not between 1 and {MOST_CONCURRENT}"
        findings.append(Finding("out-of-range", "--max-concurrent-runs", what, "set one within these bounds"))
    if minutes is not None and not 1 <= minutes <= LONGEST_MINUTES:
        what = f"{minutes} is not between 1 and {LONGEST_MINUTES}"
        findings.append(Finding("out-of-range", "--max-duration-minutes", what, "set one within these bounds"))
    if findings:
        raise SpecError(*findings)
