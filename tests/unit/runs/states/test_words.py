"""How a list shows an outcome: its whole line without the end of the log."""

from __future__ import annotations

import pytest

from slurmtf.job.contract.attempt.outcome import Cause, Outcome
from slurmtf.runs.states.state import RunState, RunStatus

ERROR = "can't write a.out: no space; can't write b.out: no space"


@pytest.mark.parametrize("cause", [Cause.AGENT, Cause.SOFTWARE, Cause.STAGING, Cause.LAUNCHER])
def test_a_list_shows_the_whole_line_of_an_error_and_no_log(cause: Cause) -> None:
    outcome = Outcome(cause, task="worker-0", log="logs/worker-0.err", tail="Traceback", detail={"error": f"{ERROR}\nand more"})
    why = RunState(RunStatus.FAILED, outcome=outcome).brief.why
    assert ERROR in why
    assert "more" not in why and "Traceback" not in why and "logs/" not in why


def test_a_list_shows_what_a_queued_job_waits_for() -> None:
    assert RunState(RunStatus.QUEUED, reason="Priority").brief.why == "Priority"
    assert RunState(RunStatus.RUNNING).brief.why == ""
