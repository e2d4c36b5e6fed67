"""The index of a source: what its files held when they were last read, so that unchanged files are not read again."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from slurmtf.files import make_private, write_private
from slurmtf.job.contract.interchange import JsonObject
from slurmtf.snapshot.entries import Contents
from slurmtf.snapshot.reading import Blob

FORM = 3
SETTLED_NS = 2 * 10**9
"""The coarsest time stamps of file systems in use."""


class Index:
    """The index of one source directory, in a file. It may be lost at any time; then everything is read again."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def locate(cls, folder: Path, source: Path) -> Index:
        """Return the index of a source directory in the store's folder."""
        name = hashlib.sha256(os.fsencode(source.resolve())).hexdigest()[:32]
        return cls(folder / f"{name}.index")

    def load(self) -> dict[str, Blob]:
        """Return what is known of each file, by its name; an empty mapping if the index can't be read."""
        try:
            return {name: Blob(*facts) for name, facts in self._read_facts()["files"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    @property
    def source(self) -> Path | None:
        """The source directory; None if the index can't be read."""
        try:
            return Path(self._read_facts()["source"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def save(self, contents: Contents, blobs: Mapping[str, Blob], known: Mapping[str, Blob]) -> None:
        """Record what the files held, unless ``known`` is the same.

        A file that has just changed is left out: it may change again within its time stamp's precision without a visible
        difference (git calls such an entry racy).
        """
        settled = {name: blob for name, blob in blobs.items() if blob == known.get(name) or _is_settled(blob, contents.began)}
        if settled == known:
            return
        with contextlib.suppress(OSError):  # then the next submission only reads more
            make_private(self.path.parent)
            write_private(self.path, json.dumps({"form": FORM, "source": str(contents.root.resolve()), "files": settled}))

    def _read_facts(self) -> JsonObject:
        facts: dict[str, object] = json.loads(self.path.read_bytes())
        if facts["form"] != FORM:
            raise ValueError(self.path)
        return facts


def _is_settled(blob: Blob, began: int) -> bool:
    _, mtime, ctime, *_ = map(int, blob.stamp.split())
    return max(mtime, ctime) + SETTLED_NS < began
