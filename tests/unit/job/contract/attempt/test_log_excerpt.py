"""The lines of a log that say why a script failed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmtf.job.contract.attempt.log_excerpt import CUT, LONGEST_LINE, Failure, find_failure, format_excerpt

TRACEBACK = """\
epoch 1
Traceback (most recent call last):
  File "/runs/work/train.py", line 12, in <module>
    main()
  File "/runs/work/train.py", line 9, in main
    strategy.run(step, args=(batch,))
  File "/env/lib/python3.11/site-packages/tensorflow/python/util/traceback_utils.py", line 153, in error_handler
    raise e.with_traceback(filtered_tb) from None
  File "/env/lib/python3.11/site-packages/tensorflow/python/framework/constant_op.py", line 103, in convert
    return ops.EagerTensor(value, ctx.device_name, dtype)
ValueError: Attempt to convert a value (PerReplica:{
"""
NUMBERS = "\n".join(f"       [{row}. 0.123 0.456]," for row in range(40))
EXPECTED = [
    '  File "/runs/work/train.py", line 9, in main',
    "    strategy.run(step, args=(batch,))",
    "ValueError: Attempt to convert a value (PerReplica:{",
    CUT,
]


def test_the_error_and_the_users_frame_precede_an_array_in_the_message() -> None:
    shown = format_excerpt(TRACEBACK + NUMBERS, 20).splitlines()
    assert shown[:4] == EXPECTED
    assert len(shown) <= 20
    assert shown[-1] == NUMBERS.splitlines()[-1]


def test_a_short_log_is_shown_unchanged() -> None:
    text = "\n".join(TRACEBACK.splitlines()[:6]) + "\nKeyError: 'x'\n"
    assert format_excerpt(text, 20) == text.rstrip("\n")


def test_the_last_of_several_errors_counts() -> None:
    between = "During handling of the above exception, another exception occurred:\n\n"
    both = TRACEBACK + between + TRACEBACK.replace("Value", "Type")
    found = find_failure(both.splitlines())
    assert found is not None
    assert found.error.startswith("TypeError: Attempt")


@pytest.mark.parametrize("text", ["", "epoch 1\nepoch 2", 'Traceback (most recent call last):\n  File "a.py", line 1\n'])
def test_a_log_without_an_error_shows_its_last_lines(text: str) -> None:
    assert format_excerpt(text, 2).splitlines() == text.splitlines()[-2:]


def test_a_very_long_line_is_cut() -> None:
    shown = format_excerpt(TRACEBACK.replace("PerReplica:{", "1, " * 5000), 20)
    assert max(map(len, shown.splitlines())) <= LONGEST_LINE + len(CUT) + 1
    assert "ValueError: Attempt to convert a value (" in shown


def test_pythons_own_traceback_is_read(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text("import json\n\ndef load():\n    return json.loads('{')\n\nload()\n", encoding="utf-8")
    stderr = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False).stderr
    found = find_failure(stderr.splitlines())
    assert found is not None
    assert found.frame.strip() == f'File "{script}", line 4, in load'
    assert found.source.strip() == "return json.loads('{')"
    assert found.error.startswith("json.decoder.JSONDecodeError: Expecting property name")


def test_a_syntax_error_of_the_script_is_found(tmp_path: Path) -> None:
    """None of it was run, so there is no traceback."""
    script = tmp_path / "train.py"
    script.write_text("x = 1\nif x\n    y = 2\n")
    stderr = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False).stderr
    found = find_failure(["epoch 1", *stderr.splitlines(), "srun: error: n1: task 0: Exited with exit code 1"])
    assert found is not None
    assert (found.frame.strip(), found.source.strip()) == (f'File "{script}", line 2', "if x")
    assert found.error.startswith("SyntaxError: ")


CRASH = """\
import faulthandler, os, threading, time
faulthandler.enable()
threading.Thread(target=time.sleep, args=(60,), daemon=True).start()

def reduce_all():
    os.abort()

reduce_all()
"""


def test_a_crash_reported_by_faulthandler_is_found(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(CRASH)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    found = find_failure(done.stderr.splitlines())
    assert found == Failure("Fatal Python error: Aborted", f'  File "{script}", line 6 in reduce_all', "")


def test_the_module_list_of_a_crashed_process_is_left_out() -> None:
    text = "terminate called\nFatal Python error: Aborted\n\nExtension modules: numpy.core, a.b (total: 142)\n"
    assert format_excerpt(text, 3) == "terminate called\nFatal Python error: Aborted\n"


@given(text=st.text(), count=st.integers(4, 30))
def test_an_excerpt_has_no_more_lines_than_asked_for(text: str, count: int) -> None:
    assert len(format_excerpt(text, count).splitlines()) <= count
    assert len(format_excerpt(TRACEBACK + NUMBERS + text, count).splitlines()) <= count
