"""The `slurmtf` command on real runs, as a user or a program calls it."""

from __future__ import annotations

import errno
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from slurmtf import Experiment, Run, RunStatus, TensorFlow
from slurmtf.cli.app import COMMANDS
from slurmtf.errors import SpecError
from tests.patience import HANG_S, until
from tests.unit.support import refusing

from .support import (
    COMMAND,
    HELLO,
    WAIT,
    Lab,
    call,
    envelope,
    findings,
    get_job,
    list_states,
    log,
    read_files,
    slurmtf,
    wait_for_status,
    wait_until_ended,
    wait_until_started,
)

pytestmark = pytest.mark.slurm

# Prints in three parts, then exits with the given code.
TALKS = """
import pathlib, sys, time
print("first", flush=True)
print("trouble", file=sys.stderr, flush=True)
time.sleep(1)
print("second", flush=True)
print("third, without an end", end="", flush=True)
sys.exit(int(sys.argv[1]))
"""

WAITS_AND_TALKS = "print('waiting', flush=True)" + WAIT

# Makes the terminal the command's controlling terminal, as a shell does; without one, Ctrl-C reaches nobody.
TAKE_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""

STATE = {
    *(
        "id",
        "experiment",
        "folder",
        "status",
        "job",
        "job_id",
        "attempt",
        "again",
        "outcome",
        "message",
        "reason",
        "staging",
        "nodes",
    ),
    *("submitted", "started", "ended", "expected_start", "doubt", "unreadable"),
}


@pytest.mark.parametrize("site", ["local", "slurm"])
def test_run_follows_the_run_and_exits_with_its_status(lab: Lab, site: str) -> None:
    script = lab.source(TALKS) / "train.py"
    good, bad = (lab.slurmtf("run", "--site", site, script, "--", str(code)) for code in (0, 5))
    assert [good.returncode, bad.returncode] == [0, 5]
    assert sorted(good.stdout.splitlines()) == ["first", "second", "third, without an end", "trouble"]
    runs = [Run(folder) for folder in (lab.workspace / "train").iterdir()]
    assert sorted(state.status.value for state in list_states(*runs)) == ["Completed", "Failed"]
    failed = next(run for run in runs if run.get_status() == "Failed")
    assert f"run {failed.id} in {failed.folder}" in bad.stderr
    assert "main-0 ended with exit code 5" in bad.stderr
    assert "Failed" in bad.stderr
    assert "Completed" in good.stderr

    data = json.loads(lab.slurmtf("run", "--json", "--site", site, script, "--", "5").stdout)
    assert (data["ok"], data["command"], data["data"]["status"], data["data"]["outcome"]["exit_code"]) == (
        True,
        "run",
        "Failed",
        5,
    )


def test_plan_render_and_dry_run_change_nothing(lab: Lab, tmp_path: Path) -> None:
    script = lab.source(HELLO) / "train.py"
    lab.workspace.mkdir()
    (lab.workspace / "there").write_text("before")
    before = read_files(tmp_path)
    options: list[str | Path] = ["--site", "slurm", "-G", "2", "-t", "10", script, "--", "--lr", "0.1"]
    texts = [lab.slurmtf(*words, *options) for words in (["plan"], ["render"], ["run", "--dry-run"], ["submit", "--dry-run"])]
    assert [done.returncode for done in texts] == [0, 0, 0, 0], [done.stderr for done in texts]
    plan, rendered, dry_run, dry_submit = (done.stdout for done in texts)
    assert rendered == dry_run == dry_submit
    assert rendered.startswith("#!/bin/bash\n#SBATCH --job-name=train\n")
    assert "#SBATCH --gres=gpu:2\n" in rendered
    assert rendered.rstrip().endswith("train.py --lr 0.1")
    assert "slurm (slurm)" in plan

    options.insert(0, "--json")
    decided = envelope(lab.slurmtf("plan", *options))
    assert decided["data"]["resources"]["gpus_per_node"] == 2
    assert decided["data"]["batch"]["command"][-3:] == ["train.py", "--lr", "0.1"]
    assert envelope(lab.slurmtf("render", *options))["data"]["script"] == rendered
    assert envelope(lab.slurmtf("run", "--dry-run", *options))["data"]["script"] == rendered
    assert read_files(tmp_path) == before
    assert str(tmp_path) not in call("squeue", "--states=all", "--format=%Z")


def test_commands_follow_the_life_of_a_run(lab: Lab) -> None:
    script = lab.source(WAITS_AND_TALKS) / "train.py"
    submitted = lab.slurmtf("submit", "--site", "slurm", "--experiment", "life", script)
    assert submitted.returncode == 0, submitted.stderr
    name = submitted.stdout.strip()
    run = Run.find(name, lab.workspace)
    wait_until_started(run)
    job_id = get_job(run)

    for way in (name, name[-6:], job_id, "last", str(run.folder)):
        assert lab.data("status", way)["id"] == name
    shown = dict(line.split(maxsplit=1) for line in lab.slurmtf("status").stdout.splitlines())
    assert (shown["status"].split()[0], shown["job"], shown["folder"]) == ("Running", job_id, str(run.folder))
    listed = lab.slurmtf("ls").stdout.splitlines()
    assert listed[0].split() == ["RUN", "STATUS", "JOB", "STARTED", "TIME", "WHY"]
    assert listed[1].split()[:3] == [name, "Running", job_id]
    (data,) = lab.data("ls", "--experiment", "life")
    assert set(data) == STATE
    assert lab.data("ls", "--experiment", "other") == []

    assert lab.slurmtf("logs", name).stdout == "waiting\n"
    assert lab.data("logs", name)["files"] == [f"{run.folder}/logs/main-0.out", f"{run.folder}/logs/main-0.err"]
    following = subprocess.Popen([COMMAND, "logs", "-f", name, "-w", lab.workspace], stdout=subprocess.PIPE, text=True)
    waiting = subprocess.Popen([COMMAND, "wait", name, "-w", lab.workspace], stderr=subprocess.DEVNULL)
    assert following.stdout
    assert following.stdout.readline() == "waiting\n"

    canceled = lab.slurmtf("cancel", name)
    assert (canceled.returncode, canceled.stdout) == (0, f"{name}: cancel requested\n")
    assert following.wait(HANG_S) == waiting.wait(HANG_S) == 130
    following.stdout.close()
    assert lab.slurmtf("cancel", name).stdout == f"{name}: was Canceled\n"
    (again,) = lab.data("cancel", name)
    assert again == {"id": name, "status": "Canceled", "was": "Canceled"}
    end = envelope(lab.slurmtf("wait", name, "--json"))
    assert (end["command"], set(end["data"]), end["data"]["status"]) == ("wait", STATE, "Canceled")


def test_logs(lab: Lab) -> None:
    run = lab.submit(TALKS, script_params=["0"])
    followed = lab.slurmtf("logs", "-f", run.id)
    assert followed.returncode == 0
    assert sorted(followed.stdout.splitlines()) == ["first", "second", "third, without an end", "trouble"]
    wait_until_ended(run)
    whole = lab.slurmtf("logs", run.id)
    assert sorted(whole.stdout.splitlines()) == ["first", "second", "third, without an end", "trouble"]
    assert lab.slurmtf("logs", run.id, "--role", "main").stdout == whole.stdout
    assert lab.slurmtf("logs", run.id, "--role", "main-0").stdout == whole.stdout
    (finding,) = problems_of_text(lab.slurmtf("logs", run.id, "--role", "ps"))
    assert finding.startswith(f"error: {run.id}: ")
    assert finding.split()[-1] == "ps"
    assert [one["code"] for one in findings(lab.slurmtf("logs", run.id, "--role", "ps", "--json"))] == ["no-log"]
    Path(run.layout.job_log).write_text("")
    nothing = lab.slurmtf("logs", run.id, "--job")
    assert (nothing.returncode, nothing.stdout) == (0, "")
    assert lab.data("logs", run.id, "--job") == {"files": []}
    Path(run.layout.job_log).write_text("srun: from the launcher\n")
    assert lab.slurmtf("logs", run.id, "--job").stdout == "srun: from the launcher\n"
    assert lab.data("logs", run.id, "--job") == {"files": [run.layout.job_log]}


def problems_of_text(done: subprocess.CompletedProcess[str]) -> list[str]:
    assert (done.returncode, done.stdout) == (2, "")
    return [line for line in done.stderr.splitlines() if line.startswith("error: ")]


def test_sites_are_listed_and_shown(lab: Lab, tmp_path: Path) -> None:
    names = {data["name"] for data in lab.data("sites", "list")}
    assert {"local", "slurm", "della"} <= names
    assert lab.data("sites", "show", "slurm")["scheduler"] == "slurm"
    assert envelope(lab.slurmtf("sites", "validate", "slurm", "local", "--json"))["command"] == "sites validate"
    (tmp_path / "mine.yaml").write_text("extends: slurm\ndefaults: {partition: low, time: 9}\n")
    run = lab.submit(HELLO, compute_target=str(tmp_path / "mine.yaml"))
    assert call("squeue", "--noheader", "--states=all", f"--jobs={get_job(run)}", "--format=%P %l") == "low 9:00"
    wait_until_ended(run)
    (tmp_path / "wrong.yaml").write_text("extends: slurm\nlaunchre: {default: srun}\n")
    (finding,) = findings(lab.slurmtf("sites", "validate", str(tmp_path / "wrong.yaml"), "--json"))
    assert finding["code"] == "unknown-key"
    assert finding["source"].startswith(f"{tmp_path}/wrong.yaml:2")
    assert "launcher" in finding["remedy"]


def test_errors_have_the_same_envelope(lab: Lab) -> None:
    script = str(lab.source(HELLO) / "train.py")
    for argv in (
        ["status", "nothing"],
        ["logs", "nothing"],
        ["wait", "nothing"],
        ["cancel", "nothing"],
        ["submit", "nowhere/train.py"],
        ["run", script, "--site", "nowhere"],
        ["plan", script, "--time", "soon"],
        ["render", script, "--nodes", "-3"],
        ["submit", script, "--site", "slurm", "--partition", "nowhere"],
        ["submit", script, "--nodes", "many"],
        ["ls", "--what"],
        ["nonsense"],
        ["submit"],
        ["sites", "show", "nowhere"],
    ):
        listed = findings(lab.slurmtf(*argv, "--json"))
        assert all(finding["what"] for finding in listed), argv
        text = lab.slurmtf(*argv)
        assert (text.returncode, text.stdout) == (2, ""), argv
        assert "Traceback" not in text.stderr
        assert "rror: " in text.stderr
    assert not lab.workspace.exists() or not list(lab.workspace.glob("*/*/plan.json"))


def test_schema_and_completion_are_printed(lab: Lab) -> None:
    assert lab.data("schema")["properties"]["entry_script"]
    assert "slurmtf" in lab.data("completion", "bash")["script"]


def completed(lab: Lab, *words: str) -> list[str]:
    """Return what bash offers on Tab after these words."""
    asked = {"_SLURMTF_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(["slurmtf", *words]), "COMP_CWORD": str(len(words))}
    return lab.slurmtf(env=asked).stdout.split()


def test_tags_are_set_and_filtered(lab: Lab) -> None:
    source = lab.source(HELLO)
    script = str(source / "train.py")
    plain = lab.slurmtf("submit", "--site", "local", script).stdout.strip()
    tagged = lab.slurmtf("submit", "--site", "local", script, "--tag", "stage=pilot", "--tag", "good").stdout.strip()
    other = Experiment("lab", lab.workspace).submit(TensorFlow(source, compute_target="local"), tags={"stage": 2})
    assert {run["id"] for run in lab.data("ls", "--tag", "stage")} == {other.id, tagged}
    assert [run["id"] for run in lab.data("ls", "--tag", "stage=pilot")] == [tagged]
    assert {run["id"] for run in lab.data("ls")} == {plain, tagged, other.id}
    assert (other.tags, other.get_details()["tags"]) == ({"stage": "2"}, {"stage": "2"})
    assert "tags       stage=pilot, good\n" in lab.slurmtf("status", tagged).stdout
    assert lab.data("ls", "--tag", "stage=", "--tag", "good") == []
    (finding,) = findings(lab.slurmtf("submit", script, "--tag", "=x", "--json"))
    assert finding["where"] == "tags"
    wait_until_ended(*(Run.find(name, lab.workspace) for name in (plain, tagged, other.id)))


def test_overrides_apply_to_one_submission(lab: Lab) -> None:
    estimator = TensorFlow(
        lab.source("import sys; print(*sys.argv[1:])"), compute_target="local", script_params={"--a": 1, "--b": 2}
    )
    elsewhere = lab.folder / "elsewhere"
    run = Experiment("lab", lab.workspace).submit(
        estimator, script_params={"--b": 3}, source_directory_data_store=str(elsewhere)
    )
    wait_until_ended(run)
    assert (log(run), run.folder.parents[1]) == ("--a 1 --b 3\n", elsewhere)
    assert estimator.arguments == ("--a", "1", "--b", "2")
    with refusing(SpecError, "not-overridable"):
        Experiment("lab", lab.workspace).submit(estimator, node_count=2)
    assert not lab.workspace.exists()


def test_tab_completes_words_and_values(lab: Lab) -> None:
    run = lab.submit(HELLO, sbatch={"hold": True})
    assert completed(lab, "sta") == ["plain,status"]
    assert completed(lab, "status", "la") == ["plain,last", f"plain,{run.id}"]
    assert completed(lab, "run", "--site", "sl") == ["plain,slurm"]
    assert completed(lab, "run", "--site", "./sl") == ["file,./sl"]
    assert completed(lab, "run", "--backend", "m") == ["plain,mpi", "plain,multiworker"]
    assert completed(lab, "run", "tra") == ["file,tra"]
    assert completed(lab, "submit", "--workspace", "/t") == ["dir,/t"]
    run.cancel()


def test_logs_that_do_not_exist_yet_are_explained(lab: Lab) -> None:
    run = lab.submit(HELLO, sbatch={"hold": True})
    assert f"slurmtf logs -f {run.id}" in lab.slurmtf("logs", run.id).stderr
    assert f"slurmtf logs -f --job {run.id}" in lab.slurmtf("logs", "--job", run.id).stderr
    run.cancel()
    wait_until_ended(run)
    assert f"'slurmtf status {run.id}'" in lab.slurmtf("logs", run.id).stderr
    assert f"'slurmtf status {run.id}'" in lab.slurmtf("logs", "--job", run.id).stderr


def test_a_workspace_without_runs_is_reported(lab: Lab) -> None:
    assert str(lab.workspace) in lab.slurmtf("ls").stdout
    (finding,) = findings(lab.slurmtf("status", "--json"))
    assert (finding["code"], str(lab.workspace) in finding["what"]) == ("no-runs", True)
    wait_until_ended(lab.submit(HELLO, compute_target="local"))
    assert envelope(lab.slurmtf("ls", "-x", "other", "--json"))["data"] == []
    assert findings(lab.slurmtf("status", "zzz", "--json"))[0]["code"] == "unknown-run"


def test_the_removal_of_a_followed_run_is_reported(lab: Lab) -> None:
    run = lab.submit(HELLO, sbatch={"hold": True})
    job_id = get_job(run)
    following = subprocess.Popen([COMMAND, "logs", "-f", run.folder], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert following.stderr
    assert "JobHeldUser" in following.stderr.readline()
    shutil.rmtree(run.folder)
    errors = following.communicate(timeout=HANG_S)[1]
    assert f"{run.folder} " in errors
    assert f": scancel {job_id}" in errors
    assert following.returncode == 4
    call("scancel", job_id)


def test_every_command_has_help() -> None:
    for name in COMMANDS:
        done = slurmtf(name, "--help")
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("Usage: slurmtf")


@contextmanager
def in_terminal(*argv: str | Path, workspace: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Start a command as a shell does: in a terminal, and in a process group of its own that Ctrl-C goes to."""
    terminal, its_end = pty.openpty()
    environ = {**os.environ, "SLURMTF_WORKSPACE": str(workspace), "TERM": "xterm", "COLUMNS": "200"}
    process = subprocess.Popen(
        [sys.executable, "-c", TAKE_TERMINAL, COMMAND, *argv],
        env=environ,
        stdin=its_end,
        stdout=its_end,
        stderr=its_end,
        start_new_session=True,
    )
    os.close(its_end)
    try:
        yield process, terminal
    finally:
        process.kill()
        process.wait()
        os.close(terminal)


def read_until(terminal: int, word: bytes) -> bytes:
    """Return what a terminal shows up to a word, or everything if the command ends first."""
    seen, give_up = b"", time.monotonic() + HANG_S
    os.set_blocking(terminal, False)
    while not word or word not in seen:
        assert time.monotonic() < give_up, (word, seen)
        try:
            seen += os.read(terminal, 65536)
        except BlockingIOError:
            time.sleep(0.05)
        except OSError as error:
            if error.errno == errno.EIO:  # the other end is closed
                return seen
            raise
    return seen


@pytest.mark.parametrize("site", ["local", "slurm"])
def test_ctrl_c_detaches(lab: Lab, site: str) -> None:
    script = lab.source(WAITS_AND_TALKS) / "train.py"
    with in_terminal("run", "--site", site, script, workspace=lab.workspace) as (process, terminal):
        read_until(terminal, b"waiting")
        os.write(terminal, b"\x03")
        shown = read_until(terminal, b"")
        assert process.wait(HANG_S) == 130
    run = Run.find("last", lab.workspace)
    assert f"slurmtf logs -f {run.id}".encode() in shown
    assert f"slurmtf cancel {run.id}".encode() in shown
    assert b"Traceback" not in shown
    time.sleep(1)
    assert run.get_status() == "Running"
    run.cancel()
    wait_for_status(run, RunStatus.CANCELED)


def test_ctrl_c_detaches_from_a_queued_run(lab: Lab) -> None:
    script = lab.source(HELLO) / "train.py"
    with in_terminal("run", "--site", "slurm", "--sbatch", "hold", script, workspace=lab.workspace) as (process, terminal):
        read_until(terminal, b"Queued")
        os.killpg(os.getpgid(process.pid), signal.SIGINT)
        read_until(terminal, b"")
        assert process.wait(HANG_S) == 130
    run = Run.find("last", lab.workspace)
    assert run.get_status() == "Queued"
    call("scontrol", "release", get_job(run))
    assert wait_until_ended(run)[0].status is RunStatus.COMPLETED


def test_a_closed_pipe_causes_no_traceback(lab: Lab) -> None:
    run = lab.submit("for number in range(100_000): print(number)")
    wait_until_ended(run)
    argv = ["sh", "-c", f'"{COMMAND}" logs "{run.folder}" | head -n 1']
    done = subprocess.run(argv, capture_output=True, text=True, timeout=HANG_S, check=True)
    assert done.stdout == "0\n"
    assert "Traceback" not in done.stderr
    until(lambda: run.get_status() == "Completed", "its end")
