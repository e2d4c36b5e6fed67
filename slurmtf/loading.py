"""Make imports cheaper for a submission: defer modules that only some functions need, and pause the garbage collector."""

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
    """Defer modules imported in this context until something in them is used, which may be never.

    ``modules`` maps their names to the types that annotations of the importing code name: annotations are evaluated at once,
    and get placeholder classes. Modules that are already loaded are not affected.
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
    """Pause garbage collection in this context: nearly all objects that imports create stay alive, so it would find nothing."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class _Later(ModuleType):
    """A placeholder for a module, which loads the module when a name in it is needed."""

    def __init__(self, name: str, types: Collection[str]) -> None:
        super().__init__(name)
        self._types = types

    def __getattr__(self, name: str) -> Any:
        if name in self._types and self._is_registered():
            return type(name, (), {})
        self.leave()
        return getattr(import_module(self.__name__), name)

    def leave(self) -> None:
        """Make later imports get the module itself."""
        if self._is_registered():
            sys.modules.pop(self.__name__, None)

    def _is_registered(self) -> bool:
        return sys.modules.get(self.__name__) is self
