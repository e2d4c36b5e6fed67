"""The agent as one file that any Python 3.6 runs."""

from __future__ import annotations

import functools
import io
import zipfile
from pathlib import Path

AGENT = Path(__file__).resolve().parents[1] / "agent"
PACKAGE = "slurmtf_agent"
ENTRY = f"from {PACKAGE}.__main__ import guarded_main\n\nguarded_main()\n"
LONG_AGO = (1980, 1, 1, 0, 0, 0)


@functools.lru_cache(maxsize=1)
def agent_archive() -> bytes:
    """Return the agent as a zip archive, the same bytes for the same program."""
    sources = {f"{PACKAGE}/{path.name}": path.read_text(encoding="utf-8") for path in sorted(AGENT.glob("*.py"))}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in {"__main__.py": ENTRY, **sources}.items():
            archive.writestr(zipfile.ZipInfo(name, LONG_AGO), text, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
