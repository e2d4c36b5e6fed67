"""Building conda environments: really solved and linked, from a channel that is a folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from slurmtf.environments import spec as specs
from slurmtf.environments.building import build
from slurmtf.errors import SoftwareError
from slurmtf.estimator import Environment
from slurmtf.job.build.conda import _explain
from slurmtf.job.build.work import StepError
from tests.conda.fixtures import Conda
from tests.integration.environments.support import CONFLICT, NO_PACKAGE
from tests.patience import HANG_S, until
from tests.unit.support import refusing, tells

from .support import LOCAL, Lab, alive, children, version_of, write_wheel

SLURMTF = Path(sys.executable).with_name("slurmtf")
# What they print if packages are unavailable, as issues of mamba and conda show it.
MICROMAMBA = """
error    libmamba Could not solve for environment specs
    The following packages are incompatible
    ├─ python =3.12 * is requested and can be installed;
    └─ python =3.13 * is not installable because it conflicts with any installable versions previously reported.
critical libmamba Could not solve for environment specs
"""
CONDA = """
Solving environment: ...working... failed

PackagesNotFoundError: The following packages are not available from current channels:

  - tensorfow
"""
CONDA_LIBMAMBA = """
Solving environment: ...working... failed

LibMambaUnsatisfiableError: Encountered problems while solving:
  - nothing provides requested tensorfow

Could not solve for environment specs
"""


def built(lab: Lab, wish: Environment, lock: tuple[str, ...] = ()) -> Path:
    spec = specs.build_package_spec(wish, LOCAL, lab.wheels)
    build(spec, lab.store, LOCAL, lab.messages.append, lock)
    return lab.store.folder(spec.name)


def of_channel(conda: Conda, *packages: str, pip: list[str] | None = None) -> Environment:
    return Environment(conda_packages=list(packages), conda_channels=[conda.channel], pip_packages=pip or [])


def says(program: Path) -> str:
    return subprocess.run([program], capture_output=True, text=True, check=True).stdout.strip()


def test_packages_are_solved_and_hold_their_own_path(lab: Lab, conda: Conda) -> None:
    folder = built(lab, of_channel(conda, "python", "wants_old", "paths"))
    assert says(folder / "bin" / "speck") == f"1.0 {folder.resolve()}"
    assert says(folder / "bin" / "prefix") == str(folder.resolve())
    record = lab.store.record(folder.name)
    assert (record["tool"], record["packages"]["speck"]) == ("micromamba", "1.0")
    assert f"{conda.channel}/noarch/speck-1.0-0.tar.bz2" in [line.partition("#")[0] for line in record["lock"]]
    assert any("(micromamba)" in line for line in lab.messages)


def test_pip_packages_are_installed_after_conda_packages(lab: Lab, conda: Conda) -> None:
    write_wheel(lab.wheels, "more")
    pip = ["--no-index", f"--find-links {lab.wheels}", "more"]
    folder = built(lab, of_channel(conda, "python", "speck <2", pip=pip))
    assert [version_of(folder, name) for name in ("speck", "more")] == ["1.0", "1.0"]
    assert "pip" in lab.store.record(folder.name)["packages"]


def test_a_conda_file_may_list_pip_packages(lab: Lab, conda: Conda) -> None:
    write_wheel(lab.wheels, "more")
    folder = built(lab, file_with_pip(lab, conda))
    assert [version_of(folder, name) for name in ("speck", "more")] == ["1.0", "1.0"]
    assert folder.name.startswith("conda-")


def file_with_pip(lab: Lab, conda: Conda) -> Environment:
    pip = ["--no-index", f"--find-links {lab.wheels}", "more"]
    wish = {"name": "mine", "channels": [conda.channel], "dependencies": ["python", "speck <2", "pip", {"pip": pip}]}
    (lab.wheels / "environment.yml").write_text(yaml.safe_dump(wish, sort_keys=False))
    return Environment(conda_dependencies_file="environment.yml")


@pytest.mark.parametrize("by_file", [False, True])
def test_a_record_restores_all_versions(lab: Lab, conda: Conda, by_file: bool, tmp_path: Path) -> None:
    """Of both conda and pip packages, even if newer ones have appeared since."""
    write_wheel(lab.wheels, "more")
    pip = ["--no-index", f"--find-links {lab.wheels}", "more"]
    folder = built(lab, file_with_pip(lab, conda) if by_file else of_channel(conda, "python", "speck <2", pip=pip))
    record = tmp_path / "record.json"
    record.write_text(json.dumps(lab.store.record(folder.name)).replace("speck <2", "speck"))
    write_wheel(lab.wheels, "more", "2.0")
    again = subprocess.run([SLURMTF, "env", "rebuild", record], capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    rebuilt = Path(again.stdout.strip())
    assert rebuilt.name != folder.name
    assert [version_of(rebuilt, name) for name in ("speck", "more")] == ["1.0", "1.0"]
    assert lab.store.record(rebuilt.name)["lock"] == lab.store.record(folder.name)["lock"]


def test_a_package_that_does_not_exist(lab: Lab, conda: Conda) -> None:
    with pytest.raises(SoftwareError) as caught:
        built(lab, of_channel(conda, "python", "specck"))
    (finding,) = caught.value.findings
    first, *reason = finding.what.splitlines()
    assert (NO_PACKAGE in first, len(reason), "specck" in reason[0]) == (True, 1, True)
    assert tells(finding, "conda_channels", lab.store.layout.logs)
    assert (lab.builds, lab.store.list_names()) == ([], [])


def test_packages_that_do_not_go_together(lab: Lab, conda: Conda) -> None:
    with pytest.raises(SoftwareError) as caught:
        built(lab, of_channel(conda, "wants_old", "wants_new"))
    (finding,) = caught.value.findings
    lines = finding.what.splitlines()
    assert CONFLICT in lines[0]
    assert len(lines) < 12
    assert "incompatible" in lines[1]
    assert lines[2].startswith("├─ ")
    assert not any("incompatible" in line for line in lab.messages), "it is told once"
    assert any("speck >=2" in line for line in lines)
    assert any("speck <2" in line for line in lines)


@pytest.mark.parametrize(
    ("output", "what", "reason"),
    [
        (MICROMAMBA, CONFLICT, "python =3.12 * is requested"),
        (CONDA, NO_PACKAGE, "- tensorfow"),
        (CONDA_LIBMAMBA, NO_PACKAGE, "nothing provides requested tensorfow"),
    ],
)
def test_the_messages_of_other_solvers_are_understood(output: str, what: str, reason: str) -> None:
    finding = _explain(StepError("solving", 1, output))
    assert finding.what.startswith(what)
    assert reason in finding.what
    assert "Solving environment" not in finding.what
    assert "critical" not in finding.what


def test_a_killed_build_is_not_taken_for_whole(lab: Lab, conda: Conda, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first time, micromamba does not exit after linking; its builder is killed then."""
    here, slow, job = tmp_path / "here", tmp_path / "bin" / "micromamba", tmp_path / "job.yaml"
    slow.parent.mkdir()
    slow.write_text(f'#!/bin/sh\n{conda.program} "$@" || exit\n[ -e {here} ] || {{ touch {here}; exec sleep 3600; }}\n')
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", str(slow.parent), prepend=os.pathsep)
    monkeypatch.setenv("SLURMTF_ENVIRONMENTS", str(lab.root))
    (tmp_path / "train.py").write_text("import speck\n")
    wish = {"conda_packages": ["python", "speck"], "conda_channels": [conda.channel]}
    job.write_text(json.dumps({"entry_script": "train.py", "compute_target": "local", "environment_definition": wish}))
    command = [str(SLURMTF), "env", "build", str(job)]
    with subprocess.Popen([*command, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        until(here.exists, "a filled folder")
        (builder,) = children(process.pid)
        steps = children(builder)
        os.kill(builder, signal.SIGKILL)
        output, error = process.communicate(timeout=HANG_S)
    assert process.returncode == 2, error
    assert [finding["code"] for finding in json.loads(output)["error"]["findings"]] == ["build-failed"]
    until(lambda: not any(map(alive, steps)), "the end of what it had started")
    assert lab.store.list_names() == []
    assert len(lab.builds) == 1
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert version_of(Path(again.stdout.strip()), "speck") == "2.0"
    assert len(lab.builds) == 1


def test_without_conda_the_reason_names_it(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MAMBA_EXE", "CONDA_EXE"):
        monkeypatch.delenv(name, raising=False)
    programs = ("micromamba", "mamba", "conda")
    monkeypatch.setenv("PATH", os.pathsep.join(p for p in os.get_exec_path() if not any(Path(p, n).exists() for n in programs)))
    with refusing(SoftwareError, "build-failed", "micromamba", "PATH"):
        built(lab, Environment(conda_packages=["python"]))
