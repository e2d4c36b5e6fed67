"""The part of a plan about a run's life: how often and why it restarts, and when its script is notified of its end."""

from typing import NamedTuple, Optional

LAUNCH, REQUEUE, RESUBMIT, RETURN, END = "launch", "requeue", "resubmit", "return", "end"
"""What follows a failure: a new launch in the same allocation; the same job, requeued by the supervisor; another job; the same
job, requeued by Slurm itself; nothing."""
USED, SAME, AT_MOST_MEMORY, NO_MEMORY, NOT_POSSIBLE = "budget-used", "same-failure", "at-most", "no-memory", "not-possible"
"""Rules that forbid another attempt although there is a budget for the cause."""


class Notice(NamedTuple):
    """How the script is notified that it will be ended: ``before`` seconds earlier (0: not at all), also by the signal named
    ``signal`` (empty: none).

    A notified script exits with ``exit_code`` to continue in another attempt; None: with 0. ``keras``: where Keras's fit saves
    the model before it stops, once notified; empty: fit is not changed.
    """

    before: int = 0
    signal: str = ""
    exit_code: Optional[int] = None
    keras: str = ""


class Stall(NamedTuple):
    """When a run counts as stalled: no task has done anything for ``minutes`` (0: never). ``ends``: whether a stall ends the
    run; ``cpu``: whether using CPU time counts as doing something."""

    minutes: float = 0.0
    ends: bool = False
    cpu: bool = True


class Budget(NamedTuple):
    """How often a run restarts after one cause; ``times`` None: unlimited. ``memory``: the factor by which the memory requested
    per node grows each time, up to ``at_most`` MiB (0: no bound)."""

    cause: str = ""
    times: Optional[int] = 0
    memory: float = 1.0
    at_most: int = 0
