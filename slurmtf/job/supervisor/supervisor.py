"""The supervisor: one for each job, in the batch step.

It prepares the working directory, opens the rendezvous, starts the launcher, decides when the job is over, ends what must
be ended, and writes down what happened.
"""

import contextlib
import os
import selectors
import signal
import time
from typing import Any, Dict, List, Mapping, Optional, Set

from ..common import cluster, gpus, identity, wire
from ..common.process import Child, Signals
from ..contract import events, job_log, journal
from ..contract.layout import RunLayout
from ..contract.outcome import MAY_RETURN, Cause, End, Outcome, signal_name
from ..contract.plan import JobPlan
from ..contract.roles import table
from ..staging import staging, workdir
from ..task import cpu_binding as binding
from . import result
from . import time_limit as timelimit
from .completion import Completion, Verdict
from .disks import Disks
from .rendezvous import Rendezvous

HEARTBEAT_S = 60.0
TICK_S = 1.0
LAST_WORDS_S = 5.0
START_S = 600.0
"""Seconds after the first task in which all must be there: one whose agent can't start would keep the others waiting."""
SIGNS_S = 30.0
"""Seconds for which a node that copies results back, or clears up, is waited for after each sign that it does."""
AT_ONCE_S = 2.0
"""Slurm ends all processes of a job at once: what comes within this time of a task's end belongs to it."""
LISTEN_S = 0.5
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Supervisor:
    """The life of one job."""

    def __init__(self, plan: JobPlan, layout: RunLayout, environ: Mapping[str, str]) -> None:
        self._plan = plan
        self._layout = layout
        self._environ = dict(environ)
        self._job_id = identity.job_id(environ) or str(os.getpid())
        self._job_name = identity.job_name(environ) or self._job_id
        self._journal = journal.open_new(layout, self._job_name)
        self._roles = table(plan)
        self._completion = Completion(self._roles, plan.distribution)
        self._log_start = os.path.getsize(layout.job_log) if os.path.exists(layout.job_log) else 0
        self._began = time.monotonic()
        self._deadline = timelimit.deadline(plan, environ)
        self._warned = False
        self._hellos: Dict[int, wire.Message] = {}
        self._disks = Disks(plan, self._journal, len(self._roles))
        self._start_by: Optional[float] = None
        self._ends: Dict[int, End] = {}
        self._lost: Set[int] = set()
        self._kill_signal: Optional[int] = None
        self._killed_at = 0.0
        self._decided_at = 0.0
        self._overtime = False
        self._settled: Optional[Outcome] = None
        self._stop_order: Optional[wire.Message] = None
        self._launcher: Optional[Child] = None
        self._selector = selectors.DefaultSelector()
        self._signals = Signals((signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2))
        self._rendezvous = Rendezvous(len(self._roles), self._selector, self._on_message, self._on_lost)

    def run(self, launch: List[str]) -> int:
        """Run the launch line to the job's end and return the exit status to leave with."""
        self._selector.register(self._signals, selectors.EVENT_READ, lambda: None)
        try:
            self._note_start()
            staging.make_targets(self._plan)
            if not self._plan.stage.on_node:
                workdir.prepare(self._layout)
            self._journal.write(events.Prepared())
            returncode = self._supervise(launch)
        except OSError as err:
            cause = Cause.LAUNCHER if err.filename == launch[0] else Cause.AGENT
            return self._finish(Outcome(cause, exit_code=1, detail={"error": str(err), "launcher": self._plan.launcher}))
        self._rendezvous.close()
        self._journal.write(events.Finalizing())
        return self._finish(self._settled or self._conclusion(returncode))

    def _note_start(self) -> None:
        result.forget(self._layout, self._job_name)
        result.link_logs(self._layout, self._job_name, self._roles[0].label)
        self._journal.write(
            events.Started(
                job_id=identity.array_job_id(self._environ) or self._job_id,
                element=identity.element(self._environ),
                attempt=identity.attempt(self._environ),
                host=identity.host(self._environ),
                nodes=self._environ.get("SLURM_JOB_NODELIST", ""),
                process=identity.process(),
            )
        )

    def _supervise(self, launch: List[str]) -> int:
        host = identity.host(self._environ)
        meeting_point = {wire.ADDRESS: self._rendezvous.address(host), wire.KEY: self._rendezvous.key}
        self._launcher = Child(launch, self._layout.folder, dict(self._environ, **meeting_point))
        self._rendezvous.make_room()
        to_fill = self._plan.size.nodes if self._disks.are_used else 0
        self._journal.write(events.Launched(0, self._plan.launcher, to_fill))
        next_beat = time.monotonic() + HEARTBEAT_S
        returncode = self._launcher.poll()
        while returncode is None:
            self._tick()
            if time.monotonic() >= next_beat:
                self._journal.beat()
                next_beat += HEARTBEAT_S
            returncode = self._launcher.poll()
        if self._launcher_died(returncode) and not self._stop_order:
            self._stop()
        self._hear_last_words()
        return returncode

    def _tick(self) -> None:
        for key, _ in self._selector.select(TICK_S):
            key.data()
        for number in self._signals.take():
            self._on_signal(number)
        self._watch_time()
        self._watch_start()
        self._completion.tick(time.monotonic())
        self._note_verdict()
        verdict = self._completion.verdict
        if verdict and not self._stop_order:
            self._stop(killed=verdict.rank in self._lost)  # a launcher ends the others of one whose agent died
        self._settle()
        if self._stop_order and self._launcher and not self._rendezvous.present:
            self._launcher.kill_after(LAST_WORDS_S)  # it waits for tasks that are lost, or have not been there yet

    def _hear_last_words(self) -> None:
        """Take in reports that are still on their way when the launcher has ended, or of tasks that are being stopped."""
        grace = self._plan.timings.grace if self._stop_order else 0
        deadline = time.monotonic() + grace + LAST_WORDS_S
        self._selector.unregister(self._signals)
        while self._rendezvous.present and time.monotonic() < deadline:
            for key, _ in self._selector.select(0.1):
                key.data()

    def _on_message(self, rank: int, message: wire.Message) -> None:
        handlers = {
            "hello": self._on_hello,
            "ready": self._on_ready,
            "not-ready": self._on_not_ready,
            "task-started": self._on_started,
            "task-ended": self._on_end,
            "leaving": self._on_leaving,
            "returned": self._on_returned,
        }
        handler = handlers.get(str(message.get("event")))
        if handler:
            handler(rank, message)

    def _on_started(self, rank: int, message: wire.Message) -> None:  # noqa: ARG002
        self._journal.write(events.TaskStarted(rank, self._roles[rank].label, str(self._hellos[rank]["host"])))

    def _on_ready(self, rank: int, message: wire.Message) -> None:
        if self._disks.ready(rank, str(self._hellos[rank]["host"]), message) and not self._stop_order:
            self._start_all()

    def _on_leaving(self, rank: int, message: wire.Message) -> None:  # noqa: ARG002
        if self._launcher and self._kill_signal is None:
            self._launcher.spare(SIGNS_S)

    def _on_returned(self, rank: int, message: wire.Message) -> None:  # noqa: ARG002
        self._disks.returned(message)

    def _on_not_ready(self, rank: int, message: wire.Message) -> None:
        if not self._completion.verdict:
            detail = {"error": str(message.get("message") or "")}
            self._completion.verdict = Verdict(False, rank, Cause.STAGING, detail)

    def _on_hello(self, rank: int, message: wire.Message) -> None:
        self._hellos[rank] = message
        self._start_by = self._start_by or time.monotonic() + START_S
        if self._stop_order:
            self._rendezvous.tell(rank, self._stop_order)
        elif self._all_came and not self._disks.are_used:
            self._start_all()

    def _start_all(self) -> None:
        """Tell each task the cluster and its place in it, now that all are there."""
        hosts = {rank: str(hello["host"]) for rank, hello in self._hellos.items()}
        distribution = self._plan.distribution
        if distribution.cluster:
            addresses = {rank: str(hello["address"]) for rank, hello in self._hellos.items()}
            self._rendezvous.tell_all({"cluster": cluster.build(self._roles, addresses)})  # made into bytes once
        dealt_gpus = self._deal_gpus(hosts)
        places = cluster.places(hosts)
        dealt = self._hosts_to_deal(hosts)
        horovod = self._horovod(hosts) if distribution.gloo else {}
        for rank in self._rendezvous.present:
            local_rank, sharers = places[rank]
            own = {"local_rank": local_rank, "sharers": sharers, "variables": horovod.get(rank, {})}
            self._rendezvous.tell(rank, dict(order="start", gpus=dealt_gpus[rank], bind=hosts[rank] in dealt, **own))

    def _deal_gpus(self, hosts: Dict[int, str]) -> Dict[int, Optional[gpus.Names]]:
        sights = {rank: gpus.sight_of(hello.get("gpus")) for rank, hello in self._hellos.items()}
        users = [role.rank for role in self._roles if role.role in self._plan.distribution.gpu_roles]
        return gpus.deal(sights, hosts, users)

    def _hosts_to_deal(self, hosts: Dict[int, str]) -> Set[str]:
        """Return the nodes whose CPUs the tasks there shall share out among themselves."""
        masks: Dict[str, List[str]] = {}
        for rank, host in hosts.items():
            masks.setdefault(host, []).append(str(self._hellos[rank].get("cpus", "")))
        return {host for host, seen in masks.items() if binding.may_be_dealt(seen)}

    def _horovod(self, hosts: Dict[int, str]) -> Dict[int, Dict[str, str]]:
        """Serve Horovod's rendezvous and return the variables of each rank."""
        from . import gloo

        port = gloo.serve([str(hello["peer"]) for hello in self._hellos.values()])
        local = self._plan.local
        shared = gloo.variables("127.0.0.1" if local else identity.host(self._environ), port)
        interface = "lo" if local else self._plan.interface
        if interface:
            shared["HOROVOD_GLOO_IFACE"] = interface
        ranks = cluster.horovod_ranks(self._roles, hosts)
        return {rank: dict(shared, **{name: str(value) for name, value in own.items()}) for rank, own in ranks.items()}

    def _on_end(self, rank: int, message: wire.Message) -> None:
        label, end = self._roles[rank].label, End.from_dict(message)
        self._ends[rank] = end
        self._journal.write(events.TaskEnded(rank, label, end.exit_code, end.signal))
        again = not self._stop_order and self._completion.ended(rank, end, time.monotonic())
        self._note_verdict()
        if again:
            del self._ends[rank]
            self._journal.write(events.TaskRestarted(rank, label))
        self._rendezvous.tell(rank, {"order": "restart" if again else "leave"})

    def _on_lost(self, rank: int) -> None:
        if rank not in self._ends:
            self._lost.add(rank)
            self._journal.write(events.TaskLost(rank, self._roles[rank].label))
            if not self._stop_order:
                self._completion.lost(rank)
                self._note_verdict()

    def _note_verdict(self) -> None:
        if self._completion.verdict and not self._decided_at:
            self._decided_at = time.monotonic()

    def _settle(self) -> None:
        """Write the verdict down once nothing can change it: whoever kills the job from then on does not."""
        verdict = self._completion.verdict
        if verdict is None or verdict.rank in self._lost or self._settled or self._overtime or self._killed_first():
            return
        if verdict.success and self._disks.awaited:
            return
        if time.monotonic() - self._decided_at >= AT_ONCE_S:
            self._settled = self._of_verdict(verdict)
            self._leave_result(self._settled)
            self._journal.write(events.Decided(self._settled.to_dict()))

    def _on_signal(self, number: int) -> None:
        self._journal.write(events.Signaled(signal_name(number)))
        if number == signal.SIGUSR2 and (self._left is None or self._left <= self._plan.timings.warning + timelimit.EARLY_S):
            self._warn()
        elif number in STOP_SIGNALS:
            self._killed_at = self._killed_at or time.monotonic()
            self._kill_signal = self._kill_signal or number
            self._stop(killed=True)

    @property
    def _left(self) -> Optional[float]:
        """Seconds until the time limit."""
        return None if self._deadline is None else self._deadline - time.monotonic()

    def _watch_time(self) -> None:
        """Tell of the time limit some time before, and hold it where no scheduler does."""
        if self._left is None:
            return
        if self._left <= self._plan.timings.warning:
            self._warn()
        if self._plan.local and self._left <= 0 and not self._stop_order:
            self._overtime = True
            self._journal.write(events.TimeLimit(self._plan.size.time_s))
            self._stop()

    def _warn(self) -> None:
        if not self._warned:
            self._warned = True
            self._journal.write(events.TimeWarning(None if self._left is None else round(self._left)))

    def _watch_start(self) -> None:
        """Give up waiting for tasks that never come."""
        late = self._start_by is not None and time.monotonic() >= self._start_by
        missing = [role for role in self._roles if role.rank not in self._hellos] if late else []
        if missing and not self._completion.verdict:
            detail = {"missing": [role.label for role in missing], "waited_s": START_S}
            self._completion.verdict = Verdict(False, missing[0].rank, Cause.NOT_CONNECTED, detail)

    def _stop(self, **facts: Any) -> None:
        """End all tasks; the launcher is killed when it outlives them."""
        self._stop_order = dict(order="stop", **facts)
        self._rendezvous.tell_all(self._stop_order)
        if self._launcher:
            self._launcher.kill_after(self._plan.timings.grace + LAST_WORDS_S)
            if not self._hellos:  # nobody hears the order: the launcher may still be waiting for nodes
                self._launcher.send(signal.SIGTERM)

    def _conclusion(self, returncode: int) -> Outcome:
        """Say how the job ended, from what the tasks reported and why it was stopped."""
        verdict = self._completion.verdict
        if self._overtime or self._was_killed():
            return self._of_kill()
        if verdict is None or (verdict.rank in self._lost and (self._launcher_died(returncode) or not self._all_came)):
            return self._blame_launcher(returncode)
        return self._of_verdict(verdict)

    def _of_verdict(self, verdict: Verdict) -> Outcome:
        lost = self._disks.lost() if verdict.success else None
        if lost:
            return Outcome(Cause.RESULTS, exit_code=1, detail=lost)
        if verdict.success or verdict.rank is None:
            return Outcome(Cause.SCRIPT, exit_code=0, detail=verdict.detail)
        # by a rule: what the task ended with then, it ended with because of us
        end = self._ends[verdict.rank] if verdict.cause is Cause.SCRIPT else End(1)
        label = self._roles[verdict.rank].label
        path = self._layout.task_log(label, "err")
        log, tail = os.path.relpath(path, self._layout.folder), job_log.tail(path)
        return Outcome(verdict.cause, label, self._host_of(verdict.rank), end.exit_code, end.signal, log, tail, verdict.detail)

    @property
    def _all_came(self) -> bool:
        return len(self._hellos) == len(self._roles)

    def _launcher_died(self, returncode: int) -> bool:
        """Tell whether somebody else has killed the launcher, who takes its tasks with it."""
        return returncode < 0 and self._launcher is not None and not self._launcher.killed

    def _was_killed(self) -> bool:
        """Tell whether the job was ended from outside: a task's end by the same signal may be heard before our own."""
        by_signal = any(end.signal in (*STOP_SIGNALS, signal.SIGKILL) for end in self._ends.values())
        self._listen(LISTEN_S if by_signal else 0.0)
        return self._killed_first()

    def _killed_first(self) -> bool:
        """Tell whether what ends the job from outside came before the verdict, or at once with it."""
        if self._completion.verdict is None:
            return self._kill_signal is not None
        return self._kill_signal is not None and self._killed_at - self._decided_at < AT_ONCE_S

    def _listen(self, seconds: float) -> None:
        """Take in the signals that are there, and wait so long for one that ends us."""
        deadline = time.monotonic() + seconds
        while True:
            for number in self._signals.take():
                self._on_signal(number)
            if self._kill_signal or time.monotonic() >= deadline:
                return
            time.sleep(0.02)

    def _of_kill(self) -> Outcome:
        path = self._layout.job_log
        written = job_log.written_since(path, self._log_start)
        cause = Cause.TIME_LIMIT if self._overtime else job_log.cause_of_kill(written, self._job_id)
        node = job_log.failed_node(written) if cause is Cause.NODE_FAILURE else ""
        return Outcome(cause, host=node, signal=self._kill_signal or int(signal.SIGTERM))

    def _host_of(self, rank: int) -> str:
        """Return a task's node where there are several tasks."""
        return str(self._hellos.get(rank, {}).get("host") or "") if len(self._roles) > 1 else ""

    def _blame_launcher(self, returncode: int) -> Outcome:
        end = End.of_returncode(returncode)
        known = self._ends if self._all_came else self._hellos
        missing = [role.label for role in self._roles if role.rank not in known]
        detail = {"launcher": self._plan.launcher, "missing": missing}
        path = self._layout.job_log
        log, tail = os.path.relpath(path, self._layout.folder), job_log.tail(path)
        return Outcome(Cause.LAUNCHER, "", "", end.exit_code, end.signal, log, tail, detail)

    def _finish(self, outcome: Outcome) -> int:
        """Write the outcome into the journal and where submitit looks for it; return the exit status to leave with."""
        if outcome.cause not in MAY_RETURN and not self._settled:  # else its result is not known yet, or told already
            self._leave_result(outcome)
        self._journal.write(events.Ended(outcome.to_dict(), round(time.monotonic() - self._began, 3)))
        return outcome.job_status

    def _leave_result(self, outcome: Outcome) -> None:
        with contextlib.suppress(OSError):  # a full disk: the journal and the exit status tell
            result.leave(self._layout, self._job_name, self._plan.run.run_id, outcome)
