"""Map a run to MLflow's runs, names and files."""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from slurmtf.job.contract.interchange import JsonView
from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.contract.metrics.entries import Point
from slurmtf.runs.folder import RunFolder
from slurmtf.runs.metrics.event_owners import Owners
from slurmtf.runs.metrics.reading import iterate_trials, walk_children
from slurmtf.runs.receipts.differences import parse_arguments
from slurmtf.runs.states.state import RunState, RunStatus
from slurmtf.runs.states.sweeps import is_sweep, read_sweep
from slurmtf.runs.workspaces.tags import read_tags

LONGEST_KEY, LONGEST_PARAMETER, LONGEST_TAG = 250, 6000, 5000
"""MLflow's limits, in characters (mlflow/utils/validation.py)."""
FARTHEST = (1 << 63) - 1
SET = "true"
"""The value of a flag without a value."""
STATUS = {RunStatus.COMPLETED: "FINISHED", RunStatus.FAILED: "FAILED", RunStatus.CANCELED: "KILLED"}
WAITS = (RunStatus.NOT_STARTED, RunStatus.QUEUED, RunStatus.PROVISIONING)


@dataclass(frozen=True)
class Part:
    """One run in MLflow: the run itself, one of its child runs, or a trial of a sweep."""

    id: str
    layout: RunLayout
    status: RunStatus
    parameters: Mapping[str, str]
    tags: Mapping[str, str]
    owners: Owners
    started: float | None = None
    ended: float | None = None


def to_mlflow_key(name: str) -> str:
    """Return a name that MLflow accepts; a changed name gets a hash of the original, so that names stay unique."""
    parts = [part for part in re.sub(r"[^\w./ :-]", "_", name).split("/") if part not in ("", ".", "..")]
    plain = "/".join(parts)
    if name and plain == name and len(name) <= LONGEST_KEY:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{plain[: LONGEST_KEY - 9]}-{digest}"


def to_mlflow_status(status: RunStatus) -> str:
    """Return MLflow's status for a run's status."""
    return STATUS.get(status, "SCHEDULED" if status in WAITS else "RUNNING")


def to_parameters(settings: JsonView) -> dict[str, str]:
    """Return an estimator's settings as parameters: the script's arguments by name, the others with the prefix ``slurmtf.``.

    Nested settings are left out, including environment variables, which may be secret.
    """
    given = settings.get("script_params")
    arguments = parse_arguments([str(word) for word in given]) if isinstance(given, list) else dict(given or {})
    own = {
        f"slurmtf.{name}": value
        for name, value in settings.items()
        if isinstance(value, str | int | float) and name not in ("source_directory", "estimator")
    }
    named = {str(name).lstrip("-"): SET if value in ("", None) else value for name, value in arguments.items()}
    return {name: str(value) for name, value in {**named, **own}.items()}


def to_milliseconds(seconds: float) -> int:
    """Return a time in milliseconds, MLflow's unit; 0 if it is invalid."""
    found = seconds * 1000
    return int(found) if math.isfinite(found) and abs(found) < FARTHEST else 0


def get_step(point: Point, number: int) -> int:
    """Return a value's step, or if it has none, its ``number`` among the values."""
    if point.step is None or not math.isfinite(point.step):
        return number
    return max(-FARTHEST, min(FARTHEST, int(point.step)))


def iterate_parts(run: RunFolder, state: RunState) -> Iterator[Part]:
    """Yield the run, its child runs, and its trials. Raises OSError or ValueError if its plan can't be read."""
    plan = run.plan
    settings, owners = plan["provenance"]["estimator"], Owners(run.layout)
    yield Part(
        run.id,
        run.layout,
        state.status,
        to_parameters(settings),
        {**read_tags(run.folder), **_build_tags(run, state, plan)},
        owners,
        state.started or state.submitted,
        state.ended,
    )
    for name, layout in walk_children(run.layout):
        yield Part(name, layout, state.status, {}, read_tags(layout.folder), owners, state.started, state.ended)
    if is_sweep(run.layout):
        yield from _iterate_trial_parts(run, state)


def _iterate_trial_parts(run: RunFolder, state: RunState) -> Iterator[Part]:
    known = {f"{run.id}_{trial.number}": trial for trial in read_sweep(run.layout).trials}
    for name, layout, owners in iterate_trials(run.layout):
        trial = known.get(name)
        if trial:
            values = {key.lstrip("-"): str(value) for key, value in trial.point.values.items()}
            status, started = trial.status(state.status), trial.started or state.started
            yield Part(name, layout, status, values, read_tags(layout.folder), owners, started)
            for child, own in walk_children(layout):
                yield Part(child, own, status, {}, read_tags(own.folder), owners, started)


def _build_tags(run: RunFolder, state: RunState, plan: Mapping[str, object]) -> dict[str, str]:
    receipt = run.receipt
    source = receipt.get("source") or {}
    found = {
        "slurmtf.run": run.id,
        "slurmtf.folder": str(run.folder),
        "slurmtf.site": plan.get("site"),
        "slurmtf.job": state.job_id,
        "slurmtf.status": state.status.value,
        "slurmtf.snapshot": source.get("snapshot"),
        "mlflow.user": receipt.get("user"),
        "mlflow.source.git.commit": (source.get("git") or {}).get("commit"),
    }
    return {name: str(value) for name, value in found.items() if value}


def find_files(part: Part) -> dict[str, Path]:
    """Return the files of a run by their names in MLflow: the receipt, logged images and, once the run has ended, outputs."""
    layout = part.layout
    roots = [layout.outputs] if part.status.final else []
    found = [Path(folder, name) for root in [*roots, layout.images] for folder, _, names in os.walk(root) for name in names]
    regular = [path for path in [Path(layout.receipt), *found] if path.is_file() and not path.is_symlink()]
    return {str(path.relative_to(layout.folder)): path for path in sorted(regular)}
