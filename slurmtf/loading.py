"""Imports that cost a submission less: what only a method of the imported needs, and the garbage collector, wait."""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Collection, Iterator, Mapping
from importlib import import_module
from types import ModuleType
from typing import Any


@contextlib.contextmanager
def defer(modules: Mapping[str, Collection[str]]) -> Iterator[None]:
    """Have modules that are imported within it loaded when something of them is used: afterwards, or never.

    ``modules`` are their names, each with the types that annotations of the importing code name (they are evaluated at once:
    a class that stands for the type does). What has been loaded already stays as it is.
    """
    waiting = [_Later(name, types) for name, types in modules.items() if name not in sys.modules]
    sys.modules.update((module.__name__, module) for module in waiting)
    try:
        yield
    finally:
        for module in waiting:
            module.leave()


@contextlib.contextmanager
def pause_collection() -> Iterator[None]:
    """Leave garbage alone meanwhile: nearly all that imports build lives on, and is looked through in vain."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class _Later(ModuleType):
    """Stands for a module: asked for a name, it asks the module itself."""

    def __init__(self, name: str, types: Collection[str]) -> None:
        super().__init__(name)
        self._types = types

    def __getattr__(self, name: str) -> Any:
        if name in self._types and self._stands():
            return type(name, (), {})
        self.leave()
        return getattr(import_module(self.__name__), name)

    def leave(self) -> None:
        """Have whoever imports the module from now on get the module itself."""
        if self._stands():
            sys.modules.pop(self.__name__, None)

    def _stands(self) -> bool:
        return sys.modules.get(self.__name__) is self
