"""How runs end, and that the run, Slurm and `slurmtf wait` all report the true outcome."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from slurmtf import Environment, Run, RunStatus, Site
from slurmtf.runs import RunState
from slurmtf.sites.model import JobEnvironment
from tests.patience import until

from .support import (
    HELLO,
    POLITE,
    STUBBORN,
    WAIT,
    Lab,
    call,
    get_job,
    read_facts,
    read_journal,
    wait_for_status,
    wait_until_ended,
    wait_until_started,
)

pytestmark = pytest.mark.slurm

SCRIPTS = {
    "done": "pass",
    "code": "raise SystemExit(7)",
    "highest": "raise SystemExit(255)",
    "text": "import sys; sys.exit('no data in /here')",
    "exception": "raise ValueError('odd shape')",
    "crash": "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
    "killed": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "thread": "import os, threading; threading.Thread(target=lambda: os._exit(9)).start(); threading.Event().wait()",
}
ENDS: dict[str, tuple[int, int | None, int | None, str]] = {
    "done": (0, 0, None, ""),
    "code": (7, 7, None, "main-0 ended with exit code 7"),
    "highest": (255, 255, None, "main-0 ended with exit code 255"),
    "text": (1, 1, None, "no data in /here"),
    "exception": (1, 1, None, "ValueError: odd shape"),
    "crash": (139, None, 11, "main-0 was killed by signal 11 (SIGSEGV)"),
    "killed": (137, None, 9, "main-0 was killed by signal 9 (SIGKILL)"),
    "thread": (9, 9, None, "main-0 ended with exit code 9"),
}


@pytest.mark.parametrize("target", ["local", "slurm"])
def test_exit_codes_and_signals_are_reported(lab: Lab, target: str) -> None:
    runs = {name: lab.submit(script, compute_target=target) for name, script in SCRIPTS.items()}
    for (name, run), state in zip(runs.items(), wait_until_ended(*runs.values()), strict=True):
        status, exit_code, signal, words = ENDS[name]
        assert (state.exit_status, state.exit_code, state.signal) == (status, exit_code, signal), (name, state)
        assert state.status is (RunStatus.FAILED if status else RunStatus.COMPLETED), (name, state)
        assert state.cause == "script", (name, state)
        assert words in state.message, (name, state)
        waited = lab.slurmtf("wait", run.id)
        assert waited.returncode == status, (name, waited.stderr)
        assert words in waited.stderr, (name, waited.stderr)
        if target == "slurm":
            until(lambda run=run: read_facts(get_job(run))["JobState"] in ("COMPLETED", "FAILED"), "Slurm's end")  # type: ignore[misc]
            assert read_facts(get_job(run))["ExitCode"] == f"{status}:0"


def test_a_python_missing_on_the_node_is_reported(lab: Lab, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.symlink_to(sys.executable)
    run = lab.submit(HELLO, environment_definition=Environment(python=str(python)), sbatch={"hold": True})
    python.unlink()
    call("scontrol", "release", get_job(run))
    (state,) = wait_until_ended(run)
    assert (state.status, state.cause) == (RunStatus.FAILED, "not-started")
    assert f"{python}: No such file or directory" in state.message
    assert lab.slurmtf("wait", run.id).returncode == 1
    assert read_facts(get_job(run))["ExitCode"] in ("126:0", "127:0")


def test_a_missing_or_failing_srun_is_reported(lab: Lab, tmp_path: Path) -> None:
    without = Site(name="without", environment=JobEnvironment(prologue=[f"PATH={tmp_path}"]))
    missing = lab.submit(HELLO, compute_target=without)
    failing = lab.submit(HELLO, srun={"mem": "99G"})
    for run, state in zip((missing, failing), wait_until_ended(missing, failing), strict=True):
        assert (state.status, state.cause) == (RunStatus.FAILED, "launcher"), state
        assert state.exit_status not in (0, 130), state
        assert lab.slurmtf("wait", run.id).returncode == state.exit_status
    assert missing.state.outcome
    assert missing.state.outcome.detail["launcher"] == "srun"
    assert "srun" in missing.state.outcome.detail["error"]
    assert failing.state.outcome
    assert "srun: error: " in failing.state.outcome.tail


def assert_canceled(run: Run, state: RunState) -> None:
    assert (state.status, state.cause, state.exit_status) == (RunStatus.CANCELED, "canceled", 130), (run.id, state)
    assert state.ended


@pytest.mark.parametrize("target", ["local", "slurm"])
def test_a_running_run_can_be_canceled(lab: Lab, target: str) -> None:
    polite, ordinary = (lab.submit(script, compute_target=target) for script in (POLITE, WAIT))
    wait_until_started(polite, ordinary)
    assert polite.get_status() == ordinary.get_status() == "Running"
    polite.cancel()
    assert polite.get_status() == "CancelRequested"
    assert lab.slurmtf("cancel", ordinary.id).returncode == 0
    for run, state in zip((polite, ordinary), wait_until_ended(polite, ordinary), strict=True):
        assert_canceled(run, state)
        assert lab.slurmtf("wait", run.id).returncode == 130
    assert (polite.folder / "outputs/last-words").read_text() == "saved"  # it got TERM, and time enough to end
    polite.cancel()  # no effect any more
    assert_canceled(polite, polite.state)


def test_a_script_that_ignores_signals_can_be_canceled(lab: Lab) -> None:
    run = lab.submit(STUBBORN)
    wait_until_started(run)
    run.cancel()
    (state,) = wait_until_ended(run)
    assert_canceled(run, state)


def test_a_pending_run_can_be_canceled(lab: Lab) -> None:
    one, other = (lab.submit(HELLO, sbatch={"hold": True}) for _ in range(2))
    assert wait_for_status(one, RunStatus.QUEUED).reason == "JobHeldUser"
    one.cancel()
    assert lab.slurmtf("cancel", other.id).returncode == 0
    for run, state in zip((one, other), wait_until_ended(one, other), strict=True):
        assert_canceled(run, state)
        assert not Path(run.layout.journals).exists()


def test_many_at_once(lab: Lab) -> None:
    """Slurm ends all processes of a job at once; it must not matter which end slurmtf sees first."""
    scripts = [WAIT, "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit({}))\n" + WAIT]
    runs = [lab.submit(script.format(code)) for script in scripts for code in (0, 0, 3, 3)]
    wait_until_started(*runs)
    call("scancel", *map(get_job, runs))
    for run, state in zip(runs, wait_until_ended(*runs), strict=True):
        assert_canceled(run, state)


def test_scancel_is_recognized_in_each_phase(lab: Lab) -> None:
    slow = Site(name="slow", environment=JobEnvironment(prologue=["touch logs/prologue", "sleep 60"]))
    settings: list[dict[str, Any]] = [{"sbatch": {"hold": True}}, {"compute_target": slow}, {}]
    pending, preparing, running = (lab.submit(POLITE, **wish) for wish in settings)
    until((preparing.folder / "logs/prologue").exists, "the prologue")
    wait_until_started(running)
    assert [run.get_status() for run in (pending, preparing, running)] == ["Queued", "Preparing", "Running"]
    call("scancel", *map(get_job, (pending, preparing, running)))
    for run, state in zip((pending, preparing, running), wait_until_ended(pending, preparing, running), strict=True):
        assert_canceled(run, state)
    assert (running.folder / "outputs/last-words").exists()


def test_scancel_of_the_step_alone_is_not_a_success(lab: Lab) -> None:
    """The job still runs, but its only task was ended: that is not a success."""
    run = lab.submit(WAIT)
    wait_until_started(run)
    call("scancel", f"{get_job(run)}.0")
    (state,) = wait_until_ended(run)
    assert state.status is not RunStatus.COMPLETED
    assert state.exit_status != 0
    assert read_journal(run)[-1]["event"] == "ended"
