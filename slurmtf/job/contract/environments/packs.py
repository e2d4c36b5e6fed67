"""An environment as one file, a pack: the names that its writers and its readers share."""

from typing import List

NOTE = "slurmtf-pack.json"
"""The first file of a pack: the environment's path when it was packed, and the files that contain this path."""
SUFFIXES = {"tar": ".tar", "squashfs": ".sqsh"}
"""The suffixes of the forms of a pack: an archive to unpack, or a file system to mount."""
PARTIAL = ".partial-"
"""Follows the name of a pack that is being written; the holder of the claim removes the others."""
CONDA_FOLDERS = ("pkgs", "envs", "conda-bld")
"""Folders in conda's own environment, base, that don't belong to it: conda's caches, and all other environments."""


def is_mounted(path: str) -> bool:
    """Return whether a pack is a file system to mount."""
    return path.endswith(SUFFIXES["squashfs"])


def select_own_folders(root: str, folder: str, folders: List[str]) -> List[str]:
    """Return those of ``folders``, in one folder of an environment, that belong to the environment."""
    return [name for name in folders if name not in CONDA_FOLDERS] if folder == root and "conda-meta" in folders else folders
