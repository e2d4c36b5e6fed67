"""The channel of the tests: a Python made of the one that runs them, pip, and small packages that show what conda does."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from .package import PLACEHOLDER, SITE, File, Package, write_channel

MINOR = "{}.{}".format(*sys.version_info)
LIBRARY = f"lib/python{MINOR}"
LEFT_OUT = re.compile(
    r"(tests?|idle.*|tkinter|turtle.*|lib2to3|pydoc.*|ensurepip|venv|unittest|curses|dbm|sqlite3|wsgiref|config-.*"
    r"|site-packages|dist-packages|EXTERNALLY-MANAGED|__pycache__|(_test|_codecs|_tkinter|_sqlite|_curses|_xx|xx|aud).*\.so"
    r"|(cp(?!437)|mac_|iso8859|euc_|koi8|big5|gb|hz|johab|shift|kz|ptcp|tis_|palm).*\.py)$"
)
"""What makes a Python large, and what it runs without."""
CRAMPED = 100
"""The longest name of its folder that the package ``cramped`` has room for."""
# Debian's Python looks for packages in other folders than conda, as long as it is not in a virtual environment.
CUSTOMIZE = f"import os, site, sys\nsite.addsitedir(os.path.join(sys.prefix, {LIBRARY!r}, {SITE!r}))\n"
# Tells the folder that it was installed for: as a C program has it, a string with room behind it.
PROGRAM = 'int puts(const char *);\nconst char prefix[] = "{}";\nint main(void) {{ return puts(prefix) < 0; }}\n'


def make(folder: Path) -> str:
    """Fill a folder with the channel, and return its address."""
    write_channel(folder, [_python(), _pip(), *_specks(), *_pair(), _paths(folder), _cramped(folder)])
    return folder.as_uri()


def _python() -> Package:
    """Relocatable, as Python finds its library from where its program is."""
    links = {f"bin/{name}": File(link=f"python{MINOR}") for name in ("python", "python3")}
    program = {f"bin/python{MINOR}": File.of(Path(sys.executable).resolve())}
    library = {f"{LIBRARY}/{place}": file for place, file in _library(Path(sysconfig.get_path("stdlib")))}
    own = {f"{LIBRARY}/sitecustomize.py": File.text(CUSTOMIZE)}
    return Package("python", sys.version.split()[0], files={**program, **links, **library, **own})


def _library(folder: Path, place: str = "") -> Iterator[tuple[str, File]]:
    for path in sorted(folder.iterdir()):
        if LEFT_OUT.match(path.name):
            continue
        if path.is_dir():
            yield from _library(path, f"{place}{path.name}/")
        else:
            yield f"{place}{path.name}", File.of(path)


def _pip() -> Package:
    """The pip beside these tests."""
    pip = metadata.distribution("pip")
    root = Path(str(pip.locate_file("")))
    found = [
        path
        for path in (root / str(file) for file in pip.files or ())
        if path.suffix != ".pyc" and root in path.resolve().parents
    ]
    files = {f"{SITE}/{path.relative_to(root)}": File.of(path) for path in found}
    return Package("pip", pip.version, ("python",), files, noarch=True, commands=("pip = pip._internal.cli.main:main",))


def _module(name: str, version: str = "1.0", needs: tuple[str, ...] = ()) -> Package:
    """A module that says its version, as a command too."""
    code = f"version = {version!r}\n\n\ndef main():\n    import sys\n    print(version, sys.prefix)\n"
    about = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    info = f"{SITE}/{name}-{version}.dist-info"
    files = {f"{SITE}/{name}.py": code, f"{info}/METADATA": about, f"{info}/INSTALLER": "conda\n", f"{info}/RECORD": ""}
    written = {path: File.text(text) for path, text in files.items()}
    return Package(name, version, ("python", *needs), written, noarch=True, commands=(f"{name} = {name}:main",))


def _specks() -> list[Package]:
    return [_module("speck", "1.0"), _module("speck", "2.0")]


def _pair() -> list[Package]:
    """Two that can't go together."""
    return [_module("wants_old", needs=("speck <2",)), _module("wants_new", needs=("speck >=2",))]


def _paths(folder: Path) -> Package:
    """Has the environment's folder in a text, in a program, in a module, and in a script that is sourced at activation."""
    activate = f'export PATHS_HOME="{PLACEHOLDER}/share/paths" PATHS_SEEN="$CONDA_PREFIX"\n'
    files = {
        "share/paths/home.txt": File.text(f"home={PLACEHOLDER}/share/paths\n"),
        "bin/where": File.text(f'#!/bin/sh\n. {PLACEHOLDER}/share/paths/home.txt\necho "$home"\n', program=True),
        "etc/conda/activate.d/paths.sh": File.text(activate),
        f"{LIBRARY}/{SITE}/paths.py": File.text(f'home = "{PLACEHOLDER}/share/paths"\n'),
        "bin/prefix": _compiled(PLACEHOLDER, folder),
    }
    return Package("paths", files=files)


def _cramped(folder: Path) -> Package:
    """Has no room for a long name of its folder."""
    return Package("cramped", files={"bin/cramped": _compiled(PLACEHOLDER[:CRAMPED], folder)})


def _compiled(placeholder: str, folder: Path) -> File:
    place = folder / "compiled"
    place.mkdir(parents=True)
    command = ["cc", "-x", "c", "-o", str(place / "program"), "-"]
    subprocess.run(command, input=PROGRAM.format(placeholder), text=True, check=True)
    data = (place / "program").read_bytes()
    shutil.rmtree(place)
    return File(data, program=True, mode="binary", placeholder=placeholder)
