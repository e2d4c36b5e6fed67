"""What a followed run prints on standard error."""

from __future__ import annotations

import pytest

from slurmtf.cli import output
from slurmtf.cli.follow import _Progress
from slurmtf.runs import RunState, RunStatus
from slurmtf.runs.states.state import Again

SECOND = Again("return", "script", "script", 2, 2, 5.0)
LIMIT = "QOSMaxJobsPerUserLimit"


@pytest.fixture(autouse=True)
def _for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reset the output mode, which a command of another test may have changed."""
    monkeypatch.setattr(output._Mode, "json", False)


def progress_lines(capsys: pytest.CaptureFixture[str], *states: RunState) -> list[str]:
    with _Progress() as progress:
        for state in states:
            progress.show(state)
    return capsys.readouterr().err.splitlines()


def test_another_attempt_is_reported_once_with_the_cause_of_the_last(capsys: pytest.CaptureFixture[str]) -> None:
    running = RunState(RunStatus.RUNNING, nodes="n1", again=SECOND)
    states = [RunState(RunStatus.RUNNING, nodes="n1"), RunState(RunStatus.QUEUED, again=SECOND), running]
    first, attempt, *rest = progress_lines(capsys, *states)
    assert [first, *rest] == ["Running on n1", "Queued", "Running on n1"]
    assert attempt.startswith("attempt 2 ")
    assert attempt.endswith(" after 5s")


def test_a_final_failure_is_announced_without_its_details(capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = progress_lines(
        capsys, RunState(RunStatus.FAILED, ended=0.0, again=Again("end", "budget-used", "script", 2, 2, 5.0))
    )
    assert line.endswith("Failed")


def test_advice_on_a_reason_is_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    waits = RunState(RunStatus.QUEUED, reason=LIMIT)
    assert [line.startswith(f"{LIMIT}: ") for line in progress_lines(capsys, waits, waits)] == [True, False, False]
