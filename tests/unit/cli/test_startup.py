"""What a command imports at its start: on a slow file system each unneeded package costs the user time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from slurmtf.files import write_json
from slurmtf.job.contract.attempt import events
from slurmtf.job.contract.attempt.journal import Journal
from slurmtf.job.contract.attempt.outcome import Cause, Outcome
from slurmtf.job.contract.layout import RunLayout
from slurmtf.scheduler import JobRef, SubmittedJob
from slurmtf.submit.record import note
from tests.unit.cli.support import run_folder

COMMAND = "sys.argv[0] = 'slurmtf'; from slurmtf.cli import main\ntry: main()\nexcept SystemExit: pass\n"
HEAVY = {"pydantic", "yaml", "rich", "jinja2", "submitit", "asyncio", "packaging", "subprocess", "hashlib", "difflib"}
ELSEWHERE = {"diagnosis", "estimator", "experiments", "models", "plan", "plots", "sites", "snapshot", "submit", "tune"}
LOOKS = ("status", "states.reduce", "states.sweeps", "metrics.reading", "logs")
RUN = "digits-20260102-030405-a1b2c3"


def imported(code: str, folder: Path, *words: str) -> set[str]:
    """Return the modules that some code imports, without those that Python itself imports at its start."""
    before, after = "import sys; before = set(sys.modules)\n", "\nprint('MODULES', *(set(sys.modules) - before))"
    environ = {**os.environ, "SLURMTF_WORKSPACE": str(folder / "runs"), "XDG_CACHE_HOME": str(folder / "cache")}
    command = [sys.executable, "-c", f"{before}{code}{after}", *words]
    done = subprocess.run(command, check=True, capture_output=True, env=environ, text=True)
    return set(done.stdout.rpartition("MODULES ")[2].split())


def ours(modules: set[str]) -> set[str]:
    return {name for name in modules if name.partition(".")[0] == "slurmtf"}


@pytest.fixture
def ended(tmp_path: Path) -> Path:
    """A folder around a workspace with one run, which ended some time ago."""
    layout = RunLayout(str(run_folder(tmp_path / "runs", RUN)))
    write_json(layout.plan, {"warnings": [], "provenance": {"estimator": {}}})  # which names no primary metric
    Path(layout.journals).mkdir()
    note(layout, SubmittedJob(JobRef(None, "7"), "slurm", layout.folder, 1.0))
    journal = Journal(layout.journal("7", 0))
    journal.write(events.Started(job_id="7", attempt=0, host="n1", nodes="n1", process={"host": "n1", "pid": 5, "started": 6}))
    journal.write(events.Ended(Outcome(Cause.SCRIPT, exit_code=0).to_dict(), 1.0))
    for path in (Path(layout.folder), *Path(layout.folder).rglob("*")):
        os.utime(path, (1e9, 1e9))
    return tmp_path


def test_the_package_alone_imports_next_to_nothing(tmp_path: Path) -> None:
    modules = imported("import slurmtf", tmp_path)
    assert ours(modules) == {"slurmtf", "slurmtf._version"}
    assert "typing" not in modules  # half of what a bare Python takes


def test_importing_for_a_submission_loads_no_code_for_runs(tmp_path: Path) -> None:
    modules = imported("from slurmtf import Experiment, TensorFlow, Mpi, Run", tmp_path)
    rooms = {name.split(".")[1] for name in ours(modules) if name != "slurmtf"}
    assert not rooms & {"cli", "diagnosis", "models", "plots", "tune", "migration", "serving"}
    assert not {f"slurmtf.runs.{name}" for name in (*LOOKS, "canceling")} & modules
    assert not {name.partition(".")[0] for name in modules} & {"jinja2", "submitit", "asyncio", "click", "rich"}


def test_help_imports_no_commands(tmp_path: Path) -> None:
    modules = imported(COMMAND, tmp_path, "--help")
    assert ours(modules) == {"slurmtf", "slurmtf._version", "slurmtf.cli", "slurmtf.cli.app"}


@pytest.mark.parametrize("command", ["ls", "status"])
def test_an_ended_run_is_shown_from_the_index(command: str, ended: Path) -> None:
    modules = imported(COMMAND, ended, command)  # which the first command fills
    assert "slurmtf.runs.states.reduce" in modules
    modules = imported(COMMAND, ended, command)
    rooms = {name.split(".")[1] for name in ours(modules) if name != "slurmtf"}
    assert not rooms & ELSEWHERE
    assert not {f"slurmtf.runs.{name}" for name in (*LOOKS, "downloads")} & modules
    of_click = imported("import click", ended)  # click imports subprocess on Python 3.10
    assert not {name.partition(".")[0] for name in modules} & HEAVY - of_click


def test_plan_and_submit_import_no_more_than_submitit(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("print(1)\n", encoding="utf-8")
    words = ("plan", str(tmp_path / "train.py"), "-s", "local")
    imported(COMMAND, tmp_path, *words)  # which keeps the profile as pydantic read it
    modules = imported(COMMAND, tmp_path, *words)
    assert {"submitit.core.core", "jinja2"} <= modules
    assert not {name.partition(".")[0] for name in modules} & {"asyncio", "ssl", "email", "pydantic", "rich"}
    assert "importlib.metadata" not in modules
