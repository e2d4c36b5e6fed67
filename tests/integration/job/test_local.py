"""Runs on this machine through the public interface, from the submitting process and from others."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from submitit.core.utils import FailedJobError

from slurmtf import Estimator, Experiment, Run
from slurmtf.errors import RunFailedError, RunGoneError, ScriptFailedError, SlurmtfError
from slurmtf.processes import identify
from slurmtf.runs.states.state import Doubt, DoubtKind
from slurmtf.submit.record import read_last_job
from tests import journals
from tests.patience import HANG_S, until
from tests.unit.support import refusing, tells

from .jobs import Job, environment

Submit = Callable[..., Run]
UNTIL_GO = """\
import os, time
print("waiting", flush=True)
open("outputs/ready", "w").close()
while not os.path.exists("outputs/go"):
    time.sleep(0.02)
"""
STATE = """\
import json, sys
from slurmtf import Run
run = Run(sys.argv[1])
state = run.state
print(json.dumps([state.status.value, state.cause, state.exit_code, run.job.done()]))
"""
CLIENT = """\
import sys, time
from slurmtf import Estimator, Experiment
run = Experiment("client", sys.argv[2]).submit(Estimator(sys.argv[1], compute_target="local"))
print(run.folder, flush=True)
time.sleep(3600)
"""


@pytest.fixture
def submit(tmp_path: Path) -> Iterator[Submit]:
    """Submits a script to this machine; what is still running after the test is ended."""
    runs: list[Run] = []

    def submit_script(train: str, **settings: Any) -> Run:
        source = tmp_path / f"source-{len(runs)}"
        source.mkdir()
        (source / "train.py").write_text(train)
        runs.append(
            Experiment("local", tmp_path / "workspace").submit(Estimator(str(source), compute_target="local", **settings))
        )
        return runs[-1]

    yield submit_script
    for run in runs:
        Job(run.layout).clean_up()


def ready(run: Run) -> Run:
    Job(run.layout).await_file("outputs/ready")
    return run


def pid_of(run: Run) -> int:
    record = read_last_job(run.layout)
    assert record is not None
    assert record.process is not None
    return record.process.pid


def await_end(run: Run) -> str:
    until(lambda: run.state.status.final, "the end of the run")
    return run.get_status()


def seen_elsewhere(run: Run) -> list[Any]:
    """Return what another process sees of the run."""
    done = subprocess.run(
        [sys.executable, "-c", STATE, str(run.folder)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=True,
    )
    found: list[Any] = json.loads(done.stdout)
    return found


def test_a_successful_run_completes(submit: Submit) -> None:
    run = submit("print('to the log')\nopen('outputs/model', 'w').write('weights')")
    output = io.StringIO()
    states: list[str] = []
    details = run.wait_for_completion(show_output=True, output=output, on_state=lambda state: states.append(state.status.value))
    assert (details["status"], states[-1]) == ("Completed", "Completed")
    assert "error" not in details
    assert "to the log" in output.getvalue()
    assert details["jobId"] == str(pid_of(run)) == run.job.job_id
    assert run.job.done()
    assert run.job.result() == {"run": run.id, "exit_code": 0}
    assert run.job.exception() is None
    assert run.job.stdout() == "to the log\n"
    assert "outputs/model" in run.get_file_names()
    assert seen_elsewhere(run) == ["Completed", "script", 0, True]


def test_a_failed_run_reports_its_failure(submit: Submit) -> None:
    run = submit("import sys; sys.exit('no such data')")
    with pytest.raises(ScriptFailedError) as caught:
        run.wait_for_completion()
    assert isinstance(caught.value, RunFailedError)
    assert caught.value.outcome == run.state.outcome
    state = run.state
    assert (state.status.value, state.cause, state.exit_code, state.exit_status) == ("Failed", "script", 1, 1)
    assert run.get_details()["error"]["exitCode"] == 1
    error = run.job.exception()
    assert isinstance(error, FailedJobError)
    assert "no such data" in str(error)
    with pytest.raises(FailedJobError):
        run.job.result()
    assert seen_elsewhere(run) == ["Failed", "script", 1, True]


def test_another_process_sees_the_run_while_it_runs(submit: Submit) -> None:
    run = ready(submit(UNTIL_GO))
    until(lambda: run.get_status() == "Running", "the report of the task")
    assert seen_elsewhere(run) == ["Running", None, None, False]
    assert not run.job.done()
    (run.folder / "outputs" / "go").touch()
    assert await_end(run) == "Completed"


def test_a_canceled_run_ends(submit: Submit) -> None:
    run = ready(submit(UNTIL_GO))
    Run(run.folder).cancel()
    assert await_end(run) == "Canceled"
    assert run.state.exit_status == 130
    assert run.get_details()["error"]["code"] == "canceled"
    assert run.job.done()
    assert isinstance(run.job.exception(), FailedJobError)
    Job(run.layout).await_nobody()
    run.cancel()
    assert run.get_status() == "Canceled"


@pytest.mark.parametrize("pause_s", [0, 0.02, 0.1, 0.2])
def test_a_run_canceled_before_it_has_begun_never_starts(submit: Submit, pause_s: float) -> None:
    run = submit(UNTIL_GO)
    time.sleep(pause_s)
    run.cancel()
    assert await_end(run) == "Canceled"
    assert run.state.cause == "canceled"
    assert seen_elsewhere(run)[:2] == ["Canceled", "canceled"]
    Job(run.layout).await_nobody()


def test_canceling_an_ended_run_changes_nothing(submit: Submit) -> None:
    run = submit("pass")
    await_end(run)
    run.cancel()
    assert run.get_status() == "Completed"
    assert not (run.folder / "cancel-requested").exists()


def test_a_run_ends_at_its_time_limit(submit: Submit) -> None:
    run = submit(UNTIL_GO, max_run_duration_seconds=1)
    assert await_end(run) == "Canceled"
    assert (run.state.cause, run.state.exit_status) == ("time-limit", 124)


def test_a_run_whose_supervisor_was_killed(submit: Submit) -> None:
    run = ready(submit(UNTIL_GO))
    os.kill(pid_of(run), signal.SIGKILL)
    assert await_end(run) == "Failed"
    assert run.state.cause == "lost"
    assert run.state.outcome is not None
    assert run.state.outcome.detail["by"] == "supervisor"
    assert run.job.done()
    Job(run.layout).await_nobody()
    assert seen_elsewhere(run)[:2] == ["Failed", "lost"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_a_run_outlives_the_terminal_of_its_client(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "train.py").write_text(UNTIL_GO)
    command = [sys.executable, "-c", CLIENT, str(tmp_path / "source"), str(tmp_path / "workspace")]
    client = subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    try:
        assert client.stdout is not None
        run = ready(Run(client.stdout.readline().decode().strip()))
        os.killpg(client.pid, number)
        assert client.wait(timeout=HANG_S) != 0
        time.sleep(0.2)
        assert not run.state.status.final
        (run.folder / "outputs" / "go").touch()
        assert await_end(run) == "Completed"
    finally:
        client.kill()
        client.communicate(timeout=HANG_S)


def test_a_run_on_another_machine_is_not_ended_from_here(submit: Submit) -> None:
    run = ready(submit(UNTIL_GO))
    for path in (Path(run.layout.jobs), *journals.files(run.folder)):
        path.write_text(path.read_text().replace(f'"host": "{os.uname().nodename}"', '"host": "elsewhere"'))
    assert not run.state.status.final
    assert run.state.doubt == Doubt(DoubtKind.ELSEWHERE, "elsewhere")
    with refusing(SlurmtfError, "other-host", "elsewhere"):
        run.cancel()
    assert run.get_status() != "CancelRequested"


def test_a_run_can_be_started_again_by_hand(submit: Submit) -> None:
    run = submit(UNTIL_GO)
    run.cancel()
    assert await_end(run) == "Canceled"
    again = subprocess.Popen(["bash", run.layout.script], env=environment(), start_new_session=True)
    ready(run)
    until(lambda: run.get_status() == "Running", "the second start")
    (run.folder / "outputs" / "go").touch()
    assert again.wait(timeout=HANG_S) == 0
    assert run.get_status() == "Completed"


def test_a_run_submitted_in_a_slurm_job_does_not_adopt_that_job(submit: Submit, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"SLURM_JOB_ID": "4711", "SLURM_PROCID": "3", "PMIX_RANK": "3", "SLURMTF_TASK": "3"}.items():
        monkeypatch.setenv(name, value)
    run = submit("import os; print(sorted(name for name in os.environ if name.startswith(('SLURM_', 'PMI'))))")
    run.wait_for_completion()
    assert run.state.job_id == str(pid_of(run))
    assert run.job.stdout() == "[]\n"


def test_private_variables_are_in_no_script(submit: Submit) -> None:
    run = submit("import os; print(os.environ['TOKEN'])", environment_variables={"TOKEN": "s3cret"})
    run.wait_for_completion()
    assert run.job.stdout() == "s3cret\n"
    assert "s3cret" not in Path(run.layout.script).read_text() + Path(run.layout.job_log).read_text()


def test_many_at_once(submit: Submit) -> None:
    runs = [submit("pass") for _ in range(6)]
    assert [await_end(run) for run in runs] == ["Completed"] * 6
    assert len({run.id for run in runs}) == 6


@pytest.mark.parametrize("how", ["removed", "renamed"])
def test_a_folder_that_goes_while_the_run_goes_on(submit: Submit, how: str) -> None:
    run = ready(submit(UNTIL_GO))
    assert not run.state.status.final
    process, moved = identify(pid_of(run)), run.folder.with_name("moved")
    pid = process.pid
    run.folder.rename(moved)
    if how == "removed":
        shutil.rmtree(moved)
    try:
        with pytest.raises(RunGoneError) as caught:
            run.follow(None, None)
        (finding,) = caught.value.findings
        assert finding.code == "run-folder-gone"
        assert tells(finding, str(run.folder), f"job {pid} ", f": kill {pid}")
        assert caught.value.exit_code == 4
    finally:
        os.kill(pid, signal.SIGTERM)
    until(lambda: not process.is_alive(), "the end of the job")
    with refusing(RunGoneError, "run-folder-gone", f"job {pid} "):
        _ = run.state


CLOSED = """\
import json, os, sys
from slurmtf import Run
from slurmtf.runs import status
from slurmtf.runs.states import evidence
from slurmtf.scheduler import local
from tests.unit.support import refusing, tells
run = Run(sys.argv[1])
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
states = []
for name in (None, "journal", "jobs.jsonl", ""):
    if name is not None:
        os.chmod(os.path.join(run.folder, name), 0)
    state = run.state
    states.append([state.status.value, list(state.unreadable), state.job_id])
print(json.dumps(states))
"""


def test_a_folder_made_inaccessible_by_a_script_is_named(submit: Submit, tmp_path: Path) -> None:
    """What can be read is used, what can't is named."""
    run = ready(submit(UNTIL_GO))
    until(lambda: run.get_status() == "Running", "the report of the task")
    for path in (run.folder, *run.folder.rglob("*")):
        if not path.is_symlink():
            with suppress(FileNotFoundError):  # the run is still writing
                os.chown(path, *([65534, 65534] if os.geteuid() == 0 else [-1, -1]))
    for path in tmp_path.parents:
        if path.stat().st_uid == os.geteuid() and len(path.parts) > 2:
            path.chmod(path.stat().st_mode | 0o011)
    for path in (tmp_path, run.folder.parents[1], run.folder.parents[0]):
        path.chmod(0o755)
    try:
        argv = [sys.executable, "-c", CLOSED, str(run.folder)]
        done = subprocess.run(argv, env=environment(), capture_output=True, text=True, timeout=HANG_S, check=False)
        assert done.returncode == 0, done.stderr
        job = str(pid_of(run)) if os.geteuid() == 0 else None
        assert json.loads(done.stdout) == [
            ["Running", [], job],
            ["Preparing", ["journal"], job],
            ["Preparing", ["jobs.jsonl", "journal"], job],
            ["Preparing", ["jobs.jsonl", "cancel-requested", "ended.json", "journal"], job],
        ]
    finally:
        run.folder.chmod(0o700)
        for name in ("journal", "jobs.jsonl"):
            (run.folder / name).chmod(0o700)
