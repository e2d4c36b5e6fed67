"""'slurmtf report' of runs on this machine, sampled by the agent, with GPUs that a fake nvidia-smi reports."""

from __future__ import annotations

import csv
import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from slurmtf import Run
from slurmtf.job.contract.attempt.samples import read
from slurmtf.job.task.sampling import list_processes, select_descendants
from tests.patience import HANG_S, until

from .conftest import Submit

SLURMTF = str(Path(sys.executable).with_name("slurmtf"))
BUSY = """
held = bytearray(300 << 20)
held[::4096] = b"x" * len(held[::4096])
end = time.monotonic() + 5
while time.monotonic() < end or time.process_time() < 3:
    pass
"""


@pytest.fixture
def environ(workspace: Path) -> dict[str, str]:
    return {**os.environ, "SLURMTF_WORKSPACE": str(workspace)}


def call(environ: dict[str, str], *words: str) -> str:
    done = subprocess.run([SLURMTF, *words], env=environ, capture_output=True, text=True, timeout=HANG_S, check=False)
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


def one(environ: dict[str, str], run: Run) -> dict[str, Any]:
    (found,) = json.loads(call(environ, "report", run.id, "--json"))["data"]
    assert isinstance(found, dict)
    return found


def test_the_report_shows_what_a_run_used(submit: Submit, environ: dict[str, str]) -> None:
    run = submit(BUSY, memory="64G")
    run.wait_for_completion()
    found = one(environ, run)
    assert found["training_s"] >= 5
    assert 1 < found["cpu_hours_used"] * 3600 <= found["training_s"] * 2
    assert 300 << 20 <= found["memory_used"] < 900 << 20
    assert (found["source"], found["memory_asked"], len(found["nodes"])) == ("samples", 64 << 30, 1)
    text = call(environ, "report", run.id)
    assert "at most" in text
    assert " 64G " in text
    assert "0.00 CPU" not in text
    assert " 60 s" in text
    (row,) = csv.DictReader(call(environ, "report", "--since", "1d", "--csv").splitlines())
    assert (row["run"], int(row["memory_used"])) == (run.id, found["memory_used"])
    assert run.id in call(environ, "report", "--since", "1d").splitlines()[1]
    assert run.id not in call(environ, "report", "--since", "2000-01-01", "--status", "failed")


def test_what_a_script_holds_as_it_ends(submit: Submit, environ: dict[str, str]) -> None:
    run = submit("time.sleep(3)\nlen(bytearray(1 << 20) * 300)\n")
    run.wait_for_completion()
    assert 300 << 20 <= one(environ, run)["memory_used"] < 400 << 20


def test_gpus_are_reported_while_the_run_is_going(
    submit: Submit, environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "nvidia-smi").write_text("#!/bin/sh\necho '90, 1024, 81920'\necho '0, 3, 81920'\n")
    (tmp_path / "bin" / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    run = submit("time.sleep(3600)\n", gpus_per_node=2)
    until(lambda: any((run.folder / "samples").glob("*")), "a file of samples")
    until(lambda: one(environ, run)["nodes"] and one(environ, run)["nodes"][0]["gpus"], "a sample of the GPUs")
    busy, idle = one(environ, run)["nodes"][0]["gpus"]
    assert (busy["busy"], busy["used_mb"], idle["busiest"]) == (90.0, 1024.0, 0.0)
    run.cancel()


def test_a_sample_costs_less_than_a_thousandth_of_the_time_between_two() -> None:
    began = time.process_time()
    for _ in range(10):
        assert select_descendants(list_processes(), os.getppid(), os.getpid())
    per_process = (time.process_time() - began) / 10 / len(list_processes())
    assert per_process * 500 < 0.06, "a sample of 500 processes, once in 60 s"


def test_the_file_of_samples_is_private_and_named_by_job_and_node(submit: Submit) -> None:
    run = submit("time.sleep(3)\n")
    run.wait_for_completion()
    (path,) = (run.folder / "samples").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    assert (run.folder / "samples").stat().st_mode & 0o777 == 0o700
    assert path.name.startswith(f"{run.state.job_id}.")
    assert len(list(read(str(path)))) == 2


def test_the_corrected_command_is_ready_to_paste(submit: Submit, environ: dict[str, str]) -> None:
    limit = "import numpy, resource\nresource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))\n"
    run = submit(f"{limit}numpy.ones((3, 1 << 30), 'u1')\n", memory="2G")
    run.wait_for_completion(raise_on_error=False)
    death = json.loads(call(environ, "why", run.id, "--json"))["data"]["death"]
    assert (death["class"], death["memory"]["asked"], death["memory"]["source"]) == ("host-memory", 2 << 30, "samples")
    assert 0 < death["memory"]["used"] < 2 << 30
    assert death["command"] == f"slurmtf rerun {run.id} --with memory=5G", "as much as the array needs, too"
    text = call(environ, "why", run.id)
    assert (" 2.0G " in text, "(samples)" in text) == (True, True)
    assert death["command"] in text
    again = Run.find(call(environ, *shlex.split(death["command"])[1:]).strip(), environ["SLURMTF_WORKSPACE"])
    again.wait_for_completion(raise_on_error=False)
    assert again.plan["resources"]["memory"] == "5G"
