"""How logs, file names and Slurm's comments are written to a terminal; and an output that can't be written."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmtf.cli.output import NO_TIME, escape, format_duration, format_table, format_time, paint_status, strip_colours
from slurmtf.cli.present import format_headline
from slurmtf.runs import RunState, RunStatus
from tests.patience import HANG_S

COMMAND = Path(sys.executable).parent / "slurmtf"
TITLE = "\x1b]0;owned\x07"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("two\nlines\tand more", "two\nlines\tand more"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        (TITLE, r"\x1b]0;owned\x07"),
        ("\x9b2J\x85", r"\x9b2J\x85"),
        ("100 %\rdone\x08", r"100 %\x0ddone\x08"),
        ("a\u202egnp.exe", r"a\u202egnp.exe"),
        (os.fsdecode(b"\xff.py"), r"\xff.py"),
        ("grün 日本", "grün 日本"),
        ("\x0egreen:Completed\x0f", r"\x0egreen:Completed\x0f"),
    ],
)
def test_control_characters_are_escaped(text: str, expected: str) -> None:
    assert escape(text) == expected


@pytest.mark.parametrize("number", [float("inf"), float("nan")])
def test_an_invalid_time_is_shown_as_such(number: float) -> None:
    assert (format_time(number), format_time(1e300), format_duration(number)) == (NO_TIME,) * 3


def test_our_own_colours_are_shown() -> None:
    text = f"{TITLE} {paint_status('Failed')} {TITLE} {paint_status('Preparing')}"
    escaped = r"\x1b]0;owned\x07"
    assert escape(text) == f"{escaped} {click.style('Failed', fg='red')} {escaped} Preparing"
    assert strip_colours(paint_status("Failed")) == "Failed"
    assert format_table([["A", "B"], [paint_status("Failed"), "b"], ["a", "b"]]).splitlines()[0] == "A       B"
    assert format_table([["A", "B"], ["x\nFailed", "b\tc"]]).splitlines() == ["A          B", r"x\nFailed  b\tc"]


@given(st.text())
def test_no_text_controls_a_terminal(text: str) -> None:
    assert not [char for char in escape(text) if (ord(char) < 32 and char not in "\n\t") or 0x7F <= ord(char) < 0xA0]


def test_a_comment_of_slurm_is_escaped() -> None:
    state = RunState(RunStatus.QUEUED, reason=f"ReqNodeNotAvail, {TITLE}")
    assert escape(strip_colours(format_headline(state))) == r"Queued (ReqNodeNotAvail, \x1b]0;owned\x07)"


def on_terminal(*argv: str) -> bytes:
    """Return what a command writes to a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([COMMAND, *argv], stdout=theirs, stderr=theirs, stdin=theirs)
    os.close(theirs)
    written = b""
    try:
        while piece := os.read(ours, 65536):
            written += piece
    except OSError:  # pty(7): the other end is closed
        pass
    process.wait(timeout=HANG_S)
    os.close(ours)
    return written


def test_an_error_on_a_terminal_is_escaped() -> None:
    written = on_terminal("status", f"{TITLE}\udcff")
    assert b"error: " in written
    assert rb"\x1b]0;owned\x07\xff: there" in written
    assert b"\x1b]0;" not in written
    assert b"\x1b]0;" not in on_terminal(TITLE)


@pytest.mark.parametrize("argv", [["ls"], ["ls", "--json"], ["sites", "list"], ["sites", "list", "--json"], ["schema"]])
def test_an_unwritable_output_is_reported(argv: list[str], tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [COMMAND, *argv], check=False, stdout=full, stderr=subprocess.PIPE, text=True, timeout=HANG_S,
            env={**os.environ, "SLURMTF_WORKSPACE": str(tmp_path)},
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert done.stderr.endswith(": No space left on device\n")


@pytest.mark.parametrize(
    "argv",
    [
        ["status", "x" * 300],
        ["logs", "x" * 300],
        ["cancel", "x" * 300],
        ["plan", "x" * 300 + ".py"],
        ["plan", "x" * 300 + ".yaml"],
        ["plan", "train.py", "--site", "x" * 300],
        ["plan", "train.py", "--site", "x" * 300 + ".yaml"],
        ["plan", "train.py", "--python", "/" + "x" * 300],
        ["plan", "train.py", "--conda", "/" + "x" * 300],
        ["plan", "train.py", "--conda", "x" * 300],
        ["plan", "train.py", "--template", "x" * 300],
        ["plan", "train.py", "--template", "./" + "x" * 300],
        ["plan", "train.py", "--workspace", "/" + "x" * 300],
        ["plan", "train.py", "--workspace", "/" + "x/" * 2500],
        ["plan", "train.py", "--experiment", "x" * 300],
        ["plan", "train.py", "--requirements", "x" * 300 + ".txt"],
        ["plan", "train.py", "--source-directory", "x" * 300],
        ["ls", "-w", "/" + "x" * 300],
        ["gc", "-w", "/" + "x" * 300],
        ["sites", "show", "x" * 300],
        ["sites", "validate", "x" * 300 + ".yaml"],
        ["env", "list", "-w", "/" + "x" * 300],
        ["env", "show", "x" * 300],
        ["env", "remove", "x"],
        ["env", "remove", ""],
        ["env", "rebuild", "x" * 300 + ".json"],
        ["env", "build-horovod", "/" + "x" * 300],
    ],
)
def test_a_name_that_is_too_long_is_a_usage_error(argv: list[str], tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("")
    done = subprocess.run(
        [COMMAND, *argv], check=False, cwd=tmp_path, capture_output=True, text=True, timeout=HANG_S,
        env={**os.environ, "SLURMTF_WORKSPACE": str(tmp_path / "runs")},
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 2) if argv[0] in ("ls", "gc") or argv[1] == "list" else done.returncode == 2, done
