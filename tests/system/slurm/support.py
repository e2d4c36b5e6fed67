"""Scripts and runs to look at, the `slurmtf` command, and waiting with a limit."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from slurmtf import Experiment, Run, RunStatus, TensorFlow
from slurmtf.runs import RunState
from slurmtf.runs.status import read_states
from tests import journals
from tests.cluster import Cluster
from tests.patience import HANG_S, until

T = TypeVar("T")

COMMAND = Path(sys.executable).with_name("slurmtf")
ENVELOPE = ["slurmtf", "command", "ok", "data", "warnings", "error"]
FINDING = ["code", "where", "what", "remedy", "severity", "source"]

HELLO = 'print("hello")'

# Creates outputs/here, and keeps running.
WAIT = """
import pathlib, time
pathlib.Path("outputs/here").touch()
time.sleep(3600)
"""

# Takes a second to end after TERM.
POLITE = """
import pathlib, signal, sys, time
def on_term(number, frame):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(1)
    pathlib.Path("outputs/last-words").write_text("saved")
    sys.exit(0)
signal.signal(signal.SIGTERM, on_term)
pathlib.Path("outputs/here").touch()
while True:
    time.sleep(60)
"""

STUBBORN = """
import pathlib, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path("outputs/here").touch()
time.sleep(3600)
"""

# Keeps running at first; restarted, it prints what it finds in its working directory.
AGAIN = """
import os, pathlib, time
mine = pathlib.Path("mine.txt")
if mine.exists():
    print("again", mine.read_text(), os.environ["SLURM_RESTART_COUNT"])
else:
    mine.write_text("from the first time")
    pathlib.Path("outputs/here").touch()
    time.sleep(3600)
"""


@dataclass
class Lab:
    """Sources and a workspace in one folder."""

    folder: Path
    target: Any = "slurm"
    _numbers: Iterable[int] = field(default_factory=itertools.count)

    @property
    def workspace(self) -> Path:
        return self.folder / "workspace"

    def source(self, script: str) -> Path:
        """Create a new folder with the script as its train.py."""
        folder = self.folder / f"source-{next(iter(self._numbers))}"
        folder.mkdir(parents=True)
        (folder / "train.py").write_text(script)
        return folder

    def submit(self, script: str, **settings: Any) -> Run:
        return self.submit_source(self.source(script), **settings)

    def submit_source(self, source: Path, **settings: Any) -> Run:
        after = settings.pop("after", ())
        estimator = TensorFlow(source, **{"compute_target": self.target, **settings})
        return Experiment("lab", self.workspace).submit(estimator, after=after)

    def slurmtf(self, *argv: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run the command with this workspace."""
        return slurmtf(*argv, env={**os.environ, "SLURMTF_WORKSPACE": str(self.workspace), **options.pop("env", {})}, **options)

    def data(self, *argv: str | Path, **options: Any) -> Any:
        """Run the command with --json, and return its data; it must succeed."""
        return envelope(self.slurmtf(*argv, "--json", **options))["data"]


def slurmtf(*argv: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    text = {"capture_output": True, "text": True, "timeout": HANG_S}
    return subprocess.run([COMMAND, *argv], check=False, **{**text, **options})


def envelope(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.stdout)
    assert list(found) == ENVELOPE, found
    assert (found["slurmtf"], found["ok"], found["error"]) == (1, True, None), found
    return found


def findings(done: subprocess.CompletedProcess[str], code: int = 2) -> list[dict[str, str]]:
    """Return the findings of a command that failed with --json."""
    found = json.loads(done.stdout)
    assert list(found) == ENVELOPE, found
    assert (found["ok"], found["data"]) == (False, None), found
    assert found["error"]["exit_code"] == done.returncode == code, (found, done.stderr)
    assert found["error"]["type"]
    listed: list[dict[str, str]] = found["error"]["findings"]
    assert all(list(finding) == FINDING and finding["code"] for finding in listed)
    return listed


def list_states(*runs: Run) -> list[RunState]:
    return read_states([run.folder for run in runs])


def wait_until_ended(*runs: Run) -> list[RunState]:
    """Wait until all runs have ended, and return their last states."""

    def all_ended() -> list[RunState]:
        found = list_states(*runs)
        return found if all(state.status.final for state in found) else []

    return until(all_ended, f"the end of {', '.join(run.id for run in runs)}")


def wait_for_canceler(*runs: Run) -> None:
    """Wait until it is known who canceled the runs: Slurm's accounting has it some seconds after the end."""

    def all_known() -> bool:
        return all(state.outcome is not None and "by" in state.outcome.detail for state in list_states(*runs))

    until(all_known, f"who canceled {', '.join(run.id for run in runs)}")


def wait_for_status(run: Run, status: RunStatus) -> RunState:
    """Wait until the run has a status, and return its state."""
    until(lambda: run.state.status is status, f"{run.id} {status.value}")
    return run.state


def wait_until_started(*runs: Run) -> None:
    """Wait until the runs' scripts have created outputs/here."""
    for run in runs:
        until(lambda run=run: (run.folder / "outputs/here").exists(), f"the script of {run.id}")  # type: ignore[misc]


def log(run: Run, name: str = "main-0.out") -> str:
    return (run.folder / "logs" / name).read_text()


def read_journal(run: Run) -> list[dict[str, Any]]:
    return journals.events(run.folder)


def read_staged(run: Run) -> dict[str, dict[str, Any]]:
    """Return the journal's ``staged`` events, by host."""
    return {event["host"]: event for event in read_journal(run) if event["event"] == "staged"}


def call(*argv: str | Path, **options: Any) -> str:
    """Run a Slurm command, which must succeed, and return its output."""
    text: dict[str, Any] = {"encoding": "utf-8", "errors": "surrogateescape", "timeout": HANG_S, **options}
    done = subprocess.run(argv, capture_output=True, check=False, **text)
    assert done.returncode == 0, (argv, done.stderr)
    return str(done.stdout).strip()


def end_jobs(cluster: Cluster, folder: Path) -> None:
    """Cancel what a test left in the queue: the next one may need the nodes."""
    text: dict[str, Any] = {"encoding": "utf-8", "errors": "surrogateescape"}
    lines = cluster.run("squeue", "--noheader", "--states=PENDING,RUNNING", "--format=%i|%Z", **text).stdout.splitlines()
    jobs = [job for job, _, where in (line.partition("|") for line in lines) if where.startswith(str(folder))]
    if jobs:
        cluster.run("scancel", *jobs)


def get_job(run: Run) -> str:
    job_id = run.state.job_id
    assert job_id
    return job_id


def read_facts(job_id: str) -> dict[str, str]:
    """Return the fields of `scontrol show job`."""
    words = (word.partition("=") for word in call("scontrol", "--oneliner", "show", "job", job_id).split(" "))
    return {name: value for name, equals, value in words if equals}


def read_files(folder: Path) -> dict[str, bytes]:
    """Return everything in a folder by path: the content of files, the targets of links, nothing for folders."""
    return {str(path.relative_to(folder)): _content(path) for path in sorted(folder.rglob("*"))}


def _content(path: Path) -> bytes:
    if path.is_symlink():
        return b"-> " + os.fsencode(path.readlink())
    return b"" if path.is_dir() else path.read_bytes()


def write_program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def prepend_to_path(folder: Path, environ: Mapping[str, str] = os.environ) -> str:
    return f"{folder}{os.pathsep}{environ['PATH']}"
