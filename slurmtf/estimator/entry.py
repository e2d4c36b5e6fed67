"""The entry script: a file in the source directory, or a module there that is run by its name (python -m pkg.train)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from slurmtf.errors import suggest
from slurmtf.findings import Finding
from slurmtf.paths import is_file, is_folder

NAME_OF_SCRIPT = "name the script's path in `source_directory`, or its module ('pkg.train')"

_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


def parse_module_name(entry: str) -> str:
    """Return ``entry`` if it is a module's dotted name ('pkg.train'); empty if it is a path."""
    return entry if _MODULE.fullmatch(entry) and not entry.endswith(".py") else ""


def get_module_file(module: str) -> str:
    """Return the file of a module, relative to the source."""
    return module.replace(".", "/") + ".py"


def check_entry_script(source_directory: str | Path, entry_script: str | None) -> Iterable[Finding]:
    """Yield what is wrong with the source directory or its entry script."""
    source = Path(source_directory)
    if not is_folder(source):
        yield Finding(
            "source-missing", "source_directory", f"{source} is not a folder", "name the folder that holds your script"
        )
        return
    module = parse_module_name(entry_script or "")
    if module and is_file(source / get_module_file(module)):
        return
    script = Path(os.path.normpath(source / str(entry_script)))
    if not script.is_relative_to(source):
        remedy = "move the script into that folder, or set `source_directory` to a folder that holds both"
        yield Finding("script-outside", "entry_script", f"{script} lies outside `source_directory` {source}", remedy)
    elif is_folder(script):
        inside = _find_script(script).relative_to(source)
        yield Finding(
            "script-is-folder",
            "entry_script",
            f"{script} is a folder",
            f"name the script in it, {_choose_name(inside)} for example",
        )
    elif not is_file(script):
        near = suggest(script.name, (p.name for p in source.glob("*.py")))
        yield Finding("script-missing", "entry_script", f"{script} does not exist", near or NAME_OF_SCRIPT)
    elif script.suffix != ".py":
        yield Finding("not-python", "entry_script", f"{script.name} is not a Python script", "name a .py file")


def _find_script(folder: Path) -> Path:
    """Return the script that a folder probably stands for: its ``__main__.py``, which 'python -m' runs, else its first
    script."""
    scripts = sorted(path for path in folder.glob("*.py") if path.name != "__init__.py")
    return next((path for path in scripts if path.name == "__main__.py"), next(iter(scripts), folder / "train.py"))


def _choose_name(script: Path) -> str:
    """Return the name to suggest for a script: the module, for a package's ``__main__.py``."""
    return ".".join(script.with_suffix("").parts) if script.name == "__main__.py" else str(script)
