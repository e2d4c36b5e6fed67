"""What the files of a source held when they were last read, so that an unchanged file is not read again."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from slurmtf.files import make_private, write_private
from slurmtf.snapshot.entries import Contents
from slurmtf.snapshot.reading import Blob

FORM = 3
SETTLED_NS = 2 * 10**9
"""The coarsest time stamps of file systems in use."""


class Index:
    """One file for each source directory. It may be lost at any time; then everything is read again."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of(cls, folder: Path, source: Path) -> Index:
        """Return the index of a source directory in the store's folder."""
        name = hashlib.sha256(os.fsencode(source.resolve())).hexdigest()[:32]
        return cls(folder / f"{name}.index")

    def load(self) -> dict[str, Blob]:
        """Return what is known of each file by its name; nothing when the index can't be read."""
        try:
            return {name: Blob(*facts) for name, facts in self._facts()["files"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    @property
    def source(self) -> Path | None:
        """Whose index it is; None when that can't be read."""
        try:
            return Path(self._facts()["source"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def save(self, contents: Contents, blobs: Mapping[str, Blob], known: Mapping[str, Blob]) -> None:
        """Keep what the files held, unless just that is ``known``.

        A file that changed just before is left out: it may have changed again within its time stamp's precision, and look
        the same (git calls such an entry racy).
        """
        settled = {name: blob for name, blob in blobs.items() if blob == known.get(name) or _is_settled(blob, contents.began)}
        if settled == known:
            return
        with contextlib.suppress(OSError):  # the next submission reads more, that is all
            make_private(self.path.parent)
            write_private(self.path, json.dumps({"form": FORM, "source": str(contents.root.resolve()), "files": settled}))

    def _facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads(self.path.read_bytes())
        if facts["form"] != FORM:
            raise ValueError(self.path)
        return facts


def _is_settled(blob: Blob, began: int) -> bool:
    _, mtime, ctime, *_ = map(int, blob.stamp.split())
    return max(mtime, ctime) + SETTLED_NS < began
