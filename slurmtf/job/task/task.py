"""One task: finds its role, runs the user's command, reports how it ended."""

import json
import os
import select
import signal
import socket
import subprocess
import time
from typing import Callable, Dict, List, Mapping, Optional, Tuple

from ..common import cpu_binding as binding
from ..common import gpus, identity, wire
from ..common.addresses import interface_of, name_of, own_addresses
from ..common.process import Child, Signals, outlive_parent
from ..contract import variables as var
from ..contract.attempt.job_log import size_of
from ..contract.attempt.outcome import End
from ..contract.layout import RunLayout
from ..contract.plan import JobPlan, LaunchOrder
from ..contract.roles import Role, table
from ..staging import workdir
from ..staging.on_node import OnNode
from . import ports, stacks
from .activity import Activity
from .environment import TaskEnvironment
from .log_clock import LogClock
from .notice import NoticeGiver
from .sampling import Sampler

CONNECT_TIMEOUT_S = 30.0
TICK_S = 0.5
OWN_TERM_S = 5.0
"""Seconds by which Slurm's own TERM to every process of a step may follow the supervisor's message."""
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
NOTICES = (signal.SIGUSR1, signal.SIGUSR2)
SHARES_PORT = (2, 3)
"""The first TensorFlow that has TF_GRPC_REUSE_PORT (tensorflow pull request 38705)."""
ASK_VERSION = """
import glob, os, sys
found = [name for path in sys.path for name in glob.glob(os.path.join(glob.escape(path), "tensorflow*-*.dist-info"))]
names = ("tensorflow", "tensorflow_cpu", "tensorflow_gpu", "tf_nightly", "tensorflow_intel")
print(next((parts[1] for parts in (os.path.basename(name)[:-10].split("-") for name in found) if parts[0] in names), ""))
"""


class Link:
    """The task's connection to the supervisor."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lines = wire.Lines()
        self._pending: List[wire.Message] = []

    def fileno(self) -> int:
        return self._connection.fileno()

    def join(self, key: str, facts: wire.Message) -> None:
        """Prove our identity, and have the supervisor prove its own. Raises OSError if that fails."""
        challenge = self._next().get("challenge")
        own = os.urandom(16).hex()
        self.send(dict(facts, event="hello", proof=wire.proof(key, str(challenge)), challenge=own))
        if not wire.proves(key, own, self._next().get("proof")):
            raise OSError("the supervisor could not prove that it is ours")
        self._connection.settimeout(None)

    def send(self, message: wire.Message) -> None:
        self._connection.sendall(wire.encode(message))

    def receive(self) -> List[wire.Message]:
        """Return what has arrived, waiting if nothing has. Raises OSError if the supervisor is gone."""
        if self._pending:
            pending, self._pending = self._pending, []
            return pending
        data = self._connection.recv(1 << 16)
        if not data:
            raise OSError("the supervisor is gone")
        return self._lines.feed(data)

    def _next(self) -> wire.Message:
        arrived: List[wire.Message] = []
        while not arrived:
            arrived = self.receive()
        self._pending = arrived[1:]
        return arrived[0]

    def pending(self) -> bool:
        return bool(self._pending)

    def close(self) -> None:
        self._connection.close()


class Task:
    """The life of one task."""

    def __init__(self, plan: JobPlan, layout: RunLayout, environ: Mapping[str, str]) -> None:
        self._plan = plan = plan.of_launch(LaunchOrder.from_dict(json.loads(environ.get(wire.TASKS, "{}"))))
        self._layout = layout
        self._environ = {name: value for name, value in environ.items() if name != identity.OWN_RANK}
        self._in_step = var.SLURM_STEP_ID in environ
        self.role = _role(plan, identity.rank(environ))
        self._signals = Signals((*STOP_SIGNALS, *NOTICES))
        self._port: Optional[ports.HeldPort] = None
        self._link: Optional[Link] = None
        self._child: Optional[Child] = None
        self._cluster: Dict[str, List[str]] = {}
        self._nodes: Dict[str, List[str]] = {}
        self._start: Optional[Mapping[str, object]] = None
        self._order = ""
        self._stopping = False
        self._grace = plan.timings.grace
        self._term_at: Optional[float] = None
        self._keep = False
        self._notice = NoticeGiver(plan.notice)
        self._stacks: Optional[Callable[[Child], None]] = None
        self._notice_path = layout.notice(self.role.label)
        self._on_node = OnNode(plan, layout, self._environ, self._logs_in(layout), self._tick, self._report)
        for name in (wire.ALLOCATION, wire.TASKS):
            self._environ.pop(name, None)

    def _logs_in(self, layout: RunLayout) -> Tuple[str, str]:
        """Return the paths of this task's logs."""
        os.makedirs(layout.logs, mode=0o700, exist_ok=True)
        return layout.task_log(self.role.label, "out"), layout.task_log(self.role.label, "err")

    def run(self, command: List[str]) -> int:
        """Run the command to its end, repeatedly if the supervisor says so, and return the exit code to exit with.

        One of several tasks that has met its supervisor exits with 0: the journal has its script's exit code, and to the
        launcher any other code means that an agent could not do its work, which makes it end all tasks at once.
        """
        if self._serves():
            self._port = ports.hold()
        self._link = self._meet()
        told = self._link is not None and self._plan.size.tasks > 1
        status = self._run_when_ready(command)
        return 0 if told else status

    def _serves(self) -> bool:
        """Return whether the script opens a port that the other tasks connect to."""
        distribution = self._plan.distribution
        return distribution.cluster or (distribution.joined_by_jax and self.role.rank == 0)

    def _run_when_ready(self, command: List[str]) -> int:
        if self._link is None:
            self._start = {}
        try:
            if self._plan.uses_disks and not self._on_node.bring(self._hold, lambda: self._stopping) and not self._link:
                return 1
            return self._run_until_released(command)
        except OSError as err:
            self._give_up(err)
            return 1
        finally:
            self._on_node.leave(self._keep)

    def _give_up(self, err: OSError) -> None:
        """Have the supervisor report what the system refused us: a file system may be out of bytes, or of inodes."""
        if self._link is None:
            raise err
        where = "{}: ".format(err.filename) if err.filename else ""
        self._report({"event": "not-ready", "message": "{}{}".format(where, err.strerror or err)})
        while self._link and not self._stopping:
            self._tick()

    def _hold(self, child: Optional[Child]) -> None:
        """Make sure that a child ends when we do."""
        self._child = child

    def _run_until_released(self, command: List[str]) -> int:
        while self._start is None and not self._stopping:
            self._tick()
        status = 128 + signal.SIGTERM
        while not self._stopping:
            end = self._run(command)
            status = end.status
            self._order = ""
            self._report(dict(end._asdict(), event="task-ended"))
            while self._link and not self._order:
                self._tick()
            if self._order != "restart":
                break
        return status

    def _meet(self) -> Optional[Link]:
        """Join the rendezvous; returns None if the task was started by hand, without a supervisor."""
        address, key = self._environ.pop(wire.ADDRESS, ""), self._environ.pop(wire.KEY, "")
        if not address:
            return None
        host = identity.host(self._environ)
        cpus = binding.mask(self._plan, self._environ)
        facts = {"rank": self.role.rank, "host": host, "pid": os.getpid(), "address": self._address(host), "cpus": cpus}
        facts["gpus"] = gpus.find_visible(self._plan, self._environ, gpus.can_open(self._plan.gpu_vendor))
        facts["addresses"] = own_addresses()
        if self._plan.host_suffix:
            facts["interface"] = interface_of(name_of(host, self._plan))
        troubles: List[str] = []
        for connection in wire.connections(address, CONNECT_TIMEOUT_S, troubles):
            try:
                link = Link(connection)
                link.join(key, facts)
                outlive_parent()
                return link
            except (OSError, ValueError) as err:  # another program may have that port on this node
                connection.close()
                troubles.append(str(err))
        remedy = "the names are Slurm's, followed by network.host_suffix of the site's profile"
        raise OSError("task {} can't join its supervisor: {} ({})".format(self.role.label, "; ".join(troubles), remedy))

    def _address(self, host: str) -> str:
        return "{}:{}".format(name_of(host, self._plan), self._port.number) if self._port else ""

    def _run(self, command: List[str]) -> End:
        order = LaunchOrder.from_dict((self._start or {}).get("launch", {}))
        layout = self._layout.launch(order.folder)
        logs = self._logs_in(layout)
        environment = TaskEnvironment(self._plan, self._layout, self.role, self._start or {}, self._on_node.note, order)
        if order.folder:
            workdir.link(environment.source, environment.work, layout)
        self._notice_path = layout.notice(self.role.label)
        self._notice.prepare(self._notice_path)
        words = environment.arguments([*(order.command or command), *order.arguments])
        variables = environment.variables(self._environ)
        if self._port and not shares_port(words[0], variables):
            self._port.let_go()
        begins = [size_of(log) for log in logs]
        try:
            self._child = Child(words, environment.work, variables, logs, self._notice.ignored)
        except OSError as err:
            with open(logs[1], "a", encoding="utf-8", errors="surrogateescape") as log:
                log.write("slurmtf: can't start {}: {}\n".format(err.filename or words[0], err.strerror))
            return End(126 if isinstance(err, PermissionError) else 127)
        self._stacks = lambda child: stacks.ask(child.pid, layout.stacks(self.role.label), variables)
        self._report({"event": "task-started", "pid": self._child.pid, "begins": begins})
        clock = LogClock(layout.log_clock(self.role.label), logs)
        activity = Activity(self._plan.stall, (*logs, layout.task_metrics(self.role.label)))
        sampler = Sampler(self._plan, self._layout, self._environ) if self._samples() else None
        returncode = None
        while returncode is None:
            self._tick()
            returncode = self._child.poll()
            clock.note()
            if activity.is_new(self._child.pid):
                self._report({"event": "active"})
            if sampler:
                sampler.tick()
        if sampler:
            sampler.end()
        return End.of_returncode(returncode)

    def _samples(self) -> bool:
        """Whether this is the task that samples its node for all."""
        return not (self._start or {}).get("local_rank", 0)

    def _tick(self) -> None:
        """Wait for a signal, an order or the child's end, and act on it."""
        sources = [self._signals] + ([self._link] if self._link else [])
        waiting = self._link is not None and self._link.pending()
        ready = select.select(sources, [], [], 0 if waiting else TICK_S)[0]
        for number in self._signals.take():
            self._on_signal(number)
        if self._link and (waiting or self._link in ready):
            self._take_orders(self._link)
        if self._child and self._term_at is not None and time.monotonic() >= self._term_at:
            self._term_at = None
            self._child.end(self._grace)

    def _on_signal(self, number: int) -> None:
        """Pass a signal on. slurmstepd sends it to every process of a step: then the child has already received it."""
        if number in STOP_SIGNALS:
            self._stopping = True
            self._term_at = None
            if self._child and self._in_step:
                self._child.kill_after(self._plan.timings.grace)
            elif self._child:
                self._child.end(self._plan.timings.grace)
        elif self._child and not self._in_step:
            self._child.send(number)

    def _take_orders(self, link: Link) -> None:
        try:
            messages = link.receive()
        except (OSError, ValueError):  # without its supervisor a task would outlive the job
            self._link = None
            messages = [{"order": "stop"}]
        for message in messages:
            if message.get("order") == "stacks":
                if self._child and self._stacks:
                    self._stacks(self._child)
                continue
            if message.get("order") == "notice":
                self._notice.give(self._notice_path, {"why": message.get("why"), "left": message.get("left")}, self._child)
                continue
            self._order = str(message.get("order", ""))
            self._keep = bool(message.get("keep", self._keep))
            self._cluster = message.get("cluster", self._cluster)
            self._nodes = message.get("nodes", self._nodes)
            if self._order == "start":
                self._start = dict(message, cluster=self._cluster, nodes=self._nodes)
                if message.get("bind"):
                    binding.bind(int(message["local_rank"]), int(message["sharers"]))
            elif self._order == "stop":
                self._stop(bool(message.get("killed", False)), float(message.get("grace", self._grace)))

    def _stop(self, killed: bool, grace_s: float) -> None:
        """End the child. If the job or its step is being killed, Slurm's own TERM comes first, and the child gets no second
        one."""
        self._stopping = True
        self._grace = grace_s
        if self._child and self._term_at is None:
            self._term_at = time.monotonic() + (OWN_TERM_S if killed and self._in_step else 0)

    def _report(self, message: wire.Message) -> None:
        if self._link:
            try:
                self._link.send(message)
            except OSError:
                self._link = None


def _role(plan: JobPlan, rank: int) -> Role:
    roles = table(plan)
    if rank >= len(roles):
        raise OSError("rank {} has no place in a job of {} tasks".format(rank, len(roles)))
    return roles[rank]


def shares_port(python: str, variables: Dict[str, str]) -> bool:
    """Return whether the job's TensorFlow can bind to a port that we hold. Its version is read from its metadata, without
    importing it."""
    try:
        told = subprocess.run(  # noqa: PLW1510
            [python, "-c", ASK_VERSION], env=variables, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60
        ).stdout.decode("ascii", "replace")
    except (OSError, subprocess.TimeoutExpired):
        return True
    numbers = told.strip().split(".")[:2]
    return not all(number.isdigit() for number in numbers) or tuple(map(int, numbers)) >= SHARES_PORT
