"""The process that starts a launch's tasks: srun, mpirun or our agent."""

import signal
from typing import Dict, Optional, Sequence

from ..common.process import Child
from ..contract.plan import Timings


class Launcher:
    """A launcher. Until it is started, ending it does nothing."""

    def __init__(self, timings: Timings) -> None:
        self._timings = timings
        self._child: Optional[Child] = None
        self._spares = True

    def start(self, words: Sequence[str], folder: str, environ: Dict[str, str]) -> None:
        """Start it. Raises OSError."""
        self._child = Child(words, folder, environ)

    def poll(self) -> Optional[int]:
        """Return its return code if it has ended, else None."""
        return self._child.poll() if self._child else None

    @property
    def killed(self) -> bool:
        """Whether we killed it."""
        return self._child is not None and self._child.killed

    def kill_after(self, grace_s: float) -> None:
        """Kill it if it outlives the tasks' grace time, and the time in which their last reports arrive."""
        if self._child:
            self._child.kill_after(grace_s + self._timings.late_reports)

    def terminate(self) -> None:
        if self._child:
            self._child.send(signal.SIGTERM)

    def spare(self) -> None:
        """Keep it alive while a node copies results back."""
        if self._child and self._spares:
            self._child.postpone_kill(self._timings.sign)

    def spare_no_more(self) -> None:
        """Don't wait for results any longer: the job is being ended."""
        self._spares = False
