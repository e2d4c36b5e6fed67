"""What the supervisor has told a task."""

from typing import Mapping, Optional

from ..common import wire

ASIDE = ("notice", "stacks")
"""Orders that concern the running script, not what the task does next."""


class TaskInstructions:
    """``start``: the task's place among the others (None: it must wait); ``next``: what to do next (empty: not told yet);
    ``keep``: whether what is on the node's disk stays there."""

    def __init__(self) -> None:
        self.start: Optional[Mapping[str, object]] = None
        self.next = ""
        self.keep = False
        self._all: wire.Message = {"cluster": {}, "nodes": {}}
        """The part that is the same for all tasks, sent before each task's own."""

    def take(self, message: wire.Message) -> str:
        """Take in a message; return the order that it contains, empty if none."""
        order = str(message.get("order", ""))
        if order in ASIDE:
            return order
        self.next = order
        self.keep = bool(message.get("keep", self.keep))
        self._all.update((name, message[name]) for name in self._all if name in message)
        if order == "start":
            self.start = dict(message, **self._all)
        return order
