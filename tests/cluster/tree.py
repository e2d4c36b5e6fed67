"""A later Debian, with all that scripts/test installs. A cluster of another Slurm has its /usr in the place of the host's;
tests/debian.py makes it a machine of its own."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from ..environments import cache
from .errors import ClusterUnavailable
from .machine import SYSTEM_PATH

TESTED = (Path(__file__).parents[1] / "debian-packages").read_text().split()
ALTERNATIVES = ("automake",)
"""What debootstrap, which does not resolve alternatives (``libtool | automake-1.17``), must be told."""
PACKAGES = ",".join((*TESTED, *ALTERNATIVES, "procps", "python3", "tzdata", "libslurm-dev"))
OF_APPTAINER = "uidmap,libseccomp2,libsqlite3-0"
PRODUCT = "usr/bin/apptainer"

# No stable Debian has Apptainer. The program of the newest one runs on this release too, with its libraries: it is taken out
# of its package, so that nothing else of that release comes along.
APPTAINER = """
mkdir -p lists/partial archives/partial
echo "deb [signed-by=$1/usr/share/keyrings/debian-archive-keyring.gpg] $2 sid main" >sources.list
of_sid() {
    apt-get -q -o Dir::Etc::SourceList="$PWD/sources.list" -o Dir::Etc::SourceParts=/dev/null \\
        -o Dir::State::Lists="$PWD/lists" -o Dir::Cache="$PWD" -o APT::Sandbox::User=root "$@"
}
of_sid update
of_sid download apptainer
dpkg-deb -x apptainer_*.deb "$1"
mkdir -p "$1/opt/etc" "$1/opt/lib"
mv "$1/etc/apptainer" "$1/opt/etc"
mv "$1/var/lib/apptainer" "$1/opt/lib"
"""

# The host's /usr/local stays, its Python may live there. Of /etc, what only the programs of this /usr can use.
MOUNT = """
mount -t overlay -o "lowerdir=$1/opt/etc:/etc" overlay /etc
mount -t overlay -o "lowerdir=$1/opt/lib:/var/lib" overlay /var/lib
[ ! -d /usr/local ] || mount --bind /usr/local "$1/usr/local"
mount --rbind "$1/usr" /usr
for name in ld.so.cache alternatives openmpi; do
    [ ! -e "$1/etc/$name" ] || [ ! -e "/etc/$name" ] || mount --bind "$1/etc/$name" "/etc/$name"
done
"""


def path(suite: str) -> Path:
    digest = hashlib.sha256("".join((PACKAGES, OF_APPTAINER, APPTAINER)).encode()).hexdigest()[:8]
    return cache.root() / f"{suite}-{digest}"


def is_built(suite: str) -> bool:
    return (path(suite) / cache.MARKER).exists()


def build(suite: str) -> Path:
    """Three minutes and 1.8 GB, once."""

    def debootstrap(job: cache.Job) -> None:
        options = ["--variant=minbase", f"--include={PACKAGES},{OF_APPTAINER}"]
        job.run("debootstrap", "debootstrap", *options, suite, job.folder, mirror(), environ={"PATH": SYSTEM_PATH})
        with tempfile.TemporaryDirectory() as folder:
            job.run("apptainer", "sh", "-ec", f'cd "$0"; {APPTAINER}', folder, job.folder, mirror())

    try:
        cache.build_once(path(suite), PRODUCT, debootstrap)
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


def main() -> None:
    """Build the trees of all variants, and print where they are."""
    from .config import VARIANTS

    for suite in sorted({variant.suite for variant in VARIANTS.values() if variant.suite}):
        print(build(suite))


if __name__ == "__main__":
    try:
        main()
    except ClusterUnavailable as error:
        sys.exit(str(error))
