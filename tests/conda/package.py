"""Conda packages, written as conda-build writes them."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PLACEHOLDER = ("/opt/conda/conda-bld/_h_env_placehold" + "_placehold" * 25)[:255]
"""What stands in the files of a package for the folder that it will be in; conda-build makes it as long as a path may be."""
SITE = "site-packages"
SUBDIR = "linux-64" if platform.machine() == "x86_64" else f"linux-{platform.machine()}"


@dataclass(frozen=True)
class File:
    """What a file holds, or where it links to. ``mode`` is how the placeholder in it is replaced, if it has one."""

    data: bytes = b""
    link: str = ""
    program: bool = False
    mode: str = ""
    placeholder: str = PLACEHOLDER

    @classmethod
    def text(cls, text: str, program: bool = False) -> File:
        return cls(text.encode(), program=program, mode="text" if PLACEHOLDER in text else "")

    @classmethod
    def of(cls, path: Path) -> File:
        return cls(path.read_bytes(), program=bool(path.stat().st_mode & 0o100))

    def facts(self, path: str) -> dict[str, Any]:
        facts = {"_path": path, "path_type": "softlink" if self.link else "hardlink", "size_in_bytes": len(self.data)}
        facts["sha256"] = hashlib.sha256(self.data).hexdigest()
        return {**facts, "file_mode": self.mode, "prefix_placeholder": self.placeholder} if self.mode else facts


@dataclass(frozen=True)
class Package:
    """A package; one with ``noarch`` is of Python modules alone, with ``commands`` as its entry points."""

    name: str
    version: str = "1.0"
    needs: tuple[str, ...] = ()
    files: Mapping[str, File] = field(default_factory=dict)
    noarch: bool = False
    commands: tuple[str, ...] = ()

    @property
    def subdir(self) -> str:
        return "noarch" if self.noarch else SUBDIR

    @property
    def filename(self) -> str:
        return f"{self.name}-{self.version}-0.tar.bz2"

    def write(self, channel: Path) -> dict[str, Any]:
        """Write it where it belongs in a channel, and return what the channel's index says of it."""
        path = channel / self.subdir / self.filename
        path.parent.mkdir(parents=True, exist_ok=True)
        about = self._info()
        with tarfile.open(path, "w:bz2", compresslevel=1) as archive:
            for name, facts in about.items():
                _add(archive, f"info/{name}", File(json.dumps(facts).encode()))
            for name, file in self.files.items():
                _add(archive, name, file)
        data = path.read_bytes()
        sums = {"md5": hashlib.md5(data).hexdigest(), "sha256": hashlib.sha256(data).hexdigest()}
        return {**about["index.json"], **sums, "size": len(data)}

    def _info(self) -> dict[str, Any]:
        index = {
            "name": self.name,
            "version": self.version,
            "build": "0",
            "build_number": 0,
            "depends": self.needs,
            "subdir": self.subdir,
        }
        kind = {"noarch": "python"} if self.noarch else {}
        paths = {"paths": [file.facts(path) for path, file in self.files.items()], "paths_version": 1}
        found = {"index.json": {**index, **kind}, "paths.json": paths}
        link = {"noarch": {"type": "python", "entry_points": self.commands}, "package_metadata_version": 1}
        return {**found, "link.json": link} if self.noarch else found


def _add(archive: tarfile.TarFile, path: str, file: File) -> None:
    member = tarfile.TarInfo(path)
    member.size, member.mode = len(file.data), 0o755 if file.program else 0o644
    if file.link:
        member.type, member.linkname = tarfile.SYMTYPE, file.link
    archive.addfile(member, io.BytesIO(file.data))


def write_channel(folder: Path, packages: Iterable[Package]) -> None:
    """Fill a folder with a channel of packages."""
    index: dict[str, dict[str, Any]] = {"noarch": {}, SUBDIR: {}}
    for package in packages:
        index[package.subdir][package.filename] = package.write(folder)
    for subdir, found in index.items():
        (folder / subdir / "repodata.json").write_text(json.dumps({"info": {"subdir": subdir}, "packages": found}))
