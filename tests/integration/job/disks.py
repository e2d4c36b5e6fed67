"""Jobs whose source lies on a disk of their node."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .jobs import Job


def on(disk: Path, job: Job) -> Job:
    """The job with its source and, if it has one, its environment on a disk."""
    job.change_plan(stage__where="node-local", stage__local=str(disk))
    return job


def inside(disk: Path) -> list[str]:
    """What of ours is on the disk, our own two folders left out."""
    return sorted(path.name for path in disk.glob("slurmtf-*/*/*"))


def facts_of(job: Job) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((job.folder / "outputs" / "facts.json").read_text())
    return found


def errors(job: Job, label: str = "main-0") -> str:
    return Path(job.layout.task_log(label, "err")).read_text()
