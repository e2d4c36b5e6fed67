"""A script that left by ``sys.exit``: its Python notes where, and the error handled there (job/script/sitecustomize.py)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from slurmtf.diagnosis.dying import explain, explain_hang
from slurmtf.diagnosis.explanation import Log, TaskFailure
from slurmtf.diagnosis.kinds import Kind
from slurmtf.diagnosis.leaving import find_exit
from slurmtf.job.contract.attempt.outcome import Cause, End, Outcome

FAILED = Outcome(Cause.SCRIPT, "main-0", "n1", exit_code=1)
TRACE = 'Traceback (most recent call last):\n  File "/r/work/train.py", line 13, in <module>\n    load(path)\n{}\n'
AT = 'Traceback (most recent call last):\n  File "/r/work/train.py", line 18, in <module>\n    sys.exit(1)\nSystemExit: {}\n'
MEANWHILE = "\n\nDuring handling of the above exception, another exception occurred:\n"
NO_SPACE = "OSError: [Errno 28] No space left on device: '/scratch/cache/x'"
NO_KEY = "KeyError: 'lr'"
OF_TORCHRUN = AT.replace("/r/work/train.py", "/e/bin/torchrun")
OF_LIBRARY = AT.replace("/r/work/train.py", "/e/lib/python3.11/site-packages/absl/app.py")
OF_ARGPARSE = AT.replace("/r/work/train.py", "/usr/lib/python3.11/argparse.py")


def handling(error: str, status: object = 1) -> str:
    return TRACE.format(error) + MEANWHILE + AT.format(status)


IN_ORDER = "in order"


def logs(err: str, noted: str, out: str = "") -> list[Log]:
    name, ended = "logs/.main-0.uncaught", noted == IN_ORDER
    exits = "" if ended else noted
    return [
        Log("logs/main-0.err", "main-0", err, "", exits, name, ended),
        Log("logs/main-0.out", "main-0", out, "", exits, name, ended),
    ]


@pytest.mark.parametrize(
    ("err", "out", "noted", "kind", "shown"),
    [
        # the error that it handled as it left is the reason, printed or not
        (TRACE.format(NO_KEY), "", handling(NO_KEY), Kind.SCRIPT, NO_KEY),
        ("training failed: 'lr'\n", "", handling(NO_KEY), Kind.SCRIPT, NO_KEY),
        ("could not save\n", "", handling(NO_SPACE), Kind.DISK, NO_SPACE),
        (TRACE.format("ConnectionRefusedError: [Errno 111] refused"), "", handling(NO_KEY), Kind.SCRIPT, NO_KEY),
        (TRACE.format(NO_KEY) + "no more to say\n" * 40, "", handling(NO_KEY), Kind.SCRIPT, NO_KEY),
        # it handled no error and printed why it left: it had survived the errors above
        (TRACE.format(NO_SPACE) + "no files found\n", "", AT.format("no files found"), Kind.SCRIPT, "no files found"),
        (TRACE.format(NO_SPACE) + "no files found\n", "", AT.format(1), Kind.UNKNOWN, "no files found"),
        (TRACE.format(NO_SPACE), "ERROR: empty set\n", AT.format(1), Kind.UNKNOWN, "ERROR: empty set"),
        (TRACE.format(NO_KEY), "ERROR: empty set\n", AT.format(1), Kind.SCRIPT, "ERROR: empty set"),
        # its message is about that error, or about any
        (TRACE.format(NO_SPACE) + "training failed\n", "", AT.format(1), Kind.DISK, NO_SPACE),
        (TRACE.format(NO_SPACE) + "No space left on device\n", "", AT.format(1), Kind.DISK, NO_SPACE),
        (TRACE.format(NO_SPACE), "all is read\n", AT.format(1), Kind.DISK, NO_SPACE),
        # it ended itself, and no error is shown
        ("begin\n", "ERROR: empty set\n", AT.format(1), Kind.SCRIPT, "ERROR: empty set"),
        ("begin\nloss: nan\nthe loss is nan\n", "", AT.format(1), Kind.DIVERGED, "the loss is nan"),
        ("begin\n", "", AT.format("no files found"), Kind.SCRIPT, "no files found"),
        ("Horovod has been shut down\n", "", AT.format(1), Kind.PEER, "Horovod has been shut down"),
        ("begin\n", "", AT.format("GPU device not found"), Kind.GPU_MISSING, "GPU device not found"),
        ("WARNING: try 2: [Errno 101] Network is unreachable\ncould not fetch the data\n", "", AT.format(1), Kind.NETWORK,
         "WARNING: try 2: [Errno 101] Network is unreachable"),
        ("WARNING: try 2: [Errno 101] Network is unreachable\nthe set is empty\n", "", AT.format(1), Kind.SCRIPT,
         "the set is empty"),
        # its Python ended in order, by no error
        ("ERROR: the grid is odd\n", "", IN_ORDER, Kind.SCRIPT, "ERROR: the grid is odd"),
        ("the grid is odd\n", "", IN_ORDER, Kind.UNKNOWN, "the grid is odd"),
        ("No GPU found, giving up\n", "", IN_ORDER, Kind.GPU_MISSING, "No GPU found, giving up"),
        ("[n1:123] *** MPI_ERRORS_ARE_FATAL, error\n", "", IN_ORDER, Kind.UNKNOWN, "[n1:123] *** MPI_ERRORS_ARE_FATAL, error"),
        # it did not, and who ended it is unknown
        ("ERROR: the grid is odd\n", "", "", Kind.UNKNOWN, "ERROR: the grid is odd"),
        ("the grid is odd\n", "", "", Kind.UNKNOWN, "the grid is odd"),
        ("No GPU found, giving up\n", "", "", Kind.UNKNOWN, "No GPU found, giving up"),
        ("[n1:123] *** MPI_ERRORS_ARE_FATAL, error\n", "", "", Kind.UNKNOWN, "[n1:123] *** MPI_ERRORS_ARE_FATAL, error"),
        # an installed package ended it
        ("begin\nan odd end\n", "", OF_LIBRARY.format(1), Kind.UNKNOWN, "an odd end"),
        ("begin\nan odd end\n", "", OF_TORCHRUN.format(1), Kind.UNKNOWN, "an odd end"),
        # another code than that of sys.exit: that exit was caught
        ("begin\nan odd end\n", "", AT.format(3), Kind.UNKNOWN, "an odd end"),
        ("could not save\n", "", handling(NO_SPACE, 3), Kind.UNKNOWN, "could not save"),
    ],
)  # fmt: skip
def test_reason_of_an_exit(err: str, out: str, noted: str, kind: Kind, shown: str) -> None:
    found = explain(FAILED, [TaskFailure("main-0", End(1))], logs(err, noted, out))
    assert (found.kind, found.task, found.evidence[-1].text) == (kind, "main-0", shown)


def test_the_message_of_the_argument_parser_that_ended_the_script_is_shown() -> None:
    usage = "usage: train.py [-h] [--data DATA]\ntrain.py: error: give a folder of data\n"
    found = explain(FAILED._replace(exit_code=2), [TaskFailure("main-0", End(2))], logs(usage, OF_ARGPARSE.format(2)))
    assert (found.kind, found.rule, found.evidence[-1].text) == (Kind.SCRIPT, "arguments", usage.splitlines()[-1])


@pytest.mark.parametrize(
    ("status", "message", "code"), [("1", "", 1), ("-1", "", 255), ("True", "", 1), ("no data", "no data", 1), ("256", "", 0)]
)
def test_status_and_message_of_an_exit(status: str, message: str, code: int) -> None:
    left = find_exit(Log("logs/main-0.err", "main-0", "", "", AT.format(status)))
    assert left is not None
    assert (left.message, left.exit_code, left.handled) == (message, code, "")


def test_a_rank_that_exits_with_an_error_but_hangs_is_named() -> None:
    limit = Outcome(Cause.TIME_LIMIT, signal=15)
    stayed = logs(TRACE.replace("<module>", "main").format(NO_KEY), handling(NO_KEY))
    assert explain(limit, logs=stayed).kind is Kind.SCRIPT
    assert explain_hang([replace(log, exit="") for log in stayed]) is None
    # it may also leave like this when terminated
    assert explain(limit, logs=logs("", AT.format(1))).kind is Kind.TIME_LIMIT
    assert explain(limit, logs=logs("", handling("KeyboardInterrupt"))).kind is Kind.TIME_LIMIT
