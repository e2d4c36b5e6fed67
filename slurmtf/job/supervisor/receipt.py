"""Complete the run's receipt, when an attempt ends, with what is known only in the job."""

import contextlib
import json
import os
import platform
import shutil
import subprocess
from typing import Dict, List, Mapping

from ..common import identity
from ..contract import variables as var
from ..contract.attempt.outcome import Outcome
from ..contract.layout import RunLayout
from ..contract.plan import JobPlan
from ..contract.system.private import write_private

PATIENCE_S = 20
GPU_FACTS = ("name", "driver_version", "memory.total")
ASK_NVIDIA = ("nvidia-smi", "--query-gpu=" + ",".join(GPU_FACTS), "--format=csv,noheader")
ASK_AMD = ("rocm-smi", "--showproductname", "--showdriverversion", "--csv")
ASK_SLURM = ("scontrol", "--version")


def complete(
    plan: JobPlan, layout: RunLayout, environ: Mapping[str, str], outcome: Outcome, began: float, ended: float
) -> None:
    """Add this attempt to the receipt, and what rank 0 had loaded. Times in seconds since 1970.

    A failed write does no harm. In a sweep, whose elements end in any order, the first one to end adds it.
    """
    with contextlib.suppress(OSError, ValueError):
        receipt = _read(layout.receipt)
        earlier = receipt.get("attempts")
        attempts: List[object] = earlier if isinstance(earlier, list) else []
        if plan.sweep and attempts:
            return
        found = dict(build_attempt(plan, environ), started=round(began, 3), ended=round(ended, 3), outcome=outcome.to_dict())
        receipt.pop("outcome", None)  # Slurm's report of an end, before the job was started again
        receipt.update(attempts=[*attempts, found])
        with contextlib.suppress(OSError, ValueError):
            receipt["loaded"] = _read(layout.software)
        write_private(layout.receipt, (json.dumps(receipt, indent=1) + "\n").encode("utf-8", "surrogateescape"))


def build_attempt(plan: JobPlan, environ: Mapping[str, str]) -> Dict[str, object]:
    """Return where this attempt ran: job, nodes, and the hardware and software of the first node."""
    slurm = _run_quietly(ASK_SLURM) if var.SLURM_JOB_ID in environ else []
    return {
        "job": identity.get_job_name(environ) or str(os.getpid()),
        "number": identity.count_requeues(environ),
        "cluster": environ.get(var.SLURM_CLUSTER_NAME, ""),
        "nodes": environ.get(var.SLURM_JOB_NODELIST, "") or identity.get_host(environ),
        "host": identity.get_host(environ),
        "slurm": slurm[0].split()[-1] if slurm else "",
        "launcher": plan.launcher,
        "system": platform.platform(),
        "gpus": _list_gpus(plan),
    }


def _list_gpus(plan: JobPlan) -> List[object]:
    """Return the GPUs of the first node: name, driver and memory of each, as reported by the vendor's tool."""
    if not plan.size.gpus_per_node:
        return []
    if plan.gpu_vendor == "amd":
        return [{"name": line} for line in _run_quietly(ASK_AMD)[1:]]
    rows = [line.split(",") for line in _run_quietly(ASK_NVIDIA)]
    return [dict(zip(("name", "driver", "memory"), (cell.strip() for cell in row))) for row in rows]


def _run_quietly(command: "tuple[str, ...]") -> List[str]:
    """Return the lines that a program prints; none if there is no such program, or it fails."""
    if shutil.which(command[0]) is None:
        return []
    try:
        done = subprocess.run(  # noqa: PLW1510
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=PATIENCE_S
        )
    except (OSError, subprocess.SubprocessError):
        return []
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    return [line.strip() for line in lines if line.strip()] if done.returncode == 0 else []


def _read(path: str) -> Dict[str, object]:
    with open(path, encoding="utf-8") as file:
        found = json.load(file)
    if not isinstance(found, dict):
        raise ValueError("no object")
    return found
