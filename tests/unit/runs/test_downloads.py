"""Copying a run's files: those that can't be copied are named at the end, and all others are copied."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from slurmtf.errors import SlurmtfError, WorkspaceError
from slurmtf.experiments import Run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    folder = tmp_path / "lab" / "lab-1"
    for name in ("plan.json", "outputs/a/weights", "outputs/z", "logs/main-0.out", "work/train.py", "outputs/.hidden"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return Run(folder)


def failed(run: Run, target: Path, prefix: str = "outputs/") -> list[str]:
    """Return the files that could not be copied."""
    with pytest.raises(SlurmtfError) as caught:
        run.download_files(prefix, target)
    assert {finding.code for finding in caught.value.findings} == {"not-copied"}
    return sorted(finding.where for finding in caught.value.findings)


def copied(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_all_files_below_a_prefix_are_downloaded(run: Run, tmp_path: Path) -> None:
    found = run.download_files("outputs/", tmp_path / "copy")
    assert sorted(found) == [tmp_path / "copy/outputs/a/weights", tmp_path / "copy/outputs/z"]
    assert (tmp_path / "copy/outputs/a/weights").read_text() == "outputs/a/weights"
    assert run.get_file_names() == ["logs/main-0.out", "outputs/a/weights", "outputs/z", "plan.json"]


def test_files_that_can_not_be_copied_are_named_and_the_rest_is_copied(run: Run, tmp_path: Path) -> None:
    outputs, secret = run.folder / "outputs", tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("private")
    os.mkfifo(outputs / "b-pipe")
    os.mkfifo(outputs / "a" / "pipe")
    (outputs / "c-loop").symlink_to("c-loop")
    (outputs / "d-dangling").symlink_to("nowhere")
    (outputs / "e-key").symlink_to(secret / "key")
    (outputs / "f-folder").symlink_to(secret)
    (outputs / "g-device").symlink_to("/dev/zero")
    (outputs / "h-latest").symlink_to("a")
    (outputs / "i-same").symlink_to("z")
    assert failed(run, tmp_path / "copy") == [
        f"outputs/{name}" for name in ("a/pipe", "b-pipe", "c-loop", "d-dangling", "e-key", "f-folder", "g-device")
    ]
    assert copied(tmp_path / "copy") == ["outputs/a/weights", "outputs/i-same", "outputs/z"]
    assert (tmp_path / "copy/outputs/i-same").read_text() == "outputs/z"


@pytest.mark.skipif(not Path("/dev/null").is_char_device(), reason="there is no device")
def test_a_device_is_not_copied(run: Run, tmp_path: Path) -> None:
    try:
        os.mknod(run.folder / "outputs" / "null", 0o20666, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("only root makes devices")
    assert failed(run, tmp_path / "copy") == ["outputs/null"]


def test_a_name_that_is_no_file_of_the_run_is_refused(run: Run, tmp_path: Path) -> None:
    for name in ("nothing", "outputs", "../lab-1/../secret", "/etc/hostname"):
        with pytest.raises(SlurmtfError):
            run.download_file(name, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_a_file_is_downloaded_under_another_name_or_into_a_folder(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run.download_file("outputs/z", tmp_path / "new" / "name") == tmp_path / "new" / "name"
    assert run.download_file("outputs/z", tmp_path) == tmp_path / "z"
    monkeypatch.chdir(tmp_path / "new")
    assert run.download_file("outputs/z") == Path("z")


def test_an_unwritable_destination_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkspaceError):
        run.download_files("outputs/", tmp_path / "file")
