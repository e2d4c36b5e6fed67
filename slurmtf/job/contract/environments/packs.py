"""An environment as one file: its names, for those who pack it and those who use it."""

from typing import List

NOTE = "slurmtf-pack.json"
"""First in a pack: where the environment was when it was packed, and which of its files name that."""
SUFFIXES = {"tar": ".tar", "squashfs": ".sqsh"}
"""Of the forms that a pack may have: to be unpacked, or a file system to be mounted."""
PARTIAL = ".partial-"
"""Follows the name of a pack that is being written; who holds the claim sweeps the others."""
OF_CONDA = ("pkgs", "envs", "conda-bld")
"""Folders of a conda's own environment, base, that are no part of it: what conda keeps, and all other environments."""


def is_mounted(path: str) -> bool:
    """Return whether a pack is a file system to mount."""
    return path.endswith(SUFFIXES["squashfs"])


def own_folders(root: str, folder: str, folders: List[str]) -> List[str]:
    """Return those folders in one of an environment's that belong to it."""
    return [name for name in folders if name not in OF_CONDA] if folder == root and "conda-meta" in folders else folders
