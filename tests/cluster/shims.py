"""The Slurm commands as a process on the host calls them: each enters the login machine first.

Inside the cluster their folder is empty, so that a job finds the real commands further on in the same PATH.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from .machine import SYSTEM_PATH, Machine

COMMANDS = (
    *("sbatch", "srun", "salloc", "squeue", "scancel", "scontrol", "sinfo", "sacct", "sacctmgr", "sstat"),
    *("sattach", "sbcast", "sprio", "sshare", "sreport", "sdiag", "strigger"),
)

_SETTINGS = re.compile(r"(SLURM|SLURMD|SBATCH|SRUN|SALLOC|SQUEUE|SINFO|SACCT|SCANCEL|SCONTROL|SPRIO|SSTAT|PMIX?)_")


def write(folder: Path, login: Machine) -> None:
    shim = folder / "login"
    enter = " ".join(login.beside("sh", "-c", """'cd "$0" && exec "$@"'""", '"$PWD"'))
    shim.write_text(f'#!/bin/sh\nexec {enter} {_programs()}/"${{0##*/}}" "$@"\n')
    shim.chmod(0o755)
    for command in COMMANDS:
        (folder / command).symlink_to(shim.name)


def write_apptainer(folder: Path, login: Machine) -> None:
    """Apptainer as the host's own: only what it finds under /usr and /etc is the login machine's, where another release is."""
    shim = folder / "apptainer"
    shim.write_text(
        f"""#!/bin/sh\nexec nsenter --target={login.pid} --mount sh -c 'cd "$0" && exec apptainer "$@"' "$PWD" "$@"\n"""
    )
    shim.chmod(0o755)


def _programs() -> Path:
    """The caller's PATH may be as short as he likes."""
    return Path(shutil.which("sbatch", path=SYSTEM_PATH) or "/usr/bin/sbatch").parent


def without_slurm(environ: Mapping[str, str]) -> dict[str, str]:
    """Without the variables that change what a Slurm command does, or that claim to be in a job."""
    return {name: value for name, value in environ.items() if not _SETTINGS.match(name)}
