"""The tool environments, built once for all sessions, and the models of the matrix in each generation."""

from __future__ import annotations

from pathlib import Path

import pytest

from slurmtf.environments.tools import KERAS_2, NEWEST

from .support import Generation, provide


@pytest.fixture(scope="session")
def keras_2(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Generation:
    return Generation(provide(KERAS_2, pytestconfig), tmp_path_factory.mktemp("keras-2"))


@pytest.fixture(scope="session")
def keras_3(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Generation:
    return Generation(provide(NEWEST, pytestconfig), tmp_path_factory.mktemp("keras-3"))


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("SLURMTF_WORKSPACE", str(tmp_path / "workspace"))
    return tmp_path / "workspace"
