"""Take a snapshot of the source: find what belongs to it, and store each content once."""

from __future__ import annotations

from slurmtf.snapshot.contents import collect
from slurmtf.snapshot.entries import Contents
from slurmtf.snapshot.identity import Snapshot, SnapshotRef
from slurmtf.snapshot.script import ScriptFacts, examine
from slurmtf.snapshot.store import SnapshotStore

__all__ = ["Contents", "ScriptFacts", "Snapshot", "SnapshotRef", "SnapshotStore", "collect", "examine"]
