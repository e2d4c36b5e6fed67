"""A task's side of the rendezvous: its introduction, the orders it receives, and a lost supervisor."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from slurmtf.job.common import wire
from slurmtf.job.contract.plan import Distribution, JobPlan, Run, Size
from slurmtf.job.contract.roles import Role
from slurmtf.job.supervisor import start
from slurmtf.job.task import task
from slurmtf.job.task.instructions import TaskInstructions
from slurmtf.job.task.link import Link, Supervisor, build_hello, join_supervisor

PLAN = JobPlan(Run("x-1", "x"), "slurm", Distribution((("worker", 2),), cluster=True), Size(tasks=2))
WORKER = Role(1, "worker", 1, 1)


class Pipe:
    """A task's supervisor, and the other end of its connection."""

    def __init__(self) -> None:
        ours, self.theirs = socket.socketpair()
        self.supervisor = Supervisor(Link(ours))
        self.reader, self.wakes = socket.socketpair()  # instead of signals

    def say(self, *messages: wire.Message) -> None:
        self.theirs.sendall(b"".join(map(wire.encode, messages)))

    def wait(self, seconds: float = 30.0) -> list[wire.Message]:
        return self.supervisor.wait(self.reader.fileno(), seconds)

    def close(self) -> None:
        for one in (self.theirs, self.reader, self.wakes):
            one.close()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    found = Pipe()
    yield found
    found.close()


def test_orders_are_received_together_and_in_sequence(pipe: Pipe) -> None:
    pipe.say({"nodes": {}}, {"order": "start"})
    assert pipe.wait() == [{"nodes": {}}, {"order": "start"}]
    pipe.supervisor.report({"event": "active"})
    assert wire.Lines().feed(pipe.theirs.recv(4096)) == [{"event": "active"}]


def test_a_signal_interrupts_the_wait_for_orders(pipe: Pipe) -> None:
    pipe.wakes.send(b"x")
    assert pipe.wait() == []
    assert pipe.supervisor.is_there


@pytest.mark.parametrize("last_words", [b"", b"no json\n", b"[]\n"])
def test_a_lost_supervisor_means_stop(pipe: Pipe, last_words: bytes) -> None:
    """Also if a report can't be sent anymore: a task must not continue without its supervisor."""
    pipe.theirs.sendall(last_words)
    pipe.theirs.close()
    for _ in range(3):
        pipe.supervisor.report({"event": "active"})
    assert pipe.wait() == [{"order": "stop"}]
    assert not pipe.supervisor.is_there
    pipe.supervisor.report({"event": "task-ended"})
    pipe.wakes.send(b"x")
    assert pipe.wait() == []


def test_a_task_started_by_hand_has_no_supervisor() -> None:
    assert not join_supervisor({}, {}, "main-0").is_there


def test_another_program_at_the_address_is_not_taken_for_the_supervisor() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
    with pytest.raises(OSError, match=f"worker-1 .*{port}"):
        join_supervisor({wire.ADDRESS: f"127.0.0.1 {port}", wire.KEY: "k"}, {}, "worker-1")


@pytest.mark.parametrize(("port", "address"), [(2222, "n7.cluster:2222"), (None, "")])
def test_the_supervisor_understands_a_tasks_introduction(
    monkeypatch: pytest.MonkeyPatch, port: int | None, address: str
) -> None:
    monkeypatch.setattr("slurmtf.job.task.link.find_interface", lambda name: f"interface of {name}")
    plan = PLAN._replace(host_suffix=".cluster")
    facts = build_hello(plan, WORKER, {"SLURMD_NODENAME": "n7"}, port)
    (message,) = wire.Lines().feed(wire.encode(facts))
    hello = start.Hello.from_message(message)
    assert (message["rank"], message["pid"]) == (1, os.getpid())
    assert (hello.host, hello.address, hello.interface) == ("n7", address, "interface of n7.cluster")
    assert "interface" not in build_hello(PLAN, WORKER, {}, port)


# --- orders

ALL = ({"cluster": {"worker": ["a:1", "b:2"]}}, {"nodes": {"names": ["a", "b"]}})


def instructions(*messages: wire.Message) -> TaskInstructions:
    found = TaskInstructions()
    for message in messages:
        found.take(message)
    return found


def test_the_start_order_includes_the_values_for_all_tasks() -> None:
    found = instructions(*ALL)
    assert (found.start, found.next) == (None, "")
    found.take({"order": "start", "local_rank": 1})
    assert found.start == {"order": "start", "local_rank": 1, **ALL[0], **ALL[1]}
    assert instructions({"order": "start"}).start == {"order": "start", "cluster": {}, "nodes": {}}


@pytest.mark.parametrize(
    ("messages", "last", "then", "keep"),
    [
        ([{"order": "restart", "keep": True}], "restart", "restart", True),
        ([{"order": "leave", "keep": False}], "leave", "leave", False),
        ([{"order": "stop", "keep": True}, {"order": "leave"}], "leave", "leave", True),
        ([{"order": "stop", "keep": True}, {"order": "leave", "keep": False}], "leave", "leave", False),
        ([{"order": "restart"}, {"order": "notice", "why": "preempted"}], "notice", "restart", False),
        ([{"order": "leave"}, {"order": "stacks"}], "stacks", "leave", False),
        ([{"order": "stacks"}], "stacks", "", False),
        ([{"what": "nobody knows yet"}], "", "", False),
    ],
)
def test_side_messages_do_not_change_the_next_order(messages: list[Any], last: str, then: str, keep: bool) -> None:
    found = instructions(*messages[:-1])
    assert found.take(messages[-1]) == last
    assert (found.next, found.keep, found.start) == (then, keep, None)


# --- its role

JAX = JobPlan(Run("x-1", "x"), "slurm", Distribution((("rank", 2),), backend="jax"), Size(tasks=2))
MPI = JobPlan(Run("x-1", "x"), "slurm", Distribution((("rank", 2),), backend="mpi"), Size(tasks=2))


@pytest.mark.parametrize(
    ("plan", "rank", "expected"), [(PLAN, 0, True), (PLAN, 1, True), (JAX, 0, True), (JAX, 1, False), (MPI, 0, False)]
)
def test_task_that_opens_a_port_for_the_others(plan: JobPlan, rank: int, expected: bool) -> None:
    assert task.needs_port(plan, task.find_role(plan, rank)) is expected


def test_a_rank_outside_the_plan_has_no_role() -> None:
    assert task.find_role(PLAN, 1).label == "worker-1"
    with pytest.raises(OSError, match="rank 2 "):
        task.find_role(PLAN, 2)
