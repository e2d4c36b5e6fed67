"""Facts about the repository compared with git's: commit, tree and ignored names. Nothing is written into it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from slurmtf import Estimator, Experiment
from slurmtf.files import read_json
from slurmtf.snapshot import collect
from slurmtf.snapshot.git import ask_git
from slurmtf.submit.folder import Intent, build
from tests.patience import HANG_S
from tests.unit.snapshot.trees import fill, snapshot_of, states

NOWHERE = Path("/nonexistent")
Git = Callable[..., str]


def git_in(folder: Path) -> Git:
    """Return a function that runs git without the user's settings."""
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


def repository(folder: Path) -> dict[str, Any] | None:
    with ask_git(folder) as answer:
        return answer()


def test_a_clean_work_tree_has_gits_id_of_its_folder(root: Path, git: Git) -> None:
    fill(root, "train.py", "sub/a.py")
    git("add", "--all")
    git("commit", "--quiet", "--message=one")
    clean = {"commit": git("rev-parse", "HEAD").strip(), "branch": "main", "dirty": False}
    assert repository(root) == {**clean, "tree": git("rev-parse", "HEAD^{tree}").strip()}
    assert repository(root / "sub") == {**clean, "tree": git("rev-parse", "HEAD:sub").strip()}


def test_a_folder_in_no_commit_has_no_tree(root: Path, git: Git) -> None:
    (root / ".git/info/exclude").write_text("/sub/\n")
    fill(root, "sub/a.py")
    assert repository(root) == {"commit": "(initial)", "branch": "main", "dirty": False, "tree": None}
    git("commit", "--quiet", "--message=one", "--allow-empty")
    head = git("rev-parse", "HEAD").strip()
    assert repository(root / "sub") == {"commit": head, "branch": "main", "dirty": False, "tree": None}


def test_a_monitor_named_by_a_repository_is_not_started(root: Path, git: Git, tmp_path: Path) -> None:
    (monitor := tmp_path / "monitor").write_text(f"#!/bin/sh\ntouch '{tmp_path}/started'\n")
    monitor.chmod(0o700)
    fill(root, "train.py")
    git("add", "--all")
    git("config", "core.fsmonitor", str(monitor))
    assert repository(root) is not None
    assert not (tmp_path / "started").exists()
    git("status")
    assert (tmp_path / "started").exists()


@pytest.mark.parametrize("key", ["clean", "process"])
def test_a_filter_named_by_a_repository_is_not_started(root: Path, git: Git, tmp_path: Path, key: str) -> None:
    """Also one with a dot in its name, or from a file that the repository includes."""
    fill(root, "train.py", ".gitattributes", "other.ini")
    (root / ".gitattributes").write_text("train.py filter=a.b\n")
    (root / "other.ini").write_text(f'[filter "a.b"]\n{key} = touch {tmp_path}/started; cat\nrequired\n')
    git("add", "--all")
    git("commit", "--quiet", "--message=one")
    git("config", "include.path", "../other.ini")
    os.utime(root / "train.py", (1, 1))  # so that git compares its content
    assert (repository(root) or {}).get("dirty") is False
    assert not (tmp_path / "started").exists()
    subprocess.run(["git", "-C", root, "status"], check=False, capture_output=True)
    assert (tmp_path / "started").exists()


def test_the_users_own_filter_is_used(root: Path, git: Git, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(root, "train.py", ".gitattributes")
    (root / ".gitattributes").write_text("train.py filter=lfs\n")
    (home := tmp_path / "home").mkdir()
    (home / ".gitconfig").write_text('[filter "lfs"]\nclean = echo pointer; cat >/dev/null\n')
    git("add", "--all", HOME=str(home))
    git("commit", "--quiet", "--message=one", HOME=str(home))
    os.utime(root / "train.py", (1, 1))
    for known, dirty in ((home, False), (tmp_path, True)):
        monkeypatch.setenv("HOME", str(known))
        assert (repository(root) or {}).get("dirty") is dirty


def test_git_is_not_called_if_a_filter_can_not_be_disabled(root: Path, git: Git) -> None:
    fill(root, "train.py")
    git("add", "--all")
    (root / ".git/config").open("a").write('[filter "a=b"]\nclean = cat\n')
    assert find_reason(root)


def test_submodules_are_not_inspected(root: Path, git: Git, tmp_path: Path) -> None:
    """So it is unknown whether all is as committed."""
    (other := tmp_path / "other").mkdir()
    its = git_in(other)
    fill(other, "a.py")
    its("add", "--all")
    its("commit", "--quiet", "--message=one")
    git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other), "part")
    git("commit", "--quiet", "--message=one")
    (root / ".git/modules/part/config").open("a").write(f'[filter "x"]\nclean = touch {tmp_path}/started; cat\n')
    (root / ".git/modules/part/info/attributes").write_text("a.py filter=x\n")
    os.utime(root / "part/a.py", (1, 1))
    facts = repository(root)
    assert facts is not None
    assert (facts["dirty"], "tree" in facts) == (None, False)
    assert not (tmp_path / "started").exists()
    git("status")
    assert (tmp_path / "started").exists()


def test_a_fetch_command_named_by_a_repository_is_not_started(root: Path, git: Git, tmp_path: Path) -> None:
    fill(root, "train.py")
    git("add", "--all")
    git("commit", "--quiet", "--message=one")
    tree = git("rev-parse", "HEAD^{tree}").strip()
    (root / ".git/objects" / tree[:2] / tree[2:]).unlink()
    promises = {"url": str(root), "promisor": "true", "uploadpack": f"touch '{tmp_path}/started'; git-upload-pack"}
    for name, value in promises.items():
        git("config", f"remote.origin.{name}", value)
    git("config", "core.repositoryFormatVersion", "1")
    git("config", "extensions.partialClone", "origin")
    repository(root)
    assert not (tmp_path / "started").exists()
    with pytest.raises(subprocess.CalledProcessError):
        git("status")
    assert (tmp_path / "started").exists()


@pytest.mark.parametrize("name", ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"])
def test_only_the_repository_of_the_source_is_queried(
    root: Path, git: Git, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even in a hook of another one, which git names in the environment."""
    (other := tmp_path / "other").mkdir()
    for folder, its in ((root, git), (other, git_in(other))):
        fill(folder, f"{folder.name}.py")
        its("add", "--all")
        its("commit", "--quiet", "--message=one")
    facts = repository(root)
    places = {"GIT_WORK_TREE": "", "GIT_INDEX_FILE": ".git/index", "GIT_OBJECT_DIRECTORY": ".git/objects"}
    monkeypatch.setenv(name, str(other / places.get(name, ".git")))
    assert facts is not None
    assert repository(root) == facts


def find_reason(folder: Path) -> str:
    """Return why git gives no facts about a work tree, of which nothing else is known."""
    facts = repository(folder)
    assert facts is not None
    assert [facts.pop(name) for name in ("commit", "branch", "dirty")] == [None] * 3
    return str(facts.pop("reason")) if list(facts) == ["reason"] else ""


def another_git(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "git").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_a_git_without_an_answer_is_killed(root: Path, git: Git, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git("status")
    another_git(tmp_path / "bin", "exec sleep 3600", monkeypatch)
    monkeypatch.setattr("slurmtf.snapshot.git.TIMEOUT_S", 0.1)
    assert find_reason(root)
    with pytest.raises(KeyError), ask_git(root):
        raise KeyError


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ('echo "error: unknown option \\`show-scope\'" >&2; exit 129', "2.26"),  # as git 2.17 ends
        ('case "$*" in *config*) exit 1 ;; *) exit 128 ;; esac', "128"),  # a work tree of another user
        ("exit 3", "3"),
    ],
)
def test_a_failing_git_is_reported_with_the_reason(
    root: Path, git: Git, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, why: str
) -> None:
    git("status")
    another_git(tmp_path / "bin", script, monkeypatch)
    assert why in find_reason(root)
    (tmp_path / "outside").mkdir()
    assert repository(tmp_path / "outside") is None


def test_a_dirty_work_tree_has_only_its_commit(root: Path, git: Git) -> None:
    """The snapshot identifies what ran. The repository is unchanged."""
    fill(root, "train.py", "sub/a.py")
    git("add", "--all")
    git("commit", "--quiet", "--message=one")
    fill(root, "new.py")
    os.utime(root / "sub/a.py", (1, 1))  # so that git would like to refresh its index
    before = states(root)
    assert repository(root) == {"commit": git("rev-parse", "HEAD").strip(), "branch": "main", "dirty": True}
    assert states(root) == before


def test_the_receipt_has_the_facts_from_git(root: Path, workspace: Path) -> None:
    fill(root, "train.py")
    plan, _ = Experiment("lab", workspace).plan(Estimator(str(root), compute_target="local"))
    facts = {"commit": "c0ffee", "branch": "main", "dirty": True}
    layout = build(plan, "", snapshot_of(collect(root), workspace), Intent.from_plan(plan), {"source": {"git": facts}})
    assert read_json(layout.receipt)["source"]["git"] == facts


def test_a_source_may_be_outside_git(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(root, "train.py")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", "/")
    assert repository(root) is None


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
def test_the_ignored_files_are_those_that_git_ignores(root: Path, git: Git, patterns: str) -> None:
    fill(root, *EVERYTHING)
    (root / ".gitignore").write_text(patterns + "\n")
    listed = git("ls-files", "--others", "--exclude-standard", "-z").split("\0")
    assert [entry.name for entry in collect(root).entries if entry.kind == "file"] == sorted(filter(None, listed))


@pytest.fixture(autouse=True)
def _no_repository_around(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Remove the variables that a git hook sets, in which tests may run."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    yield
