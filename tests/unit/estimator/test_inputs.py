"""Named data: in the estimator, on the command line, in the plan, and where it may be."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

import slurmtf
from slurmtf import Input
from slurmtf.cli.options import JobRequest, job_options
from slurmtf.environments import EnvironmentStore, Software
from slurmtf.environments.packing import locate_pack
from slurmtf.errors import SpecError
from slurmtf.estimator.azureml import override
from slurmtf.estimator.document import from_yaml
from slurmtf.experiments.data import check_inputs
from slurmtf.job.contract.system import mounts
from slurmtf.job.contract.system.mounts import Mount
from slurmtf.plan import render, resolve
from slurmtf.plan.staging import StagingFacts
from slurmtf.sites import Site
from slurmtf.sites.model import Storage
from slurmtf.sites.search import find_data
from tests.unit.support import PLACE, SITE, SNAPSHOT, SOFTWARE, planned, refused, refusing, tells, tensorflow

MOUNTS = [
    Mount("/", "8:1", "ext4"),
    Mount("/scratch", "0:50", "lustre"),
    Mount("/data", "8:17", "xfs"),
    Mount("/dev/shm", "0:22", "tmpfs"),
    Mount("/scratch/ram", "0:23", "tmpfs"),
]
WORKSPACE = Path("/scratch/ada/runs")


# --- the estimator


def test_an_input_has_an_absolute_path_a_name_and_a_mode(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/ada")
    assert Input("data/mnist-2.tar") == Input(tmp_path / "data" / "mnist-2.tar", "mnist_2", "mount")
    assert Input("~/x", "train").path == "/home/ada/x"
    assert (Input("/d", "train").variable, Input("/d", "train").reference) == ("SLURMTF_INPUT_TRAIN", "$SLURMTF_INPUT_TRAIN")
    assert slurmtf.Input is Input


def test_an_input_among_the_arguments_becomes_its_variable(source: Path) -> None:
    mnist = Input("/data/mnist", mode="download")
    estimator = tensorflow(source, script_params={"--data": mnist, "--both": [Input("/data/x"), mnist]}, inputs=[Input("/y")])
    assert estimator.arguments == ("--data", "$SLURMTF_INPUT_MNIST", "--both", "$SLURMTF_INPUT_X", "$SLURMTF_INPUT_MNIST")
    assert estimator.inputs == [Input("/y"), mnist, Input("/data/x")]
    assert tensorflow(source, script_params=[mnist]).arguments == ("$SLURMTF_INPUT_MNIST",)
    assert (
        tensorflow(source, **{key: value for key, value in vars(estimator).items() if key == "inputs"}).inputs
        == estimator.inputs
    )


def test_a_submission_may_have_inputs_among_its_arguments(source: Path) -> None:
    estimator = tensorflow(source, script_params={"--data": Input("/a"), "--lr": 1}, inputs=[Input("/b")])
    other = override(estimator, {"script_params": {"--data": Input("/c", mode="download")}})
    assert other.arguments == ("--data", "$SLURMTF_INPUT_C", "--lr", "1")
    assert other.inputs == [Input("/b"), Input("/a"), Input("/c", mode="download")]


@pytest.mark.parametrize(
    ("inputs", "params", "code", "facts"),
    [
        ([Input("/a/x"), Input("/b/x")], None, "duplicate-input", ("X", "/a/x", "/b/x")),
        ([Input("/a", "train-data")], None, "bad-input-name", ("'TRAIN-DATA'", "/a")),
        ([Input("/data/2019")], None, "bad-input-name", ("'2019'", "/data/2019")),
        ([Input("/a\0b", "a")], None, "nul-character", ("A",)),
        ([{"path": "/a", "mode": "link"}], None, "bad-input-mode", ("'link'",)),
        ([{"path": "/a", "kind": "x"}], None, "bad-inputs", ("'kind': 'x'",)),
        ([Input("/train")], {"--data": "${SLURMTF_INPUT_TRIAN}/x"}, "unknown-input", ("$SLURMTF_INPUT_TRIAN",)),
    ],
)
def test_invalid_inputs_are_refused(source: Path, inputs: Any, params: Any, code: str, facts: tuple[str, ...]) -> None:
    (finding,) = refused(source, inputs=inputs, script_params=params)
    assert (finding.code, tells(finding, *facts)) == (code, True)
    assert finding.remedy


def test_data_in_a_job_file_is_relative_to_its_folder(tmp_path: Path) -> None:
    (tmp_path / "train.py").touch()
    job = tmp_path / "job.yaml"
    job.write_text(
        "stage: node-local\nscript_params: {--data: $SLURMTF_INPUT_TRAIN}\n"
        "inputs:\n- {path: data/train, mode: download}\n- {name: out, path: /results, mode: upload}\n"
    )
    estimator = from_yaml(job)
    assert estimator.stage == "node-local"
    assert estimator.inputs == [Input(tmp_path / "data" / "train", mode="download"), Input("/results", "out", "upload")]
    again = tmp_path / "again.yaml"
    again.write_text(estimator.to_yaml())
    assert from_yaml(again) == estimator


@pytest.mark.parametrize(
    ("text", "where", "code"),
    [
        ("inputs: [{path: /a, mode: link}]", "job.yaml:1: inputs.0.mode", "bad-value"),
        ("inputs:\n- {paht: /a}", "job.yaml:2: inputs.0.paht", "unknown-key"),
    ],
)
def test_a_wrong_input_in_a_job_file_is_reported_with_its_line(tmp_path: Path, text: str, where: str, code: str) -> None:
    (tmp_path / "train.py").touch()
    (tmp_path / "job.yaml").write_text(text)
    with pytest.raises(SpecError) as caught:
        from_yaml(tmp_path / "job.yaml")
    assert caught.value.findings[0].source.endswith(where)
    assert caught.value.findings[0].code == code


# --- the command line


def asked(*arguments: str) -> JobRequest:
    """Return the inputs that the command line requests."""
    caught: list[JobRequest] = []

    @click.command()
    @job_options
    def command(request: JobRequest) -> None:
        caught.append(request)

    done = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return caught[0]


def test_inputs_are_read_from_the_command_line(source: Path, tmp_path: Path) -> None:
    given = [
        "--input",
        "a=/data/a",
        "--input",
        "b=/data/b:download",
        "--input",
        f"c={tmp_path}/x:y:upload",
        "--stage",
        "node-local",
    ]
    estimator = asked(*given, str(source / "train.py")).estimator
    assert estimator.inputs == [Input("/data/a"), Input("/data/b", mode="download"), Input(f"{tmp_path}/x:y", "c", "upload")]
    assert estimator.stage == "node-local"


def test_inputs_of_the_command_line_replace_those_of_the_job_file(tmp_path: Path) -> None:
    (tmp_path / "train.py").touch()
    job = tmp_path / "job.yaml"
    job.write_text("inputs:\n- {name: a, path: a}\n- {path: other}\n")
    estimator = asked("--input", "A=/elsewhere", str(job)).estimator
    assert estimator.inputs == [Input(tmp_path / "other"), Input("/elsewhere", "a")]


@pytest.mark.parametrize("text", ["/data", "=/data", "a="])
def test_an_input_without_name_or_path_is_refused(source: Path, text: str) -> None:
    with refusing(SpecError, "bad-input"):
        asked("--input", text, str(source / "train.py"))


def test_a_variable_of_the_shell_may_be_empty(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.delenv("UNSET", raising=False)
    assert asked("-e", "EMPTY", str(source / "train.py")).estimator.environment_variables == {"EMPTY": ""}
    with refusing(SpecError, "bad-pair"):
        asked("-e", "UNSET", str(source / "train.py"))


@pytest.mark.parametrize("text", ["30:", "30:stop"])
def test_an_unknown_action_on_a_stall_is_refused(source: Path, text: str) -> None:
    with refusing(SpecError, "unknown-action"):
        asked("--stall", text, str(source / "train.py"))


# --- the plan


def test_nothing_is_staged_by_default(source: Path) -> None:
    plan = planned(source)
    assert (plan.job.stage.where, plan.job.stage.pack, plan.job.inputs) == ("shared", "", ())
    assert "PYTHONDONTWRITEBYTECODE" not in plan.batch.shell.exports


@pytest.mark.parametrize(("wish", "of_site", "where"), [
    ("node-local", None, "node-local"), (None, "node-local", "node-local"), ("shared", "node-local", "shared"),
])  # fmt: skip
def test_the_users_setting_takes_precedence_over_the_sites(source: Path, wish: Any, of_site: Any, where: str) -> None:
    site = Site(name="here", storage=Storage(local="/disk", stage=of_site))
    plan = planned(source, site, stage=wish)
    assert (plan.job.stage.where, plan.job.stage.local) == (where, "/disk")


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    folder = tmp_path / "env"
    (folder / "lib").mkdir(parents=True)
    (folder / "pyvenv.cfg").touch()
    (folder / "lib" / "module.py").write_text("1")
    return folder


def test_a_packed_environment_is_in_the_plan_without_writing_bytecode(source: Path, venv: Path, tmp_path: Path) -> None:
    pack, _ = locate_pack(Software(f"{venv}/bin/python"), EnvironmentStore(tmp_path / "store"))
    assert pack is not None
    plan = resolve(tensorflow(source, stage="node-local"), SITE, SOFTWARE, SNAPSHOT, PLACE, looked_up=StagingFacts(pack))
    assert (plan.job.stage.prefix, plan.job.stage.pack) == (str(venv), pack.path)
    assert Path(pack.path).parent == tmp_path / "store" / ".packs"
    script = render(plan, [find_data("templates")])
    assert "export PYTHONDONTWRITEBYTECODE=1" in script


def test_a_pack_is_named_by_the_content_of_its_environment(venv: Path, tmp_path: Path) -> None:
    def path() -> str:
        pack, reason = locate_pack(Software(f"{venv}/bin/python"), EnvironmentStore(tmp_path / "store"))
        assert pack is not None, reason
        return pack.path

    first = path()
    (venv / "lib" / "__pycache__").mkdir()
    (venv / "lib" / "__pycache__" / "module.pyc").touch()
    assert path() == first
    (venv / "lib" / "module.py").write_text("2")
    os.utime(venv / "lib" / "module.py", (1, 1))
    assert path() != first


@pytest.mark.parametrize("kind", ["none", "image"])
def test_unpackable_software_is_reported(source: Path, tmp_path: Path, kind: str) -> None:
    software = {
        "none": Software("python3"),
        "image": Software("python3", image="/images/tf.sif", runtime="apptainer"),
    }[kind]
    pack, reason = locate_pack(software, EnvironmentStore(tmp_path / "store"))
    assert pack is None
    plan = resolve(
        tensorflow(source, stage="node-local"), SITE, software, SNAPSHOT, PLACE, looked_up=StagingFacts(unpackable=reason)
    )
    warnings = [one for one in plan.warnings if one.code == "stage"]
    assert len(warnings) == (0 if kind == "image" else 1)
    silent = tensorflow(source, stage="node-local", silence=["stage"])
    assert resolve(silent, SITE, software, SNAPSHOT, PLACE, looked_up=StagingFacts(unpackable=reason)).warnings == ()


def test_data_is_bound_into_a_container(source: Path) -> None:
    software = Software("python3", image="/images/tf.sif", runtime="apptainer")
    inputs = [Input("/my data/a", "a"), Input("/results", mode="upload")]
    plan = resolve(tensorflow(source, inputs=inputs), SITE, software, SNAPSHOT, PLACE)
    script = render(plan, [find_data("templates")])
    assert "--bind='/my data/a'" in script
    assert "--bind=/results" in script
    with refusing(SpecError, "unbindable-path"):
        resolve(tensorflow(source, inputs=[Input("/a:b", "a")]), SITE, software, SNAPSHOT, PLACE)


def test_a_disk_in_memory_gives_a_warning(source: Path) -> None:
    site = Site(name="ram", storage=Storage(local="/dev/shm", local_in_ram=True))
    (warning,) = planned(source, site, inputs=[Input("/a", mode="download"), Input("/b")]).warnings
    assert (warning.code, warning.what.partition(": ")[2].split()[0]) == ("local-in-ram", "A")
    (warning,) = planned(source, site, stage="node-local").warnings
    assert tells(warning, "software", "source")
    assert planned(source, site, inputs=[Input("/b")]).warnings == ()


# --- where data is


def test_mountinfo_is_parsed() -> None:
    text = (
        "22 28 0:21 / /proc rw shared:5 - proc proc rw\n"
        "28 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"
        "99 28 0:50 / /my\\040disk rw - lustre server:/fs rw\n"
        "cut off\n"
    )
    found = mounts.parse(text)
    assert found == [Mount("/proc", "0:21", "proc"), Mount("/", "254:0", "ext4"), Mount("/my disk", "0:50", "lustre")]
    assert mounts.find_mount("/my disk/x", found) == found[2]
    assert mounts.find_mount("/my diskette", found) == found[1]
    assert mounts.find_mount("/my disk/x", [*found, Mount("/my disk", "0:51", "nfs4")]) == Mount("/my disk", "0:51", "nfs4")
    assert mounts.find_mount("/x", []) is None
    assert mounts.read_mounts(), "this machine has mounts"


@pytest.fixture
def nothing_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slurmtf.experiments.data._check_accessible", lambda item: [])


@pytest.mark.usefixtures("nothing_missing")
@pytest.mark.parametrize(
    ("path", "place"),
    [("/tmp/data", "/tmp"), ("/var/tmp/data", "/var/tmp"), ("/dev/shm/data", "/dev/shm"), ("/scratch/ram/x", "/scratch/ram")],
)
def test_data_that_compute_nodes_can_not_see_is_refused(path: str, place: str) -> None:
    with pytest.raises(SpecError) as caught:
        check_inputs([Input(path)], SITE, WORKSPACE, MOUNTS)
    (finding,) = caught.value.findings
    assert (finding.code, tells(finding, path, f"{place},")) == ("input-unseen", True)
    assert check_inputs([Input(path)], dataclasses.replace(SITE, scheduler="local"), WORKSPACE, MOUNTS) == []


@pytest.mark.usefixtures("nothing_missing")
def test_data_that_compute_nodes_may_not_see_gives_a_warning() -> None:
    assert check_inputs([Input("/scratch/data")], SITE, WORKSPACE, MOUNTS) == []
    (doubt,) = check_inputs([Input("/data/x")], SITE, WORKSPACE, MOUNTS)
    assert (doubt.code, tells(doubt, "/data/x", "/data (xfs)")) == ("local-path", True)
    assert check_inputs([Input("/data/x")], SITE, Path("/data/runs"), MOUNTS) == [], "the workspace is seen, and lies there too"
    assert check_inputs([Input("/tmp/x")], SITE, Path("/tmp/runs"), MOUNTS) == []
    with pytest.raises(SpecError):
        check_inputs([Input("/tmp/x")], SITE, Path("/home/ada/runs"), MOUNTS)


def test_missing_data_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    wrong = [Input(tmp_path / "gone"), Input(tmp_path / "lost", mode="download"), Input(tmp_path / "file" / "x", mode="upload")]
    with pytest.raises(SpecError) as caught:
        check_inputs(wrong, dataclasses.replace(SITE, scheduler="local"), tmp_path)
    assert [(finding.code, finding.what.split()[0]) for finding in caught.value.findings] == [
        ("missing-input", f"{tmp_path}/gone"),
        ("missing-input", f"{tmp_path}/lost"),
        ("input-not-folder", f"{tmp_path}/file"),
    ]
    shared = [Mount("/", "0:50", "nfs4")]
    assert check_inputs([Input(tmp_path / "new" / "folder", mode="upload")], SITE, tmp_path, shared) == []
