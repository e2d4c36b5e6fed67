"""Data to and from a node's disk: no endless tree, and no result that replaces another one."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from slurmtf.job.contract.system import mounts
from slurmtf.job.contract.system.mounts import Mount
from slurmtf.job.staging.node_folder import find_base
from slurmtf.job.staging.transfer import _rename_if_absent, list_tree


def test_links_are_followed_but_not_in_cycles(tmp_path: Path) -> None:
    (tmp_path / "data/part").mkdir(parents=True)
    (tmp_path / "data/part/a").write_text("aa")
    (tmp_path / "data/again").symlink_to("part")
    assert [(one.place, one.size) for one in list_tree(str(tmp_path / "data")) if not one.folder] == [
        ("/again/a", 2),
        ("/part/a", 2),
    ]
    (tmp_path / "data/part/up").symlink_to(tmp_path / "data")
    with pytest.raises(OSError, match="a link to a folder that it lies in"):
        list_tree(str(tmp_path / "data"))


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize(
    ("there", "content", "placed"),
    [(None, "new", True), ("new", "new", True), ("old", "new", False), ("folder", "new", False), ("link", "new", False)],
)
def test_a_result_never_replaces_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool, there: str | None, content: str, placed: bool
) -> None:
    """Even on a file system without hard links."""

    def without(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    if not links:
        monkeypatch.setattr(os, "link", without)
    partial, target = tmp_path / ".partial", tmp_path / "result"
    partial.write_text(content)
    if there == "folder":
        target.mkdir()
    elif there == "link":
        target.symlink_to(tmp_path / "elsewhere")
    elif there is not None:
        target.write_text(there)
    assert _rename_if_absent(str(partial), str(target)) is placed
    if there in (None, "old", "new"):
        assert target.read_text() == (there or "new")
    else:
        assert target.is_dir() or target.is_symlink()


@pytest.mark.parametrize(("kind", "used"), [("ext4", True), ("tmpfs", True), ("nfs4", False), ("lustre", False)])
def test_a_shared_folder_is_not_a_node_disk_unless_the_site_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, used: bool
) -> None:
    monkeypatch.setattr(mounts, "read_mounts", lambda: [Mount("/", "8:1", "ext4"), Mount(str(tmp_path), "8:2", kind)])
    mine = tmp_path / "mine"
    environ = {"SLURM_TMPDIR": str(mine), "TMPDIR": str(mine), "SLURMD_NODENAME": "n1"}
    base, troubles = find_base("", environ)
    assert (base.startswith(str(mine)), len(troubles)) == (used, 0 if used else 2)
    assert find_base(str(mine), environ)[0].startswith(str(mine))
    assert find_base("$NOWHERE/x", {**environ, "SLURM_TMPDIR": ""})[0].startswith(str(mine)) is used
