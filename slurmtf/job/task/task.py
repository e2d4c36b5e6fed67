"""One task: finds its role, runs the user's command, reports how it ended."""

import json
import signal
from typing import List, Mapping, Optional, Tuple

from ..common import cpu_binding, identity, wire
from ..common.process import Child, Signals
from ..contract import variables as var
from ..contract.attempt.outcome import End
from ..contract.layout import RunLayout
from ..contract.plan import JobPlan, LaunchOrder
from ..contract.roles import Role, assign_roles
from ..staging.on_node import OnNode
from . import ports
from .ending import STOP_SIGNALS, Ending
from .instructions import TaskInstructions
from .link import Supervisor, build_hello, join_supervisor
from .notice import NoticeGiver
from .sampling import Sampler
from .script import Script, Watch, create_log_folder, get_logs, prepare

TICK_S = 0.5
FORWARDED = (signal.SIGUSR1, signal.SIGUSR2)
OWN_VARIABLES = (identity.OWN_RANK, wire.ADDRESS, wire.KEY, wire.ALLOCATION, wire.TASKS)
"""The variables that describe a task's launch to it; not passed on to what it starts."""


class Task:
    """The life of one task."""

    def __init__(self, plan: JobPlan, layout: RunLayout, environ: Mapping[str, str]) -> None:
        self._plan = plan = plan.with_launch(LaunchOrder.from_dict(json.loads(environ.get(wire.TASKS, "{}"))))
        self._layout = layout
        self._given = environ
        self._environ = {name: value for name, value in environ.items() if name not in OWN_VARIABLES}
        self._in_step = var.SLURM_STEP_ID in environ
        self.role = find_role(plan, identity.get_rank(environ))
        self._signals = Signals((*STOP_SIGNALS, *FORWARDED))
        self._supervisor = Supervisor()
        self._told = TaskInstructions()
        self._ending = Ending(self._in_step, plan.timings.grace)
        self._notice = NoticeGiver(plan.notice, layout.notice(self.role.label))
        create_log_folder(layout)
        logs, allocation = get_logs(layout, self.role.label), environ.get(wire.ALLOCATION, "")
        self._on_node = OnNode(plan, layout, self._environ, allocation, logs, self._tick, self._report)
        self._port: Optional[ports.HeldPort] = None
        self._running: Optional[Tuple[Script, Child]] = None

    def run(self, command: List[str]) -> int:
        """Run the command to its end, repeatedly if the supervisor orders it, and return the exit code to exit with.

        One of several tasks that has met its supervisor exits with 0: the journal has its script's exit code, and to the
        launcher any other code means that an agent could not do its work, which makes it end all tasks at once.
        """
        if needs_port(self._plan, self.role):
            self._port = ports.hold()
        facts = build_hello(self._plan, self.role, self._environ, self._port.number if self._port else None)
        self._supervisor = join_supervisor(self._given, facts, self.role.label)
        has_reported = self._supervisor.is_there and self._plan.size.tasks > 1
        status = self._run_when_ready(command)
        return 0 if has_reported else status

    def _run_when_ready(self, command: List[str]) -> int:
        if not self._supervisor.is_there:
            self._told.start = {}
        try:
            if self._plan.uses_disks and not self._stage() and not self._supervisor.is_there:
                return 1
            return self._run_until_released(command)
        except OSError as err:
            self._give_up(err)
            return 1
        finally:
            self._on_node.release(self._told.keep)

    def _stage(self) -> bool:
        return self._on_node.stage(self._ending.hold, lambda: self._ending.has_begun)

    def _give_up(self, err: OSError) -> None:
        """Make the supervisor report what the system refused us: a file system may be out of bytes or inodes."""
        if not self._supervisor.is_there:
            raise err
        where = "{}: ".format(err.filename) if err.filename else ""
        self._report({"event": "not-ready", "message": "{}{}".format(where, err.strerror or err)})
        while self._supervisor.is_there and not self._ending.has_begun:
            self._tick()

    def _run_until_released(self, command: List[str]) -> int:
        while self._told.start is None and not self._ending.has_begun:
            self._tick()
        status = 128 + signal.SIGTERM
        while not self._ending.has_begun:
            end = self._run(command)
            status = end.status
            if self._ask_what_next(end) != "restart":
                break
        return status

    def _ask_what_next(self, end: End) -> str:
        """Report the script's end; return the order that answers it, empty if there is no supervisor."""
        self._told.next = ""
        self._report(dict(end._asdict(), event="task-ended"))
        while self._supervisor.is_there and not self._told.next:
            self._tick()
        return self._told.next

    def _run(self, command: List[str]) -> End:
        start = self._told.start or {}
        script = prepare(self._plan, self._layout, self.role, start, self._on_node.note, command, self._environ)
        self._notice.prepare(script.notice)
        if self._port and not ports.are_shared_by(script.words[0], script.variables):
            self._port.let_go()
        begins = script.get_log_positions()
        try:
            child = script.start(self._notice.ignored)
        except OSError as err:
            return script.note_failed_start(err)
        self._running = script, child
        self._ending.hold(child)
        self._report({"event": "task-started", "pid": child.pid, "begins": begins})
        end = self._watch(script, child)
        self._ending.hold(None)
        self._running = None
        return end

    def _watch(self, script: Script, child: Child) -> End:
        """Record what the script does until it ends; return its end."""
        samples = not (self._told.start or {}).get("local_rank", 0)  # the first task of a node does it for all
        watch = Watch(script, self._plan.stall, Sampler(self._plan, self._layout, self._environ) if samples else None)
        returncode = None
        while returncode is None:
            self._tick()
            returncode = child.poll()
            if watch.tick(child.pid):
                self._report({"event": "active"})
        watch.end()
        return End.from_returncode(returncode)

    def _tick(self) -> None:
        """Wait for a signal, an order or the child's end, and act on it."""
        messages = self._supervisor.wait(self._signals.fileno(), TICK_S)
        for number in self._signals.take():
            self._on_signal(number)
        for message in messages:
            self._on_message(message)
        self._ending.tick()

    def _on_signal(self, number: int) -> None:
        """Pass a signal on. slurmstepd sends it to every process of a step: then the script has already received it."""
        if number in STOP_SIGNALS:
            self._ending.on_signal()
        elif self._running and not self._in_step:
            self._running[1].send(number)

    def _on_message(self, message: wire.Message) -> None:
        order = self._told.take(message)
        if order == "stop":
            self._ending.stop(bool(message.get("killed")), message.get("grace"))
        elif order == "start" and message.get("bind"):
            cpu_binding.bind(int(message["local_rank"]), int(message["sharers"]))
        elif order == "notice":
            facts = {"why": message.get("why"), "left": message.get("left")}
            self._notice.give(facts, self._running[1] if self._running else None)
        elif order == "stacks" and self._running:
            script, child = self._running
            script.ask_for_stacks(child)

    def _report(self, message: wire.Message) -> None:
        self._supervisor.report(message)


def find_role(plan: JobPlan, rank: int) -> Role:
    """Return the role of a rank. Raises OSError if it has none."""
    roles = assign_roles(plan)
    if rank >= len(roles):
        raise OSError("rank {} has no place in a job of {} tasks".format(rank, len(roles)))
    return roles[rank]


def needs_port(plan: JobPlan, role: Role) -> bool:
    """Return whether the script of this role opens a port that the other tasks connect to."""
    return plan.distribution.cluster or (plan.distribution.joined_by_jax and role.rank == 0)
