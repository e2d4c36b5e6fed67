"""What this machine needs to run a cluster, and what it lacks."""

from __future__ import annotations

import shutil
from pathlib import Path

from . import tree
from .config import Variant
from .errors import ClusterUnavailable
from .machine import SYSTEM_PATH

# Bits of CapEff, from linux/capability.h.
CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_SYS_ADMIN": 21}

NAMESPACES = {"ip": "iproute2", "nsenter": "util-linux", "unshare": "util-linux", "setsid": "util-linux"}
SLURM = {"munged": "munge", "slurmctld": "slurm-wlm", "slurmd": "slurm-wlm", "sbatch": "slurm-wlm"}
ACCOUNTING = {"slurmdbd": "slurmdbd", "mariadbd": "mariadb-server", "mariadb-install-db": "mariadb-server"}
TREE = {"debootstrap": "debootstrap"}

SANDBOX = "unshare --user --map-current-user --keep-caps"


def check(variant: Variant) -> None:
    reasons = [reason for reason in (lacking_rights(), _lacking_programs(variant)) if reason]
    if reasons:
        raise ClusterUnavailable("; ".join(reasons))


def lacking_rights() -> str:
    lacking = [name for name, bit in CAPABILITIES.items() if not _effective() >> bit & 1]
    return f"no {' and '.join(lacking)}: run as root, or in `{SANDBOX} COMMAND`" if lacking else ""


def _effective() -> int:
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["CapEff"], 16)


def _lacking_programs(variant: Variant) -> str:
    needed = NAMESPACES | _slurm(variant)
    lacking = [program for program in needed if not shutil.which(program, path=SYSTEM_PATH)]
    packages = sorted({needed[program] for program in lacking})
    install = f"apt-get install --no-install-recommends {' '.join(packages)}"
    return f"no {', '.join(lacking)}: {install}" if lacking else ""


def _slurm(variant: Variant) -> dict[str, str]:
    if variant.suite:
        return {} if tree.is_built(variant.suite) else TREE
    return SLURM | (ACCOUNTING if variant.accounting else {})
