"""The content of a snapshot: ignore rules, links, limits, and unreadable files."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from slurmtf import Estimator, Experiment
from slurmtf.errors import SnapshotError
from slurmtf.findings import Finding
from slurmtf.snapshot import Contents, collect
from slurmtf.snapshot.entries import describe_unreadable
from slurmtf.snapshot.limits import check_left_out, check_size
from tests.unit.snapshot.trees import fill, keep, reference, settled, snapshot_of, unpacked
from tests.unit.support import refusing, tells


def names(contents: Contents) -> list[str]:
    """Return the names of all entries but folders."""
    return [entry.name for entry in contents.entries if entry.kind != "folder"]


def refused(root: Path, **options: Any) -> list[Finding]:
    with pytest.raises(SnapshotError) as caught:
        collect(root, **options)
    assert caught.value.exit_code == 2
    return list(caught.value.findings)


# --- what is left out


@pytest.mark.parametrize(
    ("files", "kept"),
    [
        ({}, ["a.csv", "a.log", "a.py"]),
        ({".gitignore": "*.log"}, [".gitignore", "a.csv", "a.py"]),
        ({".gitignore": "*.log", ".amlignore": "*.csv"}, [".amlignore", ".gitignore", "a.log", "a.py"]),
        (
            {".gitignore": "*.log", ".amlignore": "*.csv", ".slurmtfignore": "*.py"},
            [".amlignore", ".gitignore", ".slurmtfignore", "a.csv", "a.log"],
        ),
        ({".gitignore": "*.log", ".slurmtfignore": ""}, [".gitignore", ".slurmtfignore", "a.csv", "a.log", "a.py"]),
        ({"sub/.gitignore": "*"}, ["a.csv", "a.log", "a.py", "sub/.gitignore"]),
    ],
)
def test_only_the_first_ignore_file_counts(root: Path, files: dict[str, str], kept: list[str]) -> None:
    fill(root, "a.py", "a.log", "a.csv")
    for name, text in files.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    assert names(collect(root)) == kept


@pytest.mark.parametrize(
    ("pattern", "gone"),
    [
        ("data/", {"data/x.bin", "sub/data/y.bin"}),
        ("/data/", {"data/x.bin"}),
        ("*.bin\n!keep.bin", {"data/x.bin", "sub/data/y.bin"}),
        ("sub/**/y.bin", {"sub/data/y.bin"}),
        ("# comment\n\n   \n", set()),
        ("data/\n!data/x.bin", {"data/x.bin", "sub/data/y.bin"}),
        ("/data/*\n!data/x.bin", set()),
        ("data/**\n!data/x.bin", set()),
        ("data/**", {"data/x.bin"}),
        ("**/data/*", {"data/x.bin", "sub/data/y.bin"}),
        ("keep.bin\r\ntrain.py\r\n", {"keep.bin", "train.py"}),
        ("é.txt", {"é.txt"}),
        ("!", set()),
        ("[z-a]\nkeep.bin\n\\", {"keep.bin"}),
    ],
)
def test_patterns_are_those_of_gitignore(root: Path, pattern: str, gone: set[str]) -> None:
    fill(root, *(everything := ["train.py", "keep.bin", "é.txt", "data/x.bin", "sub/data/y.bin"]))
    (root / ".slurmtfignore").write_bytes(pattern.encode())
    assert set(everything) - set(names(collect(root))) == gone


def test_a_pattern_may_have_undecodable_bytes(root: Path) -> None:
    fill(root, "a\udcff.txt", "b.txt")
    (root / ".slurmtfignore").write_bytes(b"a\xff*\n")
    assert names(collect(root)) == [".slurmtfignore", "b.txt"]


def test_some_files_are_in_no_snapshot(root: Path) -> None:
    fill(
        root, "train.py", ".git/config", "sub/.git/config", "__pycache__/a.pyc", "sub/__pycache__/a.pyc",
        ".ipynb_checkpoints/a", ".slurmtf/site_configs/a.yaml", ".azureml/a", "azureml-logs/a", "outputs/model.h5",
        "logs/log.txt", ".git2/a",
    )  # fmt: skip
    (root / ".slurmtfignore").write_text("!outputs/\n!.git/\n", encoding="utf-8")
    assert names(collect(root)) == [".git2/a", ".slurmtfignore", "train.py"]


def test_outputs_and_logs_are_left_out_only_at_the_top(root: Path) -> None:
    fill(root, "sub/outputs/a", "sub/logs/b", "outputs2", "mylogs/c")
    (root / "logs").write_text("a file", encoding="utf-8")
    (root / "outputs").symlink_to("sub")
    assert names(collect(root)) == ["mylogs/c", "outputs2", "sub/logs/b", "sub/outputs/a"]


def test_the_git_file_of_a_worktree_is_left_out(root: Path) -> None:
    """In a worktree, .git is a file that names the repository."""
    fill(root, ".git", "module/.git", "train.py")
    assert names(collect(root)) == ["train.py"]


def test_virtual_environments_are_left_out_and_reported(root: Path) -> None:
    fill(root, "train.py", ".venv/pyvenv.cfg", ".venv/lib/site.py", "sub/env/pyvenv.cfg", "sub/env/x", "sub/a.py")
    contents = collect(root)
    assert names(contents) == ["sub/a.py", "train.py"]
    assert sorted(text.split(" (")[0] for text in contents.left_out) == [".venv/", "sub/env/"]


SECRETS = (
    ".ssh/id_ed25519", ".aws/credentials", ".netrc", ".env", "sub/.env.production", "id_rsa", "sub/.kube/config",
    ".docker/config.json", ".git-credentials", "store.p12", ".config/gcloud/credentials.db", ".kaggle/kaggle.json",
    ".config/rclone/rclone.conf", ".cache/huggingface/token", ".apptainer/remote.yaml", ".npmrc", ".envrc", ".bash_history",
    ".local/share/keyrings/login.keyring", ".config/containers/auth.json",
)  # fmt: skip
PEM = "-----BEGIN OPENSSH PRIVATE KEY-----\n"


def test_secrets_are_left_out_and_told(root: Path) -> None:
    harmless = [".docker/Dockerfile", ".env.example", "a.env", "ca.pem", "environment.yml", "huggingface/train.py",
                "id_rsa.pub", "keyrings.py", "token", "train.py"]  # fmt: skip
    fill(root, *harmless, *SECRETS)
    contents = collect(root)
    assert names(contents) == harmless
    whole = {".ssh/id_ed25519": ".ssh/", ".aws/credentials": ".aws/", "sub/.kube/config": "sub/.kube/",
             ".config/gcloud/credentials.db": ".config/gcloud/", ".kaggle/kaggle.json": ".kaggle/",
             ".local/share/keyrings/login.keyring": ".local/share/keyrings/"}  # fmt: skip
    assert set(contents.secrets) == {whole.get(name, name) for name in SECRETS}
    assert sorted(note.partition(" (")[0] for note in contents.left_out) == sorted(contents.secrets)
    (warning,) = check_left_out(contents)
    assert warning.code == "secrets-left-out"
    assert "and 15 more" in warning.what


@pytest.mark.parametrize(
    ("name", "text", "is_left_out"),
    [
        ("key", PEM, True),
        ("sub/deploy", "\n-----BEGIN RSA PRIVATE KEY-----\n", True),
        ("key.txt", "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n", True),
        ("putty", "PuTTY-User-Key-File-3: ssh-ed25519\n", True),
        ("lab-4711.json", '{"type": "service_account",\n "private_key": "-----BEGIN PRIVATE KEY-----\\nMI"}', True),
        ("mine.pem", PEM, True),
        ("both.pem", f"-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----\n{PEM}", True),
        ("ca.pem", "-----BEGIN CERTIFICATE-----\nMIIC\n", False),
        ("key.pub", "-----BEGIN PUBLIC KEY-----\n", False),
        ("train.py", f"KEY = (\n'{PEM}')", False),
        ("notes.md", f"Write\n\n    {PEM}", False),
        ("empty", "", False),
    ],
)
def test_a_private_key_is_known_by_how_it_begins(root: Path, workspace: Path, name: str, text: str, is_left_out: bool) -> None:
    """Whatever its name; a file that quotes one is not a key."""
    fill(root, "a.py")
    fill(root, name)
    (root / name).write_text(text, encoding="utf-8")
    for _ in range(2):  # read, then known from the index
        contents = snapshot_of(settled(collect(root)), workspace).contents
        assert (name not in names(contents)) is is_left_out
        assert contents.secrets == ((name,) if is_left_out else ())
        assert [note.partition(" (")[0] for note in contents.left_out] == [name] * is_left_out
        assert [one.code for one in check_left_out(contents)] == ["secrets-left-out"] * is_left_out
        keep(settled(collect(root)), workspace)
    assert ((unpacked(collect(root), workspace) / name).exists()) is not is_left_out


def test_a_private_key_no_longer_listed_is_left_out(root: Path, workspace: Path) -> None:
    """Although the index knows the file from when it was included."""
    fill(root, "key", text=PEM)
    (root / ".slurmtfignore").write_text("!key\n", encoding="utf-8")
    assert snapshot_of(collect(root), workspace).contents.secrets == ()
    keep(settled(collect(root)), workspace)
    (root / ".slurmtfignore").unlink()
    assert snapshot_of(collect(root), workspace).contents.secrets == ("key",)


def test_a_listed_secret_is_included(root: Path) -> None:
    fill(root, ".env", ".netrc", ".ssh/config")
    (root / ".slurmtfignore").write_text("!.env\n!.ssh/\n", encoding="utf-8")
    contents = collect(root)
    assert names(contents) == [".env", ".slurmtfignore", ".ssh/config"]
    assert contents.secrets == (".netrc",)


def test_a_secret_excluded_by_the_user_is_not_reported(root: Path) -> None:
    fill(root, ".env", "train.py")
    (root / ".gitignore").write_text(".env\n", encoding="utf-8")
    assert collect(root).secrets == ()


def test_results_in_the_source_are_reported(root: Path) -> None:
    fill(root, "train.py", "outputs/old.h5")
    (root / "logs").mkdir()
    contents = collect(root)
    assert contents.results == ("outputs/",)
    assert [warning.code for warning in check_left_out(contents)] == ["own-results"]


def test_sockets_and_pipes_are_left_out_and_reported(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(root, "train.py")
    os.mkfifo(root / "pipe")
    monkeypatch.chdir(root)  # a socket's path is at most 108 bytes
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        contents = collect(root)
    assert names(contents) == ["train.py"]
    what = "neither a file, a folder nor a link"
    assert sorted(contents.left_out) == [f"pipe ({what})", f"socket ({what})"]


def test_a_workspace_inside_the_source_is_left_out(root: Path) -> None:
    fill(root, "train.py", "runs/exp/run/plan.json", "runs2/a")
    assert names(collect(root, [root / "runs"])) == ["runs2/a", "train.py"]
    (root.parent / "link").symlink_to(root / "runs")
    assert names(collect(root, [root.parent / "link"])) == ["runs2/a", "train.py"]


def test_a_workspace_around_the_source_is_not_left_out(root: Path) -> None:
    fill(root, "train.py")
    assert names(collect(root, [root.parent])) == ["train.py"]


def test_a_workspace_that_is_the_source_is_refused(root: Path) -> None:
    fill(root, "train.py", "exp/run/plan.json")
    (finding,) = refused(root, outside=[root])
    assert (finding.code, finding.where) == ("source-is-workspace", str(root))
    assert tells(finding, "--workspace", "$SLURMTF_WORKSPACE")


def test_an_excluded_script_is_reported_before_submission(root: Path) -> None:
    fill(root, "train.py", "sub/main.py", "outputs/train.py")
    (root / ".gitignore").write_text("train.py\n", encoding="utf-8")
    (root / "linked").symlink_to(root / "sub")
    contents = collect(root)
    contents.check_holds("sub/main.py")
    contents.check_holds("linked/main.py")
    for script in ("train.py", "outputs/train.py"):
        with refusing(SnapshotError, "script-left-out"):
            contents.check_holds(script)


# --- limits


def test_too_many_files_are_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(root, "train.py", *(f"data/images/{n}" for n in range(5)), *(f"data/labels/{n}" for n in range(3)), "x/a", "x/b")
    monkeypatch.setenv("SLURMTF_SNAPSHOT_MAX_FILES", "10")
    (finding,) = refused(root)
    assert (finding.code, finding.where) == ("snapshot-too-many-files", str(root))
    biggest = "data/images (5 files), data/labels (3 files), x (2 files), train.py (1 files)"
    assert tells(finding, " 11 files", "at most 10", biggest, ".slurmtfignore", "$SLURMTF_SNAPSHOT_MAX_FILES")
    monkeypatch.setenv("SLURMTF_SNAPSHOT_MAX_FILES", "11")
    assert collect(root).files == 11


def test_too_many_bytes_are_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(root, "train.py")
    for name, megabytes in {"data/train/a.bin": 2, "data/train/b.bin": 1, "data/test.bin": 2, "model.bin": 4}.items():
        fill(root, name)
        os.truncate(root / name, megabytes * 10**6)
    monkeypatch.setenv("SLURMTF_SNAPSHOT_MAX_MB", "8")
    (finding,) = refused(root)
    assert (finding.code, finding.where) == ("snapshot-too-big", str(root))
    biggest = "model.bin (4.0 MB), data/train (3.0 MB), data/test.bin (2.0 MB), train.py (0.0 MB)"
    assert tells(finding, " 9 MB", "at most 8 MB", biggest, ".slurmtfignore", "$SLURMTF_SNAPSHOT_MAX_MB")
    monkeypatch.setenv("SLURMTF_SNAPSHOT_MAX_MB", "10")
    assert collect(root).bytes == 9 * 10**6 + len("train.py")


def test_sources_beyond_azure_mls_limits_give_a_warning(root: Path) -> None:
    fill(root, "data/big", text="x")
    for number in range(1999):
        (root / str(number)).touch()
    os.truncate(root / "data/big", 300 * 10**6)
    assert list(check_size(collect(root))) == []
    (root / "more").touch()
    os.truncate(root / "data/big", 300 * 10**6 + 1)
    by_size, by_files = check_size(collect(root))
    assert (by_size.code, by_files.code) == ("big-snapshot", "big-snapshot")
    assert tells(by_size, " 300 MB", "data/big (300.0 MB)")
    assert tells(by_files, " 2,001 files")


def test_the_plan_warns_of_a_big_source(root: Path, workspace: Path) -> None:
    for number in range(2001):
        (root / f"{number}.py").touch()
    loud, silent = (
        Experiment("big", workspace).plan(Estimator(str(root), entry_script="0.py", compute_target="local", silence=codes))[0]
        for codes in ([], ["big-snapshot"])
    )
    assert {warning.code for warning in loud.warnings} == {"big-snapshot"}
    assert silent.warnings == ()
    assert not workspace.exists()


def test_the_limits_are_ten_times_those_of_azure_ml(root: Path) -> None:
    fill(root, "big")
    for number in range(20_000):
        (root / str(number)).touch()
    os.truncate(root / "big", 3000 * 10**6 + 1)
    by_size, by_files = refused(root)
    assert (by_size.code, by_files.code) == ("snapshot-too-big", "snapshot-too-many-files")
    assert tells(by_size, "at most 3,000 MB")
    assert tells(by_files, " 20,001 files", "at most 20,000")


def test_the_walk_ends_once_the_source_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURMTF_SNAPSHOT_MAX_FILES", "10")
    fill(root, *(f"{folder}/{number}" for folder in range(20) for number in range(10)))
    (finding,) = refused(root)
    assert (finding.code, tells(finding, "more than 50 files", "at most 10")) == ("snapshot-too-many-files", True)


def test_ignored_files_do_not_count(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(root, "train.py", "data/a", "data/b", "outputs/c")
    (root / ".slurmtfignore").write_text("data/\n", encoding="utf-8")
    monkeypatch.setenv("SLURMTF_SNAPSHOT_MAX_FILES", "2")
    assert collect(root).files == 2


@pytest.mark.parametrize("text", ["many", "-1", "1.5"])
def test_a_limit_that_is_no_number_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("SLURMTF_SNAPSHOT_MAX_MB", text)
    (finding,) = refused(root)
    assert (finding.code, finding.where) == ("not-a-count", "$SLURMTF_SNAPSHOT_MAX_MB")
    assert tells(finding, repr(text))


# --- what can't be read


def test_a_missing_source_is_refused(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    (finding,) = refused(gone)
    assert (finding.code, finding.where) == ("unreadable", str(gone))
    assert tells(finding, os.strerror(errno.ENOENT), ".slurmtfignore")


def denied(path: str) -> OSError:
    return PermissionError(13, "Permission denied", path)


def test_all_unreadable_files_are_reported_at_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once only folders were, and then files, each on its own line."""
    fill(
        root, "train.py", "shut/a", "sub/shut/b", "closed", "sub/closed", *(f"many/{number:02}/closed" for number in range(12))
    )
    opening, scandir = os.open, os.scandir

    def closed(path: Any, *more: Any) -> int:
        if str(path).endswith("closed"):
            raise denied(str(path))
        return opening(path, *more)

    def shut(path: Any) -> Any:
        if str(path).endswith("shut"):
            raise denied(str(path))
        return scandir(path)

    monkeypatch.setattr(os, "open", closed)
    monkeypatch.setattr(os, "scandir", shut)
    with pytest.raises(SnapshotError) as caught:
        reference(collect(root))
    (found,) = caught.value.findings
    assert (found.code, found.where) == ("unreadable", f"{root}/closed")
    assert tells(found, os.strerror(errno.EACCES), f"{root}/many/09/closed and 5 more", ".slurmtfignore")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([("b", "denied")], [("b", ["denied"])]),
        ([("b", "denied"), ("a", "denied")], [("a", ["denied", "b"])]),
        ([("b", "stale"), ("a", "denied")], [("a", ["denied"]), ("b", ["stale"])]),
        ([], []),
    ],
)
def test_unreadable_files_are_one_finding_for_each_reason(
    found: list[tuple[str, str]], expected: list[tuple[str, list[str]]]
) -> None:
    findings = [(one.where, one.what.removeprefix("can't be read: ").split("; nor can ")) for one in describe_unreadable(found)]
    assert findings == expected


# --- links


def test_links_are_kept_or_refused(root: Path) -> None:
    fill(root, "sub/a.txt", "b.txt")
    outside = root.parent / "outside"
    fill(outside, "c.txt")
    links = {
        "inside": "sub/a.txt",
        "sub/up": "../b.txt",
        "folder": "sub",
        "outside": "../outside",
        "sub/outside": "../../outside/c.txt",
        "absolute": str(outside),
        "dangling": "nowhere",
        "sub/dangling": "../nowhere",
        "dangling-absolute": "/nowhere/at all",
        "loop": "loop",
    }
    for name, target in links.items():
        (root / name).symlink_to(target)
    leaving = {
        "outside": str(outside),
        "sub/outside": f"{outside}/c.txt",
    }
    found = {entry.name: entry.link for entry in collect(root).entries if entry.kind == "link"}
    assert found == {**links, **leaving}


def test_a_link_to_a_folder_is_not_followed(root: Path) -> None:
    fill(root, "train.py")
    (root / "data").symlink_to(root.parent)
    assert names(collect(root)) == ["data", "train.py"]


def test_the_target_of_a_link_is_unchanged(root: Path, workspace: Path) -> None:
    fill(root, "sub/a.txt", text="inside")
    fill(root.parent, "outside.txt", text="outside")
    for name, target in {"in": "sub/a.txt", "sub/out": "../../outside.txt", "abs": f"{root.parent}/outside.txt"}.items():
        (root / name).symlink_to(target)
    work = unpacked(collect(root), workspace)
    texts = {name: (work / name).read_text(encoding="utf-8") for name in ("in", "sub/out", "abs")}
    assert texts == {"in": "inside", "sub/out": "outside", "abs": "outside"}
    assert (work / "in").resolve() == (work / "sub/a.txt").resolve()


def test_a_source_may_be_a_link(root: Path) -> None:
    fill(root, "a.txt", "sub/b.txt")
    (root / "sub/up").symlink_to("../a.txt")
    (root.parent / "link").symlink_to(root)
    direct, by_link = collect(root), collect(root.parent / "link")
    assert [(entry.name, entry.link) for entry in direct.entries] == [(entry.name, entry.link) for entry in by_link.entries]
    assert reference(direct) == reference(by_link)
