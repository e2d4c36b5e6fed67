"""Stage what a job needs to the node's own disk before its tasks start; one task of each node reads, the others wait.

Each task's agent starts this program as a child; a node's first one locks the folder, fills it, and leaves a note of what is
there. What does not fit is used from its original place, with a warning.
"""

import errno
import fcntl
import json
import os
import shutil
import signal
import tarfile
import time
from typing import Callable, Dict, List, Mapping, Optional

from ..common import identity
from ..contract.environments import packs
from ..contract.interchange import JsonObject
from ..contract.layout import RunLayout, to_native
from ..contract.plan import DataInput, JobPlan
from ..contract.system.private import make_private, write_private
from . import node_folder, relocation, squash, transfer, workdir

NOTE = "staged.json"
RETURNED = "returned.json"
MARGIN = 1.05
SPARE = 1 << 24
"""Bytes to keep free besides what is known to be needed, with a MARGIN for the file system's own use."""
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
BUFFER = 1 << 16


def read_note(folder: str, name: str) -> Dict[str, object]:
    """Return the note in a node's folder; empty if there is none."""
    try:
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            note: Dict[str, object] = json.load(file)
    except FileNotFoundError:
        return {}
    return note


def _write_note(folder: str, name: str, note: Mapping[str, object]) -> None:
    write_private(os.path.join(folder, name), json.dumps(note).encode("ascii"))


def stage(plan: JobPlan, layout: RunLayout, folder: str) -> int:
    """Fill the node's folder, unless another task of the node has done so or is doing so: then wait. Returns the exit code."""
    with open(os.open(os.path.join(folder, "stage.lock"), os.O_RDWR | os.O_CREAT, 0o600), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if read_note(folder, NOTE):
            return 0
        node_folder.NodeFolder(os.path.dirname(folder), os.path.basename(folder), "").remove_leftovers()
        try:
            note = Stager(plan, layout, folder).fill()
        except OSError as err:
            transfer.log("{}: {}".format(err.filename, err.strerror) if err.filename else str(err))
            return 1
        _write_note(folder, NOTE, note)
    return 0


class Stager:
    """Fills the folder of a node."""

    def __init__(self, plan: JobPlan, layout: RunLayout, folder: str) -> None:
        self._plan = plan
        self._layout = layout
        self._folder = folder
        self._phases: Dict[str, Dict[str, float]] = {}
        self._warnings: List[str] = []

    def fill(self) -> Dict[str, object]:
        """Stage everything, and return where it is and how long it took. Raises OSError if data does not exist."""
        began = time.monotonic()
        work = prefix = None
        if self._plan.stage.on_node:
            work = self._stage_source()
            prefix = self._stage_environment()
        inputs = {item.name: self._stage_input(item) for item in self._plan.inputs}
        facts = {"seconds": round(time.monotonic() - began, 3), "phases": self._phases, "warnings": self._warnings}
        names = read_note(prefix, packs.NOTE)["prefixes"] if prefix else []
        return dict(facts, work=work, prefix=prefix, names=names, inputs=inputs)

    def _stage_source(self) -> str:
        """Return the working directory: on this disk, or the shared one."""
        target = os.path.join(self._folder, "work")
        size = os.path.getsize(self._layout.source)
        found = self._try_to_stage("source", size, target, lambda: self._unpack(target))
        if found is None:
            workdir.prepare(self._layout, self._plan.snapshot)
        return found or self._layout.work

    def _unpack(self, target: str) -> None:
        workdir.unpack(self._layout, self._plan.snapshot, target, self._layout.folder)

    def _stage_environment(self) -> Optional[str]:
        """Return the folder of the environment on this disk; None if the shared one is used."""
        pack, target = to_native(self._plan.stage.pack), os.path.join(self._folder, "env")
        if not pack:
            return None
        bring = squash.mount_environment if packs.is_mounted(pack) else unpack_environment
        try:
            return self._try_to_stage("environment", os.path.getsize(pack), target, lambda: bring(pack, target))
        except OSError as err:
            self._warn("environment", "its pack {} can't be used ({})".format(pack, err.strerror or err))
            return None

    def _stage_input(self, item: DataInput) -> str:
        """Return where the script finds an input."""
        path, target = to_native(item.path), os.path.join(self._folder, "inputs", item.name)
        if item.mode == "mount":
            return path
        if item.mode == "upload":
            make_private(target)
            return target
        return self._download("input {}".format(item.name), path, target)

    def _download(self, what: str, path: str, target: str) -> str:
        """Copy a folder or a file and return the copy's path; the original path if there is no room."""
        items = transfer.list_tree(path)
        size = sum(item.size for item in items)
        progress = transfer.Progress(what, size)
        place = target if items[0].folder else os.path.join(target, os.path.basename(path))
        files = sum(not item.folder for item in items)
        transfer.log("{}: {} in {} files from {}".format(what, transfer.format_size(size), files, path))

        def bring() -> None:
            make_private(target)
            transfer.copy_in(path, items, place, progress)

        return place if self._try_to_stage(what, size, target, bring) else path

    def _try_to_stage(self, what: str, size: int, target: str, bring: Callable[[], None]) -> Optional[str]:
        """Stage something here and return its path; None if there is no room. Raises OSError if it fails for another reason."""
        began = time.monotonic()
        if not self._has_room(what, size):
            return None
        try:
            bring()
        except OSError as err:
            if err.errno not in NO_ROOM:
                raise
            shutil.rmtree(target, ignore_errors=True)
            self._warn(what, "the disk of {} is full".format(self._folder))
            return None
        self._phases[what] = {"bytes": size, "seconds": round(time.monotonic() - began, 3)}
        return target

    def _has_room(self, what: str, size: int) -> bool:
        disk = os.statvfs(self._folder)
        free, needed = disk.f_bavail * disk.f_frsize, int(size * MARGIN) + SPARE
        if needed > free:
            words = (transfer.format_size(size), self._folder, transfer.format_size(free))
            self._warn(what, "it takes {}, and the disk of {} has {} free".format(*words))
        return needed <= free

    def _warn(self, what: str, why: str) -> None:
        text = "{}: used from the shared file system, for {}".format(what, why)
        self._warnings.append(text)
        transfer.log("warning: " + text)


class _Pack(tarfile.TarFile):
    def chown(self, *arguments: object) -> None:
        """Leave what is unpacked to us."""


def unpack_environment(pack: str, target: str) -> None:
    """Unpack an environment, which gets its name when it is complete. Raises OSError.

    The files keep their times, by which Python recognizes their bytecode.
    """
    if os.path.isdir(target):  # by a task of the node that was killed before it could say so
        return
    partial = target + ".partial"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        with open(pack, "rb", buffering=BUFFER) as file, _Pack.open(fileobj=file, mode="r:") as archive:
            if hasattr(tarfile, "fully_trusted_filter"):
                archive.extraction_filter = tarfile.fully_trusted_filter
            note = _read_pack_note(archive)
            relocation.check_room(note, target)
            for member in archive:
                member.name, member.linkname = to_native(member.name), to_native(member.linkname)
                archive.extract(member, partial)
        relocation.relocate(partial, note, target)
        os.rename(partial, target)
    except tarfile.TarError as err:
        raise OSError("it is incomplete: {}".format(err)) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _read_pack_note(archive: tarfile.TarFile) -> Dict[str, object]:
    """Return a pack's note about itself. Raises TarError if it has none."""
    first = archive.next()
    file = archive.extractfile(first) if first is not None and first.name == packs.NOTE else None
    if file is None:
        raise tarfile.ReadError("it has no {}".format(packs.NOTE))
    note: Dict[str, object] = json.loads(file.read().decode("ascii"))
    return note


def create_targets(plan: JobPlan) -> None:
    """Create the folders that results are copied back to, to fail before the training instead of after it. Raises OSError."""
    for item in plan.inputs:
        if item.mode == "upload":
            os.makedirs(to_native(item.path), exist_ok=True)


def remove(plan: JobPlan, layout: RunLayout, folder: str) -> int:  # noqa: ARG001
    """Remove a folder that nobody needs any more. Returns the exit code."""
    _ignore_stop_signals()
    node_folder.remove(folder)
    return 0


def _ignore_stop_signals() -> None:
    """Ignore TERM, which Slurm sends to all processes of a step that it ends: the time until KILL is ours."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def send_back(plan: JobPlan, layout: RunLayout, folder: str) -> int:  # noqa: ARG001
    """Copy back what the script has left in inputs of mode upload, and record the result. Returns the exit code."""
    _ignore_stop_signals()
    suffix = ".{}-{}".format(plan.run.run_id, identity.get_host(os.environ))
    note: JsonObject = {"phases": {}, "beside": [], "failed": []}
    for item in plan.inputs:
        source = os.path.join(folder, "inputs", item.name)
        if item.mode == "upload" and os.path.isdir(source):
            what = "input {}".format(item.name)
            progress = transfer.Progress("{}: back".format(what), transfer.compute_size(source))
            copied = transfer.copy_back(source, to_native(item.path), suffix, progress)
            note["phases"][what] = progress.to_dict()
            note["beside"] += copied.beside
            note["failed"] += copied.failed
            size = transfer.format_size(progress.bytes)
            transfer.log("{}: {} in {} files copied back to {}".format(what, size, progress.files, item.path))
    for path in note["beside"]:
        transfer.log("a different file of that name exists already: {}".format(path))
    for trouble in note["failed"]:
        transfer.log("can't be copied back: {}".format(trouble))
    _write_note(folder, RETURNED, note)
    return 1 if note["failed"] else 0
