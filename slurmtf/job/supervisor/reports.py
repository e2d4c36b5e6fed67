"""Collect what the tasks of a launch report."""

import time
from typing import Callable, Dict

from ..common import wire
from ..contract.attempt import events, job_log
from ..contract.attempt.journal import Journal
from ..contract.attempt.outcome import Cause, End
from ..contract.plan import JobPlan
from ..contract.roles import assign_roles
from . import start
from .completion import Completion, Verdict
from .disks import Disks
from .instructions import Instructions
from .roster import Roster
from .stall import StallWatch


class Reports:
    """The reports of one launch. ``on_leaving`` is called when a task still works for us after its script: it copies results
    back."""

    def __init__(self, plan: JobPlan, journal: Journal, instructions: Instructions, on_leaving: Callable[[], None]) -> None:
        self._plan = plan
        self._journal = journal
        self._instructions = instructions
        self._stall = StallWatch(plan.stall, plan.timings.stacks)
        self.roster = Roster(assign_roles(plan), plan.timings.start)
        self.completion = Completion(self.roster.roles, plan.distribution)
        self.disks = Disks(plan, journal, len(self.roster.roles))
        self._handlers: Dict[str, Callable[[int, wire.Message], None]] = {
            "hello": self._on_hello,
            "ready": self._on_ready,
            "not-ready": self._on_not_ready,
            "task-started": self._on_started,
            "active": self._on_active,
            "task-ended": self._on_ended,
            "leaving": lambda _rank, _message: on_leaving(),
            "returned": lambda _rank, message: self.disks.on_results_returned(message),
        }

    def on_message(self, rank: int, message: wire.Message) -> None:
        """Act on a task's message."""
        handler = self._handlers.get(str(message.get("event")))
        if handler:
            handler(rank, message)

    def on_connection_lost(self, rank: int) -> None:
        """Record that a task's connection is gone."""
        if rank in self.roster.ends:
            return
        self.roster.lost.add(rank)
        self._stall.on_task_ended(rank)
        self._journal.write(events.TaskLost(rank, self.roster.label(rank)))
        if not self._instructions.stopping:
            self.completion.on_task_lost(rank, time.monotonic())

    def tick(self, now: float) -> None:
        """Act on reports that are overdue."""
        late = self.roster.list_late(now)
        if late:
            detail = {"missing": [role.label for role in late], "waited_s": self._plan.timings.start}
            self.completion.decide(Verdict(False, late[0].rank, Cause.NOT_CONNECTED, detail), now)
        self.completion.tick(now)
        if not self._instructions.stopping:
            self._watch_stall(now)

    def _watch_stall(self, now: float) -> None:
        """Have the stacks of a stalled run recorded; then end it, if a stall ends it."""
        minutes = self._plan.stall.minutes
        if self._stall.detect_stall(now):
            self._journal.write(events.Stalled(minutes))
            job_log.say("nothing has happened for {:g} minutes: see stacks/".format(minutes))
            self._instructions.ask_for_stacks()
        if self._stall.is_over(now):
            self.completion.decide(Verdict(False, None, Cause.STALL, {"minutes": minutes}), now)

    def _on_hello(self, rank: int, message: wire.Message) -> None:
        self.roster.on_connected(rank, start.Hello.from_message(message), time.monotonic())
        self._instructions.stop_latecomer(rank)
        if self.roster.complete and not self.disks.are_used:
            self._start()

    def _on_ready(self, rank: int, message: wire.Message) -> None:
        if self.disks.on_task_ready(rank, self.roster.hellos[rank].host, message):
            self._start()

    def _start(self) -> None:
        if not self._instructions.stopping:
            self._instructions.start(self.roster.hellos)

    def _on_not_ready(self, rank: int, message: wire.Message) -> None:
        detail = {"error": str(message.get("message") or "")}
        self.completion.decide(Verdict(False, rank, Cause.STAGING, detail), time.monotonic())

    def _on_started(self, rank: int, message: wire.Message) -> None:
        self._stall.on_activity(rank, time.monotonic())
        host, label = self.roster.hellos[rank].host, self.roster.label(rank)
        out, err = start.get_log_positions(message)
        self.roster.errors_begin[label] = err
        self._journal.write(events.TaskStarted(rank, label, host, start.to_count(message.get("pid")), out, err))

    def _on_active(self, rank: int, message: wire.Message) -> None:  # noqa: ARG002
        self._stall.on_activity(rank, time.monotonic())

    def _on_ended(self, rank: int, message: wire.Message) -> None:
        label, end = self.roster.label(rank), End.from_dict(message)
        self.roster.ends[rank] = end
        self._stall.on_task_ended(rank)
        self._journal.write(events.TaskEnded(rank, label, end.exit_code, end.signal))
        again = not self._instructions.stopping and self.completion.on_task_ended(rank, end, time.monotonic())
        if again:
            del self.roster.ends[rank]
            self._journal.write(events.TaskRestarted(rank, label))
        self._instructions.answer_task_end(rank, again)
