"""The metrics of a running run, in a terminal and in a pipe."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from slurmtf import Run
from tests.patience import HANG_S
from tests.terminal import read_terminal

from .conftest import Submit

SLURMTF = str(Path(sys.executable).with_name("slurmtf"))
FIVE = """
for step in range(5):
    log("loss", 1 / (step + 1), step)
    time.sleep(0.3)
"""


def watched(run: Run, *words: str) -> list[str]:
    command = [SLURMTF, "metrics", "--follow", str(run.folder) + "/", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG_S, check=True)
    return done.stdout.splitlines()


def test_each_new_value_is_printed_as_a_line(submit: Submit) -> None:
    lines = watched(submit(FIVE))
    assert [line.split(maxsplit=1)[1] for line in lines] == [
        "loss 1 at 0", "loss 0.5 at 1", "loss 0.333333 at 2", "loss 0.25 at 3", "loss 0.2 at 4"]  # fmt: skip


def test_each_new_value_is_printed_as_a_row(submit: Submit) -> None:
    run = submit(FIVE)
    heading, *rows = watched(run, "--csv")
    assert heading == "run,task,name,step,time,value"
    assert [row.split(",")[3] for row in rows] == ["0", "1", "2", "3", "4"]


def test_a_pipe_gets_the_plot_once(submit: Submit) -> None:
    run = submit(FIVE)
    lines = watched(run, "--plot")
    assert lines[0] == "loss"
    assert lines[-1] == f"  ⠒⠒ {run.id}: 0.2 at 4"
    assert lines.count("loss") == 1


SHOWN = """
import os
for step in range(5):
    log("loss", 1 / (step + 1), step)
    while step < 2 and not os.path.exists("outputs/shown-{}".format(step)):
        time.sleep(0.1)
"""


def test_a_terminal_sees_the_curve_grow(submit: Submit) -> None:
    run = submit(SHOWN)

    def let_go(text: str) -> None:
        for step in range(2):
            if text.rstrip().endswith(f"at {step}"):  # the legend shows the last value and its step
                (run.folder / f"outputs/shown-{step}").touch()

    text = read_terminal([SLURMTF, "metrics", "--follow", "--plot", str(run.folder) + "/"], on_text=let_go)
    frames = text.split("\x1b[J")
    assert len(frames) >= 3
    assert f"{run.id}: 0.2 at 4" in frames[-1]
    assert f"{run.id}: 0.2 at 4" not in frames[0]


GATED = """
import os
log("loss", 0.5, 0)
print("trains", flush=True)
while not os.path.exists("outputs/gate"):
    time.sleep(0.1)
log("loss", 0.25, 1)
"""


def test_the_primary_metric_is_shown_along_with_the_log(submit: Submit) -> None:
    run = submit(GATED, primary_metric="loss")
    command = [SLURMTF, "logs", "-f", str(run.folder) + "/"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as following:
        assert following.stderr is not None
        for line in following.stderr:
            if line.rstrip() == "loss 0.5 at 0":
                break
        (run.folder / "outputs/gate").touch()
        out, rest = following.communicate(timeout=HANG_S)
    assert "trains" in out
    assert ["metric", "loss", "0.25", "at", "1"] in [line.split() for line in rest.splitlines()]
