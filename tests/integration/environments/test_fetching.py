"""Environments for nodes without a network: fetched on a machine that has one, and built from that alone."""

from __future__ import annotations

import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from slurmtf.environments import spec as specs
from slurmtf.environments.building import fetch
from slurmtf.errors import SoftwareError
from slurmtf.job.build.installer import explain_failure
from slurmtf.job.build.work import StepError
from tests.integration.environments.support import NO_PACKAGE, NOT_COMPILED
from tests.patience import HANG_S, until
from tests.unit.support import refusing, tells

from .support import LOCAL, UNCONNECTED, Lab, version_of, write_sources, write_wheel


def built(lab: Lab, *packages: str) -> Path:
    """Build an environment without a network and return its folder."""
    builder = lab.start_fetched(*packages, before=UNCONNECTED)
    output, _ = builder.communicate(timeout=HANG_S)
    assert builder.returncode == 0, output
    return lab.store.folder(lab.spec(*packages).name)


def test_packages_are_fetched_with_dependencies_and_installed_offline(lab: Lab) -> None:
    write_wheel(lab.wheels, "more", needs="speck")
    wheels = lab.fetch("more")
    assert sorted(file.name.partition("-")[0] for file in wheels.iterdir()) == ["more", "speck"]
    shutil.rmtree(lab.wheels)
    folder = built(lab, "more")
    assert (version_of(folder, "more"), version_of(folder, "speck")) == ("1.0", "1.0")
    assert not wheels.exists(), "an environment that is there needs it no more"
    assert lab.fetch("more") == wheels
    assert not wheels.exists()


def test_the_versions_of_an_earlier_build_are_fetched(lab: Lab) -> None:
    write_wheel(lab.wheels, "speck", "2.0")
    (wheel,) = lab.fetch("speck", lock=("speck==1.0",)).iterdir()
    assert wheel.name == "speck-1.0-py3-none-any.whl"


def test_a_package_with_no_deps_is_fetched_without_dependencies(lab: Lab) -> None:
    write_wheel(lab.wheels, "tensorflow_cpu")
    write_wheel(lab.wheels, "tf_keras", needs="tensorflow")
    lab.fetch("tensorflow-cpu", "tf-keras")
    record = lab.store.record(built(lab, "tensorflow-cpu", "tf-keras").name)
    assert {"tensorflow_cpu", "tf_keras"} <= record["packages"].keys()


def test_sources_are_compiled_when_they_are_fetched(lab: Lab) -> None:
    """Build tools are unavailable on a node and may not be required again: '--no-binary' applies only when fetching."""
    write_sources(lab.wheels, "raw")
    wish = ("--no-binary raw", "raw")
    lab.fetch(*wish)
    shutil.rmtree(lab.wheels)
    assert version_of(built(lab, *wish), "raw") == "1.0"


def test_sources_that_do_not_compile_are_refused_at_once(lab: Lab) -> None:
    write_sources(lab.wheels, "raw", compiler="raise SystemExit('raw.c:1: fatal error: ucc.h: No such file or directory')")
    with pytest.raises(SoftwareError) as caught:
        lab.fetch("speck", "raw")
    (finding,) = caught.value.findings
    assert tells(finding, NOT_COMPILED, "raw")
    log = Path(finding.remedy.rpartition("the whole log: ")[2])
    assert "fatal error: ucc.h" in log.read_text()
    assert (lab.builds, list(Path(lab.store.layout.downloads).iterdir())) == ([], [])


def test_sources_with_unknown_dependencies_are_named() -> None:
    printed = (
        "Collecting six==1.17.0\n  Downloading six-1.17.0-py2.py3-none-any.whl\nCollecting mysqlclient==2.2.4\n"
        "  Getting requirements to build wheel: started\n  error: subprocess-exited-with-error\n"
    )
    why = explain_failure(StepError("fetching", 1, printed)).what
    assert why == f"{NOT_COMPILED} (Collecting mysqlclient==2.2.4)"


def test_an_unavailable_package_is_refused_at_once(lab: Lab) -> None:
    with refusing(SoftwareError, "build-failed", NO_PACKAGE, "specck"):
        lab.fetch("speck", "specck")


def test_packages_for_another_processor_are_refused(lab: Lab) -> None:
    with refusing(SoftwareError, "other-machine", "sparc64"):
        fetch(lab.spec("speck"), lab.store, replace(LOCAL, arch="sparc64"), lab.messages.append)
    assert not lab.root.exists()


def test_the_removal_of_fetched_packages_before_the_job_is_reported(lab: Lab) -> None:
    shutil.rmtree(wheels := lab.fetch("speck"))
    output, _ = (builder := lab.start_fetched("speck")).communicate(timeout=HANG_S)
    assert builder.returncode == 1
    assert str(wheels) in output
    assert lab.store.list_names() == []


# Fake sources of Horovod: they compile in a moment, once they are allowed to finish.


@pytest.fixture
def index(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package index with Horovod and its build tools, including the real pip."""
    import ensurepip

    for name, version in {"setuptools": "80.0", "wheel": "1.0", "packaging": "1.0", "cmake": "3.0"}.items():
        write_wheel(lab.wheels, name, version)
    for name in ("tensorflow", "cloudpickle", "psutil", "pyyaml"):
        write_wheel(lab.wheels, name)
    (pip,) = Path(ensurepip.__file__).parent.glob("_bundled/pip-*.whl")
    shutil.copy(pip, lab.wheels)
    started, gate = lab.wheels.parent / "started", lab.wheels.parent / "gate"
    wait = (
        f"open({str(started)!r}, 'a').write('x'); [time.sleep(0.02) for _ in iter(lambda: os.path.exists({str(gate)!r}), True)]"
    )
    write_sources(lab.wheels, "horovod", "0.28.1", compiler=wait)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(lab.wheels))
    return lab.wheels.parent


def compilations(index: Path) -> int:
    return len((index / "started").read_text()) if (index / "started").exists() else 0


def test_horovod_is_compiled_without_a_network_or_uv(lab: Lab, index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(specs, "_find_uv", lambda: "")
    monkeypatch.setenv("PATH", os.pathsep.join(p for p in os.get_exec_path() if not Path(p, "uv").exists()))
    (index / "gate").touch()
    lab.fetch("tensorflow", "horovod")
    shutil.rmtree(lab.wheels)
    record = lab.store.record(built(lab, "tensorflow", "horovod").name)
    assert record["packages"]["horovod"] == "0.28.1"
    assert (record["tool"], record["horovod"]["tensorflow"]) == ("pip", "1.0")
    assert "cmake" not in record["packages"]


@pytest.mark.parametrize("killed", [False, True])
def test_two_environments_that_need_the_same_horovod_compile_it_once(lab: Lab, index: Path, killed: bool) -> None:
    """The second waits for the wheel, says so, and continues if the process that compiles it is killed."""
    wishes = (("tensorflow", "horovod"), ("tensorflow", "horovod", "speck"))
    for wish in wishes:
        lab.fetch(*wish)
    first = lab.start_fetched(*wishes[0])
    until(lambda: compilations(index) == 1, "the compiler")
    second = lab.start_fetched(*wishes[1])
    assert second.stdout
    words = next(line for line in second.stdout if line.startswith("waiting: "))
    assert f" {first.pid} on {os.uname().nodename} " in words
    assert words.endswith(" Horovod 0.28.1 for TensorFlow 1.0\n")
    if killed:
        first.send_signal(signal.SIGKILL)
        until(lambda: compilations(index) == 2, "the second's own compiler")
    (index / "gate").touch()
    first.communicate(timeout=HANG_S)
    assert second.wait(timeout=HANG_S) == 0, second.stdout.read()
    assert compilations(index) == 1 + killed
    assert lab.store.record(lab.spec(*wishes[1]).name)["packages"]["horovod"] == "0.28.1"
    assert list(Path(lab.store.layout.claims).iterdir()) == ([Path(lab.store.layout.claim(lab.spec(*wishes[0]).name))] * killed)
