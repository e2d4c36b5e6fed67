"""The output of Slurm's commands, recorded from Slurm 22.05.8 and 24.11.5, and our arguments for them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from slurmtf.scheduler import JobRef, JobState, Observation
from slurmtf.scheduler.base import Canceler
from slurmtf.scheduler.slurm.commands import (
    build_sacct,
    build_sbatch,
    build_scancel,
    build_squeue,
    find_inherited,
    parse_name,
    parse_sacct,
    parse_sbatch,
    parse_squeue,
)
from slurmtf.scheduler.slurm.states import parse_canceler, parse_state

FOLDER = "/tmp/a|b dir"
SUBMITTED = 1795406240


def info(job_id: str, state: JobState, *facts: Any, element: int | None = None, **more: Any) -> Observation:
    """Return what is parsed from the recorded lines."""
    return Observation(JobRef(None, job_id, element), state, *facts, **{"folder": FOLDER, "submitted": SUBMITTED, **more})


# --- squeue

SQUEUE_22 = """\
29|COMPLETED|1795406240|1795406251|1795406251|node4|None|/tmp/a|b dir
27|FAILED|1795406240|1795406251|1795406251|node4|NonZeroExitCode|/tmp/a|b dir
28|FAILED|1795406240|1795406251|1795406251|node4|JobLaunchFailure|/tmp/a|b dir
32|PENDING|1795406240|1795409850|1795410450||BeginTime|/tmp/a|b dir
33_[1-3%1]|PENDING|1795406240|N/A|N/A||JobHeldUser|/tmp/a|b dir
30|PENDING|1795406240|N/A|N/A||JobHeldUser|/tmp/a|b dir
26|RUNNING|1795406240|1795406251|1795406851|node4|None|/tmp/a|b dir
31|PENDING|1795406240|N/A|N/A||PartitionTimeLimit|/tmp/a|b dir
"""
SQUEUE_24 = """\
4|COMPLETED|1795406240|1795406286|1795406286|node1|None|/tmp/a|b dir
3|FAILED|1795406240|1795406286|1795406286|node1|RaisedSignal:11(Segmentation fault)|/tmp/a|b dir
7|PENDING|1795406240|1795409886|1795410486||BeginTime|/tmp/a|b dir
8_[1-3%1]|PENDING|1795406240|N/A|N/A||JobHeldUser|/tmp/a|b dir
1|RUNNING|1795406240|1795406286|1795406886|node1|None|/tmp/a|b dir
"""


def test_output_of_squeue_22_05_is_parsed() -> None:
    assert parse_squeue(SQUEUE_22) == [
        info("29", JobState.COMPLETED, "", 1795406251.0, 1795406251.0, "node4"),
        info("27", JobState.FAILED, "NonZeroExitCode", 1795406251.0, 1795406251.0, "node4"),
        info("28", JobState.FAILED, "JobLaunchFailure", 1795406251.0, 1795406251.0, "node4"),
        info("32", JobState.PENDING, "BeginTime", 1795409850.0, 1795410450.0, ""),
        *(info("33", JobState.PENDING, "JobHeldUser", None, None, "", folder=FOLDER, element=number) for number in (1, 2, 3)),
        info("30", JobState.PENDING, "JobHeldUser", None, None, ""),
        info("26", JobState.RUNNING, "", 1795406251.0, 1795406851.0, "node4"),
        info("31", JobState.PENDING, "PartitionTimeLimit", None, None, ""),
    ]


def test_output_of_squeue_24_11_is_parsed() -> None:
    assert parse_squeue(SQUEUE_24) == [
        info("4", JobState.COMPLETED, "", 1795406286.0, 1795406286.0, "node1"),
        info("3", JobState.FAILED, "RaisedSignal:11(Segmentation fault)", 1795406286.0, 1795406286.0, "node1"),
        info("7", JobState.PENDING, "BeginTime", 1795409886.0, 1795410486.0, ""),
        *(info("8", JobState.PENDING, "JobHeldUser", None, None, "", folder=FOLDER, element=number) for number in (1, 2, 3)),
        info("1", JobState.RUNNING, "", 1795406286.0, 1795406886.0, "node1"),
    ]


def test_the_line_of_the_cluster_is_not_a_job() -> None:
    names = [job.ref.name for job in parse_squeue(f"CLUSTER: wice\n{SQUEUE_24}\nCLUSTER: genius\n")]
    assert names == ["4", "3", "7", "8_1", "8_2", "8_3", "1"]
    assert parse_squeue("CLUSTER: lab\n") == []
    assert parse_squeue("") == []


def test_a_job_in_an_unknown_state_does_not_hide_the_others() -> None:
    text = f"5|EXPEDITING|N/A|N/A|N/A||None|/home/ada\n{SQUEUE_24}"
    jobs = {job.ref.name: job.state for job in parse_squeue(text)}
    assert (jobs["5"], jobs["1"], len(jobs)) == (JobState.UNKNOWN, JobState.RUNNING, 8)


def test_a_folder_may_have_any_bytes() -> None:
    (job,) = parse_squeue("1|RUNNING|1|1|2|n[1-3,7]|None|/scratch/\udcff|é ||\n")
    assert (job.folder, job.nodes) == ("/scratch/\udcff|é ||", "n[1-3,7]")


def test_squeue_is_queried_for_all_jobs_of_the_user() -> None:
    assert build_squeue() == ["squeue", "--me", "--noheader", "--states=all", "--format=%i|%T|%V|%S|%e|%N|%r|%Z"]
    assert build_squeue("wice")[:2] == ["squeue", "--clusters=wice"]


# --- sacct

BY_ROOT = Canceler(0)

SACCT_22 = """\
26|CANCELLED by 0|0:0|1795406240|1795406251|1795406254|node4|/tmp/a|b dir
27|FAILED|3:0|1795406240|1795406251|1795406251|node4|/tmp/a|b dir
28|FAILED|0:11|1795406240|1795406251|1795406251|node4|/tmp/a|b dir
29|COMPLETED|0:0|1795406240|1795406251|1795406251|node4|/tmp/a|b dir
30|PENDING|0:0|1795406240|Unknown|Unknown|None assigned|/tmp/a|b dir
32|CANCELLED by 0|0:0|1795406240|1795406254|1795406254|None assigned|/tmp/a|b dir
33_[1-3%1]|PENDING|0:0|1795406240|Unknown|Unknown|None assigned|/tmp/a|b dir
"""
SACCT_24 = """\
3|FAILED|0:11|1795406240|1795406286|1795406286|node1|/tmp/a|b dir
7|CANCELLED by 0|0:0|1795406240|None|1795406290|None assigned|/tmp/a|b dir
"""


def test_output_of_sacct_22_05_is_parsed() -> None:
    assert parse_sacct(SACCT_22) == [
        info("26", JobState.CANCELLED, "", 1795406251.0, 1795406254.0, "node4", 0, None, canceler=BY_ROOT),
        info("27", JobState.FAILED, "", 1795406251.0, 1795406251.0, "node4", 3, None),
        info("28", JobState.FAILED, "", 1795406251.0, 1795406251.0, "node4", 0, 11),
        info("29", JobState.COMPLETED, "", 1795406251.0, 1795406251.0, "node4", 0, None),
        info("30", JobState.PENDING, "", None, None, "", 0, None),
        info("32", JobState.CANCELLED, "", 1795406254.0, 1795406254.0, "", 0, None, canceler=BY_ROOT),
        *(info("33", JobState.PENDING, "", None, None, "", 0, None, element=number) for number in (1, 2, 3)),
    ]


def test_output_of_sacct_24_11_is_parsed() -> None:
    assert parse_sacct(SACCT_24) == [
        info("3", JobState.FAILED, "", 1795406286.0, 1795406286.0, "node1", 0, 11),
        info("7", JobState.CANCELLED, "", None, 1795406290.0, "", 0, None, canceler=BY_ROOT),
    ]


@pytest.mark.parametrize("whole", [SACCT_22, SACCT_24])
def test_what_is_cut_or_told_twice_says_nothing_else(whole: str) -> None:
    known = {job.ref.name: job for job in parse_sacct(whole)}
    for length in range(len(whole)):
        for job in parse_sacct(whole[:length]):  # the folder is last: in a truncated line it is not the run's
            assert job == known.get(job.ref.name) or not (job.folder and job.folder == FOLDER)
    assert {job.ref.name: job for job in parse_sacct(whole + whole)} == known


# Seen of Slurm 22.05.8: scancel as root of nobody's job, as an operator of root's job and of one that was held, of an array's
# elements of which two waited, and a job whose dependency could not come true any more (--kill-on-invalid-dep=yes).
CANCELED = """\
14|CANCELLED by 0|0:15|1795406240|1795406251|1795406254|node1|/tmp
15|CANCELLED by 64030|0:15|1795406240|1795406251|1795406254|node1|/tmp
16|CANCELLED by 64030|0:0|1795406240|1795406254|1795406254|None assigned|/tmp
7_1|CANCELLED by 0|0:15|1795406240|1795406251|1795406254|node1|/tmp
7_[2-3%2]|CANCELLED by 0|0:0|1795406240|1795406254|1795406254|None assigned|/tmp
6|CANCELLED|0:0|1795406240|1795406254|1795406254|None assigned|/tmp
2|COMPLETED|0:0|1795406240|1795406251|1795406254|node1|/tmp
"""


def test_sacct_shows_who_canceled_a_job() -> None:
    operator, slurm = Canceler(64030), Canceler()
    assert [(one.ref.name, one.canceler) for one in parse_sacct(CANCELED)] == [
        ("14", BY_ROOT), ("15", operator), ("16", operator), ("7_1", BY_ROOT), ("7_2", BY_ROOT), ("7_3", BY_ROOT), ("6", slurm),
        ("2", None),
    ]  # fmt: skip


@pytest.mark.parametrize("word", ["CANCELLED+", "CANCELLED by ", "CANCELLED by -2", "CANCELLED by \u00b2", "REVOKED", ""])
def test_other_states_name_no_canceler(word: str) -> None:
    assert parse_canceler(word) is None


def test_sacct_is_queried_for_all_jobs_at_once() -> None:
    assert build_sacct(["1", "2"], "wice") == [
        "sacct", "--clusters=wice", "-X", "--noheader", "--parsable2", "--duplicates",
        "--format=JobID,State,ExitCode,Submit,Start,End,NodeList,WorkDir", "--jobs=1,2",
    ]  # fmt: skip
    assert build_scancel(["1", "2"]) == ["scancel", "1", "2"]
    assert build_scancel(["1"], "wice") == ["scancel", "--clusters=wice", "1"]


# --- names, numbers


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("33", ["33"]), ("33_4", ["33_4"]), ("33_[1-3%1]", ["33_1", "33_2", "33_3"]), ("33_[7]", ["33_7"]),
        ("33_[1,5-7]", ["33_1", "33_5", "33_6", "33_7"]), ("33_[0-8:4%2]", ["33_0", "33_4", "33_8"]),
        ("33_[0-3:2,9]", ["33_0", "33_2", "33_9"]), ("76+1", ["76+1"]), ("33_[1,3,5,...]", ["33_[1,3,5,...]"]),
        ("33_\u00b2", ["33_\u00b2"]), ("33_[3-1]", []), ("33_[0-999999999]", ["33_[0-999999999]"]),
        ("33_[0-9:0]", [f"33_{n}" for n in range(10)]), ("33_[]", ["33_[]"]), ("", [""]),
    ],
)  # fmt: skip
def test_names_expand_to_jobs(text: str, names: list[str]) -> None:
    assert [ref.name for ref in parse_name(text, "wice")] == names
    assert {ref.cluster for ref in parse_name(text, "wice")} <= {"wice"}


@pytest.mark.parametrize(
    ("state", "code", "expected"),
    [("FAILED", "0:0", None), ("FAILED", "5:0", 5), ("FAILED", "0:53", 0), ("COMPLETED", "0:0", 0)],
)
def test_a_failed_job_without_an_exit_code_has_none_yet(state: str, code: str, expected: int | None) -> None:
    """As sacct shows it for a moment after slurmdbd was down."""
    (ended,) = parse_sacct(f"1|{state}|{code}|9|9|9|n1|/a\n")
    assert ended.exit_code == expected


@pytest.mark.parametrize("number", ["\u00b2", "9" * 5000, "-1", "1e3", "", " 7", "0x1"])
def test_texts_that_are_no_numbers_become_none(number: str) -> None:
    (queued,) = parse_squeue(f"1|RUNNING|{number}|{number}|{number}|n1|None|/a\n")
    assert (queued.submitted, queued.start, queued.end) == (None, None, None)
    (ended,) = parse_sacct(f"1|FAILED|{number}:{number}|{number}|{number}|{number}|n1|/a\n")
    assert (ended.exit_code, ended.signal, ended.submitted, ended.start, ended.end) == (None, None, None, None, None)


# --- states


@pytest.mark.parametrize(
    ("text", "state", "final"),
    [
        ("PENDING", JobState.PENDING, False), ("CONFIGURING", JobState.CONFIGURING, False),
        ("RUNNING", JobState.RUNNING, False), ("SUSPENDED", JobState.SUSPENDED, False),
        ("COMPLETING", JobState.COMPLETING, False), ("COMPLETED", JobState.COMPLETED, True),
        ("FAILED", JobState.FAILED, True), ("TIMEOUT", JobState.TIMEOUT, True), ("PREEMPTED", JobState.PREEMPTED, True),
        ("NODE_FAIL", JobState.NODE_FAIL, True), ("OUT_OF_MEMORY", JobState.OUT_OF_MEMORY, True),
        ("BOOT_FAIL", JobState.BOOT_FAIL, True), ("DEADLINE", JobState.DEADLINE, True),
        ("CANCELLED", JobState.CANCELLED, True), ("CANCELLED by 0", JobState.CANCELLED, True),
        ("CANCELLED by 123456", JobState.CANCELLED, True), ("CANCELLED+", JobState.CANCELLED, True),
        ("REQUEUED", JobState.PENDING, False), ("REQUEUE_HOLD", JobState.PENDING, False),
        ("REQUEUE_FED", JobState.PENDING, False), ("SPECIAL_EXIT", JobState.PENDING, False),
        ("RESV_DEL_HOLD", JobState.PENDING, False), ("POWER_UP_NODE", JobState.CONFIGURING, False),
        ("RESIZING", JobState.RUNNING, False), ("SIGNALING", JobState.RUNNING, False),
        ("STAGE_OUT", JobState.COMPLETING, False), ("STOPPED", JobState.SUSPENDED, False),
        ("REVOKED", JobState.CANCELLED, True), ("LAUNCH_FAILED", JobState.FAILED, True),
        ("RECONFIG_FAIL", JobState.FAILED, True), ("EXPEDITING", JobState.UNKNOWN, False), ("", JobState.UNKNOWN, False),
    ],
)  # fmt: skip
def test_states_of_slurm_are_mapped(text: str, state: JobState, final: bool) -> None:
    assert parse_state(text) is state
    assert state.final is final


def test_a_job_that_slurm_no_longer_knows_has_ended() -> None:
    assert JobState.LOST.final


# --- sbatch


@pytest.mark.parametrize(
    ("text", "job"),
    [
        ("17\n", "17"), ("34;lab\n", "34;lab"), ("5", "5"), ("Welcome to the cluster\n\n123;wice\n", "123;wice"),
        ("6\nYour group has used 81 % of its hours\n", "6"), ("Submitted batch job 6\n", "6"),
        ("Submitted batch job 9 on cluster wice\n", "9;wice"), ("2026\nSubmitted batch job 9\n", "9"),
        ("\x1b[32mSubmitted batch job 9\x1b[0m\n", "9"), ("sbatch: Submitted batch job 9 on cluster c-1.x.\n", "9;c-1.x."),
        ("17\n17\n", "17"),
    ],
)  # fmt: skip
def test_the_job_is_read_from_sbatch(text: str, job: str) -> None:
    assert parse_sbatch(text) == JobRef.parse(job)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "12 13",
        ";lab",
        "17\n18\n",
        "Submitted batch job 1\nSubmitted batch job 2",
        "job 17 submitted",
        "\u0661",
        "9" * 5000,
    ],
)
def test_other_output_of_sbatch_names_no_job(text: str) -> None:
    assert parse_sbatch(text) is None


def test_several_clusters_are_named_in_the_answer() -> None:
    text = "CLUSTER: wice\n1|RUNNING|1|1|2|n1|None|/a\n\nCLUSTER: genius\n1|RUNNING|1|1|2|n1|None|/b\n"
    assert [str(one.ref) for one in parse_squeue(text, "wice,genius")] == ["1;wice", "1;genius"]
    assert [str(one.ref) for one in parse_squeue(text, "all")] == ["1;wice", "1;genius"]
    assert [str(one.ref) for one in parse_squeue("CLUSTER: wice\n1|RUNNING|1|1|2|n1|None|/a\n", "WICE")] == ["1;WICE"]


def test_sbatch_is_called_without_interfering_variables() -> None:
    assert build_sbatch("/run/job.sh", []) == ["sbatch", "--parsable", "/run/job.sh"]
    assert build_sbatch("/run/job.sh", ["A", "B"]) == ["env", "-u", "A", "-u", "B", "sbatch", "--parsable", "/run/job.sh"]


def test_env_removes_the_variables(tmp_path: Path) -> None:
    command = build_sbatch("job.sh", ["SBATCH_GRES"])
    stub = tmp_path / "sbatch"
    stub.write_text('#!/bin/sh\necho "$1 $2 [$SBATCH_GRES] [$SBATCH_ACCOUNT]"\n', encoding="utf-8")
    stub.chmod(0o755)
    environ = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SBATCH_GRES": "gpu:1", "SBATCH_ACCOUNT": "lab"}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    assert done.stdout == "--parsable job.sh [] [lab]\n"


USERS = {
    "PATH": "/bin",
    "HOME": "/home/ada",
    "SLURM_CONF": "/etc/slurm.conf",
    "SLURM_TIME_FORMAT": "relative",
    "SBATCH_ACCOUNT": "lab",
}


@pytest.mark.parametrize(
    ("flags", "more", "dropped"),
    [
        ([], [], []),
        (["account"], [], ["SBATCH_ACCOUNT"]),
        (["time"], ["SBATCH_TIMELIMIT"], ["SBATCH_TIMELIMIT"]),
        (["partition"], ["SBATCH_TIMELIMIT"], []),
        (["mem"], ["SBATCH_MEM_PER_NODE", "SBATCH_MEM_PER_CPU", "SBATCH_MEM_PER_GPU"],
         ["SBATCH_MEM_PER_CPU", "SBATCH_MEM_PER_GPU", "SBATCH_MEM_PER_NODE"]),
        (["gres"], ["SBATCH_GRES", "SBATCH_GPUS", "SBATCH_GPUS_PER_NODE", "SBATCH_GPU_BIND"],
         ["SBATCH_GPUS", "SBATCH_GPUS_PER_NODE", "SBATCH_GRES"]),
        (["gpus-per-node"], ["SBATCH_GRES", "SBATCH_GPUS_PER_TASK"], ["SBATCH_GPUS_PER_TASK", "SBATCH_GRES"]),
        (["mem-per-cpu"], ["SBATCH_MEM_PER_NODE", "SBATCH_MEM_PER_CPU"], ["SBATCH_MEM_PER_CPU", "SBATCH_MEM_PER_NODE"]),
        (["tres-per-task"], ["SBATCH_GPUS", "SBATCH_TRES_PER_TASK"], ["SBATCH_GPUS", "SBATCH_TRES_PER_TASK"]),
        (["exclusive"], ["SBATCH_EXCLUSIVE", "SBATCH_OVERSUBSCRIBE"], ["SBATCH_EXCLUSIVE", "SBATCH_OVERSUBSCRIBE"]),
        (["hint"], ["SBATCH_THREADS_PER_CORE"], ["SBATCH_THREADS_PER_CORE"]),
        (["gpu_bind"], ["SBATCH_GPU_BIND"], ["SBATCH_GPU_BIND"]),
        (["gpu-bind"], ["SBATCH_GPU_BIND", "SBATCH_GPUS"], ["SBATCH_GPU_BIND"]),
        (["cpus-per-task"], ["SBATCH_CPUS_PER_GPU"], ["SBATCH_CPUS_PER_GPU"]),
        (["clusters"], ["SBATCH_CLUSTERS", "SLURM_CLUSTERS"], ["SBATCH_CLUSTERS", "SLURM_CLUSTERS"]),
        ([], ["SLURM_CLUSTERS"], []),
        (["hint"], ["SLURM_HINT", "SBATCH_HINT"], ["SBATCH_HINT", "SLURM_HINT"]),
        (["job-name", "open-mode", "export"], ["SBATCH_JOB_NAME", "SBATCH_OPEN_MODE", "SBATCH_EXPORT"],
         ["SBATCH_EXPORT", "SBATCH_JOB_NAME", "SBATCH_OPEN_MODE"]),
        ([], ["SBATCH_ARRAY_INX", "SBATCH_WAIT", "SBATCH_OUTPUT", "SBATCH_ERROR", "SBATCH_INPUT", "SBATCH_NO_REQUEUE"],
         ["SBATCH_ARRAY_INX", "SBATCH_ERROR", "SBATCH_INPUT", "SBATCH_NO_REQUEUE", "SBATCH_OUTPUT", "SBATCH_WAIT"]),
    ],
)  # fmt: skip
def test_variables_that_would_override_the_script_are_removed(flags: list[str], more: list[str], dropped: list[str]) -> None:
    assert find_inherited({**USERS, **dict.fromkeys(more, "x")}, flags) == dropped


def test_nothing_is_inherited_from_the_surrounding_job() -> None:
    of_the_job = {
        "SLURM_JOB_ID": "7", "SLURM_NTASKS": "4", "SLURM_CPU_BIND": "x", "SLURM_EXPORT_ENV": "NONE", "SLURMD_NODENAME": "n1",
        "SRUN_CPUS_PER_TASK": "2", "SALLOC_ACCOUNT": "x", "SBATCH_PARTITION": "gpu", "PMI_RANK": "0", "PMIX_RANK": "0",
        "OMPI_COMM_WORLD_RANK": "0",
    }  # fmt: skip
    kept = {"SLURMTF_SITE": "mine", "MY_SLURM_X": "1", "CUDA_VISIBLE_DEVICES": "0"}
    dropped = find_inherited({**USERS, **of_the_job, **kept}, [])
    assert dropped == sorted({*of_the_job, "SLURM_TIME_FORMAT", "SBATCH_ACCOUNT"})
