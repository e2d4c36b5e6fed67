"""A run whose client was killed or got no answer before it recorded the job: any later look finds the job."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from slurmtf.errors import SlurmError
from slurmtf.job.contract.attempt import events
from slurmtf.job.contract.attempt.events import Record
from slurmtf.job.contract.layout import RunLayout
from slurmtf.runs.canceling import cancel
from slurmtf.runs.states.state import DoubtKind, RunStatus
from slurmtf.runs.status import read_states
from slurmtf.runs.workspaces.listing import list_states
from slurmtf.scheduler import JobRef, SubmittedJob
from slurmtf.submit import adoption
from slurmtf.submit.adoption import find_jobs
from slurmtf.submit.record import ADOPTED, BY_HAND, SUBMITTED, note, read_jobs

PROCESS = {"host": "node1", "pid": 5, "started": 6}
SetAnswers = Callable[..., None]


@pytest.fixture
def set_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SetAnswers:
    """Set the output and exit status of squeue and sacct; :func:`calls` counts the calls."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()

    def tell(squeue: str, sacct: str = "", status: int = 0) -> None:
        for name, text in (("squeue", squeue), ("sacct", sacct)):
            path = tmp_path / "bin" / name
            path.write_text(f"#!/bin/sh\necho >>'{path}.calls'\nprintf '%s' '{text}'\nexit {status}\n")
            path.chmod(0o755)

    return tell


def calls(tmp_path: Path) -> list[int]:
    """Return how often squeue and sacct were called."""
    files = [tmp_path / "bin" / f"{name}.calls" for name in ("squeue", "sacct")]
    return [len(file.read_text()) if file.exists() else 0 for file in files]


def run_of(tmp_path: Path, name: str, sweep: bool = False, scheduler: Any = "slurm", cluster: str | None = None) -> RunLayout:
    layout = RunLayout(str(tmp_path / "lab" / name))
    Path(layout.folder).mkdir(parents=True)
    plan = {"job": {"scheduler": scheduler, "sweep": sweep}, "cluster": cluster, "run": {"folder": layout.folder}}
    Path(layout.plan).write_text(json.dumps(plan))
    return layout


def began(layout: RunLayout, job: str, element: int | None = None, at: float = 9.0) -> None:
    Path(layout.journals).mkdir(exist_ok=True)
    name = job if element is None else f"{job}_{element}"
    line = Record.from_event(events.Started(job_id=job, element=element, host="node1", process=PROCESS), at).to_dict()
    Path(layout.journal(name, 0)).write_text(json.dumps(line) + "\n")


def listed(layout: RunLayout, job: str, state: str = "PENDING") -> str:
    return f"{job}|{state}|7|N/A|N/A||Priority|{layout.folder}\n"


def found(job: str, layout: RunLayout, **facts: Any) -> SubmittedJob:
    return replace(SubmittedJob(JobRef(None, job), "slurm", layout.folder, 7.0, ADOPTED), **facts)


def test_a_list_finds_what_nobody_wrote_down_with_one_question(tmp_path: Path, set_answers: SetAnswers) -> None:
    silent, noted, none = (run_of(tmp_path, name) for name in ("silent", "noted", "none"))
    note(noted, found("5", noted, why=SUBMITTED))
    set_answers(listed(silent, "4") + listed(noted, "5"))
    folders = [Path(one.folder) for one in (silent, noted, none)]
    for _ in range(2):
        states = [run.status for run in list_states(folders, max_age_s=3600.0)]
        assert states == [RunStatus.QUEUED, RunStatus.QUEUED, RunStatus.NOT_STARTED]
    assert read_jobs(silent) == [found("4", silent)]
    assert read_jobs(none) == []
    assert calls(tmp_path) == [1, 1]


def test_a_job_that_left_the_queue_is_found_in_the_accounting(tmp_path: Path, set_answers: SetAnswers) -> None:
    run = run_of(tmp_path, "canceled")
    set_answers("", f"4|CANCELLED by 7|0:0|7|Unknown|9|None assigned|{run.folder}\n")
    (state,) = read_states([Path(run.folder)])
    assert (state.status, state.job_id) == (RunStatus.CANCELED, "4")
    assert read_jobs(run) == [found("4", run)]


def test_a_started_job_is_found_by_its_journal_alone(tmp_path: Path, set_answers: SetAnswers) -> None:
    run = run_of(tmp_path, "begun")
    set_answers("")
    began(run, "4")
    (job,) = find_jobs([run])[run].jobs
    assert (job.ref.name, job.why, job.process is not None) == ("4", BY_HAND, True)
    assert calls(tmp_path) == [0, 0]


def test_the_first_of_several_started_jobs_is_adopted(tmp_path: Path) -> None:
    """A later one was submitted by hand, and is found by its journal."""
    run = run_of(tmp_path, "again")
    began(run, "4", at=20.0)
    began(run, "5", at=9.0)
    assert [job.ref.name for job in find_jobs([run])[run].jobs] == ["5"]


def test_each_cluster_is_asked_only_for_its_own_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str | None, list[str]] = {}

    class Cluster:
        def __init__(self, name: str | None) -> None:
            self._name = name

        def find(self, folders: Mapping[str, float], max_age_s: float) -> dict[str, list[SubmittedJob]]:
            asked[self._name] = [*asked.get(self._name, []), *(Path(folder).name for folder in folders)]
            return {}

    monkeypatch.setattr(adoption, "get_scheduler", lambda _, cluster: Cluster(cluster))
    find_jobs([run_of(tmp_path, name, cluster=cluster) for name, cluster in (("a", "wice"), ("b", None), ("c", "wice"))])
    assert asked == {"wice": ["a", "c"], None: ["b"]}


def test_a_sweep_is_found_with_all_its_elements(tmp_path: Path, set_answers: SetAnswers) -> None:
    sweep = run_of(tmp_path, "sweep", sweep=True)
    began(sweep, "4", 0)
    set_answers(listed(sweep, "4_0", "RUNNING") + listed(sweep, "4_[1-3%2]"))
    assert find_jobs([sweep])[sweep].jobs == (found("4", sweep, elements=4, why=""),)
    set_answers("")  # and of a sweep that Slurm has forgotten, the elements that have started
    began(sweep, "4", 1)
    assert sorted(job.ref.name for job in find_jobs([sweep])[sweep].jobs) == ["4_0", "4_1"]


def test_no_job_is_adopted_while_slurm_does_not_answer(tmp_path: Path, set_answers: SetAnswers) -> None:
    silent, noted = run_of(tmp_path, "silent"), run_of(tmp_path, "noted")
    note(noted, found("5", noted, why=SUBMITTED))
    set_answers("", status=1)
    (state, _) = read_states([Path(silent.folder), Path(noted.folder)])
    assert state.status is RunStatus.NOT_STARTED
    assert state.doubt is not None
    assert state.doubt.kind is DoubtKind.UNREACHABLE
    with pytest.raises(SlurmError) as caught:
        cancel([silent])
    assert caught.value.findings[0].code == "job-unknown"


@pytest.mark.parametrize(
    "plan", ["", "{", "[1]", "{}", '{"job": {"scheduler": "pbs"}, "cluster": null, "run": {"folder": "/a"}}']
)
def test_a_malformed_plan_does_not_affect_other_runs(plan: str, tmp_path: Path, set_answers: SetAnswers) -> None:
    odd, silent = run_of(tmp_path, "odd"), run_of(tmp_path, "silent")
    Path(odd.plan).write_text(plan)
    set_answers(listed(silent, "4"))
    states = read_states([Path(odd.folder), Path(silent.folder)])
    assert [state.status for state in states] == [RunStatus.NOT_STARTED, RunStatus.QUEUED]


def test_a_job_recorded_by_several_clients_counts_once(tmp_path: Path) -> None:
    run = run_of(tmp_path, "run")
    first, second = found("4", run, elements=3), found("5", run, elements=2, first=3)
    for job in (first, first, replace(first, why=SUBMITTED, submitted=6.5), second, second):
        note(run, job)
    assert read_jobs(run) == [replace(first, why=SUBMITTED, submitted=6.5), second]
