"""Which of several sources is believed, in which order, and which task's failure and node are reported."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from slurmtf.diagnosis.dying import explain
from slurmtf.diagnosis.explanation import Log, TaskFailure
from slurmtf.diagnosis.kinds import Kind
from slurmtf.job.contract.attempt.outcome import Cause, End, Outcome

from .test_dying import FAILED, LOST, OOM, QUOTA, SCRIPT, failed, logs

ABORTED = FAILED._replace(exit_code=None, signal=6)
OF_JOB = Log("logs/job.log", "", "error: the door is shut\n")
NO_GPU = "2026-11-01 10:00:00.1: E external/local_xla/xla/cuda_driver.cc:9] failed call to cuInit: CUDA_ERROR_NO_DEVICE\n"


@pytest.mark.parametrize(
    ("outcome", "failures", "written", "kind", "task", "host"),
    [
        # the task that decided comes first, although an evaluator, whose end decides nothing, failed before
        (FAILED, [TaskFailure("rank-1", End(1)), *failed(0)], logs(SCRIPT, QUOTA), Kind.SCRIPT, "rank-0", "n1"),
        (FAILED, [TaskFailure("rank-1", End(None, 11)), *failed(1)], logs(LOST, ""), Kind.CRASH, "rank-1", ""),
        # a task killed by a signal ended no other: one that got TERM and was reported later got it from outside
        (ABORTED, [TaskFailure("rank-0", End(None, 6)), TaskFailure("rank-1", End(None, 15))], logs(LOST, ""), Kind.KILLED,
         "rank-1", ""),
        # the node is that of the task that decided, and no other
        (FAILED, failed(0, 1), logs(LOST, QUOTA), Kind.QUOTA, "rank-1", ""),
        (FAILED, failed(0, 1), logs(QUOTA, LOST), Kind.QUOTA, "rank-0", "n1"),
        (ABORTED._replace(signal=11), [], logs(""), Kind.CRASH, "rank-0", "n1"),
    ],
)  # fmt: skip
def test_task_and_node_of_a_failure(
    outcome: Outcome, failures: Sequence[TaskFailure], written: list[Log], kind: Kind, task: str, host: str
) -> None:
    found = explain(outcome, failures, written)
    assert (found.kind, found.task, found.host) == (kind, task, host)


@pytest.mark.parametrize(
    ("written", "log"),
    [
        ([OF_JOB, *logs("error: the window is shut\n")], "logs/rank-0.err"),
        ([OF_JOB, *logs("quiet\n")], "logs/job.log"),
    ],
)
def test_a_tasks_own_line_is_shown_first_if_no_rule_matches(written: list[Log], log: str) -> None:
    assert [one.log for one in explain(FAILED, failed(0), written).evidence] == [log]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (NO_GPU + "error: this model needs a GPU\n", Kind.GPU_MISSING),
        (NO_GPU + "error: the token was refused\n", Kind.UNKNOWN),
        (NO_GPU, Kind.UNKNOWN),
    ],
)
def test_a_missing_gpu_explains_only_errors_about_gpus(text: str, kind: Kind) -> None:
    assert explain(FAILED, failed(0), logs(text)).kind is kind


@pytest.mark.parametrize(("before", "kind"), [("", Kind.QUOTA), (OOM.text + "\n", Kind.HOST_MEMORY)])
def test_the_job_log_decides_if_no_task_did(before: str, kind: Kind) -> None:
    found = explain(Outcome(Cause.LAUNCHER, exit_code=1), [], [Log("logs/job.log", "", before + QUOTA)])
    assert (found.kind, found.task, found.evidence[-1].log) == (kind, "", "logs/job.log")


def test_a_lost_task_is_named_rather_than_those_ended_because_of_it() -> None:
    lost = Outcome(Cause.TASK_LOST, "rank-1", "n2", exit_code=1)
    found = explain(lost, [TaskFailure("rank-0", End(None, 15))], [Log("logs/job.log", "", ""), *logs(LOST, "")])
    assert (found.kind, found.task, found.host) == (Kind.LOST, "rank-1", "n2")
    assert found.remedy
    out_of_memory = [Log("logs/job.log", "", OOM.text), *logs(LOST, "")]
    assert explain(lost, [TaskFailure("rank-0", End(None, 15))], out_of_memory).kind is Kind.HOST_MEMORY
