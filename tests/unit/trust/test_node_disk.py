"""A folder on the node's disk that another user could replace during the job is not used, and the reason is given."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from slurmtf.job.staging.node_folder import find_base
from slurmtf.job.task import ports

from .users import ADA, MALLORY, as_user, needs_root, of


def places(local: Path, other: Path) -> dict[str, str]:
    return {"SLURM_TMPDIR": str(other), "SLURMD_NODENAME": "n1"}


@pytest.mark.parametrize(("mode", "usable"), [(0o700, True), (0o755, True), (0o1777, True), (0o777, False), (0o757, False)])
def test_storage_local_is_used_only_with_a_safe_mode(common: Path, mode: int, usable: bool) -> None:
    local, other = common / "local", common / "other"
    local.mkdir()
    local.chmod(mode)
    base, troubles = find_base(str(local), places(local, other))
    assert base == f"{local if usable else other}/slurmtf-{os.getuid()}/n1"
    assert [str(local) in trouble for trouble in troubles] == ([] if usable else [True])


@needs_root
@pytest.mark.parametrize("mode", [0o700, 0o755, 0o1777])
def test_storage_local_created_by_another_user_is_not_used(common: Path, mode: int) -> None:
    """/tmp/$USER, created by another user."""
    local, other = common / "ada", common / "other"
    for folder, owner in ((local, MALLORY), (other, ADA)):
        folder.mkdir()
        of(owner, folder)
    local.chmod(mode)
    base, troubles = as_user(ADA, lambda: find_base(str(local), places(local, other)))
    assert base == f"{other}/slurmtf-{ADA}/n1"
    assert f"{local} belongs to user {MALLORY}" in troubles[0]


@needs_root
def test_a_parent_folder_of_another_user_is_not_trusted(common: Path) -> None:
    above, other = common / "above", common / "other"
    (above / "local").mkdir(parents=True)
    of(MALLORY, above)
    base, troubles = find_base(str(above / "local"), places(above, other))
    assert base.startswith(str(other))
    assert f"{above} belongs to user {MALLORY}" in troubles[0]


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_folders_created_in_it_are_private(common: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        find_base(str(common / "a/b/c"), places(common, common))
    finally:
        os.umask(before)
    made = [path for path in common.rglob("*") if path.is_dir()]
    assert len(made) == 5
    assert {path.stat().st_mode & 0o777 for path in made} == {0o700}


def a_link(folder: Path, victim: Path) -> None:
    for number in range(ports.LOWEST, ports.HIGHEST):
        (folder / str(number)).symlink_to(victim)


@needs_root
@pytest.mark.parametrize("plant", [lambda folder, victim: None, a_link])
def test_a_folder_of_ports_created_by_another_user_is_not_used(
    common: Path, monkeypatch: pytest.MonkeyPatch, plant: Callable[[Path, Path], None]
) -> None:
    """A link named like a port in it would make us truncate our own file."""
    thesis, planted = common / "thesis", common / f"slurmtf-ports-{os.getuid()}"
    thesis.write_text("years")
    planted.mkdir()
    plant(planted, thesis)
    planted.chmod(0o777)
    of(MALLORY, planted)
    monkeypatch.setattr("tempfile.tempdir", str(common))
    with pytest.raises(OSError, match=f"belongs to user {MALLORY}: set TMPDIR"):
        ports.hold()
    assert thesis.read_text() == "years"
