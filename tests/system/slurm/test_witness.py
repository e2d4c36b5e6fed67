"""Success needs a witness: if the batch script ends before the supervisor starts, the run is never Completed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from slurmtf import RunStatus, Site
from slurmtf.sites.model import JobEnvironment
from tests.patience import until

from .support import HELLO, Lab, get_job, read_facts, wait_until_ended

pytestmark = pytest.mark.slurm

LOGIN_SHELL = "#!/bin/bash -l"
CASES = {
    "login shell": (JobEnvironment(shebang=LOGIN_SHELL), "exec true\n", "before its own first command"),
    "login shell that exits": (JobEnvironment(shebang=LOGIN_SHELL), "exit 0\n", "before its own first command"),
    "prologue": (JobEnvironment(prologue=["true", "exit 0"]), "", ": exit 0"),
    "prologue that may fail": (JobEnvironment(prologue=["cd /nowhere || exit 0", "true"]), "", ": cd /nowhere || exit 0"),
    "prologue that becomes something else": (JobEnvironment(prologue=["exec sleep 0.1"]), "", ": exec sleep 0.1"),
}


@pytest.fixture
def profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file that the user's login shell reads."""
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home" / ".bash_profile"


def never_completed(lab: Lab, profile: Path) -> None:
    runs = {}
    for name, (environment, text, _) in CASES.items():
        profile.write_text(text)
        runs[name] = lab.submit(HELLO, compute_target=Site(name="here", environment=environment))
        until(lambda name=name: runs[name].state.status.final, name)  # type: ignore[misc]
    for (name, run), (_, _, last_line) in zip(runs.items(), CASES.values(), strict=True):
        state = run.state
        assert read_facts(get_job(run))["ExitCode"] == "0:0", name
        assert (state.status, state.cause, state.exit_status) == (RunStatus.FAILED, "not-started", 1), (name, state)
        assert last_line in state.message, (name, state.message)
        waited = lab.slurmtf("wait", run.id)
        assert (waited.returncode, last_line in waited.stderr) == (1, True), (name, waited.stderr)
    answers = [json.loads(lab.slurmtf("why", "--json", runs[name].id).stdout)["data"] for name in ("login shell", "prologue")]
    rules = [data["death"]["rule"] for data in answers]
    assert rules == ["shell-ended", "script-ended"]


def test_exit_0_before_the_supervisor_started_is_no_success(lab: Lab, profile: Path) -> None:
    never_completed(lab, profile)


def test_exit_0_is_no_success_without_accounting_either(lab_noaccounting: Lab, profile: Path) -> None:
    never_completed(lab_noaccounting, profile)


def test_exit_0_is_no_success_on_this_machine_either(lab: Lab) -> None:
    here = Site(name="here", scheduler="local", environment=JobEnvironment(prologue=["true", "exit 0"]))
    (state,) = wait_until_ended(lab.submit(HELLO, compute_target=here))
    assert (state.status, state.cause, state.exit_status) == (RunStatus.FAILED, "not-started", 1)
    assert state.message.endswith(": exit 0")
