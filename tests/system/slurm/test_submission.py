"""Submissions that Slurm refuses, from inside a job, with the user's own settings; and scripts submitted by hand."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from slurmtf import Run, RunStatus
from slurmtf.errors import RefusedError, UnreachableError
from tests.patience import until
from tests.unit.support import refusing

from .support import (
    COMMAND,
    HELLO,
    WAIT,
    Lab,
    call,
    findings,
    get_job,
    log,
    read_facts,
    read_files,
    wait_for_status,
    wait_until_ended,
    wait_until_started,
)

pytestmark = pytest.mark.slurm

# Options, Slurm's message, the line of our script.
REFUSALS = [
    (["-p", "nowhere"], "invalid partition specified: nowhere", "#SBATCH --partition=nowhere"),
    (["-A", "nobody"], "Invalid account or account/partition combination", "#SBATCH --account=nobody"),
    (["-q", "none"], "Invalid qos specification", "#SBATCH --qos=none"),
    (["--mem", "999G"], "Memory specification can not be satisfied", "#SBATCH --mem=999G"),
    (["-G", "9"], "Requested node configuration is not available", "#SBATCH --gres=gpu:9"),
    (["--sbatch", "gres=fpga:1"], "Invalid generic resource (gres) specification", "#SBATCH --gres=fpga:1"),
    (["-q", "tiny", "-t", "1:00:00"], "QOSMaxWallDurationPerJobLimit", "#SBATCH --time=01:00:00"),
    (["-q", "tiny", "-N", "9", "--backend", "multiworker", "--workers", "9"], "QOSMaxCpuPerUserLimit", "#SBATCH --qos=tiny"),
    (["-C", "quantum"], "Invalid feature specification", "#SBATCH --constraint=quantum"),
    (["--sbatch", "begin=yesterday's"], "Invalid --begin specification", "#SBATCH --begin="),
]

# Submits the given script with the variables that a launcher leaves.
NESTED = """
import os, subprocess, sys
command, target, workspace = sys.argv[1:]
left = dict(os.environ, PMIX_RANK="3", PMI_RANK="3", OMPI_COMM_WORLD_RANK="3", SBATCH_PARTITION="high")
assert "SLURM_JOB_ID" in left and "CUDA_VISIBLE_DEVICES" in left
argv = [command, "submit", "--site", "slurm", "--experiment", "inner", "--workspace", workspace, target]
print(subprocess.run(argv, env=left, stdout=subprocess.PIPE, text=True, check=True).stdout)
"""

# The same, in a run whose agent set a path, a cluster and threads; the user's own variables are kept.
NESTED_IN_A_CLUSTER = """
import os, subprocess, sys
command, target, workspace = sys.argv[1:]
assert os.environ["PYTHONPATH"].split(os.pathsep)[1:] == [os.getcwd(), "/of/the/user"]
assert "TF_CONFIG" in os.environ and "OMP_NUM_THREADS" in os.environ
if os.environ["SLURMTF_ROLE"] == "worker":
    argv = [command, "submit", "--site", "slurm", "--experiment", "inner", "--workspace", workspace, target]
    print(subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True).stdout)
"""

ENVIRONMENT = """
import json, os, pathlib
pathlib.Path("outputs/environ.json").write_text(json.dumps(dict(os.environ)))
"""

# Completes the first time, keeps running the second time, fails the third time.
TIMES = """
import pathlib, sys, time
times = pathlib.Path("times")
count = len(times.read_text()) if times.exists() else 0
times.write_text("x" * (count + 1))
pathlib.Path("outputs/started-" + str(count)).touch()
if count == 1:
    time.sleep(3600)
sys.exit(5 if count == 2 else 0)
"""


def test_refusals_of_slurm_are_reported(lab: Lab) -> None:
    script = lab.source(HELLO) / "train.py"
    lab.workspace.mkdir()
    for options, words, line in REFUSALS:
        (finding,) = findings(lab.slurmtf("submit", "--site", "slurm", *options, script, "--json"))
        assert words in finding["what"], finding
        assert finding["where"].startswith("job.sh, line "), finding
        assert line in finding["where"], finding
        assert finding["remedy"], finding
    plain = lab.slurmtf("submit", "--site", "slurm", "-p", "nowhere", script)
    assert (plain.returncode, plain.stdout) == (2, "")
    assert "job.sh, line 3: #SBATCH --partition=nowhere: " in plain.stderr
    with refusing(RefusedError, "refused", "nowhere"):
        lab.submit(HELLO, partition="nowhere")
    # The source stays stored, for later runs. Nothing else is left, and no job.
    assert {name.split("/")[0] for name in read_files(lab.workspace)} <= {".slurmtf", "train", "lab"}
    assert not [name for name in read_files(lab.workspace) if name.count("/") and not name.startswith(".slurmtf/")]
    assert not list((lab.workspace / ".slurmtf/intents").iterdir())
    assert not list((lab.workspace / ".slurmtf/staging").iterdir())
    assert str(lab.workspace) not in call("squeue", "--format=%Z")


def test_without_slurm_in_the_path_the_reason_is_given(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = lab.source(HELLO) / "train.py"
    for name in ("sh", "env", "git"):
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / name).symlink_to(shutil.which(name) or "/bin/sh")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (finding,) = findings(lab.slurmtf("submit", "--site", "slurm", script, "--json"), 3)
    assert finding["code"] == "no-slurm"
    with refusing(UnreachableError, "no-slurm"):
        lab.submit(HELLO)
    assert not lab.workspace.exists()


def test_a_run_can_be_submitted_from_inside_a_job(lab: Lab) -> None:
    target = lab.source(ENVIRONMENT) / "train.py"
    settings = {"partition": "low", "cpus_per_task": 3, "gpus_per_node": 2, "memory": "1G", "job_name": "outer"}
    outer = lab.submit(NESTED, script_params=[COMMAND, target, lab.workspace], **settings)
    (state,) = wait_until_ended(outer)
    assert state.status is RunStatus.COMPLETED, state.message
    (folder,) = (lab.workspace / "inner").iterdir()
    assert folder.name == log(outer).strip()
    inner = lab.data("status", folder.name)
    until(lambda: lab.data("status", folder.name)["status"] == "Completed", f"the inner run, {inner}")
    seen = json.loads((folder / "outputs/environ.json").read_text())
    assert seen["SLURM_JOB_ID"] != state.job_id
    expected = {"SLURM_JOB_NAME": "inner", "SLURM_JOB_PARTITION": "debug", "SLURM_NTASKS": "1", "SLURM_PROCID": "0"}
    assert {name: seen[name] for name in expected} == expected
    leaked = {
        "SLURM_CPUS_PER_TASK",
        "SLURM_JOB_GPUS",
        "SLURM_MEM_PER_NODE",
        "SBATCH_PARTITION",
        "PMIX_RANK",
        "OMPI_COMM_WORLD_RANK",
    }
    assert not leaked & seen.keys()
    assert seen.get("CUDA_VISIBLE_DEVICES", "") == ""
    assert seen["SLURMTF_RUN_ID"] == folder.name


def test_a_run_can_be_submitted_from_inside_a_run(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/of/the/user")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    target = lab.source(ENVIRONMENT) / "train.py"
    settings = {"distributed_backend": "ps", "cpus_per_task": 2}
    for number, site in enumerate(("local", "slurm"), 1):
        outer = lab.submit(NESTED_IN_A_CLUSTER, script_params=[COMMAND, target, lab.workspace], compute_target=site, **settings)
        (state,) = wait_until_ended(outer)
        assert state.status is RunStatus.COMPLETED, state.message
        inner = Run.find(log(outer, "worker-0.out").strip(), lab.workspace)
        assert wait_until_ended(inner)[0].status is RunStatus.COMPLETED
        seen = json.loads((inner.folder / "outputs/environ.json").read_text())
        assert seen["PYTHONPATH"].split(os.pathsep) == [inner.layout.hook, inner.layout.work, "/of/the/user"]
        assert seen["SLURMTF_ROLE"] == "main"
        ours = {"TF_CONFIG", "TF_GRPC_REUSE_PORT", "SLURMTF_PS_HOSTS", "SLURMTF_RENDEZVOUS"}
        assert not ours & seen.keys()
        assert "CUDA_VISIBLE_DEVICES" not in seen or not seen["CUDA_VISIBLE_DEVICES"]
        assert len(list((lab.workspace / "inner").iterdir())) == number


def test_the_users_own_defaults_apply(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = {
        "SBATCH_PARTITION": "low",
        "SBATCH_ACCOUNT": "chemistry",
        "SBATCH_TIMELIMIT": "7",
        "SBATCH_MEM_PER_CPU": "300",
        "SBATCH_GPUS": "3",
        "SBATCH_JOB_NAME": "mine",
        "SBATCH_OUTPUT": "/dev/null",
        "SLURM_TIME_FORMAT": "relative",
        "SQUEUE_FORMAT": "%A",
        "SACCT_FORMAT": "user",
    }
    for name, value in defaults.items():
        monkeypatch.setenv(name, value)
    silent = lab.submit(HELLO)
    outspoken = lab.submit(HELLO, partition="high", account="physics", time=9, memory="700M", gpus_per_node=2, job_name="ours")
    found = [read_facts(get_job(run)) for run in (silent, outspoken)]
    names = ("Partition", "Account", "TimeLimit", "JobName")
    assert [found[0][name] for name in names] == ["low", "chemistry", "00:07:00", "lab"]
    assert [found[1][name] for name in names] == ["high", "physics", "00:09:00", "ours"]
    assert ["mem=300M" in found[0]["TRES"], "gres/gpu=3" in found[0]["TRES"]] == [True, True]
    assert ["mem=700M" in found[1]["TRES"], "gres/gpu=2" in found[1]["TRES"]] == [True, True]
    assert [state.status for state in wait_until_ended(silent, outspoken)] == [RunStatus.COMPLETED] * 2
    assert log(silent) == "hello\n"
    assert Path(silent.layout.job_log).exists()


def test_the_script_can_be_submitted_by_hand(lab: Lab) -> None:
    run = lab.submit(TIMES)
    first = get_job(run)
    assert wait_until_ended(run)[0].status is RunStatus.COMPLETED

    second = by_hand(run.folder)
    until((run.folder / "outputs/started-1").exists, "the second time")
    assert (run.get_status(), get_job(run), run.job.job_id) == ("Running", second, second)
    assert not run.job.done(force_check=True)
    assert lab.slurmtf("status", second).returncode == 0
    run.cancel()
    (state,) = wait_until_ended(run)
    assert (state.status, state.cause, state.job_id) == (RunStatus.CANCELED, "canceled", second)

    third = by_hand(run.folder)
    until((run.folder / "outputs/started-2").exists, "the third time")
    (state,) = wait_until_ended(run)
    assert (state.status, state.exit_status, state.job_id) == (RunStatus.FAILED, 5, third)
    assert "exit_code=5" in str(run.job.exception())
    assert len({first, second, third}) == 3


def test_the_script_can_be_submitted_by_hand_after_a_cancellation(lab: Lab) -> None:
    run = lab.submit(WAIT, sbatch={"hold": True})
    run.cancel()
    assert wait_until_ended(run)[0].status is RunStatus.CANCELED
    job_id = by_hand(run.folder)
    call("scontrol", "release", job_id)
    wait_until_started(run)
    assert (run.get_status(), get_job(run)) == ("Running", job_id)
    call("scancel", job_id)
    wait_for_status(run, RunStatus.CANCELED)


def by_hand(folder: Path) -> str:
    return call("sbatch", "--parsable", "job.sh", cwd=folder)


def test_the_script_can_be_run_by_hand_on_this_machine(lab: Lab) -> None:
    run = lab.submit(TIMES, compute_target="local")
    assert wait_until_ended(run)[0].status is RunStatus.COMPLETED
    call("sh", "-c", "setsid bash job.sh </dev/null >>logs/job.log 2>&1 &", cwd=run.folder)
    until((run.folder / "outputs/started-1").exists, "the second time")
    wait_for_status(run, RunStatus.RUNNING)
    assert not run.job.done()
    run.cancel()
    assert wait_until_ended(run)[0].status is RunStatus.CANCELED
