"""Another release of Slurm: that of a later Debian, whose /usr takes the place of the host's in a cluster's mounts."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

from ..environments import cache
from .errors import ClusterUnavailable
from .machine import SYSTEM_PATH

PACKAGES = "slurm-wlm,slurmdbd,munge,mariadb-server,iproute2,openmpi-bin,procps,python3,tzdata"
PRODUCT = "usr/sbin/slurmctld"

# The host's /usr/local stays, its Python may live there. Of /etc, what only the programs of this /usr can use.
MOUNT = """
[ ! -d /usr/local ] || mount --bind /usr/local "$1/usr/local"
mount --rbind "$1/usr" /usr
for name in ld.so.cache alternatives openmpi; do
    [ ! -e "$1/etc/$name" ] || [ ! -e "/etc/$name" ] || mount --bind "$1/etc/$name" "/etc/$name"
done
"""


def path(suite: str) -> Path:
    digest = hashlib.sha256(PACKAGES.encode()).hexdigest()[:8]
    return cache.root() / f"{suite}-{digest}"


def is_built(suite: str) -> bool:
    return (path(suite) / cache.MARKER).exists()


def build(suite: str) -> Path:
    """Two minutes and 1.1 GB, once."""

    def debootstrap(job: cache.Job) -> None:
        options = ["--variant=minbase", f"--include={PACKAGES}"]
        job.run("debootstrap", "debootstrap", *options, suite, job.folder, mirror(), environ={"PATH": SYSTEM_PATH})

    try:
        cache.once(path(suite), PRODUCT, debootstrap)
    except cache.BuildError as error:
        raise ClusterUnavailable(str(error)) from error
    return path(suite)


def mirror() -> str:
    own = os.environ.get("SLURMTF_DEBIAN_MIRROR")
    return own or _mirror_of_apt()


def _mirror_of_apt() -> str:
    query = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Label: Debian", "Component: main"]
    try:
        return subprocess.run(query, capture_output=True, text=True, check=True).stdout.split()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        raise ClusterUnavailable("apt knows no mirror of Debian: set SLURMTF_DEBIAN_MIRROR") from None
