"""Load the modules of a program from its zip, which is read once.

Python itself opens a zip again for each module that it loads from there (``_get_data`` in Lib/zipimport.py): some 200 requests
to the shared file system for each task. Here, they are all in one member of the zip: as code, if it was compiled for this
version of Python, otherwise as source.
"""

import marshal
import os
import sys
from importlib.machinery import ModuleSpec
from importlib.util import MAGIC_NUMBER
from types import CodeType, ModuleType
from typing import Dict, Optional
from zipimport import zipimporter

SOURCES = "sources"
"""The member with the source of each module, by its path in the program."""


def name_compiled(magic: bytes) -> str:
    """Return the name of the member with the code of each module, for Pythons with this magic number."""
    return "code-" + magic.hex()


class Loader(object):
    """Finds and loads the modules of the package that the zip ``archive`` holds."""

    def __init__(self, archive: str, package: str) -> None:
        self._archive, self._package = os.path.abspath(archive), package
        self._zip = zipimporter(self._archive)
        self._sources: Dict[str, bytes] = {}
        self._code: Dict[str, bytes] = self._read(name_compiled(MAGIC_NUMBER))
        self._names = self._code or self._read_sources()

    def find_spec(self, name: str, path: object = None, target: object = None) -> Optional[ModuleSpec]:
        if name.partition(".")[0] != self._package:
            return None
        member = self._locate(name)
        if member not in self._names:
            return None
        is_package = member.endswith("__init__.py")
        spec = ModuleSpec(name, self, origin=os.path.join(self._archive, member), is_package=is_package)  # type: ignore[arg-type]
        spec.has_location = True
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        exec(self._get_code(self._locate(module.__name__)), module.__dict__)  # noqa: S102 - as every loader does

    def get_source(self, name: str) -> str:
        """Return a module's source, for tracebacks (PEP 302). Raises OSError if the zip is gone; linecache expects that."""
        return self.get_data(os.path.join(self._archive, self._locate(name))).decode("utf-8")

    def get_data(self, path: str) -> bytes:
        """Return the source at a path in the zip (PEP 302). Raises OSError if there is none."""
        member = os.path.relpath(path, self._archive).replace(os.sep, "/")
        try:
            return self._read_sources()[member]
        except (KeyError, EOFError, ValueError):  # none, or the zip has been changed
            raise OSError("{} is not in {}".format(member, self._archive))

    def _locate(self, name: str) -> str:
        base = name.replace(".", "/")
        package = base + "/__init__.py"
        return package if package in self._names else base + ".py"

    def _get_code(self, member: str) -> CodeType:
        if self._code:
            code: CodeType = marshal.loads(self._code[member])  # noqa: S302 - our own program
            return code
        return compile(self._names[member], member, "exec", dont_inherit=True)

    def _read_sources(self) -> Dict[str, bytes]:
        self._sources = self._sources or self._read(SOURCES)
        return self._sources

    def _read(self, member: str) -> Dict[str, bytes]:
        try:
            data = self._zip.get_data(member)
        except OSError:
            return {}
        found: Dict[str, bytes] = marshal.loads(data)  # noqa: S302 - our own program
        return found


def install(archive: str, package: str) -> None:
    """Let the modules of the program in this zip be imported."""
    sys.meta_path.append(Loader(archive, package))
