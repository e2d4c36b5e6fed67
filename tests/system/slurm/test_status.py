"""A run's status: from another process, without accounting, with few calls to Slurm, and without Slurm's answers."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from slurmtf import Run, RunStatus
from slurmtf.errors import SlurmError
from slurmtf.experiments import cancel_runs
from slurmtf.runs.states.state import Doubt, DoubtKind
from slurmtf.submit.record import note, read_last_job
from tests.cluster import Cluster
from tests.patience import HANG_S

from .support import (
    COMMAND,
    HELLO,
    STUBBORN,
    WAIT,
    Lab,
    call,
    findings,
    get_job,
    list_states,
    prepend_to_path,
    wait_for_canceler,
    wait_for_status,
    wait_until_ended,
    wait_until_started,
    write_program,
)

pytestmark = pytest.mark.slurm

ASKING = ("squeue", "sacct", "scontrol", "sinfo", "scancel")


class Counter:
    """Wrappers of Slurm's commands, first in PATH, that record each call."""

    def __init__(self, folder: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
        self._notes = folder / "calls"
        for name in ASKING:
            note = f'[ "$1" = --version ] || echo {name} >>"{self._notes}"'  # --version, for a run's receipt, asks no daemon
            text = f'#!/bin/sh\n{note}\nexec "{cluster.directory}/bin/{name}" "$@"\n'
            write_program(folder / "counting" / name, text)
        monkeypatch.setenv("PATH", prepend_to_path(folder / "counting"))
        self.taken()

    def taken(self) -> list[str]:
        """Return the calls since the last look."""
        calls = self._notes.read_text().split() if self._notes.exists() else []
        self._notes.write_text("")
        return calls


@pytest.fixture
def counter(slurm: Cluster, lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Counter:
    return Counter(tmp_path, slurm, monkeypatch)


def test_many_are_canceled_with_two_questions_and_one_order(lab: Lab, counter: Counter) -> None:
    done = lab.submit(HELLO)
    wait_until_ended(done)
    running, local = lab.submit(WAIT), lab.submit(WAIT, compute_target="local")
    held = [lab.submit(HELLO, sbatch={"hold": True}) for _ in range(3)]
    wait_until_started(running, local)
    runs = [running, *held, done, local]
    counter.taken()
    names = [run.id for run in (*runs, running)]
    asked = {"status": "CancelRequested"}
    assert lab.data("cancel", *names) == [
        {"id": running.id, **asked, "was": "Running"},
        *({"id": run.id, **asked, "was": "Queued"} for run in held),
        {"id": done.id, "status": "Completed", "was": "Completed"},
        {"id": local.id, **asked, "was": "Running"},
    ]
    assert counter.taken() == ["squeue", "squeue", "scancel"]  # for their states, and for whether the jobs are still ours
    final = [state.status for state in wait_until_ended(*runs)]
    assert final == [RunStatus.CANCELED] * 4 + [RunStatus.COMPLETED, RunStatus.CANCELED]
    counter.taken()
    assert [state.status for state in cancel_runs(runs)] == final
    assert counter.taken() == []


def test_a_failed_cancellation_is_reported_as_such(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = [lab.submit(HELLO, sbatch={"hold": True}) for _ in range(2)]
    local = lab.submit(WAIT, compute_target="local")
    wait_until_started(local)
    write_program(tmp_path / "broken/scancel", "#!/bin/sh\necho 'scancel: error: no way' >&2\nexit 1\n")
    with monkeypatch.context() as context:
        context.setenv("PATH", prepend_to_path(tmp_path / "broken"))
        with pytest.raises(SlurmError) as caught:
            cancel_runs([*held, local])
    failed, untouched = caught.value.findings
    assert (failed.code, "no way" in failed.what) == ("slurm-failed", True)
    assert (untouched.code, untouched.where) == ("not-canceled", ", ".join(run.id for run in held))
    wait_for_status(local, RunStatus.CANCELED)
    assert [state.status for state in list_states(*held)] == [RunStatus.QUEUED] * 2
    cancel_runs(held)
    assert [state.status for state in wait_until_ended(*held)] == [RunStatus.CANCELED] * 2


def forgotten(run: Run) -> Run:
    """Make it look as if Slurm no longer knows the run's job, and nobody has looked since."""
    renumber(run, time.time() - 3600)
    return run


def renumber(run: Run, submitted: float) -> None:
    """Give the run's job an id that Slurm never assigned."""
    record = read_last_job(run.layout)
    assert record is not None
    Path(run.layout.jobs).unlink()
    note(run.layout, replace(record, ref=replace(record.ref, job_id="999999"), submitted=submitted))


def test_another_process_sees_the_same_status(lab: Lab) -> None:
    done, failed, running = (lab.submit(script) for script in (HELLO, "raise SystemExit(3)", WAIT))
    held = lab.submit(HELLO, sbatch={"hold": True})
    wait_until_ended(done, failed)
    wait_until_started(running)
    runs = (done, failed, running, held)
    code = "import sys, slurmtf; print([slurmtf.Run(folder).get_status() for folder in sys.argv[1:]])"
    argv = [sys.executable, "-c", code, *(str(run.folder) for run in runs)]
    other = subprocess.run(argv, capture_output=True, text=True, timeout=HANG_S, check=True, cwd="/")
    assert other.stdout.strip() == str(["Completed", "Failed", "Running", "Queued"])
    found = [lab.data("status", run.id) for run in runs]
    assert [(data["status"], (data["outcome"] or {}).get("exit_code")) for data in found] == [
        ("Completed", 0),
        ("Failed", 3),
        ("Running", None),
        ("Queued", None),
    ]
    assert [data["job_id"] for data in found] == [get_job(run) for run in runs]
    assert found[0]["submitted"] <= found[0]["started"] <= found[0]["ended"]
    assert re.fullmatch(r"node\d", found[2]["nodes"])
    assert found[3]["reason"] == "JobHeldUser"
    assert running.get_details()["status"] == "Running"
    assert failed.get_details()["error"]["exitCode"] == 3
    call("scancel", get_job(running), get_job(held))


def test_without_accounting(lab_noaccounting: Lab) -> None:
    lab = lab_noaccounting
    running, stubborn, done, failed = (lab.submit(script) for script in (WAIT, STUBBORN, HELLO, "raise SystemExit(3)"))
    pending, gone, gone_at_our_wish = (lab.submit(HELLO, sbatch={"hold": True}) for _ in range(3))
    assert [state.status for state in wait_until_ended(done, failed)] == [RunStatus.COMPLETED, RunStatus.FAILED]
    wait_until_started(running, stubborn)
    assert [state.status for state in list_states(running, pending)] == [RunStatus.RUNNING, RunStatus.QUEUED]
    jobs = [get_job(gone), get_job(gone_at_our_wish)]
    gone_at_our_wish.cancel()
    for run in (running, stubborn, pending):
        run.cancel()
    for state in wait_until_ended(running, stubborn, pending):
        assert (state.status, state.cause, state.exit_status) == (RunStatus.CANCELED, "canceled", 130)
    call("scancel", *jobs)
    (lost,) = wait_until_ended(forgotten(gone))
    assert (lost.status, lost.cause, lost.exit_status) == (RunStatus.FAILED, "lost", 1)
    assert lost.outcome is not None
    assert lost.outcome.detail["by"] == "slurm"


def test_while_slurmdbd_is_down(lab: Lab, slurm: Cluster) -> None:
    running, pending, gone = (
        lab.submit(WAIT),
        lab.submit(HELLO, sbatch={"hold": True}),
        lab.submit(HELLO, sbatch={"hold": True}),
    )
    wait_until_started(running)
    call("scancel", get_job(gone))
    lost = forgotten(gone)
    with slurm.without_slurmdbd():
        done = lab.submit(HELLO)
        assert wait_until_ended(done)[0].status is RunStatus.COMPLETED
        found = list_states(running, pending, lost)
        assert [state.status for state in found] == [RunStatus.RUNNING, RunStatus.QUEUED, RunStatus.QUEUED]
        assert [state.doubt.kind if state.doubt else None for state in found] == [None, None, DoubtKind.UNREACHABLE]
        running.cancel()
        pending.cancel()
        assert [state.status for state in wait_until_ended(running, pending)] == [RunStatus.CANCELED] * 2
    assert wait_until_ended(lost)[0].cause == "lost"


def test_a_job_that_slurm_does_not_list_yet(lab: Lab) -> None:
    run = lab.submit(HELLO, sbatch={"hold": True})
    call("scancel", get_job(run))
    renumber(run, time.time())
    assert (run.state.status, run.state.doubt) == (RunStatus.QUEUED, Doubt(DoubtKind.NOT_LISTED))


def test_an_end_that_only_slurm_knew_is_remembered(lab: Lab, counter: Counter) -> None:
    lost, canceled = (lab.submit(HELLO, sbatch={"hold": True}) for _ in range(2))
    call("scancel", get_job(lost), get_job(canceled))
    wait_until_ended(forgotten(lost), canceled)
    wait_for_canceler(canceled)
    found = list_states(lost, canceled)
    assert [state.cause for state in found] == ["lost", "canceled"]
    assert found == list_states(lost, canceled)
    counter.taken()
    assert [lab.data("status", run.id)["outcome"]["cause"] for run in (lost, canceled)] == ["lost", "canceled"]
    assert [lab.slurmtf("wait", run.id).returncode for run in (lost, canceled)] == [1, 130]
    assert counter.taken() == []


def test_slurm_is_queried_at_most_twice(lab: Lab, counter: Counter) -> None:
    done = [lab.submit(HELLO) for _ in range(4)]
    held = [lab.submit(HELLO, sbatch={"hold": True}) for _ in range(4)]
    lost = [lab.submit(HELLO, sbatch={"hold": True}) for _ in range(2)]
    call("scancel", *map(get_job, lost))
    for run in lost:
        forgotten(run)
    wait_until_ended(*done)

    counter.taken()
    listed = lab.data("ls", "-n", "0")
    assert sorted(counter.taken()) in (["sacct"], ["sacct", "squeue"])  # squeue's recent answer may be reused
    assert {data["id"]: data["status"] for data in listed} == {
        **{run.id: "Completed" for run in done},
        **{run.id: "Queued" for run in held},
        **{run.id: "Failed" for run in lost},
    }
    assert [data["id"] for data in listed] == sorted((data["id"] for data in listed), key=lambda name: name[-22:], reverse=True)

    call("scancel", *map(get_job, held))
    wait_until_ended(*held)
    wait_for_canceler(*held)
    counter.taken()
    assert {data["status"] for data in lab.data("ls")} == {"Completed", "Canceled", "Failed"}
    assert "Canceled" in lab.slurmtf("status", held[0].id).stdout
    assert counter.taken() == []


def test_while_slurm_does_not_answer(lab: Lab, slurm: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    running, done = lab.submit(WAIT), lab.submit(HELLO)
    held, unwanted = (lab.submit(HELLO, sbatch={"hold": True}) for _ in range(2))
    wait_until_started(running)
    wait_until_ended(done)
    jobs = [get_job(run) for run in (running, held, unwanted)]
    conf = (slurm.directory / "etc/slurm.conf").read_text()
    conf = re.sub("MessageTimeout=.*", "MessageTimeout=7", conf)  # Slurm's commands retry for so long, and slurmtf with them
    (tmp_path / "slurm.conf").write_text(re.sub("SlurmctldHost=", "SlurmctldPort=1\nSlurmctldHost=", conf))
    down = {**os.environ, "SLURM_CONF": str(tmp_path / "slurm.conf"), "SLURMTF_WORKSPACE": str(lab.workspace)}

    def start(*argv: str) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        return subprocess.Popen([COMMAND, *argv, "--json"], env=down, stdout=pipe, stderr=pipe, text=True)

    source = str(lab.source(HELLO) / "train.py")
    asked = [start("ls"), start("cancel", unwanted.id), start("submit", "--site", "slurm", source), start("why", held.id)]
    listed, canceled, submitted, explained = (finished(process) for process in asked)

    found = {data["id"]: data for data in json.loads(listed.stdout)["data"]}
    assert [found[run.id]["status"] for run in (running, held, done)] == ["Running", "Queued", "Completed"]
    assert [bool(found[run.id]["doubt"]) for run in (running, held, done)] == [True, True, False]
    assert "Unable to contact slurm controller" in found[running.id]["doubt"]["detail"]
    why = json.loads(explained.stdout)["data"]
    assert (why["doubt"]["kind"], why["waiting"]["ahead"]) == ("unreachable", None)
    assert findings(canceled, 3)[0]["where"] == "squeue"
    refusal, hint = findings(submitted, 3)
    assert "Unable to contact slurm controller" in refusal["what"]
    assert hint["code"] == "hint"

    # Slurm answers again, and nothing has changed.
    queued = RunStatus.QUEUED
    assert [state.status for state in list_states(running, held, unwanted)] == [RunStatus.RUNNING, queued, queued]
    assert not any(state.doubt for state in list_states(running, held, unwanted, done))
    call("scancel", *jobs)
    wait_for_status(running, RunStatus.CANCELED)


def finished(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    out, err = process.communicate(timeout=HANG_S)
    arguments: Any = process.args
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)
