"""Runs whose tasks each act as told, and a view of all their processes on all nodes."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slurmtf import Mpi, MultiWorker, ParameterServer, Run, RunStatus
from slurmtf.job.contract import roles
from slurmtf.job.contract.attempt.outcome import Outcome
from slurmtf.job.contract.plan import JobPlan
from slurmtf.runs import RunState
from tests.patience import until
from tests.system.slurm.support import Lab, call, get_job, read_journal, wait_until_ended, write_program

# The arguments say what a task does, as Python, by role ("--ps") or by task ("--worker-0").
ACTOR = """
import os, pathlib, signal, socket, sys, time
role, index = os.environ["SLURMTF_ROLE"], os.environ["SLURMTF_INDEX"]
label = role + "-" + index

def here():
    pathlib.Path("outputs", label + ".here").write_text(os.environ["SLURMTF_ADDRESS"])

def bind():
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    server.bind(("", int(os.environ["SLURMTF_ADDRESS"].rpartition(":")[2])))
    server.listen()
    return server

def serve():
    server = os.environ["SLURMTF_ADDRESS"] and bind()  # an evaluator and an MPI rank have none
    here()
    while True:
        time.sleep(3600)

def stay():
    here()
    while True:
        time.sleep(3600)

def stubborn():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    stay()

def wait_for(*labels):
    while not all(pathlib.Path("outputs", label + ".here").exists() for label in labels):
        time.sleep(0.05)

def work(code=0, after=()):
    print("working", flush=True)
    wait_for(*after)
    print("last words of " + label, file=sys.stderr, flush=True)
    sys.exit(code)

def first_time():
    mark = pathlib.Path("outputs", label + ".again")
    if mark.exists():
        return False
    mark.touch()
    return True

def die():
    print("last words of " + label, file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

acts = dict(zip(sys.argv[1::2], sys.argv[2::2]))
exec(acts.get("--" + label) or acts.get("--" + role) or "serve()")
"""


@dataclass(frozen=True)
class Process:
    """A live process of a run, on any node: this machine sees all nodes' processes."""

    pid: int
    words: Sequence[str]
    environ: Mapping[str, str]

    @property
    def node(self) -> str:
        return self.environ.get("SLURMD_NODENAME", "")

    @property
    def mode(self) -> str:
        """'supervise', 'spawn' or 'task' for an agent, 'srun' for srun, 'script' for a script, else empty."""
        if len(self.words) > 3 and self.words[2].endswith("/agent.pyz"):
            return self.words[3]
        if Path(self.words[0]).name == "srun":
            return "srun"
        return "script" if "SLURMTF_RANK" in self.environ else ""

    @property
    def rank(self) -> int | None:
        names = ("SLURMTF_RANK", "SLURMTF_TASK", "SLURM_PROCID")
        return next((int(self.environ[name]) for name in names if name in self.environ), None)

    def kill(self, number: int = signal.SIGKILL) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)


def processes(run: Run) -> list[Process]:
    """Return a run's live processes on all nodes, found by command line (agents, launchers) or variables (scripts)."""
    found = (_process(int(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    folder = str(run.folder)
    return [process for process in found if process and _is_of(folder, process)]


def _is_of(folder: str, process: Process) -> bool:
    return process.environ.get("SLURMTF_RUN_FOLDER") == folder or any(word.startswith(f"{folder}/") for word in process.words)


def _process(pid: int) -> Process | None:
    folder = Path(f"/proc/{pid}")
    try:
        if (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()[0] in "ZX":
            return None
        words = (folder / "cmdline").read_text(errors="replace").split("\0")[:-1]
        pairs = (item.partition("=") for item in (folder / "environ").read_text(errors="replace").split("\0"))
    except OSError:
        return None
    return Process(pid, words, {name: value for name, _, value in pairs}) if words else None


def wait_for_process(run: Run, mode: str, rank: int | None = None) -> Process:
    """Wait for a process of that mode and rank, and return it."""

    def look() -> list[Process]:
        return [process for process in processes(run) if process.mode == mode and rank in (None, process.rank)]

    return until(look, f"{mode} {rank} of {run.id}")[0]


@dataclass
class Faults:
    """Submits runs whose script is the actor, and cleans up after them."""

    lab: Lab
    runs: list[Run] = field(default_factory=list)

    def submit(self, distribution: ParameterServer | MultiWorker | Mpi, acts: Mapping[str, str], **settings: Any) -> Run:
        """Submit a run in which each role or task ("ps", "worker-0") acts as told; those without an act serve for ever."""
        params = {f"--{name}": act for name, act in acts.items()}
        own = {"compute_target": self.lab.target, "cpus_per_task": 1, "memory": "2G"}
        if settings.get("compute_target", self.lab.target) == "local":
            own.pop("memory")
        script = settings.pop("script", ACTOR)
        run = self.lab.submit(script, distributed_training=distribution, **{**own, "script_params": params, **settings})
        self.runs.append(run)
        return run

    def clean_up(self) -> None:
        """End what failed tests left running."""
        for run in self.runs:
            for process in processes(run):
                process.kill()
            if run.job is not None and not run.state.status.final:
                run.cancel()


def wait_for_scripts(run: Run, *labels: str) -> None:
    """Wait until the scripts of these tasks run."""
    for label in labels:
        until((run.folder / "outputs" / f"{label}.here").exists, f"{label} of {run.id}")


def end_of(run: Run) -> RunState:
    """Return the run's last state, after checking that it left no process on any node and no allocation."""
    state = wait_until_ended(run)[0]
    assert_nothing_left(run)
    return state


def assert_nothing_left(run: Run) -> None:
    until(lambda: not processes(run), f"{run.id}: nothing left, but {[p.words for p in processes(run)]}")
    if run.plan["job"]["scheduler"] == "slurm":
        job = get_job(run)
        until(lambda: not is_in_queue(job), f"{run.id}: out of the queue")


def is_in_queue(job: str) -> bool:
    return job in call("squeue", "--noheader", "--format=%i", "--me").split()


def get_outcome(state: RunState) -> Outcome:
    """Return the outcome of a run that has ended."""
    assert state.outcome, state
    return state.outcome


def label_host(run: Run, label: str) -> str:
    """Return where a task ran, according to the journal."""
    return next(
        str(event["host"]) for event in read_journal(run) if event["event"] == "task-started" and event["task"] == label
    )


def find_time(run: Run, event: str, pick: Callable[[dict[str, Any]], bool] = lambda _: True) -> float:
    """Return when an event first happened, according to the journal."""
    return next(float(entry["time"]) for entry in read_journal(run) if entry["event"] == event and pick(entry))


def seconds_to_end(run: Run, since: float) -> float:
    return find_time(run, "ended") - since


def list_killed(run: Run) -> set[str]:
    """Return the tasks that KILL ended, as at the end of a grace period: if there are none, no grace period ran out."""
    ends = [event for event in read_journal(run) if event["event"] == "task-ended"]
    return {str(end["task"]) for end in ends if end["signal"] == signal.SIGKILL}


def gave_up_at_once(run: Run) -> bool:
    """Tell whether the run gave up its failed launch, rather than wait for tasks that never come."""
    return seconds_to_end(run, find_time(run, "launched")) < JobPlan.from_dict(run.plan["job"]).timings.start / 2


def planned(run: Run) -> list[roles.Role]:
    return roles.assign_roles(JobPlan.from_dict(run.plan["job"]))


def assert_completed(state: RunState) -> None:
    assert (state.status, state.exit_status, state.cause) == (RunStatus.COMPLETED, 0, "script"), state


def gated_python(folder: Path) -> str:
    """Return a Python whose agent of rank 1 waits for a file `gate` in the folder."""
    gate = f"while [ ! -e '{folder}/gate' ]; do sleep 0.1; done"
    held = f'case "$3:${{SLURMTF_TASK:-$SLURM_PROCID}}" in task:1) {gate} ;; esac'
    return str(write_program(folder / "python", f'#!/bin/sh\n{held}\nexec {shlex.quote(sys.executable)} "$@"\n'))
