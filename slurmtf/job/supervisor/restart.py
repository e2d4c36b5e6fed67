"""What a job does that Slurm starts again. No disk, no clock."""

from typing import Iterable, Optional

from ..contract.journal import Attempt
from ..contract.outcome import Outcome


def success_of(earlier: Iterable[Attempt], job: str) -> Optional[Outcome]:
    """Return the outcome of an earlier attempt of the same job that has succeeded; None: there is work to do.

    Slurm requeues a job whose batch step it lost, though the supervisor lived on and ended the training well. Another job of
    the run (submitted again, by whomever) was meant to train again.
    """
    outcomes = (attempt.decided for attempt in earlier if attempt.job == job)
    return next((outcome for outcome in outcomes if outcome is not None and outcome.succeeded), None)
