"""Profiles that were found right, in the user's cache: pydantic and its schema of a profile cost a submission 80 ms.

What a content came to is kept under the content's hash. A file that somebody else could have written counts as none, and so
does a cache that can't be written. A profile that is wrong is not kept: it is told with its lines each time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar, cast

from slurmtf._version import __version__
from slurmtf.caches import user_cache
from slurmtf.documents import Document, rebuilt
from slurmtf.files import write_private
from slurmtf.job.contract.private import make_private
from slurmtf.job.contract.trust import doubt
from slurmtf.sites import model

T = TypeVar("T")


def parsed(document: Document, kind: type[T], data: Mapping[str, Any]) -> T:
    """Return a document's data as a dataclass, as :meth:`Document.parse` does and raises."""
    path = _place(kind, document.plain(kind, data))
    kept = _read(path, kind)
    if kept is not None:
        return kept
    value = document.parse(kind, data)
    with contextlib.suppress(OSError):
        make_private(str(path.parent))
        write_private(path, json.dumps(asdict(cast(Any, value))))
    return value


def _place(kind: type[Any], data: Mapping[str, Any]) -> Path:
    rules = Path(model.__file__).stat().st_mtime_ns
    content = json.dumps([__version__, rules, kind.__name__, data], sort_keys=True, default=repr)
    name = hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()
    return user_cache() / "profiles" / f"{name[:32]}.json"


def _read(path: Path, kind: type[T]) -> T | None:
    try:
        kept = None if doubt(str(path)) else json.loads(path.read_bytes())
        return rebuilt(kind, kept) if isinstance(kept, dict) else None
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
