"""A submission that is killed, or can't use its workspace, leaves either a run with a job or nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from slurmtf import Estimator, Experiment, Run
from slurmtf.errors import WorkspaceError
from slurmtf.runs.workspaces.workspace import list_run_folders
from slurmtf.submit.folder import remove
from slurmtf.submit.record import read_last_job
from slurmtf.submit.submission import tidy
from tests import journals
from tests.patience import HANG_S, until

from .client import left_in
from .jobs import age, environment

ROOT = Path(__file__).resolve().parents[3]
LONG_AGO = time.time() - 7200


READS_ALL = "+dac_read_search"
AS_NOBODY = (
    "setpriv",
    "--reuid=65534",
    "--regid=65534",
    "--clear-groups",
    f"--inh-caps={READS_ALL}",
    f"--ambient-caps={READS_ALL}",
)
"""Who may write nothing of ours, and read all: this clone, and Python, may lie where only their user looks."""


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that other users may enter, with a source."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:  # a job may write its last word just after its end
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "source").mkdir(mode=0o755)
        (folder / "source" / "train.py").write_text("print('done')")
        yield folder


def client(mode: str, place: Path, folder: Path, prefix: tuple[str, ...] = ()) -> Any:
    """Run the client to its end and return its result."""
    command = [*prefix, sys.executable, "-m", "tests.integration.job.client", mode, str(place / "source"), str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=HANG_S, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def settle(workspace: Path) -> list[Run]:
    """Wait for the traces of started jobs, make what is left look old, tidy, and return the runs."""
    intents = Path(workspace, ".slurmtf", "intents")
    runs = {folder.name: folder for folder in list_run_folders([workspace])}
    doubtful = [runs[path.stem] for path in intents.glob("*.json") if path.stem in runs]
    with_job = [folder for folder in doubtful if was_started(folder)]
    for folder in with_job:
        until(partial(journals.files, folder), f"the journal of {folder}")
    age(workspace, LONG_AGO)
    tidy(workspace)
    return [Run(folder) for folder in list_run_folders([workspace])]


def was_started(folder: Path) -> bool:
    """Return whether a process of the run is alive or has left a trace."""
    if journals.files(folder):
        return True
    mark = os.fsencode(folder)
    found = (path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists())
    return any(mark in command for command in found)


def check_settled(workspace: Path) -> int:
    """Check that only runs with a job are left, and that they succeed; return how many."""
    if not workspace.exists():
        return 0
    runs = settle(workspace)
    for run in runs:
        check_completed(run)
    homes = tuple(f"{run.experiment}/{run.id}/" for run in runs)
    assert [name for name in left_in(workspace) if not name.startswith(homes)] == []
    assert not list(workspace.glob(".slurmtf/staging/*"))
    assert not list(workspace.glob("*/.removed-*"))
    return len(runs)


def check_completed(run: Run) -> None:
    assert read_last_job(run.layout) is not None
    until(lambda: run.state.status.final, f"the end of {run}")
    assert run.get_status() == "Completed", run.state
    assert run.job.done()
    assert run.job.result()["exit_code"] == 0


def test_a_client_killed_before_any_change_leaves_a_run_or_nothing(place: Path) -> None:
    workspaces = client("changes", place, place)
    counts = [check_settled(Path(workspace)) for workspace in workspaces]
    assert len(counts) > 20
    assert set(counts) == {0, 1}
    assert counts == sorted(counts), "once there is a job, it stays"


def test_clients_killed_at_any_time_leave_a_run_or_nothing(place: Path) -> None:
    [workspace] = client("times", place, place)
    assert check_settled(Path(workspace)) >= 1


@pytest.mark.parametrize("is_submitted", [True, False])
def test_an_id_that_another_submission_has_taken(place: Path, monkeypatch: pytest.MonkeyPatch, is_submitted: bool) -> None:
    """It is a run or is just becoming one: this submission takes another id and changes nothing of it."""
    workspace, staging = place / "workspace", place / "workspace/.slurmtf/staging/e-1"
    estimator = Estimator(str(place / "source"), compute_target="local")
    ids = iter(["e-1", "e-1", "e-1", "e-2"] if is_submitted else ["e-1", "e-1", "e-2"])
    monkeypatch.setattr("slurmtf.experiments.preparation.generate_run_id", lambda experiment: next(ids))
    if is_submitted:
        first = Experiment("e", workspace).submit(estimator)
        assert first.id == "e-1"
        first.wait_for_completion()
    else:
        staging.mkdir(parents=True)
    second = Experiment("e", workspace).submit(estimator)
    check_completed(second)
    assert (second.id, staging.exists()) == ("e-2", not is_submitted)
    assert [path.name for path in list_run_folders([workspace])] == (["e-2", "e-1"] if is_submitted else ["e-2"])
    assert not (workspace / ".slurmtf/intents/e-1.json").exists()
    assert second.plan["run"]["run_id"] == "e-2"


def test_a_workspace_without_write_permission_is_refused(place: Path) -> None:
    locked = place / "locked"
    locked.mkdir(mode=0o555)
    found = client("refused", place, locked / "workspace", AS_NOBODY if os.geteuid() == 0 else ())
    assert found["error"] == "WorkspaceError", found
    assert "Permission denied" in found["text"]
    assert "--workspace" in found["text"]
    assert list(locked.iterdir()) == []


def test_a_full_or_read_only_disk_gives_a_run_or_a_clean_error(place: Path) -> None:
    """With each further page of space: an error that says what to do and leaves nothing, or a run that ends."""
    (place / "disk").mkdir()
    mount = ["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", str(place / "disk")]
    tried = subprocess.run(mount, capture_output=True, text=True, timeout=HANG_S, check=False)
    if tried.returncode != 0:
        pytest.skip(f"no file system of our own: {tried.stderr.strip()}")
    *found, read_only = client("full", place, place / "disk", ("unshare", "-m"))
    refused = [one for one in found if "error" in one]
    assert refused
    for one in refused:
        assert (one["error"], one["left"]) == ("WorkspaceError", []), one
        assert "No space left on device" in one["text"]
        assert "free some space" in one["text"]
    taken = [one for one in found if "status" in one]
    assert found == refused + taken, "more room is never worse"
    assert {one["status"] for one in taken} <= {"Completed", "Failed"}, taken
    assert taken[-1]["status"] == "Completed", taken[-1]
    assert read_only["error"] == "WorkspaceError"
    assert "read-only" in read_only["text"]


@pytest.mark.parametrize("name", ["new\nline", "tab\t", "bell\x07", "per%cent", "nul\x01"])
def test_a_workspace_whose_name_slurm_rejects_is_refused(place: Path, name: str) -> None:
    workspace = place / name
    with pytest.raises(WorkspaceError):
        Experiment("e", workspace).submit(Estimator(str(place / "source"), compute_target="local"))
    assert not workspace.exists()


@pytest.mark.parametrize("name", ["ünïcode ☃", "quo'te $HOME; `id`", "-dash"])
def test_a_workspace_may_have_an_unusual_name(place: Path, name: str) -> None:
    run = Experiment("e", place / name).submit(Estimator(str(place / "source"), compute_target="local"))
    run.wait_for_completion()
    assert Path(run.layout.task_log("main-0", "out")).read_text() == "done\n"


def test_a_workspace_that_is_a_file_is_refused(place: Path) -> None:
    (place / "file").touch()
    with pytest.raises(WorkspaceError):
        Experiment("e", place / "file").submit(Estimator(str(place / "source"), compute_target="local"))


def test_an_interrupted_removal_is_completed_by_tidy(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Experiment("e", place / "workspace").submit(Estimator(str(place / "source"), compute_target="local"))
    run.wait_for_completion()
    with monkeypatch.context() as killed:
        killed.setattr(shutil, "rmtree", lambda *_, **__: None)
        remove(run.folder)
    assert list_run_folders([place / "workspace"]) == []
    assert list(place.rglob("plan.json")) != []
    tidy(place / "workspace")
    assert list(place.rglob("plan.json")) == []


def test_tidy_accepts_a_missing_workspace(tmp_path: Path) -> None:
    tidy(tmp_path / "none")
    assert not (tmp_path / "none").exists()
    shutil.rmtree(tmp_path)
