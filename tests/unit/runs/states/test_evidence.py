"""How far a batch script came, according to its notes; in a real bash."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from slurmtf.job.contract.attempt.outcome import Cause, Outcome
from slurmtf.job.contract.layout import RunLayout
from slurmtf.plan import render
from slurmtf.runs.states.evidence import read_evidence
from slurmtf.runs.states.state import RunState, RunStatus
from slurmtf.runs.states.words import describe_outcome
from slurmtf.scheduler import JobRef
from slurmtf.sites import Site
from slurmtf.sites.model import JobEnvironment
from slurmtf.sites.search import find_data
from tests.patience import HANG_S
from tests.unit.runs.states.stories import AGAIN, RUNNING, RUNS, attempt, history_of
from tests.unit.support import planned

OTHER = """\
echo from another file
exit 0
"""


def script_of(source: Path, folder: Path, prologue: list[str]) -> RunLayout:
    """Write the batch script of a site with this prologue, to a run folder whose launch does nothing."""
    folder.mkdir()
    text = render(planned(source, Site(name="here", environment=JobEnvironment(prologue=prologue))), [find_data("templates")])
    lines = [f"RUN={folder}" if line.startswith("RUN=") else line for line in text.splitlines()]
    (folder / "job.sh").write_text("\n".join(lines) + "\n")
    return RunLayout(str(folder))


def ran(layout: RunLayout, job: str = "12", restarts: str = "0", **settings: str) -> RunState:
    """Run the batch script as far as it gets, and return its state as Slurm reports it."""
    environ = {"PATH": os.environ["PATH"], "SLURM_JOB_ID": job, "SLURM_RESTART_COUNT": restarts, **settings}
    subprocess.run(["bash", layout.script], env=environ, capture_output=True, timeout=HANG_S, check=False)
    return RunState(RunStatus.FAILED, JobRef(None, "12"), attempt=0, outcome=Outcome(Cause.NOT_STARTED))


@pytest.mark.parametrize(
    ("prologue", "line"),
    [
        (["true", "exit 0"], "exit 0"),
        (["false || exit"], "false || exit"),
        (["exec true", "echo never"], "exec true"),
        (["set -e", "false", "echo never"], "false"),
        ([". ./other.sh", "echo never"], ". ./other.sh"),
        (["leave() { exit 0; }", "leave"], "leave"),
        (["if true; then exit 3; fi"], "if true; then exit 3; fi"),
        (["trap 'echo mine' EXIT", "exit 0"], "exit 0"),
        (["set -C -u -o pipefail", "exit 0"], "exit 0"),
    ],
)  # fmt: skip
def test_last_line_that_a_batch_script_reached(
    source: Path, tmp_path: Path, prologue: list[str], line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.sh").write_text(OTHER)
    layout = script_of(source, tmp_path / "run", prologue)
    number, _, text = read_evidence(layout, ran(layout)).last_line.partition(": ")
    assert text == line
    assert Path(layout.script).read_text().splitlines()[int(number) - 1].strip() == line


def test_a_batch_script_that_reached_its_launch(source: Path, tmp_path: Path) -> None:
    layout = script_of(source, tmp_path / "run", [])
    assert ": exec " in read_evidence(layout, ran(layout)).last_line


def test_a_shell_that_ended_before_the_first_line_leaves_no_last_line(source: Path, tmp_path: Path) -> None:
    layout = script_of(source, tmp_path / "run", [])
    (tmp_path / "profile").write_text("exec true\n")
    assert read_evidence(layout, ran(layout, BASH_ENV=str(tmp_path / "profile"))).last_line == ""


def test_notes_of_another_start_are_not_attributed_to_this_one(source: Path, tmp_path: Path) -> None:
    layout = script_of(source, tmp_path / "run", ["exit 0"])
    state = ran(layout)
    assert read_evidence(layout, state).last_line
    for other in (
        RunState(state.status, JobRef(None, "13"), outcome=state.outcome),
        RunState(state.status, state.job, attempt=1, outcome=state.outcome),
        RunState(state.status, state.job, outcome=state.outcome, started=Path(layout.trace).stat().st_mtime + 600),
    ):
        assert read_evidence(layout, other).last_line == ""
    ran(layout, restarts="1")
    assert read_evidence(layout, RunState(state.status, state.job, attempt=1, outcome=state.outcome)).last_line


def test_an_unwritable_run_folder_does_not_stop_the_batch_script(source: Path, tmp_path: Path) -> None:
    layout = script_of(source, tmp_path / "run", ["echo went on >../went-on"])
    Path(layout.trace).mkdir()
    done = subprocess.run(
        ["bash", layout.script], cwd=layout.folder, capture_output=True, text=True, timeout=HANG_S, check=False
    )
    assert (tmp_path / "went-on").read_text() == "went on\n"
    assert ".line" not in done.stderr


@pytest.mark.parametrize("text", ["", "12 0", "12 0 x", "12 0 99999", "12 0 0 0", "\0" * 100])
def test_a_malformed_note_is_ignored(source: Path, tmp_path: Path, text: str) -> None:
    layout = script_of(source, tmp_path / "run", [])
    Path(layout.trace).write_text(text)
    assert (
        read_evidence(layout, RunState(RunStatus.FAILED, JobRef(None, "12"), outcome=Outcome(Cause.NOT_STARTED))).last_line
        == ""
    )


def test_the_failed_node_is_named_if_the_log_is_unambiguous(tmp_path: Path) -> None:
    layout = RunLayout(str(tmp_path))
    lost = RunState(RunStatus.FAILED, JobRef(None, "12"), outcome=Outcome(Cause.NODE_FAILURE))
    assert read_evidence(layout, lost).failed_node == ""
    Path(layout.logs).mkdir()
    Path(layout.job_log).write_text("x" * 200_000 + "\nsrun: error: Node failure on node4\n")
    assert read_evidence(layout, lost).failed_node == "node4"
    assert read_evidence(layout, lost, history_of(RUNNING, attempt(*RUNS, number=1, start=AGAIN))).failed_node == ""


def test_memory_kill_of_the_last_attempt_is_found_in_the_job_log(tmp_path: Path) -> None:
    """The reason why an earlier attempt was killed does not count."""
    layout = RunLayout(str(tmp_path))
    lost = RunState(RunStatus.FAILED, JobRef(None, "12"), outcome=Outcome(Cause.LOST))
    Path(layout.logs).mkdir()
    line = "slurmstepd-n1: error: StepId=12.batch exceeded memory limit (2 > 1), being killed\n"
    Path(layout.job_log).write_text(line)
    for begin, over in ((0, True), (len(line), False)):
        history = history_of(replace(RUNNING, begins={"job.log": begin}))
        assert read_evidence(layout, lost, history).over_memory is over


@pytest.mark.parametrize(
    ("plan", "limited"),
    [
        ('{"provenance": {"estimator": {"max_run_duration_seconds": 60}}}', True),
        ('{"provenance": {"estimator": {"max_run_duration_seconds": null}}}', False),
        ('{"provenance": {"estimator": [1]}}', False),
        ('{"provenance": 3}', False),
        ("[1]", False),
        ("[" * 100_000, False),
        ("", False),
    ],
)
def test_a_limit_of_the_user_is_read_from_valid_plans_only(tmp_path: Path, plan: str, limited: bool) -> None:
    (tmp_path / "plan.json").write_text(plan)
    at_limit = RunState(RunStatus.FAILED, JobRef(None, "12"), outcome=Outcome(Cause.TIME_LIMIT))
    assert read_evidence(RunLayout(str(tmp_path)), at_limit).limited == limited
    canceled = RunState(RunStatus.CANCELED, JobRef(None, "12"), outcome=Outcome(Cause.CANCELED))
    assert read_evidence(RunLayout(str(tmp_path)), canceled).build is None


def test_text_of_an_outcome_names_the_last_line() -> None:
    text = describe_outcome(Outcome(Cause.NOT_STARTED, exit_code=0, detail={"line": "7: exit 0"}))
    assert (
        text == "the batch script ended before slurmtf's supervisor began; the last line of job.sh that it reached is 7: exit 0"
    )
    assert "~/.bash_profile" in describe_outcome(Outcome(Cause.NOT_STARTED, exit_code=0, detail={"line": ""}))
