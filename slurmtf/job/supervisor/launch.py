"""One start of the launcher in an allocation: its process, the loop that serves its tasks, and its end."""

import json
import os
import selectors
import time
from typing import Dict, Mapping, Optional, Sequence

from ..common import addresses, gpus, identity, wire
from ..common.process import Signals
from ..contract.attempt import job_log
from ..contract.attempt.events import Launched
from ..contract.attempt.outcome import Cause, Outcome
from ..contract.plan import LaunchOrder
from ..contract.roles import assign_roles
from . import memory, start
from .completion import Verdict, choose_grace
from .conclusion import Facts
from .instructions import Instructions
from .job import Job
from .joining import Joining
from .launcher import Launcher
from .rendezvous import Rendezvous
from .reports import Reports

TICK_S = 1.0


class Launch:
    """One launch. ``signals`` wakes the allocation meanwhile. Raises OSError if a port can't be opened.

    ``began`` is its start on the steady clock, and ``log_begin`` the position in the job's log where its output begins.
    """

    def __init__(self, job: Job, signals: Signals, order: LaunchOrder) -> None:
        plan = job.plan.with_launch(order)
        self._job = job._replace(plan=plan)
        self._signals = signals
        self._order = order
        self._selector = selectors.DefaultSelector()
        self._selector.register(signals, selectors.EVENT_READ, lambda: None)
        self._own_name = addresses.qualify_host(identity.get_host(job.environ), plan)
        self._joining = Joining(plan, self._own_name, self._selector)
        self._rendezvous = Rendezvous(
            len(assign_roles(plan)),
            self._selector,
            lambda rank, message: self._reports.on_message(rank, message),  # noqa: PLW0108 - who hears them answers through it
            lambda rank: self._reports.on_connection_lost(rank),  # noqa: PLW0108
        )
        self._instructions = Instructions(plan, order, self._rendezvous, self._joining)
        self._launcher = Launcher(plan.timings)
        self._reports = Reports(plan, job.journal, self._instructions, self._launcher.spare)
        self._slurm_id = identity.get_job_id(job.environ) or ""
        self._kills = memory.count_kills(self._slurm_id)
        self.began = time.monotonic()
        self.log_begin = job_log.get_size(job.layout.job_log)

    def begin(self, words: Sequence[str], number: int, own_log: int) -> None:
        """Start the launcher. ``own_log``: see :class:`.events.Launched`. Raises OSError."""
        variables = {wire.ADDRESS: self._rendezvous.address(self._own_name), wire.KEY: self._rendezvous.key}
        if self._order.tasks != LaunchOrder():
            variables[wire.TASKS] = json.dumps(self._order.tasks.to_dict())
        environ: Dict[str, str] = start.build_launcher_environ(gpus.adapt_for_srun(self._job.environ), self._order)
        self._launcher.start(words, self._job.layout.folder, dict(environ, **variables))
        self._rendezvous.raise_descriptor_limit()
        to_fill = self._job.plan.size.nodes if self._job.plan.uses_disks and number == 0 else 0
        self._job.journal.write(Launched(number, to_fill, own_log))

    def poll(self) -> Optional[int]:
        """Return the launcher's return code if it has ended, else None."""
        return self._launcher.poll()

    def wait(self, seconds: float = TICK_S) -> None:
        """Wait a moment for a report or a signal, and act on the reports."""
        for key, _ in self._selector.select(seconds):
            key.data()

    def tick(self) -> None:
        """Do what is due: end the tasks of a launch that is over, and kill what outlives it."""
        self._rendezvous.tick()
        self._joining.tick()
        self._reports.tick(time.monotonic())
        verdict = self._reports.completion.verdict
        if verdict and not self.stopping:
            grace_s = choose_grace(verdict, self._job.plan.distribution, self._reports.roster.roles, self._job.plan.timings)
            self.stop(grace_s, killed=verdict.rank in self._reports.roster.lost)  # a launcher that loses a task ends the others
        if self.stopping and not self._rendezvous.present:
            self._launcher.kill_after(0.0)  # it waits for tasks that are lost or never came

    @property
    def stopping(self) -> bool:
        return self._instructions.stopping

    def stop(self, grace_s: float, killed: bool = False) -> None:
        """End all tasks; kill the launcher if it outlives them. ``killed``: somebody else sends them TERM too."""
        self._instructions.stop(grace_s, killed)
        self._launcher.kill_after(grace_s)
        if not self._reports.roster.hellos:  # no task could receive the order: the launcher may still be waiting for nodes
            self._launcher.terminate()

    def stop_at_once(self) -> None:
        """End all tasks because the job is being ended, without waiting any longer for results."""
        self._launcher.spare_no_more()
        self.stop_for_good(killed=True)

    def stop_for_good(self, killed: bool = False) -> None:
        """End all tasks of the job's last launch."""
        self._instructions.keep_nothing()
        self.stop(self._job.plan.timings.grace, killed)

    def notify(self, cause: Cause, left_s: Optional[float]) -> None:
        """Notify all tasks that they will be ended, including those that have not connected yet."""
        self._instructions.notify(cause.value, left_s)

    def call_off(self, detail: Mapping[str, object]) -> None:
        """End a launch that is no longer wanted, unless it is over already."""
        self._reports.completion.decide(Verdict(False, None, Cause.CALLED_OFF, dict(detail)), time.monotonic())

    def end(self) -> None:
        """Receive reports that are still on their way, also from tasks that are being stopped; then close the launch."""
        if not self.stopping and self.collect_facts().launcher_died:
            self.stop(self._job.plan.timings.grace)
        deadline = time.monotonic() + self._instructions.grace_s + self._job.plan.timings.late_reports
        self._selector.unregister(self._signals)
        while self._rendezvous.present and time.monotonic() < deadline:
            self.wait(0.1)
        self._rendezvous.close()
        self._joining.close()
        self._selector.close()

    def collect_facts(self) -> Facts:
        """Return what is known of the launch, without what ends the job from outside."""
        roster, completion = self._reports.roster, self._reports.completion
        return Facts(
            roles=roster.roles,
            launcher=self._job.plan.launcher,
            hosts=roster.hosts,
            ends=roster.ends,
            lost=frozenset(roster.lost),
            verdict=completion.verdict,
            decided_at=completion.decided_at,
            returncode=self.poll(),
            killed_by_us=self._launcher.killed,
            missing_results=self._reports.disks.find_missing(),
            out_of_memory=job_log.has_run_out_of_memory(self.read_log()) or memory.count_kills(self._slurm_id) > self._kills,
            asks_with=self._job.plan.notice.exit_code or 0,
            at_once_s=self._job.plan.timings.at_once,
        )

    @property
    def is_decided(self) -> bool:
        """Whether the launch is over, though its tasks may still be ending."""
        return self._reports.completion.verdict is not None

    def read_log(self) -> bytes:
        """Return what Slurm and the launcher have written during the launch."""
        return job_log.read_since(self._job.layout.job_log, self.log_begin)

    def add_tail(self, outcome: Outcome) -> Outcome:
        """Return the outcome with the more telling log, and the last lines that this launch wrote there."""
        if outcome.cause is Cause.LAUNCHER:
            path, begin = self._job.layout.job_log, self.log_begin
        elif outcome.task:
            path = self._job.layout.launch(self._order.folder).task_log(outcome.task, "err")
            begin = self._reports.roster.errors_begin.get(outcome.task, 0)
        else:
            return outcome
        return outcome._replace(log=os.path.relpath(path, self._job.layout.folder), tail=job_log.read_tail(path, begin=begin))
