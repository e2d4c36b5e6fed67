"""A conda environment on the node's local disk: all files that name its folder name the new one."""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path

import pytest

from slurmtf.environments import EnvironmentStore, Software
from slurmtf.environments.building import build_pack
from slurmtf.environments.packing import Pack, locate_pack
from slurmtf.job.build.prefixes import find_mentions
from slurmtf.job.staging import relocation
from slurmtf.sites import load
from tests.conda.channel import CRAMPED
from tests.conda.fixtures import Conda
from tests.environments import interpreters

from .jobs import Job, NewJob

# Files that name the folder: Python, a console script, a program, a package's script, and one written by pip.
TELLS = """
import json, os, subprocess, sys
paths = __import__("paths")
commands = {name: subprocess.check_output([name]).decode().strip() for name in ("speck", "prefix", "where", "tool")}
variables = {name: os.environ[name] for name in ("CONDA_PREFIX", "PATHS_HOME", "XLA_FLAGS", "BESIDE")}
with open("outputs/facts.json", "w") as file:
    json.dump({"python": sys.prefix, "module": paths.home, **commands, **variables}, file)
"""


@pytest.fixture(scope="module")
def environment(built_conda: Conda, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A conda environment that also has a link to it, and a script that pip wrote when called through the link."""
    folder = tmp_path_factory.mktemp("envs")
    built_conda.create(folder / "tf", "python", "speck <2", "paths")
    (folder / "link").symlink_to("tf")
    tool = folder / "tf" / "bin" / "tool"
    through_sh = f"#!/bin/sh\n'''exec' \"{folder}/link/bin/python3\" \"$0\" \"$@\"\n' '''\n"
    tool.write_text(f"{through_sh}import sys\nprint(sys.prefix)\n")
    tool.chmod(0o755)
    return folder / "tf"


def pack_in(store: EnvironmentStore, prefix: Path, form: str = "tar") -> Pack:
    pack, reason = locate_pack(Software(f"{prefix}/bin/python", prefix=str(prefix), kind="conda"), store, form)
    assert pack is not None, reason
    return pack


def staged(prefix: Path, job: Job, disk: Path, form: str = "tar") -> Job:
    store = EnvironmentStore(prefix.parent / "store")
    pack = pack_in(store, prefix, form)
    build_pack(pack, store, load("local"), print)
    job.change_plan(stage__prefix=pack.prefix, stage__pack=pack.path, stage__where="node-local", stage__local=str(disk))
    job.python = f"{prefix}/bin/python"
    job.environ.update(PATH=f"{prefix}/bin{os.pathsep}{job.environ['PATH']}", CONDA_PREFIX=str(prefix))
    return job


@pytest.mark.parametrize("form", ["tar", "squashfs"])
def test_the_environment_works_in_its_new_place(job: NewJob, environment: Path, tmp_path: Path, form: str) -> None:
    one = staged(environment, job(TELLS), tmp_path / "disk", form)
    oldest = interpreters.installed(interpreters.MINORS[0])
    one.agent_python = str(oldest.path) if oldest else one.agent_python
    beside = f"{environment}.old/share:{environment}-2"
    one.environ.update(PATHS_HOME=f"{environment}/share/paths", XLA_FLAGS=f"--dir={environment}/lib", BESIDE=beside)
    assert one.run() == 0, one.log()
    facts = json.loads((one.folder / "outputs" / "facts.json").read_text())
    (event,) = one.events("staged")
    assert event["warnings"] == []
    place = facts["python"]
    assert place.startswith(str(tmp_path / "disk"))
    home = f"{place}/share/paths"
    programs = {"speck": f"1.0 {place}", "prefix": place, "where": home, "tool": place, "module": home}
    variables = {"CONDA_PREFIX": place, "PATHS_HOME": home, "XLA_FLAGS": f"--dir={place}/lib", "BESIDE": beside}
    assert facts == {"python": place, **programs, **variables}
    assert list((tmp_path / "disk").glob("slurmtf-*/*/*")) == []


def test_an_environment_without_room_for_the_new_path_is_used_in_place(
    job: NewJob, built_conda: Conda, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    prefix = tmp_path_factory.mktemp("tight") / "tf"
    built_conda.create(prefix, "python", "cramped")
    disk = tmp_path / ("d" * CRAMPED)
    one = staged(prefix, job("import sys; open('outputs/prefix', 'w').write(sys.prefix)"), disk)
    assert one.run() == 0, one.log()
    assert (one.folder / "outputs" / "prefix").read_text() == str(prefix)
    (event,) = one.events("staged")
    (warning,) = event["warnings"]
    assert warning.startswith("environment: ")
    assert ("bin/cramped" in warning, f"{CRAMPED} bytes" in warning) == (True, True)


def test_base_is_packed_without_other_environments(environment: Path, tmp_path: Path) -> None:
    store = EnvironmentStore(tmp_path / "store")
    before = pack_in(store, environment)
    for name in ("pkgs", "envs"):
        (environment / name).mkdir()
        (environment / name / "large").touch()
    assert pack_in(store, environment) == before
    build_pack(before, store, load("local"), print)
    with tarfile.open(before.path) as archive:
        assert [name for name in archive.getnames() if name.endswith("large")] == []
    for name in ("pkgs", "envs"):
        (environment / name / "large").unlink()
        (environment / name).rmdir()


def test_the_listed_files_name_the_folder(environment: Path) -> None:
    found = find_mentions(str(environment))
    assert found["prefixes"] == sorted([str(environment), str(environment.with_name("link"))])
    assert found["programs"] == {"bin/prefix": 255}
    minor = next(environment.glob("lib/python*")).name
    scripts = ["bin/speck", "bin/tool", "bin/where"]
    assert found["texts"] == [
        *scripts,
        "etc/conda/activate.d/paths.sh",
        f"lib/{minor}/site-packages/paths.py",
        "share/paths/home.txt",
    ]


def test_files_linked_from_outside_the_environment_are_not_listed(built_conda: Conda, tmp_path: Path) -> None:
    built_conda.create(tmp_path / "tf", "paths")
    before = find_mentions(str(tmp_path / "tf"))["texts"]
    (tmp_path / "tf" / "share").rename(tmp_path / "share")
    (tmp_path / "tf" / "share").symlink_to(tmp_path / "share")
    assert find_mentions(str(tmp_path / "tf"))["texts"] == [path for path in before if path != "share/paths/home.txt"]
    assert "share/paths/home.txt" in before


def test_a_replaced_string_keeps_its_length(tmp_path: Path) -> None:
    program = tmp_path / "program"
    before = b"\1/old/a:/old/b" + bytes(40) + b"\2/older\0/old\0\3"
    program.write_bytes(before)
    note = {"prefixes": ["/old"], "texts": [], "programs": {"program": 20}}
    with pytest.raises(OSError, match="program has no room for"):
        relocation.relocate(str(tmp_path), note, "/longer")
    program.write_bytes(before)
    relocation.relocate(str(tmp_path), note, "/new")
    assert program.read_bytes() == b"\1/new/a:/new/b" + bytes(40) + b"\2/older\0/new\0\3"
    program.write_bytes(before[:-6])
    relocation.relocate(str(tmp_path), note, "/much/longer")
    assert program.read_bytes() == b"\1/much/longer/a:/much/longer/b" + bytes(24) + b"\2/older\0"
