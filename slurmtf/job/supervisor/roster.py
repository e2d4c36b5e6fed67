"""Track which tasks of a launch have connected, ended, or are lost."""

from typing import Dict, List, Optional, Sequence, Set

from ..contract.attempt.outcome import End
from ..contract.roles import Role
from .start import Hello


class Roster:
    """The tasks of a launch as they report. ``start_s``: all must connect within this many seconds of the first one.
    ``errors_begin``: where in a task's error log this launch's output begins, by its label."""

    def __init__(self, roles: Sequence[Role], start_s: float) -> None:
        self.roles = roles
        self.hellos: Dict[int, Hello] = {}
        self.ends: Dict[int, End] = {}
        self.lost: Set[int] = set()
        self.errors_begin: Dict[str, int] = {}
        self._start_s = start_s
        self._start_by: Optional[float] = None

    def on_connected(self, rank: int, hello: Hello, now: float) -> None:
        self.hellos[rank] = hello
        if self._start_by is None:
            self._start_by = now + self._start_s

    def list_late(self, now: float) -> List[Role]:
        """Return the tasks that should have connected by now, but have not."""
        if self._start_by is None or now < self._start_by:
            return []
        return [role for role in self.roles if role.rank not in self.hellos]

    def label(self, rank: int) -> str:
        return self.roles[rank].label

    @property
    def complete(self) -> bool:
        return len(self.hellos) == len(self.roles)

    @property
    def hosts(self) -> Dict[int, str]:
        return {rank: hello.host for rank, hello in self.hellos.items()}
