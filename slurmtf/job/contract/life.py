"""What a plan says of a run's life: how often it starts again and why, when its script is warned of its end."""

from typing import NamedTuple, Optional

LAUNCH, REQUEUE, RESUBMIT, RETURN, END = "launch", "requeue", "resubmit", "return", "end"
"""What comes after a failure: a new launch in the same allocation; the same job again, as the supervisor asks Slurm to; another
job; the same job, as Slurm does by itself; nothing."""
USED, SAME, AT_MOST_MEMORY, NO_MEMORY, NOT_POSSIBLE = "budget-used", "same-failure", "at-most", "no-memory", "not-possible"
"""Rules by which nothing comes, though there is a budget for the cause."""


class Notice(NamedTuple):
    """How the script is told that it will be ended: ``before`` so many seconds (0: not at all), by the name of a ``signal`` too
    (empty: none).

    With ``exit_code`` a script says that it wants to go on in another attempt; None: with 0, once it has been told. ``keras``:
    where Keras's fit saves the model, and stops, once it has been told; empty: it is left alone.
    """

    before: int = 0
    signal: str = ""
    exit_code: Optional[int] = None
    keras: str = ""


class Stall(NamedTuple):
    """When a run counts as stalled: nothing has happened on any task for so many ``minutes`` (0: never); and whether that
    ``ends`` it. ``cpu``: whether the use of CPU is something that happens."""

    minutes: float = 0.0
    ends: bool = False
    cpu: bool = True


class Budget(NamedTuple):
    """How often a run starts again after one cause.

    ``times`` None: as often as it takes. ``memory``: by what the memory of a node is multiplied each time, up to ``at_most``
    MiB (0: no bound).
    """

    cause: str = ""
    times: Optional[int] = 0
    memory: float = 1.0
    at_most: int = 0
