"""A rank that raised an error and stays, in MPI_Finalize: mpi4py 4.1.2 with Open MPI 4.1.4, two ranks under srun, as the logs
were when Slurm ended the job at its time limit. The other rank waited in Allreduce and said nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from slurmtf.diagnosis.dying import explain, explain_hang
from slurmtf.diagnosis.ends import IT_STAYED
from slurmtf.diagnosis.evidence import explain_hung_run
from slurmtf.diagnosis.explanation import Log, TaskFailure
from slurmtf.diagnosis.kinds import Kind
from slurmtf.job.contract.attempt.outcome import Cause, End, Outcome
from slurmtf.job.contract.layout import RunLayout

STEPS = "step 0\nstep 1\nstep 2\n"
RAISED = """\
Traceback (most recent call last):
  File "/home/ada/slurmtf/hang/hang-20261129-080328-18b78b/work/hang.py", line 9, in <module>
    shard = {"a": 1}["missing"]
            ~~~~~~~~^^^^^^^^^^^
KeyError: 'missing'
"""
OF_JOB = "slurmstepd: error: *** STEP 53.0 ON node4 CANCELLED AT 2026-11-29T08:04:33 DUE TO TIME LIMIT ***\n"
HANDLED = RAISED.replace("in <module>", "in load")
INTERRUPTED = RAISED.replace("KeyError: 'missing'", "KeyboardInterrupt")
PEER = RAISED.replace("KeyError: 'missing'", "horovod.common.exceptions.HorovodInternalError: Horovod has been shut down")
WENT_ON = RAISED + "Epoch 5/10\n"


def logs(error: str) -> list[Log]:
    tasks = [Log("logs/rank-0.err", "rank-0", ""), Log("logs/rank-1.err", "rank-1", error)]
    outputs = [Log(f"logs/{task}.out", task, STEPS) for task in ("rank-0", "rank-1")]
    return [Log("logs/job.log", "", OF_JOB), *tasks, *outputs]


@pytest.mark.parametrize("cause", [Cause.TIME_LIMIT, Cause.STALL, Cause.STRAGGLER])
def test_the_rank_that_raised_is_named_instead_of_the_limit(cause: Cause) -> None:
    found = explain(Outcome(cause, signal=15), logs=logs(RAISED))
    assert (found.kind, found.task) == (Kind.SCRIPT, "rank-1")
    assert [one.text for one in found.evidence][-1] == "KeyError: 'missing'"
    assert IT_STAYED in found.remedy


@pytest.mark.parametrize(
    ("end", "kind"), [(End(None, 15), Kind.SCRIPT), (End(None, 9), Kind.SCRIPT), (End(1, None), Kind.TIME_LIMIT)]
)
def test_a_script_that_raises_an_error_when_terminated_did_not_hang(end: End, kind: Kind) -> None:
    assert explain(Outcome(Cause.TIME_LIMIT, signal=15), [TaskFailure("rank-1", end)], logs(RAISED)).kind is kind


def test_the_error_of_the_hanging_rank_has_its_own_class() -> None:
    found = explain(
        Outcome(Cause.TIME_LIMIT), logs=logs(RAISED.replace("KeyError: 'missing'", "OSError: [Errno 122] Disk quota exceeded"))
    )
    assert (found.kind, found.task) == (Kind.QUOTA, "rank-1")


@pytest.mark.parametrize(
    "error", ["", HANDLED, INTERRUPTED, PEER, WENT_ON], ids=["none", "handled", "interrupted", "peer", "went on"]
)
def test_the_limit_is_the_cause_if_no_rank_raised_an_error(error: str) -> None:
    assert explain(Outcome(Cause.TIME_LIMIT, signal=15), logs=logs(error)).kind is Kind.TIME_LIMIT
    assert explain_hang(logs(error)) is None


MOVED = RAISED.replace("KeyError: 'missing'", "ValueError: no data")


@pytest.mark.parametrize(
    ("uncaught", "error", "kind", "shown"),
    [
        (None, RAISED, Kind.SCRIPT, "KeyError: 'missing'"),
        ("KeyError: 'missing'", RAISED, Kind.SCRIPT, "KeyError: 'missing'"),
        # of another program: the script itself continues, slowly
        ("", RAISED, Kind.TIME_LIMIT, "KeyError: 'missing'"),
        ("", RAISED + "file 1 of 999 was read\n" * 40, Kind.TIME_LIMIT, "slurmstepd: "),
        # the error noted by its Python decides among several, whatever threads print after it
        ("KeyError: 'missing'", RAISED + MOVED, Kind.SCRIPT, "KeyError: 'missing'"),
        ("KeyError: 'missing'", WENT_ON + "waiting for the queue\n" * 40, Kind.SCRIPT, "KeyError: 'missing'"),
        ("KeyError: 'missing'", HANDLED, Kind.SCRIPT, "KeyError: 'missing'"),
    ],
)
def test_the_uncaught_error_noted_by_python_decides(uncaught: str | None, error: str, kind: Kind, shown: str) -> None:
    all_logs = [replace(log, uncaught=uncaught) if log.task == "rank-1" else log for log in logs(error)]
    found = explain(Outcome(Cause.TIME_LIMIT, signal=15), logs=all_logs)
    assert found.kind is kind
    assert found.evidence[-1].text.startswith(shown)
    assert (explain_hang(all_logs) is not None) is (kind is Kind.SCRIPT)


@pytest.mark.parametrize("cause", [Cause.OUT_OF_MEMORY, Cause.PREEMPTED, Cause.NODE_FAILURE, Cause.CANCELED])
def test_other_causes_seen_by_slurm_are_kept(cause: Cause) -> None:
    assert explain(Outcome(cause), logs=logs(RAISED)).kind is not Kind.SCRIPT


def test_the_error_is_shown_when_a_hanging_run_is_canceled() -> None:
    found = explain(Outcome(Cause.CANCELED, signal=15, detail={"by": "owner"}), logs=logs(RAISED))
    assert (found.kind, found.task) == (Kind.CANCELED, "rank-1")
    assert [one.text for one in found.evidence][-1] == "KeyError: 'missing'"
    assert explain(Outcome(Cause.CANCELED, signal=15), logs=logs(PEER)).evidence == ()


def test_a_hang_is_found_while_the_run_is_running(tmp_path: Path) -> None:
    layout = RunLayout(str(tmp_path))
    Path(layout.logs).mkdir()
    Path(layout.task_log("rank-0", "err")).write_text("")
    assert explain_hung_run(layout) is None
    Path(layout.task_log("rank-1", "err")).write_text(RAISED)
    found = explain_hung_run(layout)
    assert found is not None
    assert (found.kind, found.task) == (Kind.SCRIPT, "rank-1")
    Path(layout.uncaught("rank-1")).write_text("")
    assert explain_hung_run(layout) is None
    Path(layout.uncaught("rank-1")).write_text("KeyError: 'missing'\n")
    assert explain_hung_run(layout) == found
