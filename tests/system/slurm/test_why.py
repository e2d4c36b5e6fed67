"""``slurmtf why`` on runs that really wait, and on runs that really died: because of Slurm, Python or libraries."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest

from slurmtf.job.contract.system import trust
from slurmtf.runs.states.state import RunStatus
from tests.patience import until

from .support import HELLO, WAIT, Lab, get_job, wait_for_status, wait_until_ended

pytestmark = pytest.mark.slurm

DEATHS = {
    "import": ("import math\nimport importlib\nimportlib.import_module('no_such_package')\n", "No module named"),
    "script": ("values = {}\nprint(values['missing'])\n", "KeyError: 'missing'"),
    "library": ("import ctypes\nctypes.CDLL('libnothing.so.9')\n", "libnothing.so.9: cannot open shared object file"),
    "port": (
        "import socket\none = socket.create_server(('127.0.0.1', 0))\nsocket.create_server(one.getsockname())\n",
        "Address already in use",
    ),
    "disk": ("open('/dev/full', 'w', buffering=1).write('x\\n')\n", "No space left on device"),
    "host-memory": ("import numpy\nnumpy.ones((1 << 40,))\n", "MemoryError"),
    "network": ("import socket\nsocket.getaddrinfo('no-such-host.invalid', 80)\n", "[Errno -"),
    "crash": ("import faulthandler\nfaulthandler.enable()\nimport ctypes\nctypes.string_at(0)\n", "Segmentation fault"),
    "killed": ("import os\nos.kill(os.getpid(), 9)\n", ""),
    "cpu": ("import os\nos.kill(os.getpid(), 4)\n", ""),
    "unknown": ("import os\nprint('the flux capacitor is cold', flush=True)\nos._exit(3)\n", "the flux capacitor is cold"),
}


def explain_run(lab: Lab, run: Any) -> dict[str, Any]:
    explanation: dict[str, Any] = json.loads(lab.slurmtf("why", run.id, "--json").stdout)["data"]
    return explanation


def test_why_explains_what_ended_a_script(lab: Lab) -> None:
    runs = {kind: lab.submit(script, compute_target="local") for kind, (script, _) in DEATHS.items()}
    for kind, run in runs.items():
        wait_until_ended(run)
        death = explain_run(lab, run)["death"]
        assert death["class"] == kind, (kind, death)
        assert death["task"] == "main-0"
        shown = "\n".join(one["text"] for one in death["evidence"])
        assert DEATHS[kind][1] in shown
    text = lab.slurmtf("why", runs["script"].id).stdout
    assert "[script]" in text
    assert 'train.py", line 2' in text


def test_why_explains_what_slurm_ended(lab: Lab) -> None:
    canceled, other, waits = lab.submit(WAIT), lab.submit(WAIT), lab.submit(HELLO, sbatch={"hold": True})
    refused = lab.submit(HELLO, distributed_backend="mpi", process_count_per_node=2, srun={"mpi": "pmix_v9"})
    wait_for_status(canceled, RunStatus.RUNNING)
    wait_for_status(other, RunStatus.RUNNING)
    canceled.cancel()
    subprocess.run(["scancel", get_job(other), get_job(waits)], check=True)
    wait_until_ended(canceled)
    wait_until_ended(refused)
    death = explain_run(lab, canceled)["death"]
    assert (death["class"], death["canceled"]["by"], death["canceled"]["uid"]) == ("canceled", "slurmtf", os.getuid())
    for run in (other, waits):
        until(lambda run=run: explain_run(lab, run)["death"]["canceled"].get("by"), "the accounting's word")  # type: ignore[misc]
        canceler = {"by": "owner", "user": trust.get_user_name(os.getuid()), "uid": os.getuid()}
        assert explain_run(lab, run)["death"]["canceled"] == canceler
        assert json.loads((run.folder / "ended.json").read_text())["outcome"]["detail"] == canceler
    death = explain_run(lab, refused)["death"]
    assert (death["class"], death["rule"]) == ("mpi", "mpi-plugin")
    assert "--launcher mpirun" in death["remedy"]


def test_why_explains_what_a_run_waits_for(lab: Lab) -> None:
    held = lab.submit(HELLO, sbatch={"hold": True})
    never = lab.submit(HELLO, partition="short", time="0:05:00")
    try:
        waiting = explain_run(lab, held)["waiting"]
        assert (waiting["class"], waiting["reason"]) == ("when somebody acts", "JobHeldUser")
        assert waiting["ahead"]["jobs"] >= 0
        assert " in debug " in lab.slurmtf("why", held.id).stdout
        assert waiting["remedy"] == f"release it: scontrol release {get_job(held)}"
        waiting = explain_run(lab, never)["waiting"]
        assert waiting["class"] == "never"  # at first, Slurm's reason is PartitionConfig
        until(lambda: explain_run(lab, never)["waiting"]["reason"] == "PartitionTimeLimit", "the reason")
        assert "PartitionTimeLimit" in lab.slurmtf("why", never.id).stdout
    finally:
        held.cancel()
        never.cancel()


def test_why_finds_nothing_wrong_with_a_good_run(lab: Lab) -> None:
    run = lab.submit(HELLO, compute_target="local")
    wait_until_ended(run)
    nothing = {"waiting": None, "death": None, "hung": None, "doubt": None}
    assert explain_run(lab, run) == {"id": run.id, "status": "Completed", **nothing}
    assert lab.data("why")["id"] == run.id
