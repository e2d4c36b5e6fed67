"""The test jobs' environments: their definitions, where they are kept, the Pythons that they are built from."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from slurmtf.errors import SoftwareError
from slurmtf.findings import Finding
from tests.environments import fixtures, interpreters
from tests.environments.cache import build_environ, root
from tests.environments.interpreters import Interpreter, NoInterpreter
from tests.environments.specs import ENVIRONMENTS

MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"
PACKAGE = "tests.environments"
IMPORT_ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_requirement_is_pinned(name: str) -> None:
    lines = [line.partition("#")[0].strip() for line in ENVIRONMENTS[name].requirements.read_text().splitlines()]
    assert all(re.match(r"[\w.-]+==\d", line) for line in [*filter(None, lines), *ENVIRONMENTS[name].packages])


@pytest.mark.parametrize("name", ["PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV"])
def test_variables_that_would_affect_a_build_are_removed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "1")
    assert name not in build_environ()


# The cache's place


def test_the_cache_folder_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURMTF_TEST_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert root() == tmp_path / "xdg" / "slurmtf-tests"
    monkeypatch.setenv("SLURMTF_TEST_CACHE", str(tmp_path / "own"))
    assert root() == tmp_path / "own"
    monkeypatch.delenv("SLURMTF_TEST_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert root() == tmp_path / ".cache" / "slurmtf-tests"


# Interpreters

OTHER = "3.7" if MINOR != "3.7" else "3.8"


def fake_python(file: Path, answer: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{answer}\n")
    file.chmod(0o755)
    return file


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    interpreters.installed.cache_clear()
    folders = [tmp_path / "shims", tmp_path / "usr"]
    monkeypatch.setenv("PATH", os.pathsep.join(map(str, folders)))
    yield folders
    interpreters.installed.cache_clear()  # other tests must not use what is found here


def test_the_running_python_is_used_if_it_is_suitable() -> None:
    assert interpreters.find((OTHER, MINOR)).path == Path(sys.executable).resolve()


def test_a_broken_python_is_skipped(path: list[Path]) -> None:
    fake_python(path[0] / f"python{OTHER}", "echo command not found >&2; exit 127")
    fake_python(path[1] / f"python{OTHER}", f"echo /real/python; echo {OTHER}.9")
    assert interpreters.find((OTHER,)) == Interpreter(Path("/real/python"), f"{OTHER}.9")


def test_an_inactive_version_is_found_behind_its_shim(tmp_path: Path, path: list[Path]) -> None:
    fake_python(path[0] / f"python{OTHER}", "exit 127")
    fake_python(tmp_path / f"versions/{OTHER}.16/bin/python{OTHER}", f"echo /real/python; echo {OTHER}.16")
    assert interpreters.find((OTHER,)).version == f"{OTHER}.16"


def test_without_any_python_the_reason_is_given(path: list[Path]) -> None:
    with pytest.raises(NoInterpreter, match=rf"no working python{OTHER} in PATH"):
        interpreters.find((OTHER,))


# Fixtures

NEEDS = "can't be built"


def outcome(monkeypatch: pytest.MonkeyPatch, config: pytest.Config, error: Exception, required: str) -> type:
    def broken(name: str) -> Path:
        raise error

    monkeypatch.setattr(fixtures, "build", broken)
    monkeypatch.setenv("SLURMTF_REQUIRE_ENVS", required)
    with pytest.raises((pytest.skip.Exception, pytest.fail.Exception), match=NEEDS) as raised:
        fixtures.provide("tiny", config, optional=True)
    return raised.type


FAILED = SoftwareError(Finding("build-failed", "tiny", NEEDS))


def test_an_environment_that_can_not_be_built_skips_its_tests(
    monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config
) -> None:
    assert outcome(monkeypatch, pytestconfig, FAILED, "") is pytest.skip.Exception


def test_a_required_environment_that_can_not_be_built_fails(
    monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config
) -> None:
    assert outcome(monkeypatch, pytestconfig, FAILED, "1") is pytest.fail.Exception


def test_an_optional_python_is_never_required(monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config) -> None:
    assert outcome(monkeypatch, pytestconfig, NoInterpreter(NEEDS), "1") is pytest.skip.Exception


# The command


def test_the_command_rejects_unknown_names() -> None:
    command = [sys.executable, "-m", PACKAGE, "nonesuch"]
    answer = subprocess.run(command, check=False, cwd=IMPORT_ROOT, capture_output=True, text=True)
    assert answer.returncode == 2
    assert all(name in answer.stderr for name in ("nonesuch", *ENVIRONMENTS))
