"""All that a build, runs and gc leave is private to the user, whatever the umask."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.environments.support import write_wheel
from tests.patience import HANG_S

COMMAND = Path(sys.executable).parent / "slurmtf"
SCRIPT = """\
import os, speck
os.makedirs("outputs/of/script")
open("outputs/of/script/result", "w").close()
"""
WORKERS = "import os; open('outputs/' + os.environ['SLURMTF_RANK'], 'w').close()"


def call(folder: Path, umask: int, *argv: str | Path) -> None:
    temporary = {"SLURMTF_WORKSPACE": str(folder / "above/runs"), "TMPDIR": str(folder / "tmp"), "HOME": str(folder / "home")}
    environ = {**os.environ, **temporary}
    for name in ("PYTHONDONTWRITEBYTECODE", "SLURM_TMPDIR", "XDG_CONFIG_HOME", "SLURMTF_ENVIRONMENTS", "UV_CACHE_DIR"):
        environ.pop(name, None)
    done = subprocess.run(
        [COMMAND, *argv], cwd=folder, env=environ, umask=umask, capture_output=True, text=True, timeout=HANG_S, check=False
    )
    assert done.returncode == 0, done.stderr


def exposed(folder: Path) -> list[str]:
    """Return what others could read or write if they could reach it; a link has no mode."""
    found = [(path, path.lstat().st_mode) for path in [folder, *folder.rglob("*")]]
    return [f"{mode:o} {path}" for path, mode in found if mode & 0o077 and not stat.S_ISLNK(mode)]


def of_others(line: str) -> bool:
    """Return whether the script wrote a file or it is a lock of uv, which makes its locks public whatever the umask."""
    return "/outputs/" in line or line.endswith("/.lock") or "/.cache/uv/" in line


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_everything_is_private(tmp_path: Path, umask: int) -> None:
    wheels = write_wheel(tmp_path / "wheels", "speck").parent
    source = tmp_path / "source"
    for name in ("source", "tmp", "home", "data"):
        (tmp_path / name).mkdir(mode=0o700)
    (tmp_path / "data/file").write_text("x")
    (source / "train.py").write_text(SCRIPT)
    (source / "workers.py").write_text(WORKERS)
    packages = [part for package in ("--no-index", f"--find-links {wheels}", "speck") for part in ("--pip", package)]
    call(tmp_path, umask, "env", "build", source / "train.py", "-s", "local", *packages)
    call(tmp_path, umask, "run", source / "train.py", "-s", "local", *packages, "--stage", "node-local")
    call(tmp_path, umask, "run", source / "workers.py", "-s", "local", "--workers", "2", "--backend", "multiworker")
    call(tmp_path, umask, "gc")
    call(tmp_path, umask, "status")
    found = exposed(tmp_path / "above")
    assert [line for line in found if not of_others(line)] == []
    written = [line for line in found if "/outputs/" in line]
    assert bool(written) == (umask == 0), "what the script writes is as its user's umask has it, in a folder that is closed"
    folders = [path for path in (tmp_path / "above").rglob("*") if path.is_dir() and "outputs/" not in str(path)]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders if not path.is_symlink()} == {0o700}
    for folder in (tmp_path / "tmp").iterdir():
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700, folder
