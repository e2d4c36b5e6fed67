"""One Slurm task: finds its part, runs the user's command, reports how it ended."""

import os
import select
import signal
import socket
from typing import Any, Dict, List, Mapping, Optional

from . import ending, identity, wire
from .layout import RunLayout
from .process import Child, Signals
from .roles import table

CONNECT_TIMEOUT_S = 30.0
TICK_S = 0.5
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
NOTICES = (signal.SIGUSR1, signal.SIGUSR2)


class Link:
    """The task's connection to the supervisor."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lines = wire.Lines()
        self._pending: List[wire.Message] = []

    def fileno(self) -> int:
        return self._connection.fileno()

    def join(self, key: str, facts: wire.Message) -> None:
        """Prove who we are, and have the supervisor do the same. Raises OSError when it can't."""
        challenge = self._next().get("challenge")
        own = os.urandom(16).hex()
        self.send(dict(facts, event="hello", proof=wire.proof(key, str(challenge)), challenge=own))
        if not wire.proves(key, own, self._next().get("proof")):
            raise OSError("the supervisor could not prove that it is ours")
        self._connection.settimeout(None)

    def send(self, message: wire.Message) -> None:
        self._connection.sendall(wire.encode(message))

    def receive(self) -> List[wire.Message]:
        """Return what has arrived, and wait when nothing has. Raises OSError when the supervisor is gone."""
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

    def __init__(self, plan: Dict[str, Any], layout: RunLayout, environ: Mapping[str, str]) -> None:
        self._plan = plan
        self._layout = layout
        self._environ = dict(environ)
        self.role = table(plan)[identity.rank(environ)]
        self._signals = Signals((*STOP_SIGNALS, *NOTICES))
        self._link: Optional[Link] = None
        self._child: Optional[Child] = None
        self._started = False
        self._stopping = False

    def run(self, command: List[str]) -> int:
        """Run the command to its end and return the exit status to leave with."""
        self._link = self._meet()
        self._started = self._link is None
        while not self._started and not self._stopping:
            self._tick()
        if self._stopping:
            return 128 + signal.SIGTERM
        end = self._run(command)
        self._report(dict(end, event="task-ended"))
        return ending.as_exit_status(end)

    def _meet(self) -> Optional[Link]:
        """Join the rendezvous; None when the task was started by hand, without a supervisor."""
        address, key = self._environ.pop(wire.ADDRESS, ""), self._environ.pop(wire.KEY, "")
        if not address:
            return None
        connection = wire.connect(address, CONNECT_TIMEOUT_S)
        if connection is None:
            raise OSError("task {} can't reach its supervisor at {}".format(self.role.label, address))
        link = Link(connection)
        link.join(key, {"rank": self.role.rank, "host": identity.host(self._environ), "pid": os.getpid()})
        return link

    def _run(self, command: List[str]) -> Dict[str, Any]:
        logs = self._layout.task_log(self.role.label, "out"), self._layout.task_log(self.role.label, "err")
        try:
            self._child = Child(command, self._layout.work, self._child_environment(), logs)
        except OSError as err:
            with open(logs[1], "a", encoding="utf-8") as log:
                log.write("slurmtf: can't start {}: {}\n".format(command[0], err.strerror))
            return {"exit_code": 127, "signal": None}
        self._report({"event": "task-started"})
        returncode = None
        while returncode is None:
            self._tick()
            returncode = self._child.poll()
        return ending.of_status(returncode)

    def _tick(self) -> None:
        """Wait for a signal, an order or the child's end, and act on it."""
        sources = [self._signals] + ([self._link] if self._link else [])
        waiting = self._link is not None and self._link.pending()
        ready = select.select(sources, [], [], 0 if waiting else TICK_S)[0]
        for number in self._signals.take():
            self._on_signal(number)
        if self._link and (waiting or self._link in ready):
            self._take_orders(self._link)

    def _on_signal(self, number: int) -> None:
        if number in STOP_SIGNALS:
            self._stop()
        elif self._child:
            self._child.send(number)

    def _take_orders(self, link: Link) -> None:
        try:
            orders = [message.get("order") for message in link.receive()]
        except (OSError, ValueError):  # without its supervisor a task would outlive the job
            self._link = None
            orders = ["stop"]
        for order in orders:
            if order == "start":
                self._started = True
            elif order == "stop":
                self._stop()

    def _stop(self) -> None:
        self._stopping = True
        if self._child:
            self._child.end(self._plan["stop_grace_s"])

    def _report(self, message: wire.Message) -> None:
        if self._link:
            try:
                self._link.send(message)
            except OSError:
                self._link = None

    def _child_environment(self) -> Dict[str, str]:
        variables = dict(self._environ)
        variables.setdefault("PYTHONUNBUFFERED", "1")
        path = variables.get("PYTHONPATH")
        variables["PYTHONPATH"] = self._layout.work + (os.pathsep + path if path else "")
        if self._plan["scheduler"] == "local":
            variables["CUDA_VISIBLE_DEVICES"] = self._local_gpus(variables.get("CUDA_VISIBLE_DEVICES"))
        variables.update(self._own_variables())
        variables.update(self._plan["variables"])
        return variables

    def _local_gpus(self, visible: Optional[str]) -> str:
        """Return the GPUs that a run on this machine asked for, out of those that its user may see."""
        count = self._plan["resources"]["gpus_per_node"]
        known = visible.split(",") if visible else [str(index) for index in range(count)]
        return ",".join(known[:count])

    def _own_variables(self) -> Dict[str, str]:
        run = self._plan["run"]
        return {
            "SLURMTF_RUN_ID": run["run_id"],
            "SLURMTF_EXPERIMENT": run["experiment"],
            "SLURMTF_RUN_FOLDER": self._layout.folder,
            "SLURMTF_ROLE": self.role.role,
            "SLURMTF_INDEX": str(self.role.number),
            "SLURMTF_RANK": str(self.role.rank),
            "SLURMTF_WORLD_SIZE": str(self._plan["resources"]["tasks"]),
        }
