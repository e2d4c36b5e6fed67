"""Supervisors that can't write the outcome: one killed in any phase, and one whose disk stays full."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from slurmtf.job.contract.attempt import journal
from slurmtf.runs.states.history import read_history
from tests.patience import HANG_S, until

from .jobs import Job, NewJob, many

GATED = """\
import os, time
while not os.path.exists("outputs/gate"):
    time.sleep(0.05)
"""
# Fills the disk, and the free space of the journal's last block.
FILLS = """\
import glob, os, sys
journal = glob.glob(os.environ["SLURMTF_RUN_FOLDER"] + "/journal/*")[0]
for path, mode, data in (("outputs/big", "wb", b"x" * 4096), (journal, "ab", b"\\n")):
    try:
        with open(path, mode, 0) as file:
            while True:
                file.write(data)
    except OSError as err:
        assert err.errno == 28
sys.exit(int(sys.argv[1]))
"""


def on_slurm(one: Job) -> None:
    one.change_plan(scheduler="slurm", launcher="srun")


@pytest.mark.parametrize("phase", ["started", "prepared", "launched", "task-started"])
def test_killed_in_every_phase(job: NewJob, phase: str) -> None:
    """No process is left, nothing counts as ended, and the next start does the work."""
    one = job(GATED)
    on_slurm(one)
    process = one.start(SLURM_JOB_ID="4711")
    until(lambda: phase in one.names(), phase)
    process.kill()
    one.wait()
    one.await_nobody()
    (attempt,) = journal.read_attempts(one.layout)
    assert (attempt.outcome, attempt.decided) == (None, None)
    assert not Path(one.layout.submitit_file("4711", "result.pkl")).exists()
    (one.folder / "outputs").mkdir(exist_ok=True)
    (one.folder / "outputs/gate").touch()
    assert one.run(SLURM_JOB_ID="4711", SLURM_RESTART_COUNT="1") == 0
    assert [one.number for one in read_history(one.layout).attempts] == [0, 1]
    assert one.result("4711")[0] == "success"


@pytest.mark.parametrize("status", [0, 3])
def test_a_disk_that_is_full_when_the_verdict_is_written(job: NewJob, small_disk: Path, status: int) -> None:
    """Only the exit status tells Slurm the outcome; a partly written outcome does not count."""
    one = job(FILLS)
    on_slurm(one)
    one.script = [one.python, "train.py", str(status)]
    moved = small_disk / one.folder.name
    subprocess.run(["cp", "-a", str(one.folder), str(moved)], check=True, timeout=HANG_S)
    one.layout = type(one.layout)(str(moved))
    assert one.run(SLURM_JOB_ID="4711") == status
    one.await_nobody()
    history = read_history(one.layout)
    assert [attempt.number for attempt in history.attempts] == [0]
    assert (history.attempts[0].outcome, history.unreadable) == (None, ())
    assert not Path(one.layout.submitit_file("4711", "result.pkl")).exists()
    (moved / "outputs/big").unlink()
    one.script = [one.python, "-c", "print('again')"]
    assert one.run(SLURM_JOB_ID="4711", SLURM_RESTART_COUNT="1") == 0
    assert [attempt.outcome is not None for attempt in read_history(one.layout).attempts] == [False, True]


# The first rank fails; the other one ignores signals and runs until the gate file exists.
STAYS = """\
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open("outputs/here-" + os.environ["SLURMTF_RANK"], "w").close()
while not os.path.exists("outputs/here-1"):
    time.sleep(0.05)
while os.environ["SLURMTF_RANK"] == "1" and not os.path.exists("outputs/gate"):
    time.sleep(0.05)
sys.exit(3)
"""


def test_a_final_outcome_is_written_once_and_survives_a_kill(job: NewJob) -> None:
    one = job(STAYS)
    many(one, 2)
    one.change_plan(launcher="spawn", timings__at_once=0, timings__grace=HANG_S, timings__peer_grace=HANG_S)
    one.launcher = [one.python, "-I", one.layout.agent, "spawn", "2", "--"]
    process = one.start()
    (decided,) = until(lambda: one.events("decided"), "the early word")
    process.terminate()
    until(lambda: one.events("signal"), "the kill")
    (one.folder / "outputs/gate").touch()
    assert one.wait() == 3
    assert len(one.events("decided")) == 1
    assert (one.end["cause"], one.end["exit_code"]) == ("script", 3)
    assert decided["cause"] == "script"
    assert one.result() == one.error
