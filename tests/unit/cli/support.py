"""The command line, called in this process, without Slurm or other processes."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from slurmtf.cli import output
from slurmtf.cli.app import main
from slurmtf.files import write_json
from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.contract.metrics.entries import Entry, to_line

PLAN = {"warnings": [], "site": "local", "provenance": {"estimator": {"primary_metric": "loss"}}}


class Done(NamedTuple):
    exit_code: int
    out: str
    err: str

    @property
    def codes(self) -> list[str]:
        """Return the codes of the findings with which a command with ``--json`` failed."""
        return [finding["code"] for finding in json.loads(self.out)["error"]["findings"]]


class CommandLine:
    """Calls ``slurmtf`` as a shell would, and returns the result."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, *words: str | Path) -> Done:
        self._monkeypatch.setattr(output._Mode, "json", False)
        self._monkeypatch.setattr(output._Mode, "flags", {})
        self._monkeypatch.setattr(sys, "argv", ["slurmtf", *(os.fspath(word) for word in words)])
        self._capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        return Done(code, *self._capsys.readouterr())


def run_folder(workspace: Path, name: str, *entries: Entry, task: str = "main-0") -> Path:
    """Return the folder of a run that logged these entries."""
    folder = workspace / "digits" / name
    layout = RunLayout(str(folder))
    for path in (layout.metrics, layout.logs):
        Path(path).mkdir(parents=True, exist_ok=True)
    write_json(layout.plan, PLAN)
    Path(layout.task_metrics(task)).write_bytes(b"".join(map(to_line, entries)))
    return folder
