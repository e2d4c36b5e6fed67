"""Building environments: the result, when nothing has to be done, and what a failure says."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from slurmtf.environments import spec as specs
from slurmtf.environments.building import build
from slurmtf.environments.spec import EnvironmentSpec
from slurmtf.errors import SoftwareError
from tests.integration.environments.support import CONFLICT, NO_PACKAGE
from tests.unit.support import refusing

from .support import LOCAL, Lab, version_of, write_wheel


@pytest.mark.parametrize("tool", ["uv", "pip"])
def test_packages_are_installed_compiled_and_recorded(lab: Lab, tool: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("PYTHONPATH", str(lab.wheels))
    if tool == "pip":
        monkeypatch.setattr(specs, "_find_uv", lambda: "")
        monkeypatch.setenv("PATH", os.pathsep.join(p for p in os.get_exec_path() if not Path(p, "uv").exists()))
    folder = lab.build("speck")
    assert version_of(folder, "speck") == "1.0"
    assert list(folder.glob("lib/python*/site-packages/__pycache__/speck.*.pyc"))
    record = lab.store.record(folder.name)
    assert (record["tool"], record["packages"]["speck"], record["spec"]["requirements"][-1]) == (tool, "1.0", "speck")
    assert "speck==1.0" in record["lock"]
    assert stat.S_IMODE(lab.root.stat().st_mode) == 0o700
    assert stat.S_IMODE(Path(lab.store.layout.record(folder.name)).stat().st_mode) == 0o600
    assert any(line.startswith("installing") for line in lab.messages)


def test_a_second_build_does_nothing(lab: Lab) -> None:
    folder = lab.build("speck")
    before = folder.resolve()
    lab.messages.clear()
    assert lab.build("speck").resolve() == before
    assert lab.messages == []


def test_only_the_same_packages_give_the_same_environment(lab: Lab) -> None:
    assert lab.spec("speck").name == lab.spec("speck", "speck").name
    assert lab.spec("speck").name != lab.spec("speck==1.0").name


def test_a_lock_restores_the_versions(lab: Lab) -> None:
    first = lab.build("speck")
    lock = tuple(line for line in lab.store.record(first.name)["lock"] if line.startswith("speck"))
    write_wheel(lab.wheels, "speck", "2.0")
    lab.store.remove(first.name)
    assert version_of(lab.build("speck", lock=lock), "speck") == "1.0"
    lab.store.remove(first.name)
    assert version_of(lab.build("speck"), "speck") == "2.0"


def test_an_environment_without_its_interpreter_is_rebuilt(lab: Lab) -> None:
    folder = lab.build("speck")
    before = folder.resolve()
    (folder / "bin" / "python").unlink()
    assert lab.store.record(folder.name) == {}
    assert version_of(lab.build("speck"), "speck") == "1.0"
    assert folder.resolve() != before
    assert not before.exists()


def test_a_package_that_does_not_exist(lab: Lab) -> None:
    with pytest.raises(SoftwareError) as caught:
        lab.build("speck", "specck")
    (finding,) = caught.value.findings
    assert NO_PACKAGE in finding.what
    assert "specck" in finding.what
    name = lab.spec("speck", "specck").name
    log = Path(lab.store.layout.log(name))
    assert str(log) in finding.remedy
    assert "specck" in log.read_text()
    assert (lab.builds, lab.store.list_names()) == ([], [])
    failure = lab.store.failure(name)
    assert failure is not None
    assert failure.log == str(log)


def test_a_failed_build_is_retried(lab: Lab) -> None:
    with pytest.raises(SoftwareError):
        lab.build("later")
    write_wheel(lab.wheels, "later")
    folder = lab.build("later")
    assert version_of(folder, "later") == "1.0"
    assert lab.store.failure(folder.name) is None


def test_packages_that_do_not_go_together(lab: Lab) -> None:
    write_wheel(lab.wheels, "wants", needs="speck<1")
    with refusing(SoftwareError, "build-failed", CONFLICT):
        lab.build("speck==1.0", "wants")


def test_a_package_without_its_dependencies(lab: Lab) -> None:
    """tf-keras requires "tensorflow", which would overwrite the files of "tensorflow-cpu"."""
    write_wheel(lab.wheels, "tensorflow_cpu")
    write_wheel(lab.wheels, "tf_keras", needs="tensorflow")
    folder = lab.build("tensorflow-cpu", "tf-keras")
    packages = lab.store.record(folder.name)["packages"]
    assert {"tensorflow_cpu", "tf_keras"} <= packages.keys()
    assert "tensorflow" not in packages


def test_a_missing_python_is_named(lab: Lab) -> None:
    spec = EnvironmentSpec(kind="pip", python="python3.99", requirements=("speck",))
    with refusing(SoftwareError, "build-failed", "python3.99"):
        build(spec, lab.store, LOCAL, lab.messages.append)


def test_a_built_environment_works_in_a_login_shell_without_activation(lab: Lab) -> None:
    folder = lab.build("speck")
    done = subprocess.run(
        [folder / "bin" / "python", "-c", "import sys; print(sys.prefix)"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(folder)
