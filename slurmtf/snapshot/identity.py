"""Identify a source by its content."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from slurmtf.job.contract.snapshot import StoredEntry, compute_id
from slurmtf.snapshot.entries import Contents, Entry
from slurmtf.snapshot.reading import Blob


@dataclass(frozen=True)
class SnapshotRef:
    """The source as it was at submission: its content's hash, and its size."""

    id: str
    files: int
    bytes: int


@dataclass(frozen=True)
class Snapshot:
    """The entries and the hash of each file. ``known`` is what the index held before."""

    contents: Contents
    blobs: Mapping[str, Blob]
    known: Mapping[str, Blob]

    @cached_property
    def ref(self) -> SnapshotRef:
        """Return the reference: names, kinds, permissions, links and contents count; owners and times do not."""
        size = sum(blob.size for blob in self.blobs.values())
        return SnapshotRef(compute_id(map(self._as_stored, self.contents.entries)), self.contents.files, size)

    def _as_stored(self, entry: Entry) -> StoredEntry:
        return StoredEntry(
            entry.name, entry.kind, entry.mode, self.blobs[entry.name].sha256 if entry.kind == "file" else entry.link
        )


def leave_out(contents: Contents, gone: Mapping[str, str]) -> Contents:
    """Return the contents without some entries, which are listed as left out."""
    if not gone:
        return contents
    left = tuple(entry for entry in contents.entries if entry.name not in gone)
    return replace(contents, entries=left, left_out=(*contents.left_out, *gone.values()))
