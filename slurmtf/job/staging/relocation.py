"""Use an environment in another folder than the one it was built for: replace its old path in files and in variables."""

import mmap
import os
import re
from typing import Dict, Iterable, Pattern

from ..contract.interchange import JsonView
from ..contract.layout import to_native


def compile_pattern(names: Iterable[str]) -> Pattern[bytes]:
    """Return a pattern that matches a folder's names, but not as the beginning of another folder's name."""
    longest_first = sorted((os.fsencode(to_native(name)) for name in names), key=len, reverse=True)
    return re.compile(b"(?:" + b"|".join(map(re.escape, longest_first)) + rb")(?![\w.-])")


def relocate_text(text: str, names: Iterable[str], place: str) -> str:
    """Return text with a folder's names replaced by its new place."""
    return os.fsdecode(compile_pattern(names).sub(lambda _: os.fsencode(place), os.fsencode(text)))


def check_room(note: JsonView, place: str) -> None:
    """Raise OSError if a program of the environment has no room for the path of its new place."""
    programs: Dict[str, int] = note["programs"]
    tightest = min(programs, key=lambda path: programs[path], default="")
    length = len(os.fsencode(place))
    if tightest and programs[tightest] < length:
        words = (tightest, programs[tightest], place, length)
        raise OSError("{} has room for a folder's name of {} bytes; {} has {}".format(*words))


def relocate(folder: str, note: JsonView, place: str) -> None:
    """Replace the old path in the files of ``folder``. Raises OSError.

    Changed files get a new time, because the bytecode of a module among them was compiled from the old text.
    """
    old, new = compile_pattern(note["prefixes"]), os.fsencode(place)
    for path in note["texts"]:
        with open(os.path.join(folder, to_native(path)), "r+b") as file:
            text = file.read()
            file.seek(0)
            file.truncate()
            file.write(old.sub(lambda _: new, text))
    for path in note["programs"]:
        _relocate_program(os.path.join(folder, to_native(path)), old, new)


def _relocate_program(path: str, old: Pattern[bytes], new: bytes) -> None:
    """Replace the path in the strings of a program without changing their lengths: NULs follow, for which conda has left
    room."""
    strings = re.compile(old.pattern + b"[^\0]*\0*")
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as data:
        for found in list(strings.finditer(data)):  # the iterator would keep the map from being closed
            text = old.sub(lambda _: new, found.group().rstrip(b"\0"))
            if len(text) >= len(found.group()):
                raise OSError("{} has no room for {}".format(path, os.fsdecode(text)))
            data[found.start() : found.end()] = text.ljust(len(found.group()), b"\0")
