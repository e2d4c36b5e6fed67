"""Runs as data, for the tests of comparing and citing."""

from __future__ import annotations

from typing import Any

from slurmtf.job.contract.attempt.outcome import Cause, Outcome
from slurmtf.runs.receipts.receipt import Account
from slurmtf.runs.states.state import RunState, RunStatus

PLAN: dict[str, Any] = {
    "site": "lab",
    "resources": {"nodes": 2, "tasks": 4, "gpus_per_node": 2, "cpus_per_task": 8, "memory": "16G"},
    "job": {"distribution": {"backend": "mpi"}},
    "provenance": {
        "estimator": {"entry_script": "train.py", "source_directory": "/home/ada/x", "script_params": {"--lr": 0.1}}
    },
}
RECEIPT: dict[str, Any] = {
    "slurmtf": "0.1.0",
    "source": {"snapshot": "ab" * 16, "git": {"commit": "c0ffee" * 6 + "1234", "branch": "main", "dirty": False}},
    "software": {"python": "/opt/env/bin/python", "packages": {"tensorflow": "2.15.1", "numpy": "1.26.4"}, "modules": []},
    "loaded": {
        "packages": {"tensorflow": "2.15.1", "keras": "2.15.0", "horovod": "0.28.1"},
        "builds": {
            "tensorflow": {"cuda_version": "12.2", "cudnn_version": "8"},
            "horovod": {"mpi_built": True, "nccl_built": 21805},
            "mpi": "Open MPI v4.1.4, package: Debian",
        },
    },
    "attempts": [
        {"job": "12", "nodes": "node[1-2]", "slurm": "22.05.8", "gpus": [{"name": "NVIDIA A100", "driver": "535.54"}] * 2}
    ],
}
DONE = RunState(RunStatus.COMPLETED, outcome=Outcome(Cause.SCRIPT, exit_code=0), started=1000.0, ended=6400.0)


def account(**changes: Any) -> Account:
    known: dict[str, Any] = {"plan": PLAN, "receipt": RECEIPT, "state": DONE, "metrics": {"loss": 0.25}, "training": 5400.0}
    return Account("mnist-1", **{**known, **changes})
