"""Starts examples side by side, and waits for one after the other."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slurmtf import Experiment, Run
from slurmtf.estimator.document import from_document, read_job_file
from slurmtf.runs.states.state import RunState, RunStatus
from tests import journals
from tests.cluster import wait_for

EXAMPLES = Path(__file__).parents[3] / "examples"
LONG = 60
"""Minutes, instead of an example's own limit: guarding against hangs is up to the tests (tests/patience.py)."""
TWO_NODES: dict[str, Any] = {"node_count": 2, "exclusive": True}  # of the test Slurm's four: two examples at a time

Results = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Launched:
    """A run, and the place where it was started."""

    place: str
    run: Run

    def end(self) -> RunState:
        what = f"the end of {self.run.folder} ({self.place})"
        wait_for(lambda: self.run.state.status.final, what)
        return self.run.state

    def results(self) -> Results:
        """Return what each process left in outputs/, by file name. Fails if the run did not complete."""
        state = self.end()
        assert state.status is RunStatus.COMPLETED, f"{self.place}: {state.message}\n{self._log()}"
        return {file.stem: json.loads(file.read_text()) for file in sorted(self.run.folder.glob("outputs/result-*.json"))}

    def events(self, name: str) -> list[dict[str, Any]]:
        return [event for event in journals.events(self.run.folder) if event["event"] == name]

    def _log(self) -> str:
        return "\n".join(f"{log.name}: {log.read_text()[-2000:]}" for log in sorted(self.run.folder.glob("logs/*.err")))


@dataclass
class Examples:
    """All examples of a test. ``profile`` is the test Slurm's own profile, which names its MPI; 'slurm' names none."""

    workspace: Path
    profile: Path
    started: list[Launched] = field(default_factory=list)

    def start(self, place: str, source: str | Path, python: Path | str, **settings: Any) -> Launched:
        """Start an example, or any folder with a job.yaml, with this ``python`` in the job."""
        job = EXAMPLES / source / "job.yaml"
        wishes = {"time": LONG, **self._wishes(place), "environment_definition": {"python": str(python)}, **settings}
        estimator = from_document(read_job_file(job), job.parent, wishes)
        launched = Launched(place, Experiment(job.parent.name, self.workspace).submit(estimator))
        self.started.append(launched)
        return launched

    def _wishes(self, place: str) -> dict[str, Any]:
        places: dict[str, dict[str, Any]] = {
            "srun": {"compute_target": str(self.profile), **TWO_NODES},
            "mpirun": {"compute_target": str(self.profile), "launcher": "mpirun", **TWO_NODES},
            "gloo": {"compute_target": "slurm", **TWO_NODES},
            "local": {"compute_target": "local"},
            "local mpirun": {"compute_target": "local", "launcher": "mpirun"},
        }
        return places[place]

    def cancel(self) -> None:
        for launched in self.started:
            launched.run.cancel()
