"""Canceling many runs at once: which jobs their schedulers cancel, what is noted before, and what failed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from slurmtf.errors import SlurmError, SlurmtfError
from slurmtf.findings import Finding
from slurmtf.job.contract.layout import RunLayout
from slurmtf.runs import canceling
from slurmtf.runs.canceling import cancel
from slurmtf.runs.states.state import Doubt, DoubtKind, RunState, RunStatus
from slurmtf.runs.status import SeenRun
from slurmtf.scheduler import JobRef, SubmittedJob

QUEUED, RUNNING, COMPLETED = RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.COMPLETED


def seen(folder: Path, name: str, status: RunStatus, job: str = "", sweep: bool = False, doubt: Doubt | None = None) -> SeenRun:
    layout = RunLayout(str(folder / name))
    Path(layout.folder, "trials").mkdir(parents=True)
    submitted = SubmittedJob(JobRef(None, job), "slurm", layout.folder, 7.0) if job else None
    array = (submitted,) if submitted and sweep else ()
    return SeenRun(layout, submitted, RunState(status, doubt=doubt), array)


class Slurm:
    """Slurm, which may refuse; ``noted``: the notes in the run folders at the time of the call."""

    def __init__(self, error: SlurmtfError | None = None) -> None:
        self.error = error
        self.orders: list[list[str]] = []
        self.noted: list[bool] = []

    def cancel(self, jobs: Sequence[SubmittedJob]) -> None:
        self.orders.append([job.ref.name for job in jobs])
        self.noted = [Path(RunLayout(job.folder).cancel_mark).exists() for job in jobs]
        if self.error:
            raise self.error


@pytest.fixture
def slurm(monkeypatch: pytest.MonkeyPatch) -> Slurm:
    slurm = Slurm()
    monkeypatch.setattr(canceling, "group_by_scheduler", lambda jobs: [(slurm, list(jobs))] if jobs else [])
    return slurm


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The sweeps that were stopped from starting more trials."""
    names: list[str] = []
    monkeypatch.setattr(canceling, "stop_sweep", lambda layout: names.append(Path(layout.folder).name))
    return names


def canceled(monkeypatch: pytest.MonkeyPatch, *found: SeenRun) -> list[RunState]:
    monkeypatch.setattr(canceling, "look", lambda _: list(found))
    return cancel([one.layout for one in found])


def noted(*found: SeenRun) -> list[bool]:
    return [Path(one.layout.cancel_mark).exists() for one in found]


def test_ended_runs_are_not_canceled(tmp_path: Path, slurm: Slurm, stopped: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        seen(tmp_path, "waits", QUEUED, "4"),
        seen(tmp_path, "done", COMPLETED, "5"),
        seen(tmp_path, "runs", RUNNING, "6"),
        seen(tmp_path, "searches", RUNNING, "7", sweep=True),
        seen(tmp_path, "has searched", COMPLETED, "8", sweep=True),
    ]
    assert canceled(monkeypatch, *found) == [one.state for one in found]
    assert (slurm.orders, slurm.noted) == ([["4", "6", "7"]], [True] * 3)
    assert noted(*found) == [True, False, True, True, False]
    assert stopped == ["searches"]


@pytest.mark.parametrize("kind", [SlurmError, SlurmtfError])
def test_a_run_is_not_marked_as_canceled_if_canceling_failed(
    tmp_path: Path, slurm: Slurm, kind: type[SlurmtfError], monkeypatch: pytest.MonkeyPatch
) -> None:
    slurm.error = kind(Finding("slurm-silent", "scancel", "timed out"))
    found = [seen(tmp_path, "one", QUEUED, "4"), seen(tmp_path, "two", RUNNING, "5")]
    with pytest.raises(SlurmtfError) as caught:
        canceled(monkeypatch, *found)
    assert type(caught.value) is kind
    assert [(one.code, one.where) for one in caught.value.findings] == [
        ("slurm-silent", "scancel"),
        ("not-canceled", "one, two"),
    ]
    assert slurm.noted == [True, True]
    assert noted(*found) == [False, False]


def test_an_accepted_cancellation_is_kept_when_a_second_one_fails(
    tmp_path: Path, slurm: Slurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise its job, which is being killed, would requeue itself."""
    (one,) = found = [seen(tmp_path, "one", RUNNING, "4")]
    canceled(monkeypatch, *found)
    before = Path(one.layout.cancel_mark).read_text()
    slurm.error = SlurmError(Finding("slurm-silent", "scancel", "timed out"))
    with pytest.raises(SlurmError):
        canceled(monkeypatch, *found)
    assert Path(one.layout.cancel_mark).read_text() == before


def test_other_runs_are_canceled_if_the_job_of_one_is_unknown(
    tmp_path: Path, slurm: Slurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = seen(tmp_path, "lost", RunStatus.NOT_STARTED, doubt=Doubt(DoubtKind.UNREACHABLE, "timed out"))
    with pytest.raises(SlurmError) as caught:
        canceled(monkeypatch, lost, seen(tmp_path, "one", QUEUED, "4"))
    assert [(one.code, one.where) for one in caught.value.findings] == [("job-unknown", "lost")]
    assert slurm.orders == [["4"]]
