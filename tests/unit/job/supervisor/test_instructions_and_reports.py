"""Which orders tasks get at which time, and which of their reports count: over the rendezvous itself."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from slurmtf.job.common import wire
from slurmtf.job.contract.attempt import journal
from slurmtf.job.contract.attempt.journal import Journal
from slurmtf.job.contract.attempt.outcome import Cause
from slurmtf.job.contract.plan import Distribution, JobPlan, LaunchOrder, Run, Size
from slurmtf.job.contract.roles import assign_roles
from slurmtf.job.supervisor.completion import Verdict
from slurmtf.job.supervisor.instructions import Instructions
from slurmtf.job.supervisor.joining import Joining
from slurmtf.job.supervisor.rendezvous import Rendezvous
from slurmtf.job.supervisor.reports import Reports
from tests.patience import until

ROLES = (("ps", 1), ("worker", 1))
PLAN = JobPlan(
    Run("x-1", "x"),
    "slurm",
    Distribution(ROLES, "ps", cluster=True, restarts=1, restartable=("worker",)),
    Size(tasks=2, tasks_per_node=2),
)


class Tasks:
    """A launch's side of the rendezvous, and tasks that the test connects to it."""

    def __init__(self, path: str, order: LaunchOrder) -> None:
        self.selector = selectors.DefaultSelector()
        self.path = path
        self.rendezvous = Rendezvous(
            len(assign_roles(PLAN)),
            self.selector,
            lambda rank, message: self.reports.on_message(rank, message),  # noqa: PLW0108 - as in a launch
            lambda rank: self.reports.on_connection_lost(rank),  # noqa: PLW0108
        )
        self.instructions = Instructions(PLAN, order, self.rendezvous, Joining(PLAN, "localhost", self.selector))
        self.last = order.last
        self.left: list[bool] = []
        self.reports = Reports(PLAN, Journal(path), self.instructions, lambda: self.left.append(True))
        self.lines: dict[int, wire.Lines] = {}
        self.connections: dict[int, socket.socket] = {}
        self.received: dict[int, list[wire.Message]] = {}

    def join(self, rank: int) -> None:
        """Connect as the task of that rank, and wait until it is admitted."""
        connection = next(wire.open_connections(self.rendezvous.address("127.0.0.1"), 30.0, []))
        connection.setblocking(False)
        self.connections[rank], self.lines[rank], self.received[rank] = connection, wire.Lines(), []
        challenge = str(until(lambda: self.hear(rank), "the challenge")[0]["challenge"])
        self.received[rank].clear()
        own = {"rank": rank, "proof": wire.compute_proof(self.rendezvous.key, challenge), "challenge": "00"}
        self.say(rank, event="hello", host="n1", address=f"n1:{2000 + rank}", **own)
        until(lambda: self.hear(rank) and rank in self.reports.roster.hellos, "its admission")
        del self.received[rank][0]  # the supervisor's proof

    def say(self, to: int, /, **message: object) -> None:
        self.connections[to].sendall(wire.encode(message))

    def hear(self, rank: int) -> list[wire.Message]:
        """Return all messages that a task has received so far."""
        for key, _ in self.selector.select(0.05):
            key.data()
        try:
            data = self.connections[rank].recv(1 << 16)
        except BlockingIOError:
            data = b""
        self.received[rank] += self.lines[rank].feed(data)
        return self.received[rank]

    def orders(self, rank: int, last: str) -> list[str]:
        """Wait for an order, and return all orders up to it."""
        until(lambda: any(message.get("order") == last for message in self.hear(rank)), f"{last}; {self.received[rank]}")
        return [str(message["order"]) for message in self.received[rank] if "order" in message]

    def order(self, rank: int, name: str) -> wire.Message:
        self.orders(rank, name)
        return next(message for message in self.received[rank] if message.get("order") == name)

    def verdict(self) -> Verdict:
        return until(lambda: (self.hear(1) and self.reports.completion.verdict) or None, "the verdict")

    def names(self) -> list[str]:
        return [record.name for record in journal.read(self.path)]

    def close(self) -> None:
        self.rendezvous.close()
        for connection in self.connections.values():
            connection.close()
        self.selector.close()


@pytest.fixture
def tasks(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Tasks]:
    found = Tasks(str(tmp_path / "7.0.jsonl"), LaunchOrder(last=getattr(request, "param", True)))
    yield found
    found.close()


def all_joined(tasks: Tasks) -> Tasks:
    tasks.join(0)
    tasks.join(1)
    return tasks


def test_tasks_start_when_all_have_joined_and_a_notice_follows(tasks: Tasks) -> None:
    tasks.join(0)
    tasks.instructions.notify("time-limit", 60.0)
    assert tasks.orders(0, "notice") == ["notice"]
    tasks.join(1)
    assert tasks.orders(1, "notice") == ["start", "notice"]
    assert tasks.orders(0, "start")[:2] == ["notice", "start"]
    assert (tasks.order(1, "notice")["why"], tasks.order(1, "notice")["left"]) == ("time-limit", 60.0)


def test_a_task_that_joins_during_a_stop_is_stopped(tasks: Tasks) -> None:
    tasks.join(0)
    tasks.instructions.stop(7.0, killed=True)
    tasks.join(1)
    assert tasks.orders(1, "stop") == ["stop"], "and is not started"
    assert (tasks.order(1, "stop")["grace"], tasks.order(1, "stop")["killed"]) == (7.0, True)
    assert (tasks.instructions.stopping, tasks.instructions.grace_s) == (True, 7.0)


@pytest.mark.parametrize("tasks", [True, False], indirect=True)
@pytest.mark.parametrize("for_good", [True, False])
def test_node_disks_are_kept_if_a_launch_may_follow(tasks: Tasks, for_good: bool) -> None:
    kept = not tasks.last and not for_good
    all_joined(tasks)
    if for_good:
        tasks.instructions.keep_nothing()
    tasks.say(0, event="task-ended", exit_code=3, signal=None)
    assert tasks.order(0, "leave")["keep"] is kept
    tasks.instructions.stop(1.0, killed=False)
    assert tasks.order(1, "stop")["keep"] is kept


def test_a_worker_is_restarted_as_often_as_its_budget_allows(tasks: Tasks) -> None:
    all_joined(tasks)
    tasks.say(1, event="task-ended", exit_code=3, signal=None)
    assert tasks.orders(1, "restart")[-1] == "restart"
    assert tasks.reports.roster.ends == {}
    tasks.say(1, event="task-ended", exit_code=3, signal=None)
    assert tasks.orders(1, "leave")[-1] == "leave"
    assert (tasks.verdict().success, tasks.verdict().rank) == (False, 1)
    assert tasks.names() == ["task-ended", "task-restarted", "task-ended"]


def test_a_task_that_ends_during_a_stop_decides_nothing(tasks: Tasks) -> None:
    all_joined(tasks)
    tasks.instructions.stop(7.0, killed=False)
    tasks.say(1, event="task-ended", exit_code=None, signal=15)
    assert tasks.orders(1, "leave")[-1] == "leave", "it is not started again either"
    tasks.connections[0].close()
    until(lambda: tasks.hear(1) and 0 in tasks.reports.roster.lost, "the loss")
    assert tasks.reports.completion.verdict is None


def test_a_lost_task_decides_the_outcome(tasks: Tasks) -> None:
    all_joined(tasks)
    tasks.connections[0].close()
    verdict = tasks.verdict()
    assert (verdict.rank, verdict.cause) == (0, Cause.TASK_LOST)
    assert tasks.names() == ["task-lost"]


def test_a_node_that_can_not_be_filled_decides_and_copying_back_is_awaited(tasks: Tasks) -> None:
    all_joined(tasks)
    tasks.say(0, event="leaving")
    tasks.say(1, event="not-ready", message="no room")
    until(lambda: tasks.hear(1) and tasks.reports.completion.verdict, "the verdict")
    until(lambda: tasks.hear(1) and tasks.left, "the word of the other")
    assert tasks.reports.completion.verdict is not None
    assert (tasks.reports.completion.verdict.cause, tasks.reports.completion.verdict.detail) == (
        Cause.STAGING,
        {"error": "no room"},
    )
