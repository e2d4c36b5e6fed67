"""One start of the launcher in an allocation: the rendezvous, the launcher's process, its tasks, and when they are over."""

import json
import selectors
import signal
import time
from typing import Any, Dict, Mapping, Optional, Sequence, Tuple

from ..common import addresses, gpus, identity, wire
from ..common.process import Child, Signals
from ..contract import events, job_log
from ..contract.journal import Journal
from ..contract.layout import RunLayout
from ..contract.outcome import Cause, End, Outcome
from ..contract.plan import JobPlan, LaunchOrder
from ..contract.roles import table
from . import cluster, gloo, start
from .completion import Completion, Verdict, waits_for_dead_peer
from .conclusion import Facts, Killing, settled
from .disks import Disks
from .rendezvous import Rendezvous
from .roster import Roster
from .stall import StallWatch

TICK_S = 1.0
STACKS_S = 3.0
"""Seconds for the scripts' stacks to be written, before a run that has stalled is ended."""


class Launch:
    """``signals`` is what wakes the allocation meanwhile. Raises OSError when a port can't be opened."""

    def __init__(
        self,
        plan: JobPlan,
        layout: RunLayout,
        environ: Mapping[str, str],
        journal: Journal,
        signals: Signals,
        order: LaunchOrder,
    ) -> None:
        self._plan = plan = plan.of_launch(order)
        self._layout = layout
        self._environ = environ
        self._journal = journal
        self._signals = signals
        self._selector = selectors.DefaultSelector()
        self._selector.register(signals, selectors.EVENT_READ, lambda: None)
        self._order = order
        self._roster = Roster(table(plan), plan.timings.start)
        self._completion = Completion(self._roster.roles, self._plan.distribution)
        self._disks = Disks(plan, journal, len(self._roster.roles))
        self._decided_at = 0.0
        self._stop_order: Optional[wire.Message] = None
        self._spared = True
        self._keeps = not order.last
        self._launcher: Optional[Child] = None
        self._rendezvous = Rendezvous(len(self._roster.roles), self._selector, self._on_message, self._on_lost)
        self._store: Optional[gloo.Store] = None
        self._notice: Optional[wire.Message] = None
        self._stall = StallWatch(plan.stall)
        self._ends_at: Optional[float] = None
        self._begins: Dict[str, Tuple[int, int]] = {}

    def begin(self, words: Sequence[str], number: int, job_log: int) -> None:
        """Start the launcher. ``job_log``: see :class:`.events.Launched`. Raises OSError."""
        told = {wire.ADDRESS: self._rendezvous.address(self._own_name), wire.KEY: self._rendezvous.key}
        if self._order.tasks != LaunchOrder():
            told[wire.TASKS] = json.dumps(self._order.tasks.to_dict())
        environ = start.environ_of(gpus.for_srun(self._environ), self._order)
        self._launcher = Child(words, self._layout.folder, dict(environ, **told))
        self._rendezvous.make_room()
        to_fill = self._plan.size.nodes if self._disks.are_used and number == 0 else 0
        self._journal.write(events.Launched(number, to_fill, job_log))

    def poll(self) -> Optional[int]:
        """Return the launcher's return code when it has ended."""
        return self._launcher.poll() if self._launcher else None

    def wait(self) -> None:
        """Wait a moment for a report or a signal, and heed what has been reported."""
        for key, _ in self._selector.select(TICK_S):
            key.data()

    def tick(self) -> None:
        """Do what is due: end a launch that is over, and what outlives it."""
        now = time.monotonic()
        self._rendezvous.tick()
        if self._store:
            self._store.tick()
        self._watch_start(now)
        self._completion.tick(now)
        self._watch_stall(now)
        verdict = self._decide()
        if verdict and not self._stop_order:
            self.stop(
                self._grace(verdict), killed=verdict.rank in self._roster.lost
            )  # a launcher ends the others of a lost one
        if self._stop_order and self._launcher and not self._rendezvous.present:
            self._launcher.kill_after(
                self._plan.timings.late_reports
            )  # it waits for tasks that are lost, or have not been there

    def _watch_stall(self, now: float) -> None:
        """Have the stacks of a run that has stalled written down; end it then, if it is to end."""
        stall = self._plan.stall
        if self._stall.begins(now) and not self._stop_order:
            self._journal.write(events.Stalled(stall.minutes))
            job_log.say("nothing has happened for {:g} minutes: see stacks/".format(stall.minutes))
            self._rendezvous.tell_all({"order": "stacks"})
            self._ends_at = now + STACKS_S if stall.ends else None
        if self._ends_at is not None and now >= self._ends_at and not self._completion.verdict:
            self._completion.verdict = Verdict(False, None, Cause.STALL, {"minutes": stall.minutes})

    def stop(self, grace_s: float, killed: bool = False) -> None:
        """End all tasks; the launcher is killed when it outlives them. ``killed``: somebody sends them TERM beside us."""
        self._stop_order = {"order": "stop", "grace": grace_s, "killed": killed, "keep": self._keeps}
        self._rendezvous.tell_all(self._stop_order)
        if self._launcher:
            self._launcher.kill_after(grace_s + self._plan.timings.late_reports)
            if not self._roster.hellos:  # nobody hears the order: the launcher may still be waiting for nodes
                self._launcher.send(signal.SIGTERM)

    @property
    def stopping(self) -> bool:
        return self._stop_order is not None

    def stop_at_once(self) -> None:
        """End all tasks as somebody ends the job: no result that is still on its way is waited for longer."""
        self._spared = False
        self.stop_for_good(killed=True)

    def stop_for_good(self, killed: bool = False) -> None:
        """End all tasks of the job's last launch."""
        self._keeps = False
        self.stop(self._plan.timings.grace, killed)

    def notify(self, cause: str, left_s: Optional[float]) -> None:
        """Tell all tasks that they will be ended, those too that are still to come."""
        self._notice = {"order": "notice", "why": cause, "left": left_s}
        self._rendezvous.tell_all(self._notice)

    def call_off(self, detail: Dict[str, Any]) -> None:
        """End a launch that is not wanted any more, unless it is over already."""
        if not self._completion.verdict:
            self._completion.verdict = Verdict(False, None, Cause.CALLED_OFF, detail)

    def end(self) -> None:
        """Take in reports that are on their way when the launcher has ended, or of tasks that are being stopped; then close."""
        if not self._stop_order and self.facts(None, False).launcher_died:
            self.stop(self._plan.timings.grace)
        grace = float(self._stop_order["grace"]) if self._stop_order else 0.0
        deadline = time.monotonic() + grace + self._plan.timings.late_reports
        self._selector.unregister(self._signals)
        while self._rendezvous.present and time.monotonic() < deadline:
            for key, _ in self._selector.select(0.1):
                key.data()
        self._rendezvous.close()
        if self._store:
            self._store.close()
        self._selector.close()

    def facts(self, killing: Optional[Killing], overtime: bool) -> Facts:
        """Return what is known of the launch, with what the allocation knows."""
        return Facts(
            roles=self._roster.roles,
            launcher=self._plan.launcher,
            hosts=self._roster.hosts,
            ends=self._roster.ends,
            lost=frozenset(self._roster.lost),
            verdict=self._completion.verdict,
            decided_at=self._decided_at,
            returncode=self.poll(),
            killed_by_us=self._launcher is not None and self._launcher.killed,
            killing=killing,
            overtime=overtime,
            missing_results=self._disks.lost(),
            at_once_s=self._plan.timings.at_once,
        )

    def errors_of(self, task: str) -> int:
        """Return where in a task's log of errors begins what it has written in this launch."""
        return self._begins.get(task, (0, 0))[1]

    def settled(self, killing: Optional[Killing], overtime: bool) -> Optional[Outcome]:
        """Return the outcome once nothing can change it."""
        return settled(self.facts(killing, overtime), time.monotonic()) if self._completion.verdict else None

    def _grace(self, verdict: Verdict) -> float:
        """Return the time between TERM and KILL: less where the others only wait for the one that failed."""
        timings = self._plan.timings
        if waits_for_dead_peer(verdict, self._plan.distribution, self._roster.roles):
            return min(timings.grace, timings.peer_grace)
        return timings.grace

    def _watch_start(self, now: float) -> None:
        """Give up waiting for tasks that never come."""
        late = self._roster.late(now)
        if late and not self._completion.verdict:
            detail = {"missing": [role.label for role in late], "waited_s": self._plan.timings.start}
            self._completion.verdict = Verdict(False, late[0].rank, Cause.NOT_CONNECTED, detail)

    def _decide(self) -> Optional[Verdict]:
        """Return the verdict, and note when it fell."""
        if self._completion.verdict and not self._decided_at:
            self._decided_at = time.monotonic()
        return self._completion.verdict

    def _on_message(self, rank: int, message: wire.Message) -> None:
        handlers = {
            "hello": self._on_hello,
            "ready": self._on_ready,
            "not-ready": self._on_not_ready,
            "task-started": self._on_started,
            "active": self._on_active,
            "task-ended": self._on_end,
            "leaving": self._on_leaving,
            "returned": self._on_returned,
        }
        handler = handlers.get(str(message.get("event")))
        if handler:
            handler(rank, message)

    def _on_hello(self, rank: int, message: wire.Message) -> None:
        self._roster.connected(rank, start.Hello.of(message), time.monotonic())
        if self._stop_order:
            self._rendezvous.tell(rank, self._stop_order)
        elif self._roster.complete and not self._disks.are_used:
            self._start_all()

    def _on_ready(self, rank: int, message: wire.Message) -> None:
        if self._disks.ready(rank, self._roster.hellos[rank].host, message) and not self._stop_order:
            self._start_all()

    def _on_not_ready(self, rank: int, message: wire.Message) -> None:
        if not self._completion.verdict:
            self._completion.verdict = Verdict(False, rank, Cause.STAGING, {"error": str(message.get("message") or "")})

    def _on_active(self, rank: int, message: wire.Message) -> None:  # noqa: ARG002
        self._stall.active(rank, time.monotonic())
        self._ends_at = None

    def _on_started(self, rank: int, message: wire.Message) -> None:
        self._stall.active(rank, time.monotonic())
        host = self._roster.hellos[rank].host
        out, err = self._begins[self._label(rank)] = start.begins_of(message)
        self._journal.write(events.TaskStarted(rank, self._label(rank), host, start.count_of(message.get("pid")), out, err))

    def _on_leaving(self, rank: int, message: wire.Message) -> None:  # noqa: ARG002
        if self._launcher and self._spared:
            self._launcher.spare(self._plan.timings.sign)

    def _on_returned(self, rank: int, message: wire.Message) -> None:  # noqa: ARG002
        self._disks.returned(message)

    def _on_end(self, rank: int, message: wire.Message) -> None:
        label, end = self._label(rank), End.from_dict(message)
        self._roster.ends[rank] = end
        self._stall.gone(rank)
        self._journal.write(events.TaskEnded(rank, label, end.exit_code, end.signal))
        again = not self._stop_order and self._completion.ended(rank, end, time.monotonic())
        self._decide()
        if again:
            del self._roster.ends[rank]
            self._journal.write(events.TaskRestarted(rank, label))
        self._rendezvous.tell(rank, {"order": "restart" if again else "leave", "keep": self._keeps})

    def _on_lost(self, rank: int) -> None:
        if rank not in self._roster.ends:
            self._roster.lost.add(rank)
            self._stall.gone(rank)
            self._journal.write(events.TaskLost(rank, self._label(rank)))
            if not self._stop_order:
                self._completion.lost(rank)
                self._decide()

    def _label(self, rank: int) -> str:
        return self._roster.roles[rank].label

    def _start_all(self) -> None:
        """Tell each task the cluster and its place in it, now that all are there."""
        distribution, roles, hellos = self._plan.distribution, self._roster.roles, self._roster.hellos
        self._rendezvous.tell_all({"nodes": start.nodes_of(hellos)})
        if distribution.cluster:
            self._rendezvous.tell_all({"cluster": start.cluster_of(roles, hellos)})  # encoded once
        orders = start.start_orders(distribution, roles, hellos, self._order, self._variables())
        for rank in self._rendezvous.present:
            self._rendezvous.tell(rank, orders[rank])
        if self._notice:
            self._rendezvous.tell_all(self._notice)

    def _variables(self) -> Dict[int, Dict[str, str]]:
        """Return the variables of each rank by which Horovod or JAX finds the others."""
        distribution, roles, hellos = self._plan.distribution, self._roster.roles, self._roster.hellos
        if distribution.joined_by_jax:
            return start.jax_variables(hellos, self._interface)
        return start.horovod_variables(roles, hellos, self._serve_gloo()) if distribution.gloo else {}

    @property
    def _own_name(self) -> str:
        return addresses.name_of(identity.host(self._environ), self._plan)

    def _serve_gloo(self) -> Mapping[str, str]:
        """Serve Horovod's rendezvous and return the variables that all ranks need."""
        hellos = self._roster.hellos
        told = {address for hello in hellos.values() for address in hello.addresses}
        sizes = gloo.scope_sizes(cluster.horovod_ranks(self._roster.roles, self._roster.hosts))
        self._store = gloo.Store(self._selector, {*addresses.own_addresses(), *told}, sizes)
        one_node = self._plan.size.nodes == 1
        shared = gloo.variables("127.0.0.1" if one_node else self._own_name, self._store.port)
        return dict(shared, HOROVOD_GLOO_IFACE=self._interface) if self._interface else shared

    @property
    def _interface(self) -> str:
        """The interface that all ranks are told of; empty: a node's own name tells, or its name with the site's suffix."""
        return "lo" if self._plan.size.nodes == 1 else self._plan.interface or ""
