"""Which files are trusted: those of the user and of root that no other user can change."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from slurmtf.job.contract.system.private import make_private
from slurmtf.job.contract.system.trust import find_fault, find_own_fault, find_parent_fault

from .users import ADA, MALLORY, as_user, needs_root, of

MODES = [(0o700, ""), (0o755, ""), (0o775, ""), (0o757, "everybody"), (0o777, "everybody"), (0o1777, "everybody")]


@pytest.mark.parametrize(("mode", "who"), MODES)
def test_a_folder_is_trusted_if_no_other_user_can_write_to_it(common: Path, mode: int, who: str) -> None:
    """The group has only this user, as on many systems."""
    folder = common / "folder"
    folder.mkdir()
    folder.chmod(mode)
    assert find_fault(str(folder)) == (f"{who} can write to {folder}" if who else "")
    assert find_own_fault(str(folder)) == (f"{who} can write to {folder}" if who else "")


@pytest.mark.parametrize(("mode", "trusted"), [(0o755, True), (0o777, False), (0o1777, True)])
def test_others_may_write_to_a_parent_with_the_sticky_bit(common: Path, mode: int, trusted: bool) -> None:
    above = common / "above"
    (above / "mine").mkdir(parents=True)
    above.chmod(mode)
    reason = "" if trusted else f"everybody can write to {above}"
    assert find_fault(str(above / "mine")) == find_parent_fault(str(above / "mine")) == reason
    assert find_parent_fault(str(above)) == reason


@needs_root
def test_files_of_another_user_are_not_trusted(common: Path) -> None:
    folder, file = common / "folder", common / "folder" / "file"
    folder.mkdir()
    file.write_text("")
    of(MALLORY, file)
    assert find_fault(str(file)) == f"{file} belongs to user {MALLORY}"
    of(0, file)
    of(MALLORY, folder)
    assert find_fault(str(file)) == f"{folder} belongs to user {MALLORY}"
    assert find_own_fault(str(folder)) == f"{folder} belongs to user {MALLORY}"
    folder.chmod(0o1777)
    assert find_fault(str(file)) == f"{folder} belongs to user {MALLORY}", (
        "who owns a sticky folder can remove everything in it"
    )


@needs_root
def test_files_of_root_are_trusted_but_not_the_users_own(common: Path) -> None:
    mine, roots = common / "mine", common / "roots"
    for folder in (mine, roots):
        folder.mkdir()
    of(ADA, mine)
    assert as_user(ADA, lambda: (find_fault(str(mine)), find_fault(str(roots)))) == ("", "")
    assert as_user(ADA, lambda: find_own_fault(str(mine))) == ""
    assert as_user(ADA, lambda: find_own_fault(str(roots))) == f"{roots} belongs to root"
    assert as_user(MALLORY, lambda: find_fault(str(mine))) == f"{mine} belongs to user {ADA}"


@needs_root
def test_a_group_with_other_users_can_write(common: Path) -> None:
    folder = common / "folder"
    folder.mkdir()
    os.chown(folder, 0, 4321)
    folder.chmod(0o770)
    assert find_fault(str(folder)) == f"the group 4321 can write to {folder}"


def test_a_link_is_followed_and_all_folders_on_its_path_count(common: Path) -> None:
    for name in ("real/deep", "open"):
        (common / name).mkdir(parents=True)
    (common / "open").chmod(0o777)
    (common / "good").symlink_to("real/../real/deep")
    (common / "open/bad").symlink_to(common / "real/deep")
    assert find_fault(str(common / "good")) == ""
    assert find_fault(str(common / "open/bad")) == f"everybody can write to {common}/open"
    assert find_own_fault(str(common / "good")) == f"{common}/good is a link"


@needs_root
def test_a_link_of_another_user_is_not_followed(common: Path) -> None:
    link = common / "link"
    link.symlink_to("/etc")
    of(MALLORY, link)
    assert find_fault(str(link)) == f"{link} belongs to user {MALLORY}"


def test_endless_links_are_not_trusted(common: Path) -> None:
    (common / "a").symlink_to("b")
    (common / "b").symlink_to("a")
    with pytest.raises(OSError, match="too many links"):
        find_fault(str(common / "a"))


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_every_folder_that_is_created_is_private(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        make_private(str(tmp_path / "a/b/c"))
        make_private(str(tmp_path / "a/b/c"))
    finally:
        os.umask(before)
    assert [oct((tmp_path / name).stat().st_mode & 0o777) for name in ("a", "a/b", "a/b/c")] == ["0o700"] * 3
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        make_private(str(tmp_path / "file/x"))
    with pytest.raises(NotADirectoryError):
        make_private(str(tmp_path / "file"))
