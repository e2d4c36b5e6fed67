"""Jobs that start again: what the journals record about earlier attempts, and what follows a failure."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmtf.job.contract.attempt.events import Decided, Ended, Record, Restart, Started
from slurmtf.job.contract.attempt.journal import Attempt
from slurmtf.job.contract.attempt.outcome import Cause, Outcome
from slurmtf.job.contract.life import (
    AT_MOST_MEMORY,
    END,
    LAUNCH,
    NO_MEMORY,
    NOT_POSSIBLE,
    REQUEUE,
    RESUBMIT,
    RETURN,
    SAME,
    USED,
    Budget,
)
from slurmtf.job.supervisor.restart import (
    Decision,
    Failure,
    Possible,
    count_allowed_attempts,
    decide,
    describe_place,
    find_success,
    is_successor,
    list_failures,
    was_requeued,
)
from slurmtf.job.supervisor.slurm_job import (
    Answer,
    SlurmJob,
    build_command,
    call_until_answered,
    find_follower,
    move_dependencies,
    parse,
)

DONE = Outcome(Cause.SCRIPT, exit_code=0)
FAILED = Outcome(Cause.SCRIPT, "main-0", exit_code=3)
REQUEUED = Outcome(Cause.REQUEUED, signal=15)
PREEMPTED = Outcome(Cause.PREEMPTED, signal=15)
AT_LIMIT = Outcome(Cause.TIME_LIMIT, signal=15)


def attempt(job: str, number: int, *events: object) -> Attempt:
    return Attempt("", job, number, [Record.from_event(event, 1.0) for event in (Started(job_id=job), *events)])


def ended(outcome: Outcome) -> Ended:
    return Ended(outcome.to_dict())


def restart(how: str, cause: str = "time-limit", **facts: Any) -> Restart:
    return Restart(how, cause, cause, **facts)


@pytest.mark.parametrize(
    ("earlier", "expected"),
    [
        ([], None),
        ([attempt("7", 0)], None),  # killed before it ended
        ([attempt("7", 0, ended(DONE))], DONE),
        ([attempt("7", 0, Decided(DONE.to_dict()))], DONE),  # killed while its tasks were being ended
        ([attempt("7", 0, ended(FAILED))], None),
        ([attempt("7", 0, ended(REQUEUED))], None),
        ([attempt("7", 0, ended(DONE)), attempt("7", 1)], DONE),
        ([attempt("6", 0, ended(DONE))], None),  # another job of the run was meant to run again
        # submitted to continue while the first one was being killed, and then not needed
        ([attempt("6", 0, restart(RESUBMIT, job="7"), ended(DONE))], DONE),
        ([attempt("5", 0, ended(DONE)), attempt("6", 0, restart(RESUBMIT, job="7"), ended(AT_LIMIT))], None),
    ],
)
def test_success_of_an_earlier_attempt_is_found(earlier: list[Attempt], expected: Outcome | None) -> None:
    assert find_success(earlier, "7") == expected


@pytest.mark.parametrize(
    ("earlier", "expected"),
    [
        ([], []),
        ([attempt("7", 0, restart(REQUEUE), ended(AT_LIMIT))], [Failure(Cause.TIME_LIMIT)]),
        ([attempt("7", 0, ended(PREEMPTED))], [Failure(Cause.PREEMPTED)]),  # requeued by Slurm, without an event
        ([attempt("7", 0)], [Failure(Cause.NODE_FAILURE)]),  # no event could be written
        ([attempt("7", 0, ended(REQUEUED))], [Failure(Cause.REQUEUED)]),  # by hand: it counts, but against no budget
        ([attempt("6", 0)], []),  # submitted by hand
        ([attempt("6", 0, restart(RESUBMIT, job="7"), ended(AT_LIMIT))], [Failure(Cause.TIME_LIMIT)]),
        ([attempt("7", 0, restart(REQUEUE), ended(AT_LIMIT)), attempt("7", 1, ended(FAILED))], []),  # requeued by hand
        (
            [attempt("7", 0, restart(LAUNCH, "stall"), restart(REQUEUE), ended(AT_LIMIT)), attempt("7", 1, ended(PREEMPTED))],
            [Failure(Cause.STALL), Failure(Cause.TIME_LIMIT), Failure(Cause.PREEMPTED)],
        ),
        ([attempt("7", 0, restart(END, "preempted"), ended(PREEMPTED))], [Failure(Cause.PREEMPTED)]),  # requeued all the same
        (
            [attempt("6", 0, restart(RESUBMIT, "out-of-memory", memory_mb=15, exclude=["n1"], place="10 MiB"), ended(FAILED))],
            [Failure(Cause.OUT_OF_MEMORY, "10 MiB", "", ("n1",), 15)],
        ),
    ],
)
def test_failures_of_earlier_attempts_are_found(earlier: list[Attempt], expected: list[Failure]) -> None:
    assert list_failures(earlier, "7") == expected


@pytest.mark.parametrize(
    ("earlier", "expected"),
    [
        ([], False),
        ([attempt("7", 0, ended(PREEMPTED))], True),
        ([attempt("7", 0)], True),
        ([attempt("7", 0, restart(END), ended(PREEMPTED))], True),
        ([attempt("7", 0, restart(RETURN), ended(PREEMPTED))], False),
        ([attempt("6", 0)], False),
    ],
)
def test_unrequested_requeue_by_slurm_is_recognized(earlier: list[Attempt], expected: bool) -> None:
    assert was_requeued(earlier, "7") is expected


# --- what comes next

HERE = Possible(launch=True)
LOCAL = Possible(launch=True, in_time=True)
SLURM = Possible(requeue=True, resubmit=True)
NO_REQUEUE = Possible(resubmit=True)
BACK = Possible(resubmit=True, returns=True)
NOTHING = Possible()
BUDGETS = (
    Budget("time-limit", 10),
    Budget("preempted", None),
    Budget("node-failure", 3),
    Budget("out-of-memory", 2, 1.5, 20_000),
    Budget("stall", 1),
    Budget("script", 2),
)
LIMIT, THROWN_OUT, NODE = Failure(Cause.TIME_LIMIT), Failure(Cause.PREEMPTED), Failure(Cause.NODE_FAILURE)
OOM, STALL = Failure(Cause.OUT_OF_MEMORY, "10000 MiB"), Failure(Cause.STALL, "at a")
SCRIPT, OTHER = Failure(Cause.SCRIPT, "ValueError: a"), Failure(Cause.SCRIPT, "ValueError: b")
LOST = Failure(Cause.TASK_LOST, node="n2")


@pytest.mark.parametrize(
    ("history", "now", "possible", "how", "why"),
    [
        # the time limit
        ([], LIMIT, SLURM, REQUEUE, "time-limit"),
        ([], LIMIT, NO_REQUEUE, RESUBMIT, "time-limit"),
        ([], LIMIT, HERE, END, NOT_POSSIBLE),  # the allocation ends
        ([], LIMIT, LOCAL, LAUNCH, "time-limit"),  # nothing else enforces the limit
        ([], LIMIT, NOTHING, END, NOT_POSSIBLE),
        ([LIMIT] * 9, LIMIT, SLURM, REQUEUE, "time-limit"),
        ([LIMIT] * 10, LIMIT, SLURM, END, USED),
        ([THROWN_OUT] * 30, LIMIT, SLURM, REQUEUE, "time-limit"),  # each cause has its own budget
        # preemption
        ([], THROWN_OUT, BACK, RETURN, "preempted"),
        ([], THROWN_OUT, SLURM, REQUEUE, "preempted"),  # it ended itself after the notice
        ([], THROWN_OUT, NO_REQUEUE, RESUBMIT, "preempted"),
        ([THROWN_OUT] * 500, THROWN_OUT, BACK, RETURN, "preempted"),
        ([], THROWN_OUT, HERE, END, NOT_POSSIBLE),
        # nodes
        ([], NODE, BACK, RETURN, "node-failure"),
        ([], NODE, NO_REQUEUE, RESUBMIT, "node-failure"),
        ([NODE] * 3, NODE, BACK, END, USED),
        ([], LOST, SLURM, RESUBMIT, "node-failure"),  # the node must be avoided
        ([], LOST, Possible(requeue=True), REQUEUE, "node-failure"),
        ([], LOST, HERE, END, NOT_POSSIBLE),  # the allocation has lost a node
        ([], Failure(Cause.TASK_LOST), SLURM, REQUEUE, "node-failure"),
        ([NODE, LOST, NODE], LOST, SLURM, END, USED),  # both share a budget
        # memory
        ([], OOM, HERE, END, NOT_POSSIBLE),
        ([], OOM, SLURM, RESUBMIT, "out-of-memory"),
        ([OOM], OOM, SLURM, END, SAME),
        ([OOM._replace(memory_mb=15_000)], OOM._replace(place="15000 MiB"), SLURM, RESUBMIT, "out-of-memory"),
        ([OOM._replace(memory_mb=20_000)], OOM._replace(place="20000 MiB"), SLURM, END, AT_MOST_MEMORY),
        # failures of the script
        ([], STALL, HERE, LAUNCH, "stall"),
        ([STALL], Failure(Cause.STALL, "at b"), HERE, END, USED),
        ([], SCRIPT, HERE, LAUNCH, "script"),
        ([SCRIPT], OTHER, HERE, LAUNCH, "script"),
        ([SCRIPT], SCRIPT, HERE, END, SAME),
        ([SCRIPT, LIMIT], SCRIPT, HERE, END, SAME),  # whatever happened in between
        ([SCRIPT, OTHER], Failure(Cause.SCRIPT, "ValueError: c"), HERE, END, USED),
        ([STALL], Failure(Cause.SCRIPT, "at a"), HERE, LAUNCH, "script"),
    ],
)
def test_each_failure_leads_to_its_decision(
    history: list[Failure], now: Failure, possible: Possible, how: str, why: str
) -> None:
    decision = decide(history, now, BUDGETS, possible, memory_mb=10_000)
    assert decision is not None
    assert (decision.how, decision.why, decision.number) == (how, why, len(history) + 2)


@pytest.mark.parametrize("cause", [cause for cause in Cause if cause.value not in {one.cause for one in BUDGETS}])
def test_causes_without_a_budget_are_not_decided(cause: Cause) -> None:
    lost = cause is Cause.TASK_LOST  # counts as a node failure
    assert (decide([], Failure(cause), BUDGETS, SLURM) is None) is not lost
    assert decide([], Failure(cause), (), SLURM) is None


def test_a_decision_states_the_highest_number_of_attempts() -> None:
    assert decide([], LIMIT, (Budget("time-limit", 10),), SLURM) == Decision(REQUEUE, "time-limit", (), 0, 2, 11)
    both = (Budget("time-limit", 10), Budget("preempted", None))
    assert decide([LIMIT], LIMIT, both, SLURM) == Decision(REQUEUE, "time-limit", (), 0, 3, None)
    assert decide([], LIMIT, (Budget("time-limit", 0),), SLURM) == Decision(END, USED, (), 0, 2, 1)


@pytest.mark.parametrize(
    ("memory", "budget", "expected"),
    [
        (10_000, Budget("out-of-memory", 2, 1.5, 0), 15_000),
        (10_000, Budget("out-of-memory", 2, 4, 20_000), 20_000),
        (10_000, Budget("out-of-memory", 2, 1.5, 5_000), NO_MEMORY),
        (0, Budget("out-of-memory", 2, 1.5), NO_MEMORY),
    ],
)
def test_memory_of_the_next_attempt(memory: int, budget: Budget, expected: int | str) -> None:
    decision = decide([], OOM, (budget,), SLURM, memory)
    assert decision is not None
    if isinstance(expected, int):
        assert (decision.how, decision.memory_mb) == (RESUBMIT, expected)
    else:
        assert (decision.how, decision.why) == (END, AT_MOST_MEMORY if memory else NO_MEMORY)


def test_more_memory_and_excluded_nodes_are_kept() -> None:
    behind = [Failure(Cause.OUT_OF_MEMORY, "10000 MiB", "", ("n1",), 15_000)]
    decision = decide(behind, LOST, BUDGETS, SLURM, 10_000)
    assert decision == Decision(RESUBMIT, "node-failure", ("n1", "n2"), 15_000, 3, None)


def test_memory_grows_from_that_of_the_last_attempt() -> None:
    behind = [Failure(OOM.cause, f"{memory} MiB", memory_mb=more) for memory, more in ((10_000, 15_000), (15_000, 22_500))]
    now = Failure(OOM.cause, "22500 MiB")
    decision = decide(behind, now, (Budget("out-of-memory", 5, 1.5),), SLURM, 10_000)
    assert decision == Decision(RESUBMIT, "out-of-memory", (), 33_750, 4, 6)


def test_no_node_is_reported_as_excluded_if_the_same_job_is_requeued() -> None:
    decision = decide([], LOST, BUDGETS, Possible(requeue=True))
    assert decision == Decision(REQUEUE, "node-failure", (), 0, 2, None)


def test_without_more_memory_the_same_allocation_is_kept() -> None:
    decision = decide([], OOM, (Budget("out-of-memory", 1),), HERE, 10_000)
    assert decision == Decision(LAUNCH, "out-of-memory", (), 0, 2, 2)


FAILURES = st.builds(Failure, st.sampled_from(list(Cause)), st.sampled_from("ab"), st.sampled_from(["", "n1"]))
POSSIBLE = st.builds(Possible, st.booleans(), st.booleans(), st.booleans(), st.booleans(), st.booleans())


@given(possible=st.lists(POSSIBLE, min_size=1), failures=st.lists(FAILURES, max_size=30))
def test_a_run_never_starts_more_often_than_its_budgets_allow(possible: list[Possible], failures: list[Failure]) -> None:
    budgets = (Budget("time-limit", 2), Budget("preempted", 3), Budget("node-failure", 1), Budget("script", 2))
    history: list[Failure] = []
    for number, now in enumerate(failures):
        decision = decide(history, now, budgets, possible[number % len(possible)])
        if decision is None or decision.how == END:
            continue
        history.append(now)
        assert decision.number <= (decision.at_most or 0) == 9


@pytest.mark.parametrize(
    ("outcome", "step", "expected"),
    [
        (AT_LIMIT, 7, ""),
        (Outcome(Cause.OUT_OF_MEMORY), 7, "4096 MiB"),
        (Outcome(Cause.SCRIPT, exit_code=1, tail="Traceback\n  x\nValueError: a"), None, "ValueError: a"),
        (Outcome(Cause.SCRIPT, exit_code=1, tail="ValueError: a"), 7, "ValueError: a (step 7)"),
        (Outcome(Cause.SCRIPT, exit_code=3), None, "script (exit code 3)"),
        (Outcome(Cause.STALL), 12, "stall (exit code None) (step 12)"),
    ],
)
def test_place_of_a_failure(outcome: Outcome, step: int | None, expected: str) -> None:
    assert describe_place(outcome, 4096, step) == expected


# --- output and commands of Slurm

SHOWN = (
    "JobId=4 JobName=x y UserId=ada(1000) Account=a QOS=normal Requeue=1 Restarts=1 TimeLimit=00:05:00 Partition=low "
    "NumNodes=1 ReqTRES=cpu=1,mem=1M OverSubscribe=OK Command=/home/ada/a=b.sh"
)


def test_scontrols_answer_about_the_job_is_parsed() -> None:
    facts = parse(SHOWN)
    named = ("JobId", "Requeue", "Restarts", "TimeLimit", "Partition", "ReqTRES")
    assert [facts[name] for name in named] == ["4", "1", "1", "00:05:00", "low", "cpu=1,mem=1M"]
    assert parse("slurm_load_jobs error: Invalid job id specified") == {}


def test_the_next_job_requests_what_this_one_has() -> None:
    facts = {"Partition": "low", "Account": "(null)", "QOS": "normal", "TimeLimit": "1-00:00:00"}
    kept = ["sbatch", "--parsable", "--dependency=afterany:4", "--partition=low", "--qos=normal", "--time=1-00:00:00"]
    assert build_command("4", "/runs/job.sh", facts, (), 0) == [*kept, "/runs/job.sh"]
    assert build_command("4", "/runs/job.sh", facts, ("n1", "n2"), 15) == [
        *kept,
        "--exclude=n1,n2",
        "--mem=15M",
        "/runs/job.sh",
    ]


@pytest.mark.parametrize(
    ("own", "failed", "flags"),
    [
        ("(null)", ("n1",), ["--exclude=n1"]),
        ("n[7-8]", ("n1",), ["--exclude=n[7-8],n1"]),  # the flag replaces that of the batch script
        ("n1", ("n1",), ["--exclude=n1"]),
        ("n[7-8]", (), []),  # the batch script has it
    ],
)
def test_excluded_nodes_remain_excluded(own: str, failed: tuple[str, ...], flags: list[str]) -> None:
    command = build_command("4", "/runs/job.sh", {"ExcNodeList": own}, failed, 0)
    assert [word for word in command if word.startswith("--exclude")] == flags


@pytest.mark.parametrize(
    ("output", "dependencies"),
    [
        ("21 afterok:12(unfulfilled)", {"21": "afterok:13"}),
        ("21 afterok:12", {"21": "afterok:13"}),
        ("21 afterany:12(unfulfilled),afternotok:9(unfulfilled)", {"21": "afterany:13,afternotok:9"}),
        ("21 afterok:9(unfulfilled)?afternotok:12(failed)", {"21": "afterok:9?afternotok:13"}),
        ("21 after:12+5(unfulfilled),singleton(unfulfilled)", {"21": "after:13+5,singleton"}),
        ("13 afterany:12(unfulfilled)", {}),  # the successor itself
        ("21 afterok:123(unfulfilled)", {}),
        ("21 aftercorr:12_3(unfulfilled)", {}),
        ("21 (null)\n\n22 afterok:12(unfulfilled)\n", {"22": "afterok:13"}),
    ],
)
def test_dependents_of_a_job_are_moved_to_its_successor(output: str, dependencies: dict[str, str]) -> None:
    assert move_dependencies(output, "12", "13") == dependencies


def test_the_next_job_is_found_although_its_submission_was_not_answered() -> None:
    output = "21|afterany:12(unfulfilled)|/runs/other/job.sh\n22|afterok:12(unfulfilled)|/runs/job.sh\n\n"
    assert find_follower(output, "12", "/runs/job.sh") == ""
    assert find_follower(output + "23|afterany:12(unfulfilled)|/runs/job.sh\n", "12", "/runs/job.sh") == "23"
    assert find_follower("23|afterany:12|/runs/job.sh", "1", "/runs/job.sh") == ""


@pytest.mark.parametrize(
    ("error", "calls"),
    [
        ("", 1),
        ("sbatch: error: Batch job submission failed: Requested node configuration is not available", 1),
        ("slurm_load_jobs error: Unable to contact slurm controller (connect failure)", 3),
        ("scontrol: Command '['scontrol']' timed out after 15.0 seconds", 3),
        ("slurm_load_jobs error: Socket timed out on send/recv operation", 3),
        ("slurm_load_jobs error: Zero Bytes were transmitted or received", 3),
    ],
)
def test_slurm_is_asked_until_it_answers(error: str, calls: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slurmtf.job.supervisor.slurm_job.PAUSE_S", 0)
    answers = iter([Answer("", error), Answer("", error), Answer("yes")])
    asked = call_until_answered(lambda: next(answers))
    assert len(list(answers)) == 3 - calls
    assert asked == (Answer("yes") if calls == 3 else Answer("", error))


def test_slurm_is_not_asked_again_once_the_answer_is_not_needed() -> None:
    answers = iter([Answer("", "Connection refused"), Answer("yes")])
    assert call_until_answered(lambda: next(answers), lambda: True).unanswered
    assert list(answers) == [Answer("yes")]


def test_slurm_is_not_asked_forever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slurmtf.job.supervisor.slurm_job.PATIENCE_S", 0)
    answer = Answer("", "Connection refused")
    assert call_until_answered(lambda: answer) is answer


@pytest.mark.parametrize(("preempt_time", "preempted"), [("None", False), ("", False), ("2026-11-28T15:01:53", True)])
def test_a_preemption_is_read_from_slurms_answer(preempt_time: str, preempted: bool) -> None:
    assert SlurmJob({}).is_preempted(parse(f"JobId=1 PreemptTime={preempt_time} Requeue=1")) is preempted


def test_a_job_requeued_despite_its_successor_may_have_done_the_work() -> None:
    earlier = [attempt("6", 0, restart(RESUBMIT, "node-failure", job="7"), ended(FAILED)), attempt("6", 1, ended(DONE))]
    assert is_successor(earlier, "7")
    assert not is_successor(earlier, "6")
    assert find_success(earlier, "7") == DONE


@pytest.mark.parametrize(
    ("behind", "budgets", "expected"),
    [
        ([], (), None),  # Slurm may requeue without limit
        ([], (Budget("time-limit", 3), Budget("script", 1)), 5),
        ([], (Budget("time-limit", None), Budget("script", 1)), None),
        ([Cause.TIME_LIMIT], (Budget("time-limit", 3),), 4),
        ([Cause.PREEMPTED, Cause.TIME_LIMIT], (Budget("time-limit", 3),), 5),  # the first has no budget
        ([Cause.TASK_LOST], (Budget("node-failure", 1),), 2),
    ],
)
def test_highest_number_of_attempts(behind: list[Cause], budgets: tuple[Budget, ...], expected: int | None) -> None:
    assert count_allowed_attempts([Failure(cause) for cause in behind], budgets) == expected
