"""What is said of a run that ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from slurmtf.cli.present import details
from slurmtf.files import write_json
from slurmtf.findings import warning
from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.contract.outcome import Cause, Outcome
from slurmtf.runs import Run, RunState, RunStatus

WARNED = "ParameterServerStrategy without a chief waits for ever"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    found = [warning("no-chief", WARNED).to_dict(), *(warning("other", f"warning {n}").to_dict() for n in range(5))]
    write_json(RunLayout(str(tmp_path)).plan, {"warnings": found})
    return Run(tmp_path)


def told(run: Run, status: RunStatus, cause: Cause) -> str:
    return details(run, RunState(status, outcome=Outcome(cause, exit_code=1)))


def test_a_failure_shows_the_warnings_that_may_have_foretold_it(run: Run) -> None:
    text = told(run, RunStatus.FAILED, Cause.SCRIPT)
    assert WARNED in text
    assert "warning 1" in text
    assert "warning 2" not in text


@pytest.mark.parametrize(("status", "cause"), [(RunStatus.CANCELED, Cause.CANCELED), (RunStatus.FAILED, Cause.TIME_LIMIT)])
def test_other_ends_show_none(run: Run, status: RunStatus, cause: Cause) -> None:
    assert WARNED not in told(run, status, cause)


@pytest.mark.parametrize("text", ["", "[1]", '{"warnings": 3}', '{"warnings": [3]}'])
def test_a_plan_that_can_not_be_read_spoils_nothing(run: Run, text: str) -> None:
    Path(run.layout.plan).write_text(text, encoding="utf-8")
    assert "Failed" in told(run, RunStatus.FAILED, Cause.SCRIPT)


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
def test_a_log_is_advised_where_there_is_something_in_it(
    run: Run, job_log: str, tasks: bool, cause: Cause, advised: list[str]
) -> None:
    Path(run.layout.logs).mkdir()
    Path(run.layout.job_log).write_text(job_log, encoding="utf-8")
    if tasks:
        Path(run.layout.task_log("main-0", "out")).touch()
    text = told(run, RunStatus.FAILED, cause).replace(run.id, "ID")
    assert [line.partition("say more: ")[2] for line in text.splitlines() if "slurmtf logs" in line] == advised
