"""A job that Slurm starts again."""

from __future__ import annotations

import pytest

from slurmtf.job.contract.events import Decided, Ended, Record, Started
from slurmtf.job.contract.journal import Attempt
from slurmtf.job.contract.outcome import Cause, Outcome
from slurmtf.job.supervisor.restart import success_of

DONE = Outcome(Cause.SCRIPT, exit_code=0)
FAILED = Outcome(Cause.SCRIPT, "main-0", exit_code=3)
REQUEUED = Outcome(Cause.REQUEUED, signal=15)


def attempt(job: str, number: int, *events: object) -> Attempt:
    return Attempt("", job, number, [Record.of(event, 1.0) for event in (Started(job_id=job), *events)])


@pytest.mark.parametrize(
    ("earlier", "expected"),
    [
        ([], None),
        ([attempt("7", 0)], None),  # killed on the way
        ([attempt("7", 0, Ended(DONE.to_dict()))], DONE),
        ([attempt("7", 0, Decided(DONE.to_dict()))], DONE),  # killed while its tasks were being ended
        ([attempt("7", 0, Ended(FAILED.to_dict()))], None),
        ([attempt("7", 0, Ended(REQUEUED.to_dict()))], None),
        ([attempt("7", 0, Ended(DONE.to_dict())), attempt("7", 1)], DONE),
        ([attempt("6", 0, Ended(DONE.to_dict()))], None),  # another job of the run was meant to train again
    ],
)
def test_whether_the_work_is_done_already(earlier: list[Attempt], expected: Outcome | None) -> None:
    assert success_of(earlier, "7") == expected
