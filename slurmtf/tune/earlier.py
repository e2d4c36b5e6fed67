"""Find, check and record the sweeps and trials that another sweep starts from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from slurmtf.collecting import Findings
from slurmtf.errors import SlurmtfError
from slurmtf.experiments import Run
from slurmtf.findings import Finding
from slurmtf.job.contract.sweep.records import EarlierTrial, Point, Settings
from slurmtf.tune.described import Described
from slurmtf.tune.run import SweepRun, TrialRun

T = TypeVar("T")
MOST_PARENTS = 5
"""Azure ML's limit on the number of sweeps to start from."""


@dataclass(frozen=True)
class Start:
    """What a sweep starts from: folders of earlier sweeps, their trials, and points that continue these trials."""

    sweeps: tuple[str, ...] = ()
    trials: tuple[EarlierTrial, ...] = ()
    points: tuple[Point, ...] = ()


def resolve_start(sweep: Described, workspace: str | Path | None) -> Start:
    """Return what a sweep starts from. Raises SpecError with a finding for each sweep or trial that it can't start from."""
    findings = Findings()
    parents = _find(sweep.warm_start_from, lambda one: _open_sweep(one, workspace), "warm_start_from", findings)
    resumed = _find(sweep.resume_child_runs, lambda one: _open_trial(one, workspace), "resume_child_runs", findings)
    if len(parents) > MOST_PARENTS:
        what = f"{len(parents)} sweeps are above {MOST_PARENTS}"
        findings.add([Finding("out-of-range", "warm_start_from", what, "start from fewer")])
    for parent in parents:
        findings.add(_check_parent(sweep, parent))
    for trial in resumed:
        findings.add(_check_ended("resume_child_runs", trial.parent))
    findings.raise_errors()
    return Start(
        tuple(str(parent.folder) for parent in parents),
        tuple(trial for parent in parents for trial in _list_trials(parent)),
        tuple(Point(trial.trial.point.values, "resumed", resumes=trial.layout.outputs) for trial in resumed),
    )


def _find(given: Sequence[object], find: Callable[[object], T], where: str, findings: Findings) -> list[T]:
    found: list[T] = []
    for one in given:
        try:
            found.append(find(one))
        except SlurmtfError as err:
            findings.add([Finding(finding.code, where, f"{one}: {finding.what}", finding.remedy) for finding in err.findings])
    return found


def _open_sweep(given: object, workspace: str | Path | None) -> SweepRun:
    return given if isinstance(given, SweepRun) else SweepRun(Run.find(str(given), workspace).folder)


def _open_trial(given: object, workspace: str | Path | None) -> TrialRun:
    if isinstance(given, TrialRun):
        return given
    name, _, number = str(given).rpartition("_")
    parent = _open_sweep(name, workspace)
    return parent.get_child(int(number) if number.isdigit() else -1)


def _check_parent(sweep: Described, parent: SweepRun) -> Iterable[Finding]:
    settings, where = parent.facts.settings, "warm_start_from"
    yield from _check_ended(where, parent)
    if _get_aim(settings) != (sweep.primary_metric_name, str(getattr(sweep.primary_metric_goal, "value", ""))):
        what = f"{parent.id} was to {settings.goal} {settings.metric!r}"
        yield Finding("another-metric", where, what, "start from sweeps of the same metric and goal")
    space = {name: one.to_list() for name, one in sweep.sampling.parameter_space.items()}
    if sweep.sampling.kind == "bayesian" and parent.space != space:
        yield Finding("another-space", where, f"{parent.id} searched another space", "use its space, or random sampling")


def _check_ended(where: str, parent: SweepRun) -> Iterable[Finding]:
    if not parent.state.status.final:
        remedy = f"'slurmtf sweep status {parent.word}' shows how far it is"
        yield Finding("sweep-goes-on", where, f"{parent.id} has not ended", remedy)


def _get_aim(settings: Settings) -> tuple[str, str]:
    return settings.metric, settings.goal


def _list_trials(parent: SweepRun) -> list[EarlierTrial]:
    facts = parent.facts
    begun = [trial for trial in facts.trials if trial.result]
    return [EarlierTrial(trial.point.values, trial.curve, trial.best(facts.settings.sign)) for trial in begun]
