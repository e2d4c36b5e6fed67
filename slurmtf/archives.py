"""Our programs for other machines, each as one file that any Python 3.6 runs."""

from __future__ import annotations

import functools
import io
import zipfile
from pathlib import Path

PACKAGES = Path(__file__).resolve().parent
ENTRIES = {
    "agent": "from slurmtf_agent.__main__ import guarded_main\n\nguarded_main()\n",
    "builder": "import sys\n\nfrom slurmtf_builder.__main__ import main\n\nsys.exit(main(sys.argv[1:]))\n",
}
LONG_AGO = (1980, 1, 1, 0, 0, 0)


@functools.cache
def archive(name: str) -> bytes:
    """Return the program ``agent`` or ``builder`` as a zip archive, the same bytes for the same program."""
    sources = {
        f"slurmtf_{name}/{path.name}": path.read_text(encoding="utf-8") for path in sorted((PACKAGES / name).glob("*.py"))
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as zipped:
        for path, text in {"__main__.py": ENTRIES[name], **sources}.items():
            zipped.writestr(zipfile.ZipInfo(path, LONG_AGO), text, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
