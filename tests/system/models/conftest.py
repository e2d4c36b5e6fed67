"""The tool environments, built once for all sessions, and the models of the matrix in each generation."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from slurmtf.environments.tools import KERAS_2, NEWEST, SCORING
from slurmtf.models import export

from .support import OLDER, Generation, provide, store


@pytest.fixture(scope="session")
def keras_2(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Generation:
    return Generation(provide(KERAS_2, pytestconfig), tmp_path_factory.mktemp("keras-2"))


@pytest.fixture(scope="session")
def keras_3(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Generation:
    return Generation(provide(NEWEST, pytestconfig), tmp_path_factory.mktemp("keras-3"), OLDER)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("SLURMTF_WORKSPACE", str(tmp_path / "workspace"))
    return tmp_path / "workspace"


@pytest.fixture(scope="session")
def saved(keras_2: Generation, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Path:
    """Return a folder with a model, its ONNX file, and rows to score."""
    provide(SCORING, pytestconfig)
    folder = tmp_path_factory.mktemp("scoring")
    shutil.copy(keras_2.models / "mlp.keras", folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURMTF_ENVIRONMENTS", str(store().root))
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        patch.setenv("SLURMTF_WORKSPACE", str(folder / "workspace"))
        export(folder / "mlp.keras")
    random = np.random.default_rng(1)
    for number, rows in enumerate((100, 1, 250)):
        np.savez(folder / f"part-{number}.npz", x=random.standard_normal((rows, 4)).astype("float32"))
    return folder


@pytest.fixture
def here(workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURMTF_ENVIRONMENTS", str(store().root))
    monkeypatch.chdir(tmp_path)
