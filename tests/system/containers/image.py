"""A small container image: a root folder with only this machine's oldest Python, its libraries and a shell."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.environments import cache
from tests.environments.interpreters import MINORS, Interpreter, find, installed

LEFT_OUT = (
    "test",
    "tests",
    "idlelib",
    "tkinter",
    "lib2to3",
    "ensurepip",
    "site-packages",
    "config-*",
    "*.a",
    "*.exe",
    "_tkinter*",
    "__pycache__",
)
PROGRAMS = ("sh", "sleep", "cat")
FOR_TENSORFLOW = ("libstdc++.so.6", "libgcc_s.so.1", "librt.so.1", "libdl.so.2", "libm.so.6", "libpthread.so.0", "libffi.so.8")
FOLDERS = ("etc", "tmp", "proc", "sys", "dev", "root", "run", "var/tmp", "home", "usr/bin")
RELEASE = "ID=slurmtf-test-image\n"
VARIABLES = {"PATH": "/usr/bin:/bin", "OF_IMAGE": "yes", "TOKEN": "of the image", "SHARED": "of the image"}
"""The image's variables. With pyxis they override others: enroot reads the image's /etc/environment. Apptainer does not."""


def folder() -> Path:
    """Return the image as a folder. It is built once, which takes a second."""
    python = _python()
    digest = hashlib.sha256(Path(__file__).read_bytes() + str(python).encode()).hexdigest()[:8]
    path = cache.root() / f"image-py{python.minor}-{digest}"
    cache.build_once(path, "usr/bin/python3", lambda job: _fill(job.folder, python))
    return path


def _python() -> Interpreter:
    """Return the oldest Python: it differs from the submitting one, which shows that the agent runs on the image's."""
    found = (installed(minor) for minor in MINORS)
    return next((python for python in found if python), None) or find(MINORS)


def _fill(root: Path, python: Interpreter) -> None:
    for name in FOLDERS:
        (root / name).mkdir(parents=True)
    prefix = python.path.parents[1]
    library = f"lib/python{python.minor}"
    shutil.copytree(prefix / library, root / "usr" / library, ignore=shutil.ignore_patterns(*LEFT_OUT))
    (root / "usr" / library / "site-packages/of_image-1.0.dist-info").mkdir(parents=True)  # one package, by its metadata alone
    shutil.copy2(python.path, root / "usr/bin/python3")
    for name in PROGRAMS:
        shutil.copy2(shutil.which(name) or f"/bin/{name}", root / "usr/bin" / name)
    (root / "bin").symlink_to("usr/bin")
    (root / "etc/os-release").write_text(RELEASE)
    (root / "etc/environment").write_text("".join(f"{name}={value}\n" for name, value in VARIABLES.items()))
    for name in ("passwd", "group", "hosts", "resolv.conf"):
        (root / "etc" / name).touch()
    programs = [*(root / "usr/bin").iterdir(), *(root / "usr" / library / "lib-dynload").iterdir()]
    for found in sorted({*_libraries(programs), *_system_libraries()}):
        target = root / found.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(found, target)  # a link's target, under the link's name


def _libraries(programs: Iterable[Path]) -> Iterator[Path]:
    """Yield the files that the programs are linked with, including the loader (ldd(1))."""
    for program in programs:
        output = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
        yield from (Path(word) for word in output.split() if word.startswith("/"))


def _system_libraries() -> Iterator[Path]:
    """Yield the libraries that TensorFlow is linked with, but Python is not (ldconfig(8))."""
    lines = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True).stdout.splitlines()
    yield from (Path(line.split()[-1]) for line in lines if line.split()[0] in FOR_TENSORFLOW and "(libc6," in line)
