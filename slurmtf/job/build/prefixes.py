"""Where the folder of an environment stands in its own files: found once, when it is packed, relocated on each node.

conda notes of each file of a package whether its folder is in it, as text or as a string of a program, and the placeholder that
the package had for it, which leaves room behind the string (conda-build's documentation, "Making packages relocatable").
Of the other files only scripts are known to name it, in their first lines; bytecode does too, where Python does not mind.
"""

import glob
import json
import os
import re
from typing import Iterable, Iterator, List, Set, Tuple

from ..contract.interchange import JsonObject

SCRIPT_BYTES = 1 << 18
INTERPRETER = re.compile(rb"""^(?:#!|'''exec' "?) *(/[^"\n]*)/bin/python""", re.MULTILINE)
"""Of the first line, or of the second, where the kernel would find the first too long (pip's and conda's scripts)."""


def find_mentions(prefix: str) -> JsonObject:
    """Return the names that an environment goes by, its texts in which one of them stands, and its programs with their room."""
    root = os.path.realpath(prefix)
    noted = dict(_iterate_conda_files(root))
    scripts = dict(_iterate_scripts(root))
    names = {prefix, root, *_find_names(root, scripts.values())}
    texts = [path for path, data in scripts.items() if path not in noted and _has_name(data, names)]
    programs = {}
    for path, (mode, room) in noted.items():
        place = os.path.join(root, path)
        if os.path.realpath(place) == place and _has_name(_read(place), names):  # else it would be changed outside of the copy
            if mode == "binary":
                programs[path] = room
            else:
                texts.append(path)
    return {"prefixes": sorted(names), "texts": sorted(texts), "programs": programs}


def _iterate_conda_files(root: str) -> Iterator[Tuple[str, Tuple[str, int]]]:
    """Yield the files of conda packages that hold their folder: the mode, and how long a folder's name may be there."""
    for path in sorted(glob.glob(os.path.join(glob.escape(root), "conda-meta", "*.json"))):
        for entry in json.loads(_read(path).decode("utf-8")).get("paths_data", {}).get("paths", []):
            if entry.get("prefix_placeholder"):
                yield entry["_path"], (entry.get("file_mode", "text"), len(entry["prefix_placeholder"].encode("utf-8")))


def _iterate_scripts(root: str) -> Iterator[Tuple[str, bytes]]:
    for entry in os.scandir(os.path.join(root, "bin")):
        if entry.is_file(follow_symlinks=False) and entry.stat().st_size <= SCRIPT_BYTES:
            data = _read(entry.path)
            if b"\0" not in data:
                yield os.path.join("bin", entry.name), data


def _find_names(root: str, scripts: Iterable[bytes]) -> Set[str]:
    """Return the names by which scripts call the environment: who built it may have come to it by another link."""
    found: List[bytes] = [match.group(1) for match in map(INTERPRETER.search, scripts) if match]
    return {name for name in map(os.fsdecode, set(found)) if os.path.realpath(name) == root}


def _has_name(data: bytes, names: Set[str]) -> bool:
    return any(os.fsencode(name) in data for name in names)


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:  # removed, or replaced by pip
        return b""
