"""What is installed where a job will run: read from the packages' metadata, nothing is imported."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence

TIMEOUT_S = 20
SCRIPT = r"""
import glob, json, os, sys
found = {}
for path in reversed(sys.path):
    for name in glob.glob(os.path.join(glob.escape(path), "*.dist-info")):
        package, _, version = os.path.basename(name)[:-10].rpartition("-")
        found[package.lower().replace("-", "_")] = version
print(json.dumps(found))
"""


def installed(python: str, inside: Sequence[str] = ()) -> dict[str, str]:
    """Return the version of each package that an interpreter sees; empty when it can't be asked from here.

    ``inside`` are the words that start it in an image.

    An interpreter that only modules bring about, or only compute nodes have, can't be asked.
    """
    try:
        done = subprocess.run([*inside, python, "-c", SCRIPT], capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
        found: dict[str, str] = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return {}
    return found


def version_of(packages: dict[str, str], *names: str) -> tuple[int, ...] | None:
    """Return major and minor version of the first of the packages that is there."""
    text = next((packages[name] for name in names if name in packages), None)
    numbers = text.split(".")[:2] if text else []
    return tuple(map(int, numbers)) if numbers and all(number.isdigit() for number in numbers) else None
