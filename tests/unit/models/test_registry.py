"""Registered models: versions without gaps or clashes, nothing overwritten, changed files reported."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from slurmtf.cli.commands.models import command
from slurmtf.errors import InputError, SpecError, WorkspaceError
from slurmtf.models import Model, registry
from slurmtf.models.exporting import RECORD
from slurmtf.models.hashes import compute_digest
from slurmtf.models.registry import ModelChangedError, ModelNotFoundError, _link_or_copy, _publish, locate_registry
from slurmtf.runs.mlflow import tracking
from slurmtf.runs.workspaces.garbage import find_garbage
from tests.patience import HANG_S
from tests.unit.support import refusing

REGISTER = """
import sys
from slurmtf.models import Model, mirror
for _ in range(int(sys.argv[3])):
    print(Model.register(sys.argv[1], "digits", workspace=sys.argv[2]).version)
"""


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("SLURMTF_MODELS", raising=False)
    monkeypatch.delenv("SLURMTF_WORKSPACE", raising=False)
    return tmp_path / "workspace"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "net.h5"
    path.write_bytes(b"model_config 1")
    return path


def test_versions_are_numbered_and_kept(workspace: Path, file: Path) -> None:
    first = Model.register(file, "digits", {"stage": "test"}, {"owner": "ada"}, "small", workspace=workspace)
    file.write_bytes(b"model_config 2")
    second = Model.register(file, "digits", workspace=workspace)
    other = Model.register(file, "words", workspace=workspace)
    assert [(one.name, one.version) for one in (first, second, other)] == [("digits", 1), ("digits", 2), ("words", 1)]
    assert [one.path.read_bytes() for one in (first, second)] == [b"model_config 1", b"model_config 2"]
    assert Model.get("digits", workspace=workspace).version == 2
    assert Model.find("digits:1", workspace=workspace).record == first.record
    assert (first.tags, first.record["properties"], first.record["description"]) == (
        {"stage": "test"},
        {"owner": "ada"},
        "small",
    )
    assert [one.version for one in Model.list(workspace=workspace)] == [1, 2, 1]
    assert [one.version for one in Model.list(latest=True, workspace=workspace)] == [2, 1]
    assert [one.version for one in Model.list(tags={"stage": None}, workspace=workspace)] == [1]
    assert Model.list("digits", {"stage": "live"}, workspace=workspace) == []


def test_the_command_registers_with_the_same_facts(workspace: Path, file: Path) -> None:
    facts = ["--tag", "stage=test", "--tag", "seen", "--property", "owner=ada", "--description", "small"]
    done = CliRunner().invoke(command, ["register", "digits", str(file), *facts, "--workspace", str(workspace)])
    assert done.exit_code == 0, done.output
    record = Model.get("digits", workspace=workspace).record
    assert (record["tags"], record["properties"]) == ({"stage": "test", "seen": ""}, {"owner": "ada"})
    assert record["description"] == "small"


def test_the_command_downloads_again_only_if_it_may_overwrite(workspace: Path, file: Path, tmp_path: Path) -> None:
    Model.register(file, "digits", workspace=workspace)
    words = ["get", "digits", str(tmp_path / "got"), "--workspace", str(workspace)]
    assert CliRunner().invoke(command, words).exit_code == 0
    (tmp_path / "got/net.h5").write_bytes(b"mine")
    with refusing(InputError, "target-exists", "--exist-ok"):
        CliRunner().invoke(command, words, catch_exceptions=False)
    assert (tmp_path / "got/net.h5").read_bytes() == b"mine"
    assert CliRunner().invoke(command, [*words, "--exist-ok"]).exit_code == 0
    assert (tmp_path / "got/net.h5").read_bytes() == file.read_bytes()


def test_a_model_path_excludes_the_choice_of_a_runs_model(workspace: Path, file: Path) -> None:
    words = ["register", "digits", str(file), "--model", "other.h5", "--workspace", str(workspace)]
    with refusing(InputError, "not-of-a-run", "--model"):
        CliRunner().invoke(command, words, catch_exceptions=False)
    assert Model.list(workspace=workspace) == []


@pytest.mark.parametrize("setting", ["tags", "properties"])
@pytest.mark.parametrize("marks", [{"": "x"}, {"a=b": "x"}, {"a": "\x1b[2J"}, {"a\n": "x"}])
def test_unprintable_tags_are_refused(workspace: Path, file: Path, setting: str, marks: dict[str, str]) -> None:
    register: Callable[..., Model] = Model.register
    with refusing(SpecError, "bad-tag", *map(repr, marks)):
        register(file, "digits", workspace=workspace, **{setting: marks})
    assert Model.list(workspace=workspace) == []


def test_everything_is_private(workspace: Path, file: Path) -> None:
    model = Model.register(file, "digits", workspace=workspace)
    modes = {path.stat().st_mode & 0o077 for path in [model.folder, *model.folder.rglob("*")]}
    assert modes == {0}


def test_concurrent_registrations_leave_no_gap_or_clash(workspace: Path, file: Path) -> None:
    command = [sys.executable, "-c", REGISTER, str(file), str(workspace), "5"]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    given = [int(line) for process in processes for line in process.communicate(timeout=HANG_S)[0].split()]
    assert sorted(given) == list(range(1, 21))
    assert [one.version for one in Model.list("digits", workspace=workspace)] == list(range(1, 21))
    assert sorted(path.name for path in (locate_registry(workspace) / "digits").iterdir() if path.name.startswith(".")) == []


@pytest.mark.parametrize("step", ["_fill", "_publish"])
def test_a_killed_registration_leaves_no_version(
    workspace: Path, file: Path, step: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A process that dies abruptly during a step, as by kill -9."""
    program = f"""
import os, sys
from slurmtf.models import registry
own = registry.{step}
def killed(*given):
    if "{step}" == "_fill":
        own(*given)
    os._exit(137)
registry.{step} = killed
registry.Model.register(sys.argv[1], "digits", workspace=sys.argv[2])
"""
    assert subprocess.run([sys.executable, "-c", program, file, workspace], check=False).returncode == 137
    assert Model.list(workspace=workspace) == []
    assert Model.register(file, "digits", workspace=workspace).version == 1


def test_gc_removes_what_a_killed_registration_left(workspace: Path, file: Path) -> None:
    Model.register(file, "digits", workspace=workspace)
    old, young = (locate_registry(workspace) / "digits" / f".staging-{name}" for name in ("old", "young"))
    for folder in (old, young):
        folder.mkdir(mode=0o700)
    os.utime(old, (0, 0))
    assert [one.path for one in find_garbage(workspace)] == [old]


def test_a_full_disk_leaves_nothing(workspace: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*given: object) -> None:
        raise OSError(28, "No space left on device", str(file))

    monkeypatch.setattr("slurmtf.models.registry._link_or_copy", full)
    with refusing(WorkspaceError, "unwritable"):
        Model.register(file, "digits", workspace=workspace)
    assert list((locate_registry(workspace) / "digits").iterdir()) == []


def test_the_number_of_a_deleted_version_is_not_reused(workspace: Path, file: Path) -> None:
    Model.register(file, "digits", workspace=workspace).delete()
    assert Model.list(workspace=workspace) == []
    with pytest.raises(ModelNotFoundError):
        Model.get("digits", 1, workspace=workspace)
    assert Model.register(file, "digits", workspace=workspace).version == 2


def test_a_changed_file_is_detected_by_its_hash(workspace: Path, file: Path, tmp_path: Path) -> None:
    model = Model.register(file, "digits", workspace=workspace)
    assert model.find_changed() == []
    model.path.write_bytes(b"something else")
    assert model.find_changed() == ["files/net.h5"]
    with pytest.raises(ModelChangedError) as caught:
        model.download(tmp_path / "got")
    assert caught.value.findings[0].code == "model-changed"
    assert not (tmp_path / "got").exists()


def test_a_download_overwrites_nothing(workspace: Path, file: Path, tmp_path: Path) -> None:
    model = Model.register(file, "digits", workspace=workspace)
    assert model.download(tmp_path / "got").read_bytes() == file.read_bytes()
    with pytest.raises(InputError) as caught:
        model.download(tmp_path / "got")
    assert caught.value.findings[0].code == "target-exists"
    model.download(tmp_path / "got", exist_ok=True)


def test_a_folder_may_be_a_model(workspace: Path, tmp_path: Path) -> None:
    folder = tmp_path / "exported"
    (folder / "variables").mkdir(parents=True)
    for name in ("saved_model.pb", "variables/variables.index"):
        (folder / name).write_text(name)
    model = Model.register(folder, "digits", workspace=workspace)
    assert model.record["kind"] == "saved-model"
    assert sorted(model.record["files"]) == ["files/exported/saved_model.pb", "files/exported/variables/variables.index"]
    got = model.download(tmp_path / "got")
    assert (got / "variables/variables.index").read_text() == "variables/variables.index"


def twin(file: Path, source: Path) -> Path:
    """Write the ONNX twin of a model, as an export leaves it."""
    onnx = file.with_suffix(".onnx")
    onnx.write_bytes(b"onnx")
    facts = {
        "sha256": compute_digest([onnx]),
        "source_sha256": compute_digest([source]),
        "verified": {"largest_difference": 1e-7},
    }
    onnx.with_name(onnx.name + RECORD).write_text(json.dumps(facts))
    return onnx


def test_the_onnx_twin_is_registered_with_its_verification(workspace: Path, file: Path) -> None:
    twin(file, file)
    model = Model.register(file, "digits", workspace=workspace)
    assert model.onnx
    assert model.onnx.read_bytes() == b"onnx"
    assert model.record["onnx"]["verified"] == {"largest_difference": 1e-7}


def test_the_twin_of_an_older_model_is_not_registered(workspace: Path, file: Path) -> None:
    twin(file, file)
    file.write_bytes(b"model_config, trained again")
    assert Model.register(file, "digits", workspace=workspace).onnx is None


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "a b", "x" * 65])
def test_bad_names_are_refused(workspace: Path, file: Path, name: str) -> None:
    with pytest.raises(InputError) as caught:
        Model.register(file, name, workspace=workspace)
    assert caught.value.findings[0].code == "bad-model-name"
    assert not (workspace / ".slurmtf").exists()


def test_missing_models_and_versions_are_reported(workspace: Path, file: Path) -> None:
    Model.register(file, "digits", workspace=workspace)
    for text, code in (
        ("digit", "unknown-model"),
        ("digits:7", "no-version"),
        ("digits:x", "bad-version"),
        ("digits:²", "bad-version"),
    ):
        with pytest.raises(ModelNotFoundError) as caught:
            Model.find(text, workspace=workspace)
        assert caught.value.findings[0].code == code
    with pytest.raises(InputError):
        Model.register(file.parent / "nothing", "digits", workspace=workspace)


def test_one_bad_record_does_not_break_the_list(workspace: Path, file: Path) -> None:
    bad = Model.register(file, "digits", workspace=workspace)
    (bad.folder / "model.json").write_text("{")
    (bad.folder.parent / "²").mkdir()  # a digit for Python, but no number
    (bad.folder.parent / ("9" * 5000)[:200]).mkdir()
    assert Model.register(file, "digits", workspace=workspace).version == 2
    assert [one.version for one in Model.list(workspace=workspace)] == [2]


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EPERM, errno.EMLINK])
def test_files_that_can_not_be_linked_are_copied(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    (tmp_path / "model/variables").mkdir(parents=True)
    (tmp_path / "model/variables/data").write_bytes(b"weights")
    monkeypatch.setattr(os, "link", refuse)
    _link_or_copy(tmp_path / "model", tmp_path / "copy", True)
    copied = tmp_path / "copy/variables/data"
    assert (copied.read_bytes(), copied.stat().st_mode & 0o777) == (b"weights", 0o600)


def test_a_variable_sets_the_folder_of_the_registry(
    workspace: Path, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shared").mkdir(mode=0o700)
    monkeypatch.setenv("SLURMTF_MODELS", str(tmp_path / "shared"))
    model = Model.register(file, "digits", workspace=workspace)
    assert model.folder == tmp_path / "shared/digits/1"
    (tmp_path / "shared").chmod(0o777)
    with pytest.raises(WorkspaceError):
        Model.list(workspace=workspace)
    assert model.path.exists()


def test_a_missing_mlflow_package_is_reported(
    workspace: Path, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://localhost:1")
    monkeypatch.setattr(tracking, "is_installed", lambda: False)
    command.main(["register", "digits", str(file), "-w", str(workspace)], standalone_mode=False)
    captured = capsys.readouterr()
    assert "slurmtf[mlflow]" in captured.err + captured.out  # as JSON if an earlier test in this process requested it
    assert Model.get("digits", workspace=workspace).mlflow == {}


@pytest.fixture
def staged(tmp_path: Path) -> Path:
    """A model that is about to become a version."""
    (tmp_path / "digits/1").mkdir(parents=True)
    (tmp_path / "digits/1/model.json").write_text('{"id": "another"}')
    staging = tmp_path / "mine"
    staging.mkdir()
    (staging / "model.json").write_text('{"id": "mine"}')
    return staging


def test_a_number_taken_meanwhile_by_another_is_not_used(staged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter([[], [1]])
    monkeypatch.setattr(registry, "_iterate_version_numbers", lambda place: iter(next(looks)))
    place = staged.parent / "digits"
    assert _publish(staged, place) == 2
    assert [json.loads((place / number / "model.json").read_text())["id"] for number in "12"] == ["another", "mine"]


@pytest.mark.parametrize("done", [True, False])
def test_a_rename_that_a_file_server_reports_as_failed_may_have_been_done(
    staged: Path, monkeypatch: pytest.MonkeyPatch, done: bool
) -> None:
    rename = Path.rename

    def lost(self: Path, target: Path) -> Path:
        if done:
            rename(self, target)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(Path, "rename", lost)
    if done:
        assert _publish(staged, staged.parent / "digits") == 2
    else:
        with pytest.raises(OSError, match="Input/output"):
            _publish(staged, staged.parent / "digits")
