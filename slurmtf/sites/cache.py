"""Cache valid profiles for the user, because pydantic and its schema of a profile cost a submission 80 ms.

Each result is stored under the hash of the profile's content. A cache file that somebody else could have written is ignored,
and failing to write one does no harm. An invalid profile is not cached: it is reported with its lines each time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, TypeVar, cast

from slurmtf.caches import keep, read_stamps, recall
from slurmtf.documents import Document
from slurmtf.sites import model
from slurmtf.typed import rebuild

T = TypeVar("T")
ROOM = "profiles"


def parse(document: Document, kind: type[T], data: Mapping[str, object]) -> T:
    """Return a document's data as a dataclass; parses and raises like :meth:`Document.parse`."""
    key = [read_stamps([model.__file__]), kind.__name__, document.restore_texts(kind, data)]
    known = _rebuild(kind, recall(ROOM, key))
    if known is not None:
        return known
    value = document.parse(kind, data)
    keep(ROOM, key, json.dumps(asdict(cast(Any, value))).encode("utf-8", "surrogatepass"))
    return value


def _rebuild(kind: type[T], content: bytes | None) -> T | None:
    try:
        found = None if content is None else json.loads(content)
        return rebuild(kind, found) if isinstance(found, dict) else None
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
