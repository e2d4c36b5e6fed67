"""A store and wheels for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from .support import Lab, write_wheel


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    for name in ("UV_FIND_LINKS", "PIP_FIND_LINKS", "SLURMTF_ENVIRONMENTS"):
        monkeypatch.delenv(name, raising=False)
    write_wheel(tmp_path / "wheels", "speck")
    return Lab(tmp_path / "store", tmp_path / "wheels")
