"""What a run without samples used: from Slurm's accounting, and from the summary that jobstats stores there."""

from __future__ import annotations

import base64
import gzip
import json
import shutil

import pytest

from slurmtf import Run
from slurmtf.scheduler.slurm.accounting import JOBSTATS, parse_size, parse_usage
from tests.patience import until

from .support import Lab, call, get_job, wait_until_ended, wait_until_started

pytestmark = pytest.mark.slurm

WORKS = """
import pathlib, time
held = bytearray(150_000_000)
began = time.process_time()
while time.process_time() - began < 2:
    sum(range(10_000))
pathlib.Path("outputs/here").touch()
while not pathlib.Path("outputs/gate").exists():
    time.sleep(0.1)
"""
SUMMARY = {
    "nodes": {
        "node1": {
            "total_time": 33.5,
            "used_memory": 3 << 30,
            "gpu_utilization": {"0": 37.5},
            "gpu_used_memory": {"0": 3 << 30},
            "gpu_total_memory": {"0": 40 << 30},
        }
    }
}


def books(run: Run, field: str) -> list[str]:
    return call("sacct", "-n", "-P", "-o", field, "-j", get_job(run)).splitlines()


def test_usage_is_read_from_accounting_and_jobstats(lab: Lab) -> None:
    plain = lab.submit(WORKS, memory="2G", cpus_per_task=2)
    watched = lab.submit(WORKS, gpus_per_node=1)
    wait_until_started(plain, watched)
    comment = JOBSTATS + base64.b64encode(gzip.compress(json.dumps(SUMMARY).encode())).decode()
    call("scontrol", "update", f"jobid={get_job(watched)}", f"admincomment={comment}")
    for run in (plain, watched):
        (run.folder / "outputs/gate").touch()
    wait_until_ended(plain, watched)
    for run in (plain, watched):
        until(lambda run=run: books(run, "state,workdir")[:1] == [f"COMPLETED|{run.folder}"], "all of it")  # type: ignore[misc]
        shutil.rmtree(run.layout.samples)

    (used,) = lab.data("report", plain.id)
    (seconds, *_), sizes = books(plain, "elapsedraw"), books(plain, "maxrss")
    usage = parse_usage(f"1|{seconds}|{books(plain, 'totalcpu')[0]}|||/x\n")["1"]
    (node,) = used["nodes"]
    assert used["source"] == "sacct"
    assert (used["memory_used"], used["memory_asked"]) == (max(map(parse_size, sizes)), 2 << 30)
    assert used["memory_used"] > 150_000_000
    assert (node["cpu_s"], node["seconds"]) == (usage.cpu_s, float(seconds))
    assert node["cpu_s"] >= 2

    (used,) = lab.data("report", watched.id)
    (node,) = used["nodes"]
    assert (used["source"], node["node"], node["cpu_s"], used["memory_used"]) == ("jobstats", "node1", 33.5, 3 << 30)
    (gpu,) = node["gpus"]
    assert (gpu["busy"], gpu["used_mb"], gpu["total_mb"]) == (37.5, 3 << 10, 40 << 10)
