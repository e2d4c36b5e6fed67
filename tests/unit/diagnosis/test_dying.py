"""Why runs failed: precedence of causes, logs and lines; logs of many ranks."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from slurmtf.diagnosis.dying import explain, find_remedy
from slurmtf.diagnosis.explanation import Log, TaskFailure
from slurmtf.diagnosis.kinds import Kind
from slurmtf.job.contract.attempt.outcome import Cause, End, Outcome

from .rules.texts import SAMPLES, TRACEBACK

FAILED = Outcome(Cause.SCRIPT, "rank-0", "n1", exit_code=1)


def one_log(text: str) -> list[Log]:
    return [Log("logs/rank-0.err", "rank-0", f"INFO a line before\n{text}\n")]


HEALTHY = (
    "2026-11-01 10:00:00 E external/local_xla/xla/stream_executor/cuda/cuda_driver.cc:152] failed call to cuInit: INTERNAL: "
    "CUDA error: Failed call to cuInit: UNKNOWN ERROR (303)\nW0000 Cannot dlopen some GPU libraries. Skipping\n"
)
SCRIPT = TRACEBACK + "ValueError: Shapes (None, 10) and (None, 1) are incompatible\n"
CAUGHT = (
    TRACEBACK
    + "ModuleNotFoundError: No module named 'tqdm'\n\nDuring handling of the above exception, another exception occurred:"
    "\n\n" + TRACEBACK + "KeyError: 'x'\n"
)


@pytest.mark.parametrize(
    ("text", "kind", "evidence"),
    [
        (HEALTHY + SCRIPT, Kind.SCRIPT, "ValueError: Shapes (None, 10) and (None, 1) are incompatible"),
        (CAUGHT, Kind.SCRIPT, "KeyError: 'x'"),  # the earlier error was caught
        ("loss: nan\n" + SCRIPT, Kind.SCRIPT, "ValueError: Shapes (None, 10) and (None, 1) are incompatible"),
        ("all quiet\nERROR: the flux capacitor is cold\nbye\n", Kind.UNKNOWN, "ERROR: the flux capacitor is cold"),
        ("nothing at all\n", Kind.UNKNOWN, None),
        (TRACEBACK + "tensorflow.python.framework.errors_impl.ResourceExhaustedError: cut", Kind.UNKNOWN, None),
    ],
)
def test_errors_of_the_script_and_unknown_errors(text: str, kind: Kind, evidence: str | None) -> None:
    found = explain(FAILED, logs=one_log(text))
    assert (found.kind, found.rule) == (kind, "")
    if evidence:
        assert found.evidence[-1].text == evidence


def test_the_line_of_the_users_code_is_shown() -> None:
    found = explain(FAILED, logs=one_log(SCRIPT))
    assert [one.text for one in found.evidence][:2] == ['File "/r/work/train.py", line 7, in main', "model.fit(x)"]


def test_the_error_is_shown_rather_than_the_source_line_that_quotes_it() -> None:
    raised = '    raise OSError(122, "Disk quota exceeded")\nOSError: [Errno 122] Disk quota exceeded'
    found = explain(FAILED, logs=one_log(TRACEBACK.replace("    model.fit(x)\n", raised)))
    assert [one.text for one in found.evidence] == [
        'File "/r/work/train.py", line 7, in main',
        "OSError: [Errno 122] Disk quota exceeded",
    ]
    assert found.kind is Kind.QUOTA


OOM = Log("logs/job.log", "", dict(SAMPLES)["slurm-oom"])
LOST = TRACEBACK + "horovod.common.exceptions.HorovodInternalError: Horovod has been shut down.\n"
QUOTA = TRACEBACK + "OSError: [Errno 122] Disk quota exceeded: 'model.h5'\n"


def logs(*texts: str) -> list[Log]:
    return [Log(f"logs/rank-{number}.err", f"rank-{number}", text) for number, text in enumerate(texts)]


def failed(*tasks: int) -> list[TaskFailure]:
    return [TaskFailure(f"rank-{number}", End(1)) for number in tasks]


@pytest.mark.parametrize(
    ("outcome", "failures", "written", "kind", "task"),
    [
        # one rank fails by itself, and nineteen because of it
        (FAILED, failed(0, 1, 2), logs(LOST, LOST, QUOTA), Kind.QUOTA, "rank-2"),
        (FAILED, failed(0, 1, 2), logs(LOST, SCRIPT, QUOTA), Kind.SCRIPT, "rank-1"),
        (FAILED, failed(0, 1), logs(LOST, LOST), Kind.PEER, "rank-0"),
        # two tasks that would explain it: the first to fail decides
        (FAILED, failed(0, 1), logs(SCRIPT, QUOTA), Kind.SCRIPT, "rank-0"),
        (FAILED._replace(task="rank-1"), failed(1, 0), logs(QUOTA, SCRIPT), Kind.SCRIPT, "rank-1"),
        # Slurm's own report about memory outranks the logs of the ranks
        (FAILED, failed(0), [OOM, *logs(SCRIPT)], Kind.HOST_MEMORY, "rank-0"),
        # killed, and its peer reports it
        (FAILED, [TaskFailure("rank-1", End(None, 9))], logs(LOST, "step 4\n"), Kind.KILLED, "rank-1"),
        (FAILED, [TaskFailure("rank-1", End(None, 11))], logs(LOST, ""), Kind.CRASH, "rank-1"),
        # ended by us, after one that ended by itself without a message
        (FAILED, [*failed(0), TaskFailure("rank-1", End(None, 15))], logs("", ""), Kind.UNKNOWN, "rank-0"),
        (FAILED, [*failed(0), TaskFailure("rank-1", End(None, 9))], logs("", "step 4"), Kind.UNKNOWN, "rank-0"),
        (FAILED, [*failed(0), TaskFailure("rank-1", End(143))], logs("", ""), Kind.UNKNOWN, "rank-0"),
        (FAILED, [TaskFailure("rank-1", End(None, 9)), *failed(0)], logs("", ""), Kind.KILLED, "rank-1"),  # killed before
        (FAILED, [*failed(0), TaskFailure("rank-1", End(None, 11))], logs("", ""), Kind.CRASH, "rank-1"),
        (FAILED, [*failed(0), TaskFailure("rank-1", End(None, 9))], logs(LOST, ""), Kind.KILLED, "rank-1"),  # reported later
        (
            FAILED._replace(exit_code=None, signal=9),
            [TaskFailure("rank-0", End(None, 9)), *failed(1)],
            logs("", ""),
            Kind.KILLED,
            "rank-0",
        ),
        # aborted because another one was lost
        (FAILED._replace(exit_code=None, signal=6), failed(1), logs("Connection reset by peer", QUOTA), Kind.QUOTA, "rank-1"),
    ],
)
def test_the_first_task_that_failed_by_itself_decides(
    outcome: Outcome, failures: Sequence[TaskFailure], written: list[Log], kind: Kind, task: str
) -> None:
    found = explain(outcome, failures, written)
    assert (found.kind, found.task) == (kind, task)


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        (Outcome(Cause.TIME_LIMIT, signal=15), Kind.TIME_LIMIT),
        (Outcome(Cause.OUT_OF_MEMORY, signal=9), Kind.HOST_MEMORY),
        (Outcome(Cause.PREEMPTED), Kind.PREEMPTED),
        (Outcome(Cause.REQUEUED), Kind.REQUEUED),
        (Outcome(Cause.NODE_FAILURE, host="n3"), Kind.NODE),
        (Outcome(Cause.CANCELED, signal=15), Kind.CANCELED),
        (Outcome(Cause.SOFTWARE), Kind.SOFTWARE),
        (Outcome(Cause.DEPENDENCY), Kind.DEPENDENCY),
        (Outcome(Cause.RESULTS), Kind.RESULTS),
        (Outcome(Cause.STRAGGLER), Kind.STALL),
        (Outcome(Cause.LOST), Kind.LOST),
    ],
)
def test_causes_seen_by_slurm_outrank_any_text(outcome: Outcome, kind: Kind) -> None:
    assert explain(outcome, failed(0), logs(QUOTA)).kind is kind


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        (Cause.STAGING, Kind.STAGING),
        (Cause.LAUNCHER, Kind.LAUNCH),
        (Cause.AGENT, Kind.LAUNCH),
        (Cause.NOT_CONNECTED, Kind.LAUNCH),
        (Cause.NOT_STARTED, Kind.NOT_STARTED),
        (Cause.TASK_LOST, Kind.LOST),
        (Cause.UNKNOWN, Kind.UNKNOWN),
        (Cause.SCRIPT, Kind.UNKNOWN),
    ],
)
def test_the_outcome_decides_if_no_log_says_more(cause: Cause, kind: Kind) -> None:
    assert explain(Outcome(cause, exit_code=1), logs=logs("quiet\n")).kind is kind
    assert explain(Outcome(cause, exit_code=1), logs=logs(QUOTA)).kind is Kind.QUOTA


@pytest.mark.parametrize(
    ("line", "text", "rule"),
    [
        ("", "", "shell-ended"),
        ("", "hi\n", "shell-ended"),
        ("9: exit 0", "", "script-ended"),
        ("9: cd /nowhere || exit", "cd: /nowhere: No such file or directory\n", "script-ended"),
        ("9: module load cuda/99 || exit", dict(SAMPLES)["module-unknown"], "module-unknown"),
    ],
)
def test_remedy_if_the_batch_script_ended_before_the_supervisor(line: str, text: str, rule: str) -> None:
    outcome = Outcome(Cause.NOT_STARTED, exit_code=0, log="logs/job.log", tail=text, detail={"line": line})
    for found in (explain(outcome), explain(outcome, logs=[Log("logs/job.log", "", text)])):
        assert found.rule == rule
        assert found.remedy == find_remedy(outcome) != ""


def test_slurm_could_not_start_the_batch_script() -> None:
    found = explain(Outcome(Cause.NOT_STARTED, log="logs/job.log", detail={"line": "", "unlaunched": True}))
    assert (found.kind, found.rule) == (Kind.NOT_STARTED, "unlaunched")


def test_every_cause_is_explained() -> None:
    assert all(explain(Outcome(cause, exit_code=1)).kind.meaning for cause in Cause)


def test_slurms_line_is_shown_for_causes_that_slurm_saw() -> None:
    line = dict(SAMPLES)["time-limit"]
    found = explain(Outcome(Cause.TIME_LIMIT), logs=[Log("logs/job.log", "", f"a\n{line}\nb\n")])
    assert [(one.log, one.text) for one in found.evidence] == [("logs/job.log", line)]


@pytest.mark.parametrize(
    ("line", "host"),
    [
        ("srun: error: Node failure on n2", "n2"),
        ("slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 1 DUE TO NODE FAILURE", "n1"),
    ],
)
def test_node_named_by_a_line(line: str, host: str) -> None:
    assert explain(FAILED, logs=[Log("logs/job.log", "", line)]).host == host


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (
            "OSError: [Errno 28] No space left on device: 's3://u:pass@host/x'",
            "OSError: [Errno 28] No space left on device: 's3://***@host/x'",
        ),
        ("KeyError: 'token=abc'", "KeyError: 'token=***'"),
        ("KeyError: 'hf_abcdefghijklmnopqrstuvwx'", "KeyError: '***'"),
        ("KeyError: 'tokens'", "KeyError: 'tokens'"),
    ],
)
def test_possible_secrets_are_not_shown(line: str, shown: str) -> None:
    assert explain(FAILED, logs=one_log(TRACEBACK + line)).evidence[-1].text == shown


NUMBERS = "0.12345678, " * 2000


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            f"Traceback (most recent call last):\n  File 'a.py', line 1, in f\nValueError: odd: {NUMBERS}\n",
            "ValueError: odd: 0.",
        ),
        (f"{NUMBERS} OSError: [Errno 122] Disk quota exceeded: '/home' {NUMBERS}\n", "Disk quota exceeded: '/home'"),
        (f"{NUMBERS} Disk quota exceeded", "Disk quota exceeded"),
        (f"an odd error in {NUMBERS}\n", "an odd error in 0."),
    ],
)
def test_the_relevant_part_of_a_line_with_an_array_is_shown(text: str, shown: str) -> None:
    found = explain(Outcome(Cause.SCRIPT, "main-0", exit_code=1), logs=[Log("logs/main-0.err", "main-0", text)])
    (line,) = [one.text for one in found.evidence if shown in one.text]
    assert len(line) < 450
    assert line.endswith("[...]") is not text.endswith("exceeded")
