"""How an ended run is presented."""

from __future__ import annotations

from pathlib import Path

import pytest

from slurmtf.cli.present import describe_attempt, format_details
from slurmtf.experiments import Run
from slurmtf.files import write_json
from slurmtf.findings import build_warning
from slurmtf.job.contract.attempt.outcome import Cause, Outcome
from slurmtf.job.contract.layout import RunLayout
from slurmtf.runs import RunState, RunStatus
from slurmtf.runs.states.state import Again

WARNED = "ParameterServerStrategy without a chief waits for ever"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    found = [build_warning("no-chief", WARNED).to_dict(), *(build_warning("other", f"warning {n}").to_dict() for n in range(5))]
    write_json(RunLayout(str(tmp_path)).plan, {"warnings": found})
    return Run(tmp_path)


def details(run: Run, status: RunStatus, cause: Cause) -> str:
    return format_details(run, RunState(status, outcome=Outcome(cause, exit_code=1)))


def test_a_failure_shows_related_warnings_of_the_plan(run: Run) -> None:
    text = details(run, RunStatus.FAILED, Cause.SCRIPT)
    assert WARNED in text
    assert "warning 1" in text
    assert "warning 2" not in text


@pytest.mark.parametrize(("status", "cause"), [(RunStatus.CANCELED, Cause.CANCELED), (RunStatus.FAILED, Cause.TIME_LIMIT)])
def test_other_outcomes_show_no_warnings(run: Run, status: RunStatus, cause: Cause) -> None:
    assert WARNED not in details(run, status, cause)


@pytest.mark.parametrize("text", ["", "[1]", '{"warnings": 3}', '{"warnings": [3]}'])
def test_an_unreadable_plan_does_not_prevent_the_presentation(run: Run, text: str) -> None:
    Path(run.layout.plan).write_text(text, encoding="utf-8")
    assert "Failed" in details(run, RunStatus.FAILED, Cause.SCRIPT)


@pytest.mark.parametrize(
    ("job_log", "tasks", "cause", "advised"),
    [
        ("", False, Cause.LOST, []),
        ("", True, Cause.LOST, ["slurmtf logs ID"]),
        ("srun: x\n", False, Cause.LOST, ["slurmtf logs --job ID"]),
        ("srun: x\n", True, Cause.LOST, ["slurmtf logs --job ID"]),
        ("srun: x\n", True, Cause.SCRIPT, ["slurmtf logs ID"]),
    ],
)
def test_a_log_is_suggested_only_if_it_is_not_empty(
    run: Run, job_log: str, tasks: bool, cause: Cause, advised: list[str]
) -> None:
    Path(run.layout.logs).mkdir()
    Path(run.layout.job_log).write_text(job_log, encoding="utf-8")
    if tasks:
        Path(run.layout.task_log("main-0", "out")).touch()
    text = details(run, RunStatus.FAILED, cause).replace(run.id, "ID")
    assert [line.partition("say more: ")[2] for line in text.splitlines() if "slurmtf logs" in line] == advised


@pytest.mark.parametrize(
    ("status", "again", "text"),
    [
        (RunStatus.RUNNING, None, ""),
        (
            RunStatus.QUEUED,
            Again("return", "preempted", "preempted", 3, 11, 7800.0),
            "3 of at most 11, waits; the last one was preempted after 2h 10m",
        ),
        (
            RunStatus.RUNNING,
            Again("requeue", "time-limit", "time-limit", 4, None, 60.0),
            "4; the last one reached its time limit after 1m 00s",
        ),
        (
            RunStatus.QUEUED,
            Again("resubmit", "out-of-memory", "out-of-memory", 2, 3, 5.0, ("n1", "n2"), 4096),
            "2 of at most 3, waits; without n1, n2; with 4096 MiB on each node; the last one ran out of memory after 5s",
        ),
        (
            RunStatus.RUNNING,
            Again("return", "node-failure", "node-failure", 2, 4),
            "2 of at most 4; the last one lost a node",
        ),
        (
            RunStatus.FAILED,
            Again("end", "same-failure", "script", 3, 4, 5.0),
            "no other attempt after this one, which failed after 5s: the same failure at the same place twice",
        ),
        (
            RunStatus.FAILED,
            Again("end", "budget-used", "stall", 3, 4, 5.0),
            "no other attempt after this one, which stalled after 5s: its restart budget is used up",
        ),
    ],
)
def test_the_attempt_is_shown(status: RunStatus, again: Again | None, text: str) -> None:
    assert describe_attempt(RunState(status, again=again)) == text
