"""The supervisor: one for each job, in the batch step.

It prepares the working directory, opens the rendezvous, starts the launcher, decides when the job is over, ends what must
be ended, and writes down what happened.
"""

import os
import selectors
import signal
import time
from typing import Any, Dict, List, Mapping, Optional

from . import ending, identity, result, wire, workdir
from .journal import Journal
from .layout import RunLayout
from .process import Child, Signals
from .rendezvous import Rendezvous
from .roles import table

HEARTBEAT_S = 60.0
TICK_S = 1.0
LAST_WORDS_S = 5.0
LAST_LINES = 20


class Supervisor:
    """The life of one job."""

    def __init__(self, plan: Dict[str, Any], layout: RunLayout, environ: Mapping[str, str]) -> None:
        self._plan = plan
        self._layout = layout
        self._environ = dict(environ)
        self._journal = Journal(layout.journal)
        self._roles = table(plan)
        self._job_id = identity.job_id(environ) or str(os.getpid())
        self._log_start = os.path.getsize(layout.job_log) if os.path.exists(layout.job_log) else 0
        self._began = time.monotonic()
        self._ends: Dict[int, Dict[str, Any]] = {}
        self._arrived: List[int] = []
        self._kill_signal: Optional[int] = None
        self._overtime = False
        self._stopping = False
        self._launcher: Optional[Child] = None
        self._selector = selectors.DefaultSelector()
        self._signals = Signals((signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2))
        self._rendezvous = Rendezvous(len(self._roles), self._selector, self._on_message, self._on_lost)

    def run(self, launch: List[str]) -> int:
        """Run the launch line to the job's end and return the exit status to leave with."""
        self._selector.register(self._signals, selectors.EVENT_READ, lambda: None)
        self._note_start()
        try:
            workdir.prepare(self._layout)
            self._journal.write("prepared")
            returncode = self._supervise(launch)
        except OSError as err:
            return self._finish({"exit_code": 1, "signal": None}, "agent", "the job could not be started: {}".format(err))
        self._rendezvous.close()
        return self._judge(returncode)

    def _note_start(self) -> None:
        result.forget(self._layout, self._job_id)
        result.link_logs(self._layout, self._job_id, self._roles[0].label)
        self._journal.write(
            "started",
            job_id=self._job_id,
            attempt=identity.attempt(self._environ),
            host=identity.host(self._environ),
            nodes=self._environ.get("SLURM_JOB_NODELIST"),
            process=identity.process(),
        )

    def _supervise(self, launch: List[str]) -> Optional[int]:
        host = identity.host(self._environ)
        meeting_point = {wire.ADDRESS: self._rendezvous.address(host), wire.KEY: self._rendezvous.key}
        self._launcher = Child(launch, self._layout.folder, dict(self._environ, **meeting_point))
        self._journal.write("launched", launcher=self._plan["launcher"])
        next_beat = time.monotonic() + HEARTBEAT_S
        returncode = self._launcher.poll()
        while returncode is None:
            self._tick()
            if time.monotonic() >= next_beat:
                self._journal.beat()
                next_beat += HEARTBEAT_S
            returncode = self._launcher.poll()
        self._hear_last_words()
        return returncode

    def _tick(self) -> None:
        for key, _ in self._selector.select(TICK_S):
            key.data()
        for number in self._signals.take():
            self._on_signal(number)
        self._watch_time()

    def _hear_last_words(self) -> None:
        """Take in reports that are still on their way when the launcher has ended."""
        deadline = time.monotonic() + LAST_WORDS_S
        while self._rendezvous.present and time.monotonic() < deadline:
            for key, _ in self._selector.select(0.1):
                key.data()

    def _on_message(self, rank: int, message: wire.Message) -> None:
        label = self._roles[rank].label
        event = message.get("event")
        if event == "hello":
            self._arrived.append(rank)
            if self._stopping:
                self._rendezvous.tell_all({"order": "stop"})
            elif len(self._arrived) == len(self._roles):
                self._rendezvous.tell_all({"order": "start"})
        elif event == "task-started":
            self._journal.write("task-started", rank=rank, task=label)
        elif event == "task-ended":
            self._ends[rank] = {"exit_code": message.get("exit_code"), "signal": message.get("signal")}
            self._journal.write("task-ended", rank=rank, task=label, **self._ends[rank])

    def _on_lost(self, rank: int) -> None:
        if rank not in self._ends:
            self._journal.write("task-lost", rank=rank, task=self._roles[rank].label)

    def _on_signal(self, number: int) -> None:
        self._journal.write("signal", signal=ending.signal_name(number))
        if number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            self._kill_signal = self._kill_signal or number
            self._stop()

    def _watch_time(self) -> None:
        """Hold the time limit where no scheduler does."""
        limit = self._plan["resources"]["time_s"]
        if self._plan["scheduler"] == "local" and limit and time.monotonic() - self._began >= limit and not self._stopping:
            self._overtime = True
            self._journal.write("time-limit", limit_s=limit)
            self._stop()

    def _stop(self) -> None:
        self._stopping = True
        self._rendezvous.tell_all({"order": "stop"})
        if self._launcher:
            self._launcher.kill_after(self._plan["stop_grace_s"] + LAST_WORDS_S)

    def _judge(self, returncode: Optional[int]) -> int:
        """Say how the job ended, from what the tasks reported and why it was stopped."""
        self._journal.write("finalizing")
        if self._stopping:
            cause = "time-limit" if self._overtime else self._cause_of_kill()
            end = {"exit_code": None, "signal": self._kill_signal or int(signal.SIGTERM)}
            return self._finish(end, cause, "")
        failed = next((rank for rank in sorted(self._ends) if ending.as_exit_status(self._ends[rank])), None)
        if failed is not None:
            return self._finish(self._ends[failed], "script", self._last_words(failed))
        missing = [role.label for role in self._roles if role.rank not in self._ends]
        if missing:
            return self._blame_launcher(returncode or 0, missing)
        return self._finish({"exit_code": 0, "signal": None}, "script", "")

    def _cause_of_kill(self) -> str:
        return ending.cause_of_kill(self._layout.job_log, self._log_start, self._job_id)

    def _last_words(self, rank: int) -> str:
        label = self._roles[rank].label
        head = "{} {}".format(label, ending.in_words(self._ends[rank]))
        path = self._layout.task_log(label, "err")
        last = ending.tail(path, LAST_LINES)
        return "{}; the last lines of logs/{}:\n{}".format(head, os.path.basename(path), last) if last else head

    def _blame_launcher(self, returncode: int, missing: List[str]) -> int:
        end = ending.of_status(returncode)
        head = "{} {}, and {} never reported".format(self._plan["launcher"], ending.in_words(end), ", ".join(missing[:8]))
        last = ending.tail(self._layout.job_log, LAST_LINES)
        if not ending.as_exit_status(end):
            end = {"exit_code": 1, "signal": None}
        return self._finish(end, "launcher", "{}; the last lines of logs/job.log:\n{}".format(head, last))

    def _finish(self, end: Dict[str, Any], cause: str, message: str) -> int:
        """Write the verdict into the journal and where submitit looks for it."""
        status = ending.as_exit_status(end)
        if cause != "preempted":  # a preempted job may come back: its result is not known yet
            if status == 0:
                result.write(self._layout, self._job_id, "success", {"run": self._plan["run"]["run_id"], "exit_code": 0})
            else:
                result.write(self._layout, self._job_id, "error", message or "the job was ended: {}".format(cause))
        self._journal.write("ended", cause=cause, message=message, seconds=round(time.monotonic() - self._began, 3), **end)
        return status
