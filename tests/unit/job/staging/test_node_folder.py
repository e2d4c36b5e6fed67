"""A folder on a node's own disk: who owns it, who removes it, and what is kept in it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from slurmtf.job.staging import node_folder


def wide_open(path: Path) -> None:
    path.mkdir()
    path.chmod(0o777)


SPOILED: dict[str, Callable[[Path], None]] = {
    "a link": lambda path: path.symlink_to("/"),
    "not a folder": lambda path: path.touch(),
    "write": wide_open,
}


@pytest.mark.parametrize("why", SPOILED)
def test_a_folder_that_is_not_private_is_not_used(tmp_path: Path, why: str) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    SPOILED[why](first / f"slurmtf-{os.getuid()}")
    base, troubles = node_folder.find_base(str(first), {"SLURM_TMPDIR": str(second), "SLURMD_NODENAME": "n1"})
    assert base == f"{second}/slurmtf-{os.getuid()}/n1"
    assert why in troubles[0], troubles


def test_the_place_is_the_sites_or_else_the_jobs(tmp_path: Path) -> None:
    own = {"SLURM_TMPDIR": str(tmp_path / "slurm"), "TMPDIR": str(tmp_path / "tmp"), "SLURMD_NODENAME": "n1"}
    ours = f"slurmtf-{os.getuid()}/n1"
    places = {
        "": tmp_path / "slurm",
        "$UNSET/x": tmp_path / "slurm",
        f"{tmp_path}/${{SLURMD_NODENAME}}/x": tmp_path / "n1" / "x",
    }
    for local, place in places.items():
        assert node_folder.find_base(local, own)[0] == str(place / ours)
    del own["SLURM_TMPDIR"]
    assert node_folder.find_base("", own)[0] == str(tmp_path / "tmp" / ours)


def test_a_lock_that_is_being_removed_is_tried_again(tmp_path: Path) -> None:
    one, other = (node_folder.NodeFolder(str(tmp_path), "run", "") for _ in range(2))
    assert one.enter() and other.enter()
    Path(one.path, "file").touch()
    assert not one.is_last()
    assert other.is_last()
    assert not one.enter(), "it is being removed"
    doomed = other.give_up()
    assert doomed is not None
    assert one.enter()
    assert list(Path(one.path).iterdir()) == []
    assert one.is_last()
    again = one.give_up()
    assert again is not None
    assert {str(path) for path in tmp_path.iterdir()} == {doomed, again}


def test_a_folder_kept_for_the_next_launch_is_not_removed_for_a_while(tmp_path: Path) -> None:
    kept, other = node_folder.NodeFolder(str(tmp_path), "kept", "a"), node_folder.NodeFolder(str(tmp_path), "other", "b")
    assert kept.enter() and other.enter()
    Path(kept.path, "file").touch()
    kept.keep()
    other.remove_leftovers()
    again, foreign = (node_folder.NodeFolder(str(tmp_path), "kept", name) for name in ("a", "c"))
    assert again.enter() and again.is_kept
    assert Path(again.path, "file").exists()
    again.keep()
    assert not foreign.is_kept
    os.utime(tmp_path / "kept.kept", (0, 0))
    other.remove_leftovers()
    assert not Path(kept.path).exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "other.lock"]


def test_another_start_of_the_job_does_not_use_the_kept_folder(tmp_path: Path) -> None:
    first, second = (node_folder.NodeFolder(str(tmp_path), "run", name) for name in ("a", "b"))
    assert first.enter()
    Path(first.path, "file").touch()
    first.keep()
    assert second.enter()
    assert list(Path(second.path).iterdir()) == []
