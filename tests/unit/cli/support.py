"""The command line, called in this process: no Slurm, no other process."""

from __future__ import annotations

import os
import sys
from typing import NamedTuple

import pytest

from slurmtf.cli import output
from slurmtf.cli.app import main


class Done(NamedTuple):
    exit_code: int
    out: str
    err: str


class CommandLine:
    """Calls ``slurmtf`` as a shell would, and returns what came of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, *words: str) -> Done:
        self._monkeypatch.setattr(output._Mode, "json", False)
        self._monkeypatch.setattr(sys, "argv", ["slurmtf", *map(os.fspath, words)])
        self._capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        return Done(code, *self._capsys.readouterr())
