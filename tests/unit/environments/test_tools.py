"""The Python of a tool environment, and why the environment of a run was not built."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slurmtf.environments import EnvironmentStore
from slurmtf.environments.store import describe_build_failure
from slurmtf.environments.tools import Tool, _find_python
from slurmtf.errors import SoftwareError
from slurmtf.files import write_json
from tests.unit.support import refusing

RUNNING = f"{sys.version_info[0]}.{sys.version_info[1]}"
PLANNED: Callable[..., Tool] = lambda *pythons: Tool("onnx", ("a==1",), pythons)  # noqa: E731


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the only one in PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def put(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return str(path)


def test_the_running_python_comes_first(path: Path) -> None:
    put(path / "python3.99")
    assert _find_python(PLANNED("3.99", RUNNING), ()) == sys.executable


def test_the_best_python_in_path_comes_next_and_then_a_likely_one(path: Path, tmp_path: Path) -> None:
    likely = put(tmp_path / "env/bin/python3.97")
    assert _find_python(PLANNED("3.99", "3.98", "3.97"), ["/usr/bin/python3.5", likely]) == likely
    second = put(path / "python3.98")
    assert _find_python(PLANNED("3.99", "3.98", "3.97"), [likely]) == second
    first = put(path / "python3.99")
    assert _find_python(PLANNED("3.99", "3.98", "3.97"), [likely]) == first


def test_a_shim_of_pyenv_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It fails for a version that is not activated; the version itself works."""
    monkeypatch.setenv("PATH", str(tmp_path / "pyenv/shims"))
    put(tmp_path / "pyenv/shims/python3.99")
    with refusing(SoftwareError, "tool-python", "python3.99"):
        _find_python(PLANNED("3.99"), ())
    real = put(tmp_path / "pyenv/versions/3.99.1/bin/python3.99")
    assert _find_python(PLANNED("3.99"), ()) == real


FAILED = {"what": "no network", "remedy": "fetch it first", "log": "/store/logs/x"}
UNFIT = {"what": "imports sklearn", "remedy": "add it", "log": ""}


@pytest.mark.parametrize(
    ("failures", "reasons"),
    [
        ({}, []),
        ({"pip-x": FAILED}, ["no network", "fetch it first", "/store/logs/x"]),
        ({"pip-x.for-run": UNFIT}, ["imports sklearn", "add it"]),
        ({"pip-x": FAILED, "pip-x.for-run": UNFIT}, ["no network"]),
    ],
)
def test_the_reason_for_a_missing_environment_is_given(tmp_path: Path, failures: dict[str, Any], reasons: list[str]) -> None:
    store = EnvironmentStore(tmp_path)
    store.layout.prepare()
    for name, facts in failures.items():
        write_json(store.layout.failure(name), facts)
    shell = {"activation": {"prefix": str(store.folder("pip-x"))}, "image": ""}
    plan = {"provenance": {"environment_spec": {"a": 1}, "build_task": "pip-x.for-run"}, "batch": {"shell": shell}}
    found = describe_build_failure(plan)
    assert [fact in found for fact in reasons] == [True] * len(reasons)
    assert bool(found) is bool(reasons)
    assert describe_build_failure({**plan, "provenance": {"environment_spec": None}}) == ""
