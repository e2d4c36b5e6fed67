"""Pack an environment into one file, with the bytecode of all its modules, for the nodes of a job to unpack or mount."""

import contextlib
import importlib.util
import io
import json
import os
import py_compile
import struct
import subprocess
import sys
import tarfile
import tempfile
import time
from typing import IO, Iterator, Set, cast

from ..contract.environments import packs
from ..contract.environments.claim import Claim
from ..contract.environments.store import StoreLayout
from .prefixes import find_mentions
from .work import BuildError, Spec, build_once, find, say

BUFFER = 1 << 20


def pack(layout: StoreLayout, spec: Spec) -> None:
    """Pack an environment, unless it has been packed; if another process is doing so, wait."""
    claim, path = Claim(layout.claim(spec["name"])), spec["pack"]
    build_once(claim, spec["name"], lambda: os.path.isfile(path), lambda: _write(layout, spec["prefix"], path, claim))


def _write(layout: StoreLayout, prefix: str, path: str, claim: Claim) -> None:
    """Write the file under another name first, and remove what killed packers have left: we hold the claim."""
    for left in os.listdir(layout.packs):
        if left.startswith(os.path.basename(path) + packs.PARTIAL):
            os.remove(os.path.join(layout.packs, left))
    say("packing {} for the nodes ...".format(prefix))
    began = time.monotonic()
    partial = path + packs.PARTIAL + os.urandom(4).hex()
    try:
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with _open_squashfs(partial) if packs.is_mounted(path) else open(partial, "wb") as file:
            with tarfile.open(fileobj=file, mode="w|", format=tarfile.GNU_FORMAT, bufsize=BUFFER) as archive:
                _fill(archive, prefix, claim)
        os.rename(partial, path)
    except BaseException:
        os.remove(partial)
        raise
    size = os.path.getsize(path) / 1e6
    say("packed {}: {:.0f} MB in {:.1f} s".format(prefix, size, time.monotonic() - began))


@contextlib.contextmanager
def _open_squashfs(path: str) -> "Iterator[IO[bytes]]":
    """Yield what an archive is written into to become a file system. Raises BuildError if it does not."""
    if not find("mksquashfs"):
        raise BuildError("there is no mksquashfs in PATH", "install squashfs-tools, or set storage.pack to tar in the profile")
    cpus = str(min(8, len(os.sched_getaffinity(0))))
    command = ["mksquashfs", "-", path, "-tar", "-comp", "lz4", "-noappend", "-no-progress", "-quiet", "-processors", cpus]
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=output)
        with contextlib.suppress(BrokenPipeError), process:  # it says itself why it has ended
            yield cast("IO[bytes]", process.stdin)
        if process.returncode:
            output.seek(0)
            raise BuildError("mksquashfs: {}".format(output.read().decode("utf-8", "replace").strip()))


def _fill(archive: tarfile.TarFile, prefix: str, claim: Claim) -> None:
    root = os.path.realpath(prefix)
    _add_bytes(archive, packs.NOTE, json.dumps(find_mentions(prefix)).encode("ascii"))
    compiled: Set[str] = set()
    for path in _walk_paths(root):
        claim.beat()
        member = archive.gettarinfo(path, os.path.relpath(path, root))
        if member is None or path in compiled:  # a socket
            continue
        member.mtime = int(member.mtime)  # as bytecode has it
        if member.issym():
            member.linkname = _relocate_link(member.linkname, path, root, prefix)
        member.mode |= 0o700 if member.isdir() else 0o600  # a node must be able to change it, and to remove it
        if not member.isreg():
            archive.addfile(member)
            continue
        with open(path, "rb") as file:
            archive.addfile(member, file)
        if path.endswith(".py") and not _is_compiled(path):
            compiled.add(_add_bytecode(archive, path, root))


def _walk_paths(root: str) -> Iterator[str]:
    """Yield every path of a tree, each module before its bytecode."""
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(packs.select_own_folders(root, folder, folders))
        linked = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        yield folder
        for name in sorted(linked + files):
            yield os.path.join(folder, name)


def _relocate_link(link: str, path: str, root: str, prefix: str) -> str:
    """Return where a link points; one to a place in the environment by its whole path shall lead there in its copy too."""
    for old in (root, prefix):
        if (link + os.sep).startswith(old + os.sep):
            return os.path.relpath(root + link[len(old) :], os.path.dirname(path))
    return link


def _is_compiled(path: str) -> bool:
    """Return whether a module has bytecode that Python would take for its own (PEP 552; PEP 3147 for Python 3.6)."""
    found = os.stat(path)
    try:
        with open(importlib.util.cache_from_source(path), "rb") as file:
            head = file.read(16)
    except OSError:
        return False
    if sys.version_info >= (3, 7):
        if len(head) < 16 or struct.unpack("<I", head[4:8])[0]:
            return len(head) == 16 and head[:4] == importlib.util.MAGIC_NUMBER
        head = head[:4] + head[8:]
    expected = struct.pack("<II", int(found.st_mtime) & 0xFFFFFFFF, found.st_size & 0xFFFFFFFF)
    return head[:12] == importlib.util.MAGIC_NUMBER + expected


def _add_bytecode(archive: tarfile.TarFile, path: str, root: str) -> str:
    """Add a module's bytecode, and return where the environment would have it. What can't be compiled has none."""
    cache = importlib.util.cache_from_source(path)
    with tempfile.TemporaryDirectory() as folder:
        compiled = os.path.join(folder, "module.pyc")
        with contextlib.suppress(py_compile.PyCompileError, OSError, ValueError, RecursionError):
            py_compile.compile(path, cfile=compiled, doraise=True)
            with open(compiled, "rb") as file:
                _add_bytes(archive, os.path.relpath(cache, root), file.read())
    return cache


def _add_bytes(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mtime, member.mode = len(data), int(time.time()), 0o644
    archive.addfile(member, io.BytesIO(data))
