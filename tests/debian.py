"""slurmtf on a fresh machine of Debian 13: the demo, the unit tests, and a training on a Slurm of its own.

`python -m tests.debian [COMMAND...]`: another command instead. The machine is the tree of tests/cluster/tree.py, read-only,
with namespaces of its own and pivot_root, for in a plain chroot the test Slurm could not make its machines. It has no network:
the packages that it installs are fetched before. Tree and packages are kept in the tests' cache.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement

from .cluster import requirements, tree
from .cluster.errors import ClusterUnavailable
from .cluster.machine import SYSTEM_PATH
from .environments import cache

SUITE = "trixie"
PYTHON = "3.13"
CLONE = Path(__file__).parents[1]
EXTRAS = ("demo", "dev")
BUILDS = ("hatchling", "editables")
"""What pip brings together itself to install a clone (pyproject.toml's build-system, and its `editable`)."""
LAST_GLIBC = 41
PLATFORMS = (*(f"manylinux_2_{minor}" for minor in range(5, LAST_GLIBC + 1)), "manylinux1", "manylinux2010", "manylinux2014")

STEPS = """
scripts/demo
.venv/bin/python -m pip install -q -e .[dev]
.venv/bin/python -m pytest -q -n 2 --dist loadfile -p no:cacheprovider tests/unit
trap "scripts/cluster stop" EXIT
scripts/cluster start
scripts/cluster exec .venv/bin/slurmtf run examples/digits/job.yaml --site slurm
scripts/cluster exec sacct --format=jobid,jobname,state,elapsed
"""

# $1 is the tree, $2 the home with the clone, $3 the wheels. /tmp is in memory, as Debian 13 has it.
ENTER = """
mount --bind "$1" "$1"
mount --bind "$2" "$1/root"
mount --bind "$3" "$1/srv"
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
mount --rbind /sys "$1/sys"
mount -t tmpfs tmpfs "$1/run"
mount -t tmpfs -o mode=1777 tmpfs "$1/tmp"
mount -o remount,bind,ro "$1"
cd "$1"
pivot_root . mnt
umount -l /mnt
ip link set lo up
cd ~/slurmtf
exec bash -euxc "$4"
"""
NAMESPACES = ("--mount", "--pid", "--net", "--uts", "--ipc", "--fork", "--kill-child", "--propagation", "private")
ENVIRON = {
    "PATH": SYSTEM_PATH,
    "HOME": "/root",
    "USER": "root",
    "LC_ALL": "C.UTF-8",
    "SLURMTF_FUZZ_S": "1",
    "PIP_NO_INDEX": "1",
    "PIP_FIND_LINKS": "/srv",
    "PIP_ROOT_USER_ACTION": "ignore",
}


def wheels() -> Path:
    """The folder with all packages that the clone asks for, and theirs, as wheels for Debian 13's Python."""
    asked = [Requirement(text) for text in requires("slurmtf") or ()]
    chosen = [one for one in asked if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in EXTRAS)]
    names = [*BUILDS, *sorted(f"{one.name}{one.specifier}" for one in chosen)]
    digest = hashlib.sha256(" ".join((PYTHON, *names)).encode()).hexdigest()[:8]
    folder = cache.root() / f"wheels-{PYTHON}-{digest}"

    def fetch(job: cache.Job) -> None:
        tags = [word for platform in PLATFORMS for word in ("--platform", f"{platform}_{os.uname().machine}")]
        command = [sys.executable, "-m", "pip", "download", "-q", "--only-binary=:all:", "--python-version", PYTHON]
        job.run("fetching", *command, *tags, "-d", ".", *names)

    cache.build_once(folder, "hatchling-*.whl", fetch)
    return folder


def clone_into(folder: Path) -> None:
    """Copy what git has, or does not ignore, as it is now."""
    question = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(question, cwd=CLONE, capture_output=True, check=True, text=True).stdout
    for name in sorted({*listed.split("\0")} - {""}):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(CLONE / name, target, follow_symlinks=False)


def run(steps: str) -> int:
    """Run a shell's text in the clone on the machine; return its exit status."""
    root, packages = tree.build(SUITE), wheels()
    with tempfile.TemporaryDirectory(prefix="debian-", dir=cache.root()) as home:
        clone_into(Path(home, "slurmtf"))
        command = ["unshare", *NAMESPACES, "sh", "-ec", ENTER, "sh", str(root), home, str(packages), steps]
        return subprocess.run(command, env=ENVIRON, check=False).returncode


def main() -> int:
    lacking = requirements.lacking_rights()
    if lacking:
        raise ClusterUnavailable(lacking)
    return run(" ".join(sys.argv[1:]) or STEPS)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (ClusterUnavailable, cache.BuildError) as error:
        sys.exit(f"Debian 13: {error}")
