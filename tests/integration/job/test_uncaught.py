"""The error that ended a script, as its Python reports it: not one that was caught or of another program."""

from __future__ import annotations

from pathlib import Path

import pytest

from slurmtf.diagnosis.evidence import SYSTEM_EXIT, read_logs
from slurmtf.diagnosis.leaving import find_exit

from .jobs import Job, NewJob

FAILS = "raise ValueError('a\\nb')"
CATCHES = "import traceback\ntry:\n    {}['a']\nexcept KeyError:\n    traceback.print_exc()\n"
CHILD = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {FAILS!r}])\n"
FORKS = "import os\npid = os.fork()\nif not pid:\n    raise OSError('of a child')\nos.waitpid(pid, 0)\n"
HIDES = "import sys\nsys.excepthook = lambda kind, error, trace: print('told by another')\n"
THREAD = "import threading\nthread = threading.Thread(target=lambda: 1 / 0)\nthread.start()\nthread.join()\n"


IN_ORDER = f"{SYSTEM_EXIT}\n"


def read_uncaught(one: Job) -> str:
    return Path(one.layout.uncaught("main-0")).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (FAILS, "ValueError: a\n"),
        (CATCHES + FAILS, "ValueError: a\n"),
        (CATCHES, IN_ORDER),
        (CHILD, IN_ORDER),
        (FORKS, IN_ORDER),
        (THREAD, IN_ORDER),
        (HIDES + FAILS, ""),
        ("import sys\nsys.exit(0)", IN_ORDER),
        ("import sys\nraise SystemExit(2)", IN_ORDER),
        ("import os\nos._exit(2)", ""),
        ("import ctypes\nctypes.CDLL(None).exit(2)", ""),
        (THREAD.replace("1 / 0", "__import__('sys').exit(1)"), IN_ORDER),
        ("x = 'é☃'\nraise LookupError(x)", "LookupError: é☃\n"),
    ],
)
def test_only_an_error_that_leaves_the_script_is_recorded(job: NewJob, script: str, error: str) -> None:
    one = job(script)
    one.run()
    assert read_uncaught(one) == error
    assert Path(one.layout.uncaught("main-0")).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("leaves", "status"),
    [
        ("sys.exit('no data')", "no data"),
        ("sys.exit(3)", "3"),
        ("exit(3)", "3"),
        ("quit(True)", "True"),
        ("os.sys.exit(4)", "4"),
    ],
)
def test_an_exit_records_its_line_and_the_error_handled_there(leaves: str, status: str, job: NewJob, interpreter: str) -> None:
    one = job(f"import os, sys\ntry:\n    {{}}['a']\nexcept KeyError:\n    {leaves}\n")
    one.agent_python = one.python = interpreter
    assert one.run() == (int(status) if status.isdigit() else 1)
    [recorded] = {find_exit(log) for log in read_logs(one.layout, []) if log.task and log.ended_in_order}
    assert recorded is not None
    assert (recorded.handled, recorded.failure.error, recorded.failure.source) == (
        "KeyError: 'a'",
        f"SystemExit: {status}",
        f"    {leaves}",
    )
    assert "sitecustomize" not in read_uncaught(one)


def test_every_python_records_the_error_and_prints_its_usual_traceback(job: NewJob, interpreter: str) -> None:
    one = job("def f():\n    raise TypeError('odd')\nf()\n")
    one.agent_python = one.python = interpreter
    assert one.run(LC_ALL="C") == 1
    assert read_uncaught(one) == "TypeError: odd\n"
    shown = Path(one.layout.task_log("main-0", "err")).read_text()
    assert shown.startswith("Traceback (most recent call last):\n")
    assert (shown.count("TypeError: odd"), "sitecustomize" in shown) == (1, False)


def test_the_error_of_an_earlier_attempt_is_removed(job: NewJob) -> None:
    one = job("print('well')")
    path = Path(one.layout.uncaught("main-0"))
    path.parent.mkdir(exist_ok=True)
    path.write_text("KeyError: 'of the first attempt'\n")
    assert one.run() == 0
    assert read_uncaught(one) == IN_ORDER
