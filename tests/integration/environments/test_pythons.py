"""The builder, on every Python that a job may have: all its modes, and all that it runs in an environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from slurmtf.environments.building import install_builder, write_spec
from slurmtf.environments.spec import EnvironmentSpec
from slurmtf.files import read_json, write_json
from slurmtf.job.build import inventory
from tests.patience import HANG_S

from .support import Lab, version_of, write_sources, write_wheel

ENTRIES = {
    "scikit_learn-1.3.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: scikit-learn\nVersion: 1.3.0\n\nName: another\n",
    "PyYAML-6.0.egg-info/PKG-INFO": "Metadata-Version: 1.1\r\nName: PyYAML\r\nVersion: 6.0\r\n",
    "old-3.0-py3.6.egg-info": "Metadata-Version: 1.0\nName: old\nVersion: 3.0\n",
    "broken-1.0.dist-info/RECORD": "",
    "notes.txt": "Name: notes\nVersion: 1\n",
}


SOME = pytest.mark.parametrize("interpreter", ("3.6", "3.7", "3.13"), indirect=True)
"""Whole builds take seconds: the oldest, the last without importlib.metadata, the newest. Every Python imports all modules."""


def spec_of(lab: Lab, interpreter: str, *packages: str, **settings: Any) -> EnvironmentSpec:
    return replace(lab.spec(*packages), python=interpreter, identity=(interpreter,), **settings)


def run(interpreter: str, lab: Lab, mode: str, *files: Path | str) -> subprocess.CompletedProcess[str]:
    command = [interpreter, "-I", install_builder(lab.store), mode, *map(str, files)]
    bare = {**os.environ, "PATH": "/usr/local/bin:/usr/bin:/bin"}  # without uv, which would do the interpreter's work
    return subprocess.run(command, capture_output=True, text=True, timeout=HANG_S, check=False, env=bare)


def spec_file(lab: Lab, spec: EnvironmentSpec, **more: Any) -> Path:
    path = Path(write_spec(spec, lab.store))
    write_json(path, {**read_json(path), "uv": "", **more})
    return path


@SOME
def test_an_environment_is_built_packed_and_checked(interpreter: str, lab: Lab) -> None:
    spec = spec_of(lab, interpreter, "speck")
    pack, name = lab.store.layout.pack(spec.name), spec.name
    prefix = lab.store.folder(name)
    request = {"name": f"{name}.x", "words": [str(prefix / "bin" / "python")], "variables": {},
               "modules": {"speck": "no speck", "gone": "there is no gone"}}  # fmt: skip
    asked = Path(lab.store.layout.spec(f"{name}.x"))
    path = spec_file(lab, spec, prefix=str(prefix), pack=pack)
    write_json(asked, request)
    done = run(interpreter, lab, "build", path, asked)
    assert done.stderr == f"slurmtf: {name}.x: there is no gone\n", done.stdout
    record = lab.store.record(name)
    assert record["packages"]["speck"] == "1.0"
    assert "speck==1.0" in record["lock"]
    assert (record["tool"], version_of(prefix, "speck")) == ("pip", "1.0")
    with tarfile.open(pack) as archive:
        assert any(member.endswith("speck.py") for member in archive.getnames())


@SOME
def test_packages_are_fetched_and_installed_without_an_index(interpreter: str, lab: Lab) -> None:
    write_wheel(lab.wheels, "wheel")  # the pip of Python 3.6 requires it to collect wheels
    spec = spec_of(lab, interpreter, "speck")
    name = f"{spec.name}.fetch"
    asked = Path(lab.store.layout.spec(name))
    spec_file(lab, spec)
    write_json(asked, {**read_json(lab.store.layout.spec(spec.name)), "name": name, "environment": spec.name})
    done = run(interpreter, lab, "fetch", asked)
    assert done.returncode == 0, done.stdout + done.stderr
    wheels = lab.store.layout.download(spec.name)
    assert [path.name for path in Path(wheels).glob("speck*")] == ["speck-1.0-py3-none-any.whl"]
    done = run(interpreter, lab, "build", spec_file(lab, spec, wheelhouse=wheels))
    assert done.returncode == 0, done.stdout + done.stderr
    assert version_of(lab.store.folder(spec.name), "speck") == "1.0"


@SOME
def test_horovod_without_tensorflow_is_refused_with_one_sentence(interpreter: str, lab: Lab) -> None:
    write_wheel(lab.wheels, "tensorflow-estimator")
    write_sources(lab.wheels, "horovod")
    spec = spec_of(lab, interpreter, "speck", horovod="horovod==0.28.1")
    done = run(interpreter, lab, "build", spec_file(lab, spec))
    assert done.returncode == 1, done.stdout
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"slurmtf: {spec.name}: ")
    assert "TensorFlow" in line


def test_the_packages_of_an_environment_are_listed(interpreter: str, tmp_path: Path) -> None:
    for name, text in ENTRIES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(text.encode())
    source = Path(inventory.__file__).read_text(encoding="utf-8")
    code = f"import sys; sys.path[:] = [{str(tmp_path)!r}, *sys.path]\n{source}"
    output = subprocess.run([interpreter, "-I", "-S", "-c", code], capture_output=True, text=True, check=True).stdout
    found = json.loads(output.splitlines()[-1])
    assert found["packages"] == {"scikit_learn": "1.3.0", "pyyaml": "6.0", "old": "3.0"}
    assert found["lock"] == ["PyYAML==6.0", "old==3.0", "scikit-learn==1.3.0"]


def test_the_package_list_agrees_with_importlib() -> None:
    from importlib import metadata

    def normal(name: str) -> str:
        return name.lower().replace("-", "_").replace(".", "_")

    packages = {normal(one.metadata["Name"]): one.version for one in reversed(list(metadata.distributions()))}
    assert inventory.list_contents()["packages"] == packages
    assert asdict(EnvironmentSpec("pip", sys.executable))["python"] == sys.executable
