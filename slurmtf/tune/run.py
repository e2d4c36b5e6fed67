"""The run of a sweep, and its trials: each is a run with logs and files of its own."""

from __future__ import annotations

import json
from pathlib import Path

from slurmtf.errors import RunNotFoundError
from slurmtf.experiments import Run
from slurmtf.findings import Finding
from slurmtf.job.contract.interchange import JsonObject
from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.contract.sweep.records import CANCELED, FAILED, SweepLayout, get_trial_folder
from slurmtf.runs import RunStatus
from slurmtf.runs.downloads import download, download_all, list_file_names
from slurmtf.runs.metrics.event_owners import Owners
from slurmtf.runs.metrics.reading import read_metrics, walk_children
from slurmtf.runs.states.sweeps import SweepFacts, TrialState, is_sweep, read_sweep


class SweepRun(Run):
    """A sweep that was submitted. It is a run: it has a state, can be waited for and canceled."""

    def __init__(self, folder: str | Path) -> None:
        """Open a sweep's folder. Raises RunNotFoundError if it is not one."""
        super().__init__(folder)
        if not is_sweep(self.layout):
            raise RunNotFoundError(Finding("not-a-sweep", self.id, "is a run, not a sweep", "'slurmtf ls' lists the runs"))

    @property
    def facts(self) -> SweepFacts:
        """The current facts from the sweep's folder. Raises OSError or ValueError."""
        return read_sweep(self.layout)

    @property
    def space(self) -> dict[str, object]:
        """The space that is searched: parameter to expression, in Azure ML's form."""
        with open(SweepLayout(self.layout.folder).settings, encoding="utf-8") as file:
            found: dict[str, object] = json.load(file).get("space", {})
        return found

    def get_children(self) -> list[TrialRun]:
        """Return the trials that have started, in order."""
        facts, status = self.facts, self.state.status
        return [TrialRun(self, trial, status) for trial in facts.trials if trial.has_begun]

    def get_child(self, number: int) -> TrialRun:
        """Return one trial. Raises RunNotFoundError if it has not started, or does not exist."""
        child = next((one for one in self.get_children() if one.trial.number == number), None)
        if child is None:
            what = f"trial {number} has not begun, or there is none"
            raise RunNotFoundError(Finding("unknown-trial", self.id, what, f"'slurmtf sweep trials {self.word}' lists them"))
        return child

    @property
    def started_from(self) -> list[SweepRun]:
        """The sweeps from which it started, except those that have been removed."""
        with open(SweepLayout(self.layout.folder).settings, encoding="utf-8") as file:
            folders = json.load(file).get("warm_start_from", [])
        return [SweepRun(folder) for folder in folders if is_sweep(RunLayout(folder))]

    def get_best_run_by_primary_metric(
        self, include_failed: bool = True, include_canceled: bool = True, include_resume_from_runs: bool = True
    ) -> TrialRun | None:
        """Return the trial with the best value of the primary metric; None while none has logged it. Unless
        ``include_resume_from_runs`` is False, trials of the sweeps from which it started count too."""
        left_out = {status for status, wanted in ((FAILED, include_failed), (CANCELED, include_canceled)) if not wanted}
        earlier = self.started_from if include_resume_from_runs else []
        known = [child for sweep in (self, *earlier) for child in sweep._sort_trials()]
        fitting = [child for child in known if child.best is not None and child.get_status() not in left_out]
        sign = self.facts.settings.sign
        return max(fitting, key=lambda child: sign * (child.best or 0.0), default=None)

    def get_children_sorted_by_primary_metric(
        self, top: int = 0, reverse: bool = False, discard_no_metric: bool = False
    ) -> list[dict[str, object]]:
        """Return the trials as Azure ML does, the best one first, those without the metric last. ``top`` so many; 0: all.
        ``reverse``: the worst one first."""
        found = self._sort_trials()
        known, unknown = [one for one in found if one.best is not None], [one for one in found if one.best is None]
        listed = [*(known[::-1] if reverse else known), *([] if discard_no_metric else unknown)]
        return [child.to_dict() for child in (listed[:top] if top else listed)]

    def _sort_trials(self) -> list[TrialRun]:
        sign = self.facts.settings.sign
        children = self.get_children()
        return sorted(children, key=lambda one: (one.best is None, -sign * (one.best or 0.0), one.trial.number))

    def get_hyperparameters(self) -> dict[str, str]:
        """Return the parameters of each trial that has started, as JSON: a mapping from the trial's id to text."""
        return {child.id: json.dumps(child.trial.point.values) for child in self.get_children()}

    def get_metrics(self, name: str | None = None, recursive: bool = False, all_ranks: bool = False) -> JsonObject:
        """Return the metrics of each trial that has started: trial's id to metric to value, or to a list of values.
        ``recursive``: also those of the trials' child runs, and those in the sweep's own folder."""
        if recursive:
            return super().get_metrics(name, recursive, all_ranks)
        return {child.id: child.get_metrics(name, all_ranks=all_ranks) for child in self.get_children()}


class TrialRun:
    """One trial of a sweep: a run with its own folder inside the sweep's, but no job of its own."""

    def __init__(self, parent: SweepRun, trial: TrialState, of_sweep: RunStatus) -> None:
        self.parent = parent
        self.trial = trial
        self.folder = parent.folder / get_trial_folder(trial.number)
        self.layout = RunLayout(str(self.folder))
        self._status = trial.status(of_sweep)

    @property
    def id(self) -> str:
        """``<sweep>_<number>``, as Azure ML has it."""
        return f"{self.parent.id}_{self.trial.number}"

    @property
    def best(self) -> float | None:
        """The best value of the primary metric; None if it has logged none."""
        return self.trial.best(self.parent.facts.settings.sign)

    def get_status(self) -> str:
        return self._status.value

    def get_hyperparameters(self) -> JsonObject:
        return dict(self.trial.point.values)

    def get_metrics(self, name: str | None = None, recursive: bool = False, all_ranks: bool = False) -> JsonObject:
        """Return the metrics that the trial has logged: see :meth:`slurmtf.Run.get_metrics`."""
        owners = Owners(self.parent.layout, self.trial.point.values)
        own = read_metrics(self.layout, owners, name, all_ranks)
        if not recursive:
            return own
        within = walk_children(self.layout)
        return {self.id: own, **{child: read_metrics(layout, owners, name, all_ranks) for child, layout in within}}

    @property
    def tasks(self) -> list[str]:
        """The names of the tasks that have a log."""
        return sorted({path.stem for path in Path(self.layout.logs).glob("*.out")})

    def get_file_names(self) -> list[str]:
        """Return the names of the trial's files: logs, outputs, metrics."""
        return list_file_names(self.layout)

    def download_file(self, name: str, output_file_path: str | Path | None = None) -> Path:
        """Copy one of the trial's files, by default under its own name into the working directory."""
        target = Path(output_file_path or Path(name).name)
        return download(self.layout, name, target / Path(name).name if target.is_dir() else target)

    def download_files(self, prefix: str = "", output_directory: str | Path = ".") -> list[Path]:
        """Copy the trial's files whose names begin with ``prefix`` into a folder."""
        return download_all(self.layout, prefix, Path(output_directory))

    def to_dict(self) -> dict[str, object]:
        """Return the trial's facts under Azure ML's names."""
        return {
            "run_id": self.id,
            "hyperparameters": json.dumps(self.trial.point.values),
            "best_primary_metric": self.best,
            "status": self.get_status(),
        }

    def __repr__(self) -> str:
        return f"TrialRun({self.id!r})"
