"""What an environment holds: ``python -c`` runs this in it, with Python 3.6 or later (importlib.metadata came with 3.8).

An installed distribution is a folder ``NAME-VERSION.dist-info`` or ``.egg-info`` on the path, where the latter may also be a
file (packaging.python.org, "Recording installed projects").
"""

import sys

if __name__ == "__main__":
    sys.path[:] = [path for path in sys.path if path]  # python -c looks first where it is started

import json
import os
import platform
import re
from typing import Dict, Iterator, Tuple

SUFFIXES = (".dist-info", ".egg-info")
FILES = ("METADATA", "PKG-INFO", "")
FIELD = r"^{}:[ \t]*(\S+)[ \t]*\r?$"


def iterate_distributions() -> Iterator[Tuple[str, str]]:
    """Yield name and version of each distribution; what an earlier folder of the path has hides what a later one has."""
    for path in reversed(sys.path):
        for entry in sorted(_list_folder(path)):
            if entry.endswith(SUFFIXES):
                text = _read_metadata(os.path.join(path, entry))
                found = [re.search(FIELD.format(field), text, re.MULTILINE) for field in ("Name", "Version")]
                if found[0] and found[1]:
                    yield found[0].group(1), found[1].group(1)


def _list_folder(folder: str) -> "list[str]":
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _read_metadata(place: str) -> str:
    for name in FILES:
        try:
            with open(os.path.join(place, name) if name else place, encoding="utf-8", errors="replace") as file:
                return file.read()
        except OSError:
            pass
    return ""


def list_contents() -> Dict[str, object]:
    """Return the Python's version, the versions by normal name, and the list that brings the same about again."""
    found = {re.sub("[-_.]+", "_", name).lower(): (name, version) for name, version in iterate_distributions()}
    packages = {key: version for key, (_, version) in found.items()}
    lock = sorted("{}=={}".format(*pair) for pair in found.values())
    return {"python": platform.python_version(), "packages": packages, "lock": lock}


if __name__ == "__main__":
    sys.stdout.write("\n" + json.dumps(list_contents()) + "\n")
