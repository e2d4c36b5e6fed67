"""The content of a workspace's own folder is trusted only if it is ours alone; only our own runs are ever removed."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from slurmtf import Estimator, Experiment, Run
from slurmtf.environments.store import EnvironmentStore, resolve_store
from slurmtf.errors import WorkspaceError
from slurmtf.files import make_private, write_json
from slurmtf.processes import identify
from slurmtf.runs.workspaces.garbage import discard, find_garbage
from slurmtf.sites import Site
from slurmtf.sites.model import Environments
from slurmtf.snapshot import SnapshotStore, collect
from slurmtf.submit.clients import SETTLE_S
from slurmtf.submit.folder import Intent, build
from slurmtf.submit.submission import find_stale_partials, tidy
from tests.unit.snapshot.trees import fill
from tests.unit.support import refusing, tells

from .users import MALLORY, needs_root, of

HERE = Site(name="here")
DEAD = asdict(replace(identify(os.getpid()), started=1))
LONG_AGO = time.time() - 7200


def submitted(root: Path, workspace: Path) -> Path:
    """A run as a submission creates it, up to its job."""
    plan, script = Experiment("lab", workspace).plan(Estimator(str(root), compute_target="local"))
    intent = Intent.from_plan(plan)
    layout = build(plan, script, SnapshotStore(workspace).read(collect(root)), intent, {"source": {"git": None}})
    intent.forget()
    return Path(layout.folder)


def text_in(source: Path) -> str:
    with tarfile.open(source) as archive:
        member = archive.extractfile("train.py")
        assert member is not None
        return member.read().decode()


def stored(workspace: Path) -> Path:
    [path] = (workspace / ".slurmtf/snapshots").glob("*.tar")
    return path


USES: dict[str, Callable[[Path], object]] = {
    "snapshots": SnapshotStore,
    "notes": tidy,
    "garbage": find_garbage,
    "partials": lambda workspace: list(find_stale_partials(workspace)),
    "environments": lambda workspace: resolve_store(HERE, workspace),
}


@needs_root
@pytest.mark.parametrize("use", USES)
def test_a_folder_created_by_another_user_is_refused(workspace: Path, use: str) -> None:
    make_private(workspace / ".slurmtf")
    USES[use](workspace)
    of(MALLORY, workspace / ".slurmtf")
    with pytest.raises(WorkspaceError) as caught:
        USES[use](workspace)
    [finding] = caught.value.findings
    assert (finding.code, finding.where) == ("foreign-folder", str(workspace / ".slurmtf"))
    assert tells(finding, f"user {MALLORY}", "--workspace")


@pytest.mark.parametrize("use", USES)
def test_a_world_writable_folder_or_a_link_is_refused(workspace: Path, tmp_path: Path, use: str) -> None:
    make_private(workspace / ".slurmtf").chmod(0o777)
    with refusing(WorkspaceError, "foreign-folder"):
        USES[use](workspace)
    (workspace / ".slurmtf").rename(tmp_path / "elsewhere")
    (workspace / ".slurmtf").symlink_to(tmp_path / "elsewhere")
    with refusing(WorkspaceError, "foreign-folder"):
        USES[use](workspace)


@needs_root
def test_a_submission_into_a_refused_folder_leaves_nothing(root: Path, workspace: Path) -> None:
    fill(root, "train.py")
    make_private(workspace / ".slurmtf/snapshots")
    of(MALLORY, workspace / ".slurmtf/snapshots")
    with refusing(WorkspaceError, "foreign-folder", f"user {MALLORY}"):
        Experiment("lab", workspace).submit(Estimator(str(root), compute_target="local"))
    assert list((workspace / ".slurmtf/snapshots").iterdir()) == []
    assert not (workspace / "lab").exists()


def other_bytes(path: Path) -> None:
    """Return the archive of another source, under this one's name."""
    with tarfile.open(path.with_name("x"), "w") as archive:
        (path.parent / "train.py").write_text("evil")
        archive.add(path.parent / "train.py", "train.py")
    path.with_name("x").replace(path)


def other_mode(path: Path) -> None:
    data = bytearray(path.read_bytes())
    assert data[100:107] == b"0000600"
    data[100:107] = b"0000700"
    rewritten(path, bytes(data))


def rewritten(path: Path, data: bytes) -> None:
    path.unlink()
    path.write_bytes(data)


def linked(path: Path) -> None:
    path.rename(path.with_name("real"))
    path.symlink_to("real")


CHANGES: dict[str, Callable[[Path], None]] = {
    "another archive": other_bytes,
    "a flipped bit": lambda path: rewritten(path, path.read_bytes().replace(b"true", b"tru3")),
    "another mode": other_mode,
    "cut off": lambda path: rewritten(path, path.read_bytes()[:700]),
    "empty": lambda path: rewritten(path, b""),
    "no archive": lambda path: rewritten(path, b"x" * 4096),
    "writable by others": lambda path: path.chmod(0o666),
    "a link": linked,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_stored_snapshot_that_does_not_match_its_name_is_rewritten(root: Path, workspace: Path, change: str) -> None:
    fill(root, "train.py", text="true")
    submitted(root, workspace)
    CHANGES[change](stored(workspace))
    folder = submitted(root, workspace)
    assert text_in(folder / "source.tar") == text_in(stored(workspace)) == "true"
    assert not (folder / "source.tar").is_symlink()
    assert stored(workspace).stem == json.loads((folder / "plan.json").read_text())["provenance"]["snapshot"]["id"]


@needs_root
def test_a_stored_snapshot_of_another_user_is_rewritten(root: Path, workspace: Path) -> None:
    fill(root, "train.py", text="true")
    submitted(root, workspace)
    of(MALLORY, stored(workspace))
    assert (submitted(root, workspace) / "source.tar").stat().st_uid == os.getuid()


def test_names_of_all_kinds_are_recognized(root: Path, workspace: Path) -> None:
    """Long, not ASCII, not UTF-8, folders, links, large files: otherwise every second submission would rewrite its snapshot."""
    odd = os.fsdecode(b"\\xff\\xfe")
    fill(root, "train.py", "sub/" + "x" * 200, "ü" * 60, odd, "run me", "with\nnewline")
    (root / "run me").chmod(0o755)
    (root / "empty").mkdir()
    (root / "link").symlink_to("ü" * 60)
    (root / "large").write_bytes(b"x" * (3 << 20))
    submitted(root, workspace)
    inode = stored(workspace).stat().st_ino
    assert (submitted(root, workspace) / "source.tar").stat().st_ino == inode


def note(workspace: Path, name: str, folder: Path) -> Path:
    path = make_private(workspace / ".slurmtf/intents") / f"{name}.json"
    write_json(path, {"folder": str(folder), "owner": DEAD})
    return path


def test_a_note_can_only_remove_a_run_of_its_workspace(tmp_path: Path, workspace: Path) -> None:
    thesis, series = tmp_path / "project/thesis", workspace / "series"
    fill(thesis, "chapter", "plan.json")
    fill(workspace, "lab/notes/chapter", ".slurmtf/x/plan.json")
    series.symlink_to(tmp_path / "project")
    (workspace / "lab/thesis").symlink_to(thesis)
    note(workspace, "x", thesis)  # another name
    note(workspace, "thesis", thesis)  # there is none below workspace/project
    note(workspace, "notes", workspace / "lab/notes")  # no run
    note(workspace, "thesis2", workspace / "lab/../../project/thesis")
    note(workspace, "..", workspace / "lab/..")
    write_json(workspace / ".slurmtf/intents/list.json", [1])
    (workspace / ".slurmtf/intents/broken.json").write_text("{")
    before = sorted(map(str, [*tmp_path.rglob("*/chapter"), *tmp_path.rglob("plan.json")]))
    for path in tmp_path.rglob("*"):
        os.utime(path, (LONG_AGO, LONG_AGO), follow_symlinks=False)
    tidy(workspace)
    for one in find_garbage(workspace):
        discard(one)
    assert sorted(map(str, [*tmp_path.rglob("*/chapter"), *tmp_path.rglob("plan.json")])) == before
    for name in ("thesis", "x"):
        note(workspace, name, workspace / "series/thesis")
        note(workspace, name, workspace / "lab/thesis")
        tidy(workspace)
    assert sorted(map(str, [*tmp_path.rglob("*/chapter"), *tmp_path.rglob("plan.json")])) == before


def test_a_run_without_a_job_is_removed(root: Path, workspace: Path) -> None:
    fill(root, "train.py")
    folder = submitted(root, workspace)
    note(workspace, folder.name, folder)
    os.utime(folder, (time.time() - 2 * SETTLE_S,) * 2)
    tidy(workspace)
    assert not folder.exists()
    assert list((workspace / ".slurmtf/intents").iterdir()) == []


def test_gc_of_a_home_changes_only_our_own_folder(tmp_path: Path) -> None:
    """'slurmtf gc -w ~': photos/.removed-2019 is the user's own; and no link is followed."""
    home, outside = tmp_path / "home", tmp_path / "outside"
    fill(home, "photos/.removed-2019/a", ".slurmtf/.removed-lab-1/a", ".slurmtf/staging/lab-1/a")
    fill(outside, ".removed-1/a", "lab-2/a", "0.tar", "0.index", ".partial-1", "pip-1/a")
    (home / "linked").symlink_to(outside)
    for name in ("staging", "snapshots", "intents"):
        shutil.rmtree(home / ".slurmtf" / name, ignore_errors=True)
    (home / ".slurmtf/environments").symlink_to(outside)
    for path in tmp_path.rglob("*"):
        os.utime(path, (LONG_AGO, LONG_AGO), follow_symlinks=False)
    kept = sorted(path for path in tmp_path.rglob("*") if ".removed-lab-1" not in str(path))
    (home / ".slurmtf/environments").unlink()
    fill(home, ".slurmtf/environments/.built/x")
    (home / ".slurmtf/environments/.packs").symlink_to(outside)
    (home / ".slurmtf/environments/.downloads").symlink_to(outside)
    kept = sorted({*kept, *home.glob(".slurmtf/environments/.p*"), *home.glob(".slurmtf/environments/.d*")})
    found = find_garbage(home)
    assert [discard(one) for one in found] == [None] * len(found)
    assert (home / ".slurmtf/.removed-lab-1") in [one.path for one in found]
    assert all(path.exists() or path.is_symlink() for path in kept)


@pytest.mark.parametrize("folder", ["snapshots", "intents", "staging", "environments"])
def test_gc_refuses_a_link_in_our_own_folder(workspace: Path, tmp_path: Path, folder: str) -> None:
    fill(tmp_path / "outside", "0.tar")
    make_private(workspace / ".slurmtf")
    (workspace / ".slurmtf" / folder).symlink_to(tmp_path / "outside")
    with refusing(WorkspaceError, "foreign-folder"):
        find_garbage(workspace)


@needs_root
def test_a_named_store_created_by_another_user_is_refused(tmp_path: Path) -> None:
    site = Site(name="here", environments=Environments(folder=str(tmp_path / "envs")))
    assert resolve_store(site, tmp_path).root == tmp_path / "envs", "there is none yet"
    (tmp_path / "envs").mkdir()
    resolve_store(site, tmp_path)
    of(MALLORY, tmp_path / "envs")
    with refusing(WorkspaceError, "foreign-folder", f"user {MALLORY}", "SLURMTF_ENVIRONMENTS"):
        resolve_store(site, tmp_path)


def test_only_the_link_is_removed_of_an_environment_that_is_a_link(tmp_path: Path) -> None:
    store, venv = EnvironmentStore(tmp_path / "envs"), tmp_path / "venv"
    store.layout.prepare()
    fill(venv, "bin/python", "slurmtf-environment.json", text="{}")
    store.folder("mine").symlink_to(venv)
    store.remove("mine")
    assert not store.folder("mine").is_symlink()
    assert (venv / "bin/python").exists()


@needs_root
def test_results_of_another_users_run_are_not_unpickled(root: Path, workspace: Path) -> None:
    fill(root, "train.py")
    folder = submitted(root, workspace)
    of(MALLORY, folder)
    with refusing(WorkspaceError, "foreign-folder", f"user {MALLORY}"):
        _ = Run(folder).job
