"""Several processes share a log: the first error that is not about the end of another one explains their launcher's error."""

from __future__ import annotations

import pytest

from slurmtf.diagnosis.dying import explain
from slurmtf.diagnosis.explanation import Log
from slurmtf.diagnosis.kinds import Kind
from slurmtf.job.contract.attempt.outcome import Cause, Outcome

TRACE = 'Traceback (most recent call last):\n  File "/r/work/train.py", line 31, in main\n    {}\n'
KEY = TRACE.format("cfg['lr']") + "KeyError: 'lr'\n"
FULL = TRACE.format("save(x)") + "OSError: [Errno 28] No space left on device\n"
GLOO = TRACE.format("all_reduce(x)") + "RuntimeError: [gloo/pair.cc:534] Connection closed by peer [10.0.0.1]\n"
NCCL = TRACE.format("all_reduce(x)") + (
    "torch.distributed.DistBackendError: NCCL error in: ProcessGroupNCCL.cpp:1970, remote process exited or there was a "
    "network error, NCCL version 2.20.5\n"
)
FAILED = "torch.distributed.elastic.multiprocessing.errors.ChildFailedError:"
TABLE = (
    'Traceback (most recent call last):\n  File "/e/bin/torchrun", line 8, in <module>\n    sys.exit(main())\n'
    f"{FAILED} \n{'=' * 60}\ntrain.py FAILED\nRoot Cause (first observed failure):\n[0]:\n  exitcode  : 1 (pid: 125)\n"
)
PROCESS = "Process Process-1:\n"
THREAD = "Exception in thread loader:\n"


def between(first: str, second: str) -> str:
    """Return the interleaved output of two processes."""
    return "".join(one + other for one, other in zip(first.splitlines(True), second.splitlines(True), strict=False))


def tagged(rank: int, text: str) -> str:
    return "".join(f"[rank{rank}]: {line}" for line in text.splitlines(True))


@pytest.mark.parametrize("uncaught", [FAILED, None])
@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (KEY, Kind.SCRIPT),
        (KEY + GLOO, Kind.SCRIPT),
        (KEY + NCCL, Kind.SCRIPT),
        (KEY + GLOO + NCCL, Kind.SCRIPT),
        (GLOO + KEY, Kind.SCRIPT),
        (FULL + GLOO, Kind.DISK),
        (between(KEY, KEY), Kind.SCRIPT),
        (between(KEY, GLOO), Kind.SCRIPT),
        (tagged(1, KEY) + tagged(0, GLOO), Kind.SCRIPT),
        (GLOO + GLOO, Kind.PEER),
    ],
)
def test_error_that_decides_among_several_workers(text: str, kind: Kind, uncaught: str | None) -> None:
    logs = [Log("logs/main-0.err", "main-0", text + TABLE, uncaught)]
    assert explain(Outcome(Cause.SCRIPT, "main-0", exit_code=1), logs=logs).kind is kind


@pytest.mark.parametrize(
    ("text", "uncaught", "kind"),
    [
        (PROCESS + FULL, "", Kind.DISK),
        (PROCESS + FULL + PROCESS + TRACE.format("get()") + "ConnectionResetError: [Errno 104] reset\n", "", Kind.DISK),
        (PROCESS + FULL + TRACE.format("q.get()") + "_queue.Empty\n", "_queue.Empty", Kind.DISK),
        (PROCESS + FULL + TRACE.format("c.recv()") + "EOFError\n", "EOFError", Kind.DISK),
        (PROCESS + FULL + TRACE.format("raise E()") + "E.Error: worker 1 failed\n", "E.Error: worker 1 failed", Kind.DISK),
        (THREAD + FULL + TRACE.format("q.get()") + "_queue.Empty\n", "_queue.Empty", Kind.DISK),
        (THREAD + KEY + TRACE.format("c.recv()") + "EOFError\n", "EOFError", Kind.UNKNOWN),
        # unrelated to the process, or the process continued
        (PROCESS + FULL + KEY, "KeyError: 'lr'", Kind.SCRIPT),
        (PROCESS + FULL + "Epoch 3/9\n" + TRACE.format("q.get()") + "_queue.Empty\n", "_queue.Empty", Kind.UNKNOWN),
        (FULL + TRACE.format("q.get()") + "_queue.Empty\n", "_queue.Empty", Kind.UNKNOWN),
        # torch quotes it
        (TRACE.format("spawn(f)") + f"ProcessRaisedException: \n\n-- Process 1 terminated with the following error:\n{KEY}",
         "ProcessRaisedException:", Kind.SCRIPT),
    ],
)  # fmt: skip
def test_a_dead_process_explains_the_error_of_the_one_that_waited_for_it(text: str, uncaught: str, kind: Kind) -> None:
    logs = [Log("logs/main-0.err", "main-0", text, uncaught)]
    assert explain(Outcome(Cause.SCRIPT, "main-0", exit_code=1), logs=logs).kind is kind
