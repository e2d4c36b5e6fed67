"""A task's connection to its supervisor."""

import contextlib
import os
import select
import socket
from typing import List, Mapping, Optional

from ..common import cpu_binding, gpus, identity, wire
from ..common.addresses import find_interface, list_addresses, qualify_host
from ..common.process import outlive_parent
from ..contract.plan import JobPlan
from ..contract.roles import Role

CONNECT_TIMEOUT_S = 30.0


class Link:
    """The connection itself."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lines = wire.Lines()
        self._pending: List[wire.Message] = []

    def fileno(self) -> int:
        return self._connection.fileno()

    def join(self, key: str, facts: wire.Message) -> None:
        """Prove our identity, and have the supervisor prove its own. Raises OSError if that fails."""
        challenge = self._receive_next().get("challenge")
        own = os.urandom(16).hex()
        self.send(dict(facts, event="hello", proof=wire.compute_proof(key, str(challenge)), challenge=own))
        if not wire.is_valid_proof(key, own, self._receive_next().get("proof")):
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

    def _receive_next(self) -> wire.Message:
        arrived: List[wire.Message] = []
        while not arrived:
            arrived = self.receive()
        self._pending = arrived[1:]
        return arrived[0]

    def has_pending(self) -> bool:
        return bool(self._pending)

    def close(self) -> None:
        self._connection.close()


class Supervisor:
    """The supervisor as its task sees it: a task that was started by hand has none, and one can be lost."""

    def __init__(self, link: Optional[Link] = None) -> None:
        self._link = link

    @property
    def is_there(self) -> bool:
        return self._link is not None

    def report(self, message: wire.Message) -> None:
        """Send a message. A failure is ignored: if the supervisor is gone, :meth:`wait` returns that as an order."""
        if self._link:
            with contextlib.suppress(OSError):
                self._link.send(message)

    def wait(self, signals: int, seconds: float) -> List[wire.Message]:
        """Return what the supervisor has sent, as soon as it sends something, the descriptor of signals is readable, or this
        many seconds have passed."""
        link = self._link
        if link is None:
            select.select([signals], [], [], seconds)
            return []
        if link.has_pending():
            return self._receive(link)
        descriptors = [signals, link.fileno()]
        return self._receive(link) if link.fileno() in select.select(descriptors, [], [], seconds)[0] else []

    def _receive(self, link: Link) -> List[wire.Message]:
        try:
            return link.receive()
        except (OSError, ValueError):  # without its supervisor a task would outlive the job
            self._link = None
            return [{"order": "stop"}]


def join_supervisor(environ: Mapping[str, str], facts: wire.Message, label: str) -> Supervisor:
    """Join the rendezvous that the variables name, as the task with these facts. Raises OSError if that fails."""
    if not environ.get(wire.ADDRESS):
        return Supervisor()
    troubles: List[str] = []
    for connection in wire.open_connections(environ[wire.ADDRESS], CONNECT_TIMEOUT_S, troubles):
        try:
            link = Link(connection)
            link.join(environ.get(wire.KEY, ""), facts)
            outlive_parent()
            return Supervisor(link)
        except (OSError, ValueError) as err:  # another program may have that port on this node
            connection.close()
            troubles.append(str(err))
    remedy = "the names are Slurm's, followed by network.host_suffix of the site's profile"
    raise OSError("task {} can't join its supervisor: {} ({})".format(label, "; ".join(troubles), remedy))


def build_hello(plan: JobPlan, role: Role, environ: Mapping[str, str], port: Optional[int]) -> wire.Message:
    """Return what a task reports when it joins: see :class:`..supervisor.start.Hello`."""
    host = identity.get_host(environ)
    name = qualify_host(host, plan)
    facts: wire.Message = {
        "rank": role.rank,
        "host": host,
        "pid": os.getpid(),
        "address": "" if port is None else "{}:{}".format(name, port),
        "cpus": cpu_binding.compute_mask(plan, environ),
        "gpus": gpus.find_visible(plan, environ, gpus.count_openable(plan.gpu_vendor)),
        "addresses": list_addresses(),
    }
    return dict(facts, interface=find_interface(name)) if plan.host_suffix else facts
