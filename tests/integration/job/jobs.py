"""The real agent without Slurm: a run folder as a submission creates it, and its supervisor as a child process."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slurmtf import Estimator, Experiment
from slurmtf.job.common import wire
from slurmtf.job.contract.attempt.outcome import Outcome
from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.supervisor import result
from slurmtf.snapshot import SnapshotStore, collect
from slurmtf.submit.folder import Intent, build
from tests import journals
from tests.patience import HANG_S, until

FOREIGN = ("SLURM", "SBATCH", "PMI", "OMPI_", "PYTHON", "LC_", "LANG")

SUPERVISE = """\
import os, sys
sys.path.insert(0, sys.argv[1])
import slurmtf_loader
slurmtf_loader.install(sys.path.pop(0), "slurmtf_job")
from slurmtf_job.contract import plan as plans
from slurmtf_job.contract.layout import RunLayout
from slurmtf_job.contract.attempt.outcome import Cause, Outcome
from slurmtf_job.contract.plan import Distribution, LaunchOrder, Size
from slurmtf_job.supervisor.allocation import Allocation
from slurmtf_job.supervisor.orders import Orders
{orders}
plan = plans.read(sys.argv[2])
sys.exit(Allocation(plan, RunLayout(os.path.dirname(sys.argv[2])), os.environ, orders(plan)).run(sys.argv[4:]))
"""
"""How a sweep, or whoever decides during the job what comes next, holds an allocation."""


def environment(**more: str) -> dict[str, str]:
    """Return this process's environment without the variables of another job, in a locale that always exists."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    return {**kept, "LC_ALL": "C.UTF-8", **more}


def age(folder: Path, since: float) -> None:
    """Set the time of the last change of all in a folder, where running runs may remove files meanwhile."""
    for place, folders, names in os.walk(folder):
        for path in (Path(place), *(Path(place, name) for name in (*folders, *names))):
            with suppress(FileNotFoundError):
                os.utime(path, (since, since), follow_symlinks=False)


@dataclass
class Job:
    """A run folder, and how its supervisor is started."""

    layout: RunLayout
    python: str = sys.executable
    agent_python: str = sys.executable
    script: Sequence[str | bytes] = ()
    launcher: Sequence[str] = ()
    environ: dict[str, str] = field(default_factory=environment)
    orders: str = ""
    """The source of a function ``orders(plan)``, whose Orders take the place of the plan's."""
    process: subprocess.Popen[bytes] | None = None

    @property
    def folder(self) -> Path:
        return Path(self.layout.folder)

    @property
    def task_command(self) -> list[str | bytes]:
        return [self.agent_python, "-I", self.layout.agent, "task", "--", *(self.script or (self.python, "train.py"))]

    def start(self, **environ: str) -> subprocess.Popen[bytes]:
        """Start the supervisor as the batch script does."""
        own = [self.agent_python, "-I", *self._supervisor()]
        with open(self.layout.job_log, "ab") as log:
            self.process = subprocess.Popen(
                [*own, *self.launcher, *self.task_command],
                cwd=self.folder,
                env={**self.environ, **environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self.process

    def _supervisor(self) -> list[str]:
        if not self.orders:
            return [self.layout.agent, "supervise", self.layout.plan, "--"]
        driver = self.folder / "supervise.py"
        driver.write_text(SUPERVISE.format(orders=self.orders))
        return [str(driver), self.layout.agent, self.layout.plan, "--"]

    def wait(self) -> int:
        assert self.process is not None
        return self.process.wait(timeout=HANG_S)

    def run(self, **environ: str) -> int:
        """Run the job to its end and return the supervisor's exit status."""
        self.start(**environ)
        return self.wait()

    def start_and_await(self, name: str = "outputs/ready") -> subprocess.Popen[bytes]:
        """Start the job and wait until the script has made a file."""
        process = self.start()
        self.await_file(name)
        return process

    def await_file(self, name: str) -> Path:
        path = self.folder / name
        until(path.exists, f"{name}; {self.log()}")
        return path

    def log(self) -> str:
        return Path(self.layout.job_log).read_text(errors="replace")

    def events(self, name: str = "") -> list[dict[str, Any]]:
        return [event for event in journals.events(self.folder) if name in ("", event["event"])]

    def names(self) -> list[str]:
        return [event["event"] for event in self.events()]

    @property
    def end(self) -> dict[str, Any]:
        """The last event of the journal, which ends the attempt."""
        last = self.events()[-1]
        assert last["event"] == "ended", (last, self.log())
        return last

    @property
    def outcome(self) -> Outcome:
        """The outcome of the attempt, by its journal."""
        return Outcome.from_dict(self.end)

    @property
    def error(self) -> tuple[str, str]:
        """The failure that submitit would read; it must be the one in the journal."""
        return "error", result.format_error(self.outcome)

    def result(self, job_id: str | None = None) -> tuple[str, Any]:
        """Return what submitit would read."""
        name = job_id or self.events("started")[-1]["job_id"]
        outcome, value = pickle.loads(Path(self.layout.submitit_file(name, "result.pkl")).read_bytes())
        return outcome, value

    def change_plan(self, **values: Any) -> None:
        """Change settings of the plan's "job" part: ``size__tasks=2`` changes a nested one."""
        plan = json.loads(Path(self.layout.plan).read_text())
        for name, value in values.items():
            *outer, last = name.split("__")
            place = plan["job"]
            for key in outer:
                place = place[key]
            place[last] = value
        Path(self.layout.plan).write_text(json.dumps(plan))

    def processes(self) -> list[int]:
        """Return the live processes of this run: agents by their command, scripts and their children by their variables."""
        return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and self._owns(entry)]

    def _owns(self, entry: Path) -> bool:
        with suppress(OSError):
            if (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[0] in "ZX":
                return False
            mark = os.fsencode(self.layout.folder)
            return mark in (entry / "cmdline").read_bytes() or mark in (entry / "environ").read_bytes()
        return False

    def await_nobody(self) -> None:
        until(lambda: not self.processes(), f"processes outlive {self.layout.folder}")

    def agent_of_task(self) -> int:
        """Return the pid of the task's agent."""
        words = [b"-I", os.fsencode(self.layout.agent), b"task"]
        return next(pid for pid in self.processes() if Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[1:4] == words)

    def clean_up(self) -> None:
        """End all processes that a failed test left."""
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self.process is not None:
            self.process.wait(timeout=HANG_S)


NewJob = Callable[..., Job]


def new_job(folder: Path, train: str = "", files: Mapping[str, str] | None = None, **settings: Any) -> Job:
    """Create a run folder as a submission does, up to the start of the job."""
    source = folder / "source"
    source.mkdir()
    for name, text in {"train.py": train, **(files or {})}.items():
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    plan, script = Experiment("agent", folder / "workspace").plan(Estimator(str(source), compute_target="local", **settings))
    intent = Intent.from_plan(plan)
    snapshot = SnapshotStore(folder / "workspace").read(collect(source))
    layout = build(plan, script, snapshot, intent, {"source": {"git": None}})
    intent.forget()
    return Job(layout)


def many(job: Job, count: int) -> None:
    """Change the job's plan to one of ``count`` workers."""
    roles = [["worker", count]]
    job.change_plan(distribution__roles=roles, distribution__straggler_grace_s=60)
    job.change_plan(size__tasks=count, size__tasks_per_node=count)


def say_hello(key: str, rank: Any, challenge: str, **more: Any) -> bytes:
    """Return a task's answer to the supervisor's challenge."""
    facts = {
        "event": "hello",
        "rank": rank,
        "proof": wire.compute_proof(key, challenge),
        "challenge": "00",
        "host": "h",
        "pid": 1,
    }
    return wire.encode({**facts, **more})
