"""Ask git about a source, without writing into the repository."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from slurmtf.job.contract.interchange import JsonObject

QUIET = ("--no-optional-locks", "-c", "core.fsmonitor=false")
"""Without these, git-status(1) writes the index, and starts the monitor that the repository names (git-config(1))."""
REPOSITORY_VARIABLES = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_COMMON_DIR",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_SHALLOW_FILE",
    "GIT_GRAFT_FILE",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
)
"""Variables that select a repository. Git sets them for its hooks (githooks(5)), whose repository may not be the source's."""
OFFLINE = {"GIT_ALLOW_PROTOCOL": "none", "GIT_NO_LAZY_FETCH": "1"}
"""Without these, a partial clone fetches missing objects with the command that the repository names (partial-clone(7),
git(1))."""
REPOSITORY_SCOPES = ("local", "worktree")
"""The scopes of git-config(1) whose settings are in the repository, which may have come with the source."""
LISTED = ("config", "--null", "--show-scope", "--name-only", "--get-regexp", r"^(filter|submodule)\.")
STATUS = ("status", "--porcelain=v2", "--branch", "--untracked-files=normal", "--ignore-submodules=dirty")
"""Submodules are not inspected, because git-status(1) would start programs that they name."""
TIMEOUT_S = 10
NO_ANSWER = f"git did not answer within {TIMEOUT_S} s"
USAGE = 129
"""Git's exit code for an unknown option (parse-options.c): ``--show-scope`` was added in 2.26."""


@contextlib.contextmanager
def ask_git(folder: Path) -> Iterator[Callable[[], JsonObject | None]]:
    """Ask git for commit, branch and whether there are uncommitted changes. It works while the source is read.

    Yields a function that waits for the answer, which is None outside of a git work tree. The answer for a clean one has the id
    of the folder's tree; ``dirty`` is None if it is unknown because of submodules. If git does not answer, all values are None
    and ``reason`` says why. Programs that the repository names are not started.
    """
    try:
        own = _list_repository_settings(folder)
        process = _start(folder, *_disable_filters(own), *STATUS)
    except (OSError, ValueError) as err:
        unanswered = _describe_unanswered(folder, str(err))
        yield lambda: unanswered
        return
    with process:
        try:
            yield lambda: _describe(folder, process, any(name.startswith("submodule.") for name in own))
        finally:
            process.kill()


def _list_repository_settings(folder: Path) -> list[str]:
    """Return the names of the repository's own settings that name programs or submodules. Raises OSError, or ValueError if git
    does not answer."""
    with _start(folder, *LISTED) as git:
        try:
            fields = git.communicate(timeout=TIMEOUT_S)[0].decode("utf-8", "surrogateescape").split("\0")
        except subprocess.TimeoutExpired:
            git.kill()
            raise ValueError(NO_ANSWER) from None
    if git.returncode == USAGE:
        raise ValueError("git 2.26 or newer is needed")
    if git.returncode not in (0, 1):  # 1: there are none
        raise ValueError(f"git config: exit code {git.returncode}")
    return [name for scope, name in zip(fields[::2], fields[1::2], strict=False) if scope in REPOSITORY_SCOPES]


def _disable_filters(names: list[str]) -> list[str]:
    """Return the arguments that keep git from starting the filters of these settings (gitattributes(5)). Raises ValueError."""
    filters = sorted({name.rpartition(".")[0] for name in names if name.startswith("filter.")})
    if any("=" in name for name in filters):
        raise ValueError("git's -c can't set what has '=' in its name")
    return [word for name in filters for key in ("clean=", "process=", "required=false") for word in ("-c", f"{name}.{key}")]


def _start(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    command = ["git", *QUIET, "-C", str(folder), *words]
    environ = {**{name: value for name, value in os.environ.items() if name not in REPOSITORY_VARIABLES}, **OFFLINE}
    return subprocess.Popen(command, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def _describe(folder: Path, git: subprocess.Popen[bytes], has_submodules: bool) -> JsonObject | None:
    lines = _read_answer(git)
    if lines is None:
        return _describe_unanswered(folder, NO_ANSWER if git.returncode is None else f"git status: exit code {git.returncode}")
    heads = dict(line[2:].split(" ", 1) for line in lines if line.startswith("# "))
    commit = heads.get("branch.oid")
    dirty = any(not line.startswith("#") for line in lines) or (None if has_submodules else False)
    facts = {"commit": commit, "branch": heads.get("branch.head"), "dirty": dirty}
    return facts if dirty is not False else {**facts, "tree": _find_tree(folder, f"{commit}:./")}


def _describe_unanswered(folder: Path, why: str) -> dict[str, object] | None:
    """Return what is known of a work tree if git does not answer; None if the folder is not in one."""
    inside = any((one / ".git").exists() for one in (folder.absolute(), *folder.absolute().parents))
    return {"commit": None, "branch": None, "dirty": None, "reason": why} if inside else None


def _find_tree(folder: Path, name: str) -> str | None:
    """Return the id of a tree; None if there is none, for example for a folder that git ignores."""
    with _start(folder, "rev-parse", "--verify", "--quiet", name) as git:
        try:
            lines = _read_answer(git)
        finally:
            git.kill()
    return lines[0] if lines else None


def _read_answer(git: subprocess.Popen[bytes]) -> list[str] | None:
    """Return git's lines; None if it fails or takes too long."""
    try:
        output = git.communicate(timeout=TIMEOUT_S)[0]
    except subprocess.TimeoutExpired:
        return None
    return output.decode("utf-8", "surrogateescape").splitlines() if git.returncode == 0 else None
