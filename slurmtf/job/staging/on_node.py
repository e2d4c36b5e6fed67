"""A task's hold on what is on its node's own disk: acquired before the script starts, released when the agent exits."""

import sys
import time
from typing import Callable, Dict, List, Mapping, Optional, Tuple

from ..common import identity, wire
from ..common.process import Child
from ..contract.interchange import JsonObject
from ..contract.layout import RunLayout, to_native
from ..contract.plan import JobPlan
from . import staging, workdir
from .node_folder import NodeFolder, find_base

SIGN_S = 5.0
"""Seconds between two signs of life of a copy: the supervisor waits as long as they keep coming."""

WAIT = {"event": "leaving"}


class OnNode:
    """``allocation``: see :class:`.NodeFolder`; ``wait`` lets a moment pass and handles signals and orders; ``report`` sends a
    message to the supervisor."""

    def __init__(
        self,
        plan: JobPlan,
        layout: RunLayout,
        environ: Dict[str, str],
        allocation: str,
        logs: Tuple[str, str],
        wait: Callable[[], None],
        report: Callable[[wire.Message], None],
    ) -> None:
        self._plan = plan
        self._layout = layout
        self._environ = environ
        self._allocation = allocation
        self._logs = logs
        self._wait = wait
        self._report = report
        self._folder: Optional[NodeFolder] = None
        self.note: JsonObject = {}

    def stage(self, hold: Callable[[Optional[Child]], None], given_up: Callable[[], bool]) -> bool:
        """Stage everything that the job needs here; return whether that succeeded, and tell the supervisor if not.

        ``hold`` is given the child process that stages, which must end with the task.
        """
        trouble: Optional[str] = None
        try:
            base, troubles = find_base(to_native(self._plan.stage.local), self._environ)
            self._folder = NodeFolder(base, self._plan.run.run_id, self._allocation)
            trouble = self._fill(self._folder, hold, given_up)
            warnings = troubles + self.note.get("warnings", [])
        except OSError as err:
            warnings = [str(err)]
            trouble = self._use_shared(str(err))
        if trouble is not None:
            if not given_up():
                self._report({"event": "not-ready", "message": trouble})
            return False
        facts = {"seconds": self.note.get("seconds", 0), "phases": self.note.get("phases", {})}
        kept = self._folder is not None and self._folder.is_kept
        self._report(dict(facts, event="ready", warnings=warnings, kept=kept))
        return True

    def _fill(self, folder: NodeFolder, hold: Callable[[Optional[Child]], None], given_up: Callable[[], bool]) -> Optional[str]:
        """Have the node's folder filled, by us or by another task. Returns what went wrong; None if nothing did."""
        while not folder.enter():
            if given_up():
                return ""
            self._wait()
        child = self._start("stage", folder.path)
        hold(child)
        returncode = self._wait_for_end(child)
        hold(None)
        self.note = staging.read_note(folder.path, staging.NOTE)
        return None if returncode == 0 and self.note else ""

    def _use_shared(self, trouble: str) -> Optional[str]:
        """Use everything from its original place, on a node without a usable disk; inputs to be copied back need one."""
        if self._plan.returns_results:
            return trouble
        workdir.prepare(self._layout, self._plan.snapshot)
        return None

    def release(self, keep: bool) -> None:
        """Release the folder. The node's last task copies results back, and removes the folder unless the next launch
        needs it."""
        if self._folder is None or not self._folder.is_last():
            return
        if self.note and self._plan.returns_results:
            self._send_back(self._folder)
        if keep:
            self._folder.keep()
            return
        doomed = self._folder.give_up()
        if doomed is not None:
            self._wait_for_end(self._start("remove", doomed), WAIT)

    def _send_back(self, folder: NodeFolder) -> None:
        child = self._start("return", folder.path)
        self._wait_for_end(child, WAIT)
        note = staging.read_note(folder.path, staging.RETURNED)
        cut = {"phases": {}, "beside": [], "failed": ["copying back was cut short"]}
        self._report(dict(note or cut, event="returned", host=identity.get_host(self._environ)))

    def _start(self, mode: str, folder: str) -> Child:
        command: List[str] = [sys.executable, "-I", self._layout.agent, mode, folder]
        return Child(command, self._layout.folder, self._environ, self._logs)

    def _wait_for_end(self, child: Child, sign: Optional[wire.Message] = None) -> int:
        """Wait for a child's end, sending signs of life meanwhile."""
        next_sign = time.monotonic()
        returncode = child.poll()
        while returncode is None:
            if sign and time.monotonic() >= next_sign:
                self._report(sign)
                next_sign += SIGN_S
            self._wait()
            returncode = child.poll()
        return returncode


def clear(plan: JobPlan, environ: Mapping[str, str]) -> int:
    """Remove what was kept on this node for a launch that will not come. Returns the exit code."""
    base, _ = find_base(to_native(plan.stage.local), environ)
    NodeFolder(base, plan.run.run_id, "").clear()
    return 0
