"""A second user of this machine, as an attacker or as the victim."""

from __future__ import annotations

import os
import pickle
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

T = TypeVar("T")
MALLORY, ADA = 61234, 61235

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can act as a second user")


def of(uid: int, *paths: Path) -> None:
    """Give files or folders to a user."""
    for path in paths:
        os.chown(path, uid, uid, follow_symlinks=False)


def as_user(uid: int, call: Callable[[], T]) -> T:
    """Call a function as another user and return its result. Raises AssertionError with the error, if there is one."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            answer: tuple[bool, object] = (True, call())
        except BaseException:
            answer = (False, traceback.format_exc())
        with open(writing, "wb") as pipe:
            pickle.dump(answer, pipe)
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        done, result = pickle.load(pipe)
    os.waitpid(child, 0)
    assert done, result
    return result  # type: ignore[no-any-return]
