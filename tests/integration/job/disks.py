"""Jobs whose source is on the local disk of their node."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .jobs import Job


def on(disk: Path, job: Job) -> Job:
    """Put the source of a job and its environment, if any, on a disk."""
    job.change_plan(stage__where="node-local", stage__local=str(disk))
    return job


def list_inside(disk: Path) -> list[str]:
    """Return what slurmtf has on the disk, without its own two folders."""
    return sorted(path.name for path in disk.glob("slurmtf-*/*/*"))


def read_facts(job: Job) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((job.folder / "outputs" / "facts.json").read_text())
    return found


def errors(job: Job, label: str = "main-0") -> str:
    return Path(job.layout.task_log(label, "err")).read_text()
