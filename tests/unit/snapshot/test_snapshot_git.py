"""What is told of git, compared with git: ignored names, and the id of the tree. Nothing is written into the repository."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slurmtf import Estimator, Experiment
from slurmtf.files import read_json
from slurmtf.plan import LaunchPlan
from slurmtf.snapshot import collect
from slurmtf.snapshot import git as asked
from slurmtf.snapshot.git import asking_git
from slurmtf.submit.folder import Intent, build
from tests.patience import HANG_S
from tests.unit.snapshot.trees import fill, snapshot_of, states

NOWHERE = Path("/nonexistent")
Git = Callable[..., str]


def git_in(folder: Path) -> Git:
    """git, with no settings but its own."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1", "GIT_CEILING_DIRECTORIES": "/"}
    who = ["-c", "user.name=ada", "-c", "user.email=ada@example.org", "-c", "core.quotePath=off"]

    def git(*argv: str, **more: str) -> str:
        command = ["git", "-C", str(folder), *who, *argv]
        done = subprocess.run(command, env={**environ, **more}, capture_output=True, check=True, timeout=HANG_S)
        return done.stdout.decode("utf-8", "surrogateescape")

    git("init", "--quiet", "--initial-branch=main")
    return git


@pytest.fixture
def git(root: Path) -> Git:
    return git_in(root)


def tree_by_git(git: Git, folder: Path) -> str:
    """The tree of everything in the work tree, by an index of its own."""
    index = {"GIT_INDEX_FILE": str(folder.parent / f"{folder.name}.git-index")}
    git("add", "--all", "--force", ".", **index)
    return git("write-tree", **index).strip()


def tree_by_us(root: Path) -> str:
    return snapshot_of(collect(root), NOWHERE).tree


def test_the_tree_is_that_of_git(root: Path, git: Git) -> None:
    """With git's order: a folder's name counts as if a '/' stood behind it."""
    fill(root, "a", "a.b", "a-b", "ab/c", "a0", "sub/deep/x", "sub.d/x", "sub-d", "train.py", "é", "\udcff", "a\nb", "x" * 200)
    fill(root, "zero", text="\0" * 2_000_000)
    (root / "empty.txt").touch()
    (root / "sub/none").mkdir()
    (root / "train.py").chmod(0o755)
    (root / "group.sh").touch()
    (root / "group.sh").chmod(0o674)
    for name, target in {
        "link": "a",
        "folder": "sub/",
        "out": "../elsewhere",
        "absolute": "/etc",
        "dangling": "no/where",
    }.items():
        (root / name).symlink_to(target)
    assert tree_by_us(root) == tree_by_git(git, root)


def test_the_tree_of_nothing(root: Path, git: Git) -> None:
    (root / "empty").mkdir()
    assert tree_by_us(root) == tree_by_git(git, root) == "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


PART = st.text("abé.-_0 \n\udcff", min_size=1, max_size=4).filter(lambda text: text not in (".", ".."))
CONTENT = st.binary(max_size=20) | PART.map(lambda target: Path(f"_{target}"))


@given(
    st.dictionaries(st.lists(PART, min_size=1, max_size=3).map(lambda parts: "/".join(f"_{part}" for part in parts)), CONTENT)
)
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_tree_of_any_source(tmp_path_factory: pytest.TempPathFactory, entries: dict[str, bytes | Path]) -> None:
    root = tmp_path_factory.mktemp("tree")
    git = git_in(root)
    for name, content in sorted(entries.items()):
        path = root / name
        if any(folder.is_file() or folder.is_symlink() for folder in path.parents) or path.is_dir():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content) if isinstance(content, bytes) else path.symlink_to(content)
    assert tree_by_us(root) == tree_by_git(git, root)


def planned(root: Path, workspace: Path) -> LaunchPlan:
    plan, _ = Experiment("lab", workspace).plan(Estimator(str(root), compute_target="local"))
    return plan


def repository(folder: Path) -> dict[str, Any] | None:
    with asking_git(folder) as answer:
        return answer()


def receipt_of(root: Path, workspace: Path) -> dict[str, object]:
    """What a run's receipt tells of git."""
    plan = planned(root, workspace)
    receipt = {"source": {"git": repository(root)}}
    layout = build(plan, "", snapshot_of(collect(root), workspace), Intent.of(plan), receipt)
    found: dict[str, object] = read_json(layout.receipt)["source"]["git"]
    return found


def test_the_receipt_of_a_clean_work_tree_names_its_commits_tree(root: Path, workspace: Path, git: Git) -> None:
    fill(root, "train.py", "sub/a.py")
    git("add", "--all")
    git("commit", "--quiet", "--message=one")
    head = git("rev-parse", "HEAD").strip()
    assert receipt_of(root, workspace) == {
        "commit": head, "branch": "main", "dirty": False, "tree": git("rev-parse", "HEAD^{tree}").strip()
    }  # fmt: skip
    assert repository(root / "sub") == {"commit": head, "branch": "main", "dirty": False}
    assert tree_by_us(root / "sub") == git("rev-parse", "HEAD:sub").strip()


def test_the_monitor_that_a_repository_names_is_not_started(root: Path, git: Git, tmp_path: Path) -> None:
    (monitor := tmp_path / "monitor").write_text(f"#!/bin/sh\ntouch '{tmp_path}/started'\n")
    monitor.chmod(0o700)
    fill(root, "train.py")
    git("add", "--all")
    git("config", "core.fsmonitor", str(monitor))
    assert repository(root) is not None
    assert not (tmp_path / "started").exists()
    git("status")
    assert (tmp_path / "started").exists()


def test_a_git_that_does_not_answer_is_ended(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "bin").mkdir()
    (root / "bin" / "git").write_text("#!/bin/sh\nexec sleep 3600\n")
    (root / "bin" / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{root / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setattr(asked, "TIMEOUT_S", 0.1)
    assert repository(root) is None
    with pytest.raises(KeyError), asking_git(root):
        raise KeyError


def test_the_receipt_of_a_dirty_work_tree_names_the_tree_that_ran(root: Path, workspace: Path, git: Git) -> None:
    """Changed and untracked files count, and what is ignored does not. The repository stays as it is."""
    fill(root, "train.py", "sub/a.py")
    (root / ".gitignore").write_text("*.log\n")
    git("add", "--all")
    git("commit", "--quiet", "--message=one")
    fill(root, "train.py", text="changed")
    fill(root, "new.py", "ignored.log")
    os.utime(root / "sub/a.py", (1, 1))  # so that git would like to refresh its index
    before = states(root)
    found = receipt_of(root, workspace)
    assert states(root) == before
    git("add", "--all")
    assert found == {
        "commit": git("rev-parse", "HEAD").strip(), "branch": "main", "dirty": True, "tree": git("write-tree").strip()
    }  # fmt: skip


def test_a_source_outside_of_git(root: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(root, "train.py")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", "/")
    assert receipt_of(root, workspace) is None


EVERYTHING = [
    "train.py",
    "a.log",
    "keep.log",
    "data/x.bin",
    "data/keep.bin",
    "data/sub/y.bin",
    "sub/data/x.bin",
    "sub/a.log",
    "b/c/d/e",
]


@pytest.mark.parametrize(
    "patterns",
    [
        "data", "data/", "/data", "/data/", "data/*", "data/**", "**/data", "**/data/**", "*.bin", "sub/**/x.bin", "b/**/e",
        "*.log\n!keep.log", "data/**\n!data/keep.bin", "data/*\n!data/sub/", "/*\n!/sub/", "*\n!*/\n!*.py",
        "data/\n!data/keep.bin", "/**/data/*.bin", "b/*/d", "b/*", "?.log", "[ab].log", "[!a]*.log", "\\a.log", "*.LOG",
        "sub/data/**\n!sub/data/x.bin",
        "data/**/\n", "**", "/**", "**/x.bin", "*/", "!train.py", "data/** ",
    ],
)  # fmt: skip
def test_ignored_is_what_git_ignores(root: Path, git: Git, patterns: str) -> None:
    fill(root, *EVERYTHING)
    (root / ".gitignore").write_text(patterns + "\n")
    listed = git("ls-files", "--others", "--exclude-standard", "-z").split("\0")
    assert [entry.name for entry in collect(root).entries if entry.kind == "file"] == sorted(filter(None, listed))


@pytest.fixture(autouse=True)
def _no_repository_around(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tests may run inside of a git hook, which sets variables."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    yield
