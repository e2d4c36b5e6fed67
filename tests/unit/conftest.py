"""The option that rewrites the golden files, and a source directory that all unit tests may read."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("unit", deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no bug
settings.load_profile("unit")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite tests/unit/plan/golden/ with what comes out now")


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether to rewrite golden files; give --update-golden together with tests/unit."""
    return bool(request.config.getoption("--update-golden", default=False))


@pytest.fixture
def python_3_11(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python that submits calls itself 3.11, whichever it is: one that has packages of most TensorFlows."""
    monkeypatch.setattr("platform.python_version", lambda: "3.11.7")


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source directory with what estimators name."""
    folder = tmp_path_factory.mktemp("source")
    for name in ("train.py", "-x.py", "sub/main.py", "environment.yml", "requirements.txt", "notes.txt"):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("", encoding="utf-8")
    (folder.parent / "outside.yml").write_text("", encoding="utf-8")
    return folder


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty source directory, and the usual limits."""
    for name in ("SLURMTF_SNAPSHOT_MAX_FILES", "SLURMTF_SNAPSHOT_MAX_MB"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return tmp_path / "workspace"
