"""Which of Horovod's sources are patched, and which compiler error is reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from slurmtf.environments import EnvironmentSpec
from slurmtf.job.build.horovod import find_complaint, name_wheel_folder
from slurmtf.job.build.horovod_source import patch
from slurmtf.job.build.work import BuildError
from slurmtf.job.contract.environments import horovod
from slurmtf.job.contract.environments.horovod import COMMON, FOR_GPUS, PATCHES, XLA_GUARD, Patch


def sources(folder: Path, text: str = XLA_GUARD) -> Path:
    for file in {one.file for one in PATCHES}:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text("".join(one.old for one in PATCHES if one.file == file))
    (folder / FOR_GPUS.file).parent.mkdir(parents=True)
    (folder / FOR_GPUS.file).write_text(text)
    return folder


def test_each_patch_is_applied_once(tmp_path: Path) -> None:
    patch(str(sources(tmp_path)), "2.15.1", for_gpus=False)
    for file in {one.file for one in PATCHES}:
        assert (tmp_path / file).read_text() == "".join(one.new for one in PATCHES if one.file == file)


def test_text_that_a_release_does_not_have_is_not_patched(tmp_path: Path) -> None:
    (tmp_path / COMMON).parent.mkdir(parents=True)
    (tmp_path / COMMON).write_text("another")
    patch(str(tmp_path), "1.15.5", for_gpus=False)
    assert (tmp_path / COMMON).read_text() == "another"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PATCHES", (*PATCHES, Patch(COMMON, "#pragma once", ""))),
        ("PATCHES", PATCHES[:-1]),
        ("FOR_GPUS", FOR_GPUS._replace(new="")),
        ("WITHOUT_XLA", (2, 20)),
        ("TOOLS", ("pip", "setuptools<80")),
        ("OPTIONS", {"HOROVOD_WITH_GLOO": "1"}),
        ("RELEASE", "0.29.0"),
    ],
)
def test_a_build_from_different_sources_has_a_different_name(monkeypatch: pytest.MonkeyPatch, name: str, value: object) -> None:
    """The environment and the wheel: otherwise what was built before a patch would be used forever."""
    with_horovod = EnvironmentSpec("pip", "python3", requirements=("tensorflow==2.15.1",), horovod="horovod==0.28.1")
    without = EnvironmentSpec("pip", "python3", requirements=("tensorflow==2.15.1",))

    def names() -> list[str]:
        return [with_horovod.name, name_wheel_folder("0.28.1", "tf2.15.1.gloo", "3.11.2", {}), without.name]

    before = names()
    monkeypatch.setattr(horovod, name, value)
    assert [one == other for one, other in zip(names(), before, strict=True)] == [False, False, True]


@pytest.mark.parametrize(
    ("tensorflow", "for_gpus", "left_out"),
    [
        ("2.18.1", False, False),
        ("2.19.0", False, True),
        ("2.21.0", False, True),
        ("2.21.0", True, False),
        ("1.15.5", False, False),
    ],
)
def test_the_gpu_source_is_left_out_if_its_headers_are_missing(
    tmp_path: Path, tensorflow: str, for_gpus: bool, left_out: bool
) -> None:
    patch(str(sources(tmp_path)), tensorflow, for_gpus)
    assert ("HAVE_GPU" in (tmp_path / FOR_GPUS.file).read_text()) is left_out


def test_a_release_that_can_not_be_patched_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"TensorFlow 2\.19 and later"):
        patch(str(sources(tmp_path, "another")), "2.21.0", for_gpus=False)


@pytest.mark.parametrize(
    ("output", "complaint"),
    [
        (
            "error: subprocess-exited-with-error\n  /x/linux.cc:9:17: error: flexible array member\n",
            "error: flexible array member",
        ),
        ("/x/a.cc:27:10: fatal error: xla.h: No such file\n/x/b.cc:1:1: error: later", "fatal error: xla.h: No such file"),
        ("error: subprocess-exited-with-error\nCMake Error at x:1 (find_package):\n", "CMake Error at x:1 (find_package):"),
        ("a.o: undefined reference to `MPI_Init'\n", "undefined reference to `MPI_Init'"),
        ("error: invalid command 'bdist_wheel'\n", "error: invalid command 'bdist_wheel'"),
        ("Killed", "the compiler does not say why"),
    ],
)
def test_the_compilers_error_is_preferred_to_pips(output: str, complaint: str) -> None:
    assert find_complaint(output) == complaint
