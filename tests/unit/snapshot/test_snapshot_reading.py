"""Files that change, vanish or become something else between the walk and their reading, and big files."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from slurmtf.errors import SnapshotError
from slurmtf.job.contract.snapshot import BLOCK
from slurmtf.snapshot import Contents, SnapshotStore, collect, reading
from slurmtf.snapshot.archive import Archive
from slurmtf.snapshot.contents import GONE
from slurmtf.snapshot.entries import Entry
from tests.patience import HANG_S
from tests.unit.snapshot.trees import fill, keep, reference, snapshot_of, unpacked
from tests.unit.support import refusing

Change = Callable[[Path], None]


def while_read(monkeypatch: pytest.MonkeyPatch, path: Path, *changes: Change) -> None:
    """Apply the next change to a file after each of its reads."""
    waiting = list(changes)
    reads = os.read

    def read_and_change(descriptor: int, size: int) -> bytes:
        data = reads(descriptor, size)
        if waiting and path.exists() and os.path.sameopenfile(descriptor, opened.fileno()):
            waiting.pop(0)(path)
        return data

    opened = path.open("rb")
    monkeypatch.setattr(os, "read", read_and_change)


def rewrite(path: Path) -> None:
    path.write_text("stable", encoding="utf-8")


def grow(path: Path) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write("more")


def truncate(path: Path) -> None:
    os.truncate(path, 1)


def flip(path: Path) -> None:
    """Change the file in place, without a change of size."""
    data = path.read_bytes()
    path.write_bytes(bytes(255 - byte for byte in data))


def text_in_tar(workspace: Path, name: str) -> bytes:
    (source,) = workspace.glob("exp/*/source.tar")
    with tarfile.open(source) as archive:
        member = archive.extractfile(name)
        assert member is not None
        return member.read()


@pytest.mark.parametrize("change", [rewrite, grow, truncate, flip])
def test_a_file_that_changes_while_it_is_read_is_read_again(
    root: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch, change: Change
) -> None:
    """The snapshot has its final content."""
    fill(root, "a.py", "train.py", "z.py")
    snapshot = snapshot_of(collect(root), workspace)
    while_read(monkeypatch, root / "train.py", change)
    source = workspace / "exp/run/source.tar"
    source.parent.mkdir(parents=True)
    taken = SnapshotStore(workspace).take(snapshot, str(source))
    monkeypatch.undo()
    assert taken.ref == reference(collect(root)) != snapshot.ref
    assert text_in_tar(workspace, "train.py") == (root / "train.py").read_bytes()
    assert text_in_tar(workspace, "z.py") == b"z.py"


def test_a_file_that_keeps_changing_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(root, "train.py")
    while_read(monkeypatch, root / "train.py", *[flip] * reading.ATTEMPTS)
    with refusing(SnapshotError, "unreadable"):
        reference(collect(root))


def test_a_growing_log_is_included_up_to_its_earlier_size(root: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(root, "train.log", text="line\n")
    contents = collect(root)
    while_read(monkeypatch, root / "train.log", *[grow] * 2 * reading.ATTEMPTS)
    kept = keep(contents, workspace)
    monkeypatch.undo()
    data = text_in_tar(workspace, "train.log")
    assert data == b"line\n" + b"more" * (2 * reading.ATTEMPTS - 1)
    assert kept.bytes == len(data)


@pytest.mark.parametrize("now", ["link", "pipe", "folder", "socket"])
def test_a_file_replaced_by_something_else_is_refused(root: Path, now: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above all without waiting: opening a pipe would block."""
    fill(root, "train.py", "data")
    contents = collect(root)
    (root / "data").unlink()
    if now == "link":
        (root / "data").symlink_to("train.py")
    elif now == "pipe":
        os.mkfifo(root / "data")
    elif now == "folder":
        (root / "data").mkdir()
    else:
        monkeypatch.chdir(root)
        os.mknod("data", 0o140600)
    with refusing(SnapshotError, "unreadable"):
        reference(contents)


def test_a_file_removed_before_it_is_inspected_is_left_out(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(root, "train.py", "gone.py", "gone/a.py")
    scandir = os.scandir

    def late(path: str) -> object:
        found = scandir(path)
        if path == str(root):
            items = list(found)
            (root / "gone.py").unlink()
            (root / "gone/a.py").unlink()
            (root / "gone").rmdir()
            return Listed(items)
        return found

    monkeypatch.setattr(os, "scandir", late)
    contents = collect(root)
    assert [entry.name for entry in contents.entries] == ["train.py"]
    assert sorted(contents.left_out) == [f"gone.py ({GONE})", f"gone/ ({GONE})"]


class Listed:
    def __init__(self, items: list[os.DirEntry[str]]) -> None:
        self._items = items

    def __enter__(self) -> list[os.DirEntry[str]]:
        return self._items

    def __exit__(self, *_: object) -> None:
        pass


LITTLE_MEMORY = """
import resource, sys
from pathlib import Path
import pathspec
from slurmtf.snapshot import SnapshotStore, collect

root, workspace = map(Path, sys.argv[1:])
pages = int(Path("/proc/self/statm").read_text().split()[0])
most = pages * resource.getpagesize() + 50 * 10**6
resource.setrlimit(resource.RLIMIT_AS, (most, most))
store = SnapshotStore(workspace)
print(store.take(store.read(collect(root)), str(workspace / "source.tar")).blobs["big"].sha256)
"""


def test_a_big_file_is_read_in_chunks(root: Path, workspace: Path) -> None:
    """The reading process has a third of the memory that the file would need."""
    (root / "big").touch()
    os.truncate(root / "big", 150 * 10**6)
    workspace.mkdir()
    command = [sys.executable, "-c", LITTLE_MEMORY, str(root), str(workspace)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG_S, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == hashlib.sha256(bytes(150 * 10**6)).hexdigest()
    assert (workspace / "source.tar").stat().st_size > 150 * 10**6


def test_long_names_are_stored(root: Path, workspace: Path) -> None:
    """Beyond the 100 bytes of a plain header."""
    name = "/".join(["a" * 60] * 30)
    fill(root, name, "b" * 99, "c" * 100, "d" * 101, "é" * 50, "/".join("x" * 300))
    (root / "link").symlink_to("t" * 101)
    contents = collect(root)
    work = unpacked(contents, workspace)
    assert (work / name).read_text() == name
    assert (work / "link").readlink() == Path("t" * 101)
    assert Contents(work, collect(work).entries).files == contents.files


def test_a_file_too_big_for_a_plain_header_is_stored(tmp_path: Path) -> None:
    """The header's size field ends at 8 GiB."""
    with (tmp_path / "a.tar").open("wb") as file:
        archive = Archive(file)
        archive.add(Entry("small", "", "file", 0o600), 0)
        archive.add(Entry("big", "", "file", 0o600), 8**11)
    with tarfile.open(tmp_path / "a.tar") as read:
        assert [(member.name, member.size) for member in (read.next(), read.next()) if member] == [("small", 0), ("big", 8**11)]


def test_gnu_tar_reads_the_archive(root: Path, workspace: Path) -> None:
    fill(root, "train.py", "sub/a b", "é\n", "x" * 120, "-x")
    (root / "link").symlink_to("train.py")
    keep(collect(root), workspace)
    (source,) = workspace.glob("exp/*/source.tar")
    (workspace / "out").mkdir()
    subprocess.run(["tar", "-xf", source, "-C", workspace / "out"], check=True, timeout=HANG_S)
    assert reference(collect(workspace / "out")) == reference(collect(root))


def test_the_plain_header_equals_that_of_tarfile(root: Path, workspace: Path) -> None:
    """Byte for byte, except for the end: tarfile pads to 10 KiB, and has no last block like ours."""
    fill(root, "train.py", "sub/a", "sub/b.sh", text="x" * 700)
    (root / "sub/b.sh").chmod(0o755)
    (root / "link").symlink_to("sub/a")
    contents = collect(root)
    keep(contents, workspace)
    (source,) = workspace.glob("exp/*/source.tar")
    kinds = {"file": tarfile.REGTYPE, "link": tarfile.SYMTYPE, "folder": tarfile.DIRTYPE}
    other = workspace / "other.tar"
    with tarfile.open(other, "w", format=tarfile.PAX_FORMAT) as archive:
        for entry in contents.entries:
            header = tarfile.TarInfo(entry.name)
            header.type, header.mode, header.linkname, header.size = kinds[entry.kind], entry.mode, entry.link, entry.size
            with Path(entry.path).open("rb") if entry.kind == "file" else open(os.devnull, "rb") as file:
                archive.addfile(header, file)
    assert source.read_bytes()[:-BLOCK].rstrip(b"\0") == other.read_bytes().rstrip(b"\0")
