"""Estimators: what they accept and refuse, the script's arguments, and the job file."""

from __future__ import annotations

import copy
import dataclasses
import datetime
import inspect
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmtf import MpiConfiguration, TensorflowConfiguration
from slurmtf.errors import SpecError
from slurmtf.estimator import Environment, Estimator, Mpi, MultiWorker, ParameterServer, TensorFlow
from slurmtf.estimator.arguments import to_argv
from slurmtf.estimator.azureml import override
from slurmtf.estimator.quantities import LONGEST_S, UNLIMITED_S, format_slurm_time, parse_memory, parse_time
from tests.unit.support import refused, refusing, tensorflow

# --- the constructor

AZURE_ML = {
    "source_directory", "compute_target", "vm_size", "vm_priority", "entry_script", "script_params", "node_count",
    "process_count_per_node", "worker_count", "parameter_server_count", "distributed_backend", "distributed_training",
    "use_gpu", "use_docker", "custom_docker_base_image", "custom_docker_image", "image_registry_details", "user_managed",
    "conda_packages", "pip_packages", "conda_dependencies_file_path", "pip_requirements_file_path",
    "conda_dependencies_file", "pip_requirements_file", "environment_variables", "environment_definition", "inputs",
    "source_directory_data_store", "shm_size", "max_run_duration_seconds", "framework_version", "resume_from",
}  # fmt: skip
"""The public parameters of Azure ML's estimator; all of them mean something on Slurm."""
OF_SLURM = {
    "partition", "account", "qos", "time", "memory", "cpus_per_task", "gpus_per_node", "gpu_type", "constraint",
    "exclusive", "mail_type", "mail_user", "sbatch", "srun",
}  # fmt: skip
ONLY_TENSORFLOW = {"worker_count", "parameter_server_count", "framework_version"}


def test_all_parameters_of_azure_ml_and_slurm_are_accepted() -> None:
    given_names = set(inspect.signature(TensorFlow).parameters)
    assert given_names >= AZURE_ML | OF_SLURM


def test_the_generic_estimator_has_all_parameters_but_tensorflows() -> None:
    generic, special = (set(inspect.signature(kind).parameters) for kind in (Estimator, TensorFlow))
    assert special - generic == ONLY_TENSORFLOW
    assert generic <= special


def test_all_parameters_after_source_directory_are_keyword_only() -> None:
    parameters = list(inspect.signature(TensorFlow).parameters.values())
    assert parameters[0].name == "source_directory"
    assert {parameter.kind for parameter in parameters[1:]} == {inspect.Parameter.KEYWORD_ONLY}


def test_parameters_have_their_defaults(source: Path) -> None:
    estimator = tensorflow(source)
    assert estimator.source_directory == str(source)
    assert estimator.script == "train.py"
    assert estimator.arguments == ()
    assert estimator.distribution is None
    assert (estimator.node_count, estimator.use_gpu, estimator.compute_target) == (1, False, None)


@pytest.mark.parametrize("given_source", ["", None, ".", Path()])
def test_the_default_source_directory_is_the_working_directory(
    given_source: Any, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(source)
    assert tensorflow(given_source).source_directory == str(Path.cwd())


def test_a_source_directory_may_begin_with_a_tilde(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(source.parent))
    assert TensorFlow(f"~/{source.name}").source_directory == str(source)


def test_an_estimator_is_frozen(source: Path) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        tensorflow(source).time = "1:00:00"  # type: ignore[misc]


def test_an_estimator_copies_its_mutable_arguments(source: Path) -> None:
    mine: dict[str, Any] = {
        "script_params": {"--layers": [1, 2]},
        "environment_variables": {"A": "1"},
        "sbatch": {"comment": ["one"]},
        "srun": {"label": True},
        "mail_type": ["END"],
        "environment_definition": Environment(modules=["tensorflow"]),
    }
    before = tensorflow(source, **copy.deepcopy(mine))
    estimator = tensorflow(source, **mine)
    mine["script_params"]["--layers"].append(3)
    mine["script_params"]["--new"] = 1
    mine["environment_variables"]["B"] = "2"
    mine["sbatch"]["comment"].append("two")
    mine["srun"].clear()
    mine["mail_type"].append("FAIL")
    mine["environment_definition"].modules.append("cuda")
    assert dataclasses.replace(estimator, environment_definition=None) == dataclasses.replace(
        before, environment_definition=None
    )


def test_paths_may_be_path_objects(source: Path) -> None:
    estimator = tensorflow(
        source,
        entry_script=Path("sub/main.py"),
        custom_docker_image=Path("/images/tf.sif"),
        template=Path("mine.sh.j2"),
        resume_from=Path("/runs/1"),
        compute_target=Path("sites/mine.yaml"),
        source_directory_data_store=Path("/scratch"),
        script_params={"--data": Path("/data"), Path("positional"): ""},
    )
    assert estimator.script == "sub/main.py"
    assert estimator.arguments == ("--data", "/data", "positional", "--resume-from", "/runs/1")
    texts = (estimator.custom_docker_image, estimator.template, estimator.compute_target, estimator.source_directory_data_store)
    assert texts == ("/images/tf.sif", "mine.sh.j2", str(Path("sites/mine.yaml").absolute()), "/scratch")


def test_environment_takes_a_path_and_a_single_module() -> None:
    assert Environment(Path("/usr/bin/python3"), "tensorflow") == Environment("/usr/bin/python3", ["tensorflow"])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("old", "new", "value"),
    [
        ("custom_docker_base_image", "custom_docker_image", "docker://tensorflow/tensorflow"),
        ("conda_dependencies_file_path", "conda_dependencies_file", "environment.yml"),
        ("pip_requirements_file_path", "pip_requirements_file", "requirements.txt"),
    ],
)
def test_the_old_name_of_a_parameter_is_accepted(source: Path, old: str, new: str, value: str) -> None:
    assert tensorflow(source, **{old: value}) == tensorflow(source, **{new: value})


def test_a_new_name_takes_precedence_over_the_old_one(source: Path) -> None:
    estimator = tensorflow(source, custom_docker_image="new.sif", custom_docker_base_image="old.sif")
    assert estimator.custom_docker_image == "new.sif"


def test_settings_may_be_given_in_several_ways(source: Path) -> None:
    assert tensorflow(source, time=datetime.timedelta(days=1, hours=2)).time == "1-02:00:00"
    assert tensorflow(source, mail_type="END").mail_type == ["END"]
    assert tensorflow(source, pip_packages="numpy").pip_packages == ["numpy"]
    assert tensorflow(source, distributed_backend="MPI").distributed_backend == "mpi"
    numbers = tensorflow(source, environment_variables={"OMP_NUM_THREADS": 4, "RATE": 0.5})
    assert numbers.environment_variables == {"OMP_NUM_THREADS": "4", "RATE": "0.5"}


@pytest.mark.parametrize(
    ("given_settings", "distribution"),
    [
        ({"distributed_backend": "mpi", "process_count_per_node": 4}, Mpi(4)),
        ({"distributed_backend": "mpi"}, Mpi(1)),
        ({"distributed_backend": "ps", "worker_count": 2, "parameter_server_count": 0}, ParameterServer(2, 0)),
        ({"distributed_backend": "Ps"}, ParameterServer(1, 1)),
        ({"distributed_backend": "multiworker", "worker_count": 3}, MultiWorker(3)),
        ({"distributed_training": Mpi(2)}, Mpi(2)),
        ({"distributed_training": Mpi(2), "distributed_backend": "MPI", "process_count_per_node": 2}, Mpi(2)),
        ({"process_count_per_node": 1}, None),
    ],
)
def test_the_distribution_is_resolved(source: Path, given_settings: dict[str, Any], distribution: object) -> None:
    assert tensorflow(source, **given_settings).distribution == distribution


@pytest.mark.parametrize(
    ("entry_script", "script"),
    [("train.py", "train.py"), ("./sub/../train.py", "train.py"), ("sub/main.py", "sub/main.py"), ("-x.py", "-x.py")],
)
def test_the_script_is_relative_to_the_source_directory(source: Path, entry_script: str, script: str) -> None:
    assert tensorflow(source, entry_script=entry_script).script == script
    assert tensorflow(source, entry_script=str(source / entry_script)).script == script


# --- script_params becomes the argument list


@pytest.mark.parametrize(
    ("params", "argv"),
    [
        (None, ()),
        ({}, ()),
        ([], ()),
        ({"--flag": ""}, ("--flag",)),
        ({"--flag": None}, ("--flag",)),
        ({"--zero": 0, "--rate": 0.0}, ("--zero", "0", "--rate", "0.0")),
        ({"--off": False, "--on": True}, ("--off", "False", "--on", "True")),
        ({"--xs": [1, 2]}, ("--xs", "1", "2")),
        ({"--xs": (1, "b")}, ("--xs", "1", "b")),
        ({"--xs": []}, ("--xs",)),
        ({"--xs": ["", "a"]}, ("--xs", "", "a")),
        ({"input.csv": "", "output.csv": ""}, ("input.csv", "output.csv")),
        ({"--b": 1, "--a": 2, "--c": 3}, ("--b", "1", "--a", "2", "--c", "3")),
        ({"--lr": 1e-05, "--n": 10**20}, ("--lr", "1e-05", "--n", "100000000000000000000")),
        ({1: 2}, ("1", "2")),
        (["--lr", 0.1, "", "a b"], ("--lr", "0.1", "", "a b")),
        (("--x",), ("--x",)),
        ({"--text": "a b'\"$HOME\n"}, ("--text", "a b'\"$HOME\n")),
    ],
)  # fmt: skip
def test_script_params_become_arguments(source: Path, params: Any, argv: tuple[str, ...]) -> None:
    assert tensorflow(source, script_params=params).arguments == argv


def test_a_bare_flag_does_not_shift_later_arguments(source: Path) -> None:
    """Azure ML paired the flat list again two by two, so that {'--flag': '', '--lr': 0.1} became --flag --lr, 0.1."""
    estimator = tensorflow(source, script_params={"--flag": "", "--lr": 0.1})
    assert estimator.script_params == {"--flag": "", "--lr": 0.1}
    again = dataclasses.replace(estimator, script_params={**estimator.script_params, "--epochs": 3})
    assert again.arguments == ("--flag", "--lr", "0.1", "--epochs", "3")


def test_numpy_scalars_become_plain_numbers(source: Path) -> None:
    class Scalar:
        def item(self) -> float:
            return 0.5

    assert tensorflow(source, script_params={"--lr": Scalar(), "--xs": [Scalar()]}).script_params == {
        "--lr": 0.5,
        "--xs": [0.5],
    }


def test_resume_from_comes_last(source: Path) -> None:
    estimator = tensorflow(source, script_params={"--lr": 1}, resume_from="/runs/a b")
    assert estimator.arguments == ("--lr", "1", "--resume-from", "/runs/a b")


@given(st.dictionaries(st.text(min_size=1), st.text(min_size=1) | st.integers() | st.booleans() | st.floats()))
def test_each_pair_is_key_and_value_in_order(params: dict[str, Any]) -> None:
    assert to_argv(params) == tuple(str(word) for pair in params.items() for word in pair)


# --- times and sizes as Slurm writes them


@pytest.mark.parametrize(
    ("text", "total"),
    [
        (90, 5400), ("90", 5400), ("1:30", 90), ("1:30:00", 5400), ("2-12", 216_000), ("1-0:30", 88_200),
        ("1-0:0:1", 86_401), ("0:00:01", 1), ("366-0", LONGEST_S), (0, UNLIMITED_S), ("0:00", UNLIMITED_S),
        ("UNLIMITED", UNLIMITED_S), ("infinite", UNLIMITED_S), ("Infinite", UNLIMITED_S),
    ],
)  # fmt: skip
def test_times_are_read(text: str | int, total: int) -> None:
    assert parse_time(text) == total


@pytest.mark.parametrize(
    "text", ["", "1:", "1:2:3:4", "1-", "1-2:3:4:5", "-1", "1.5", "1h", "367-0", "infinit", "١", "1d", True]
)
def test_invalid_times_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not"):
        parse_time(text)


@given(st.integers(0, LONGEST_S))
def test_a_time_survives_writing_and_reading(total: int) -> None:
    assert parse_time(format_slurm_time(total)) == total


@pytest.mark.parametrize(
    ("text", "size"), [(0, 0), (16000, 16000), ("16G", 16384), ("1t", 1048576), ("512K", 0.5), ("16GB", 16384), ("7M", 7)]
)
def test_sizes(text: str | int, size: float) -> None:
    assert parse_memory(text) == size


@pytest.mark.parametrize("text", ["", "G", "16 G", "16G\n", "-1", "1.5G", "16B", "16P", "16GiB", "١G", True])
def test_invalid_sizes_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a memory size"):
        parse_memory(text)


# --- Azure ML's spellings, and what a submission may change


def test_configurations_of_azure_ml_are_copied_at_construction(source: Path) -> None:
    mpi, servers = MpiConfiguration(), TensorflowConfiguration()
    mpi.process_count_per_node = 4
    servers.worker_count, servers.parameter_server_count = 2, 0
    found = [tensorflow(source, distributed_training=mpi, node_count=2), tensorflow(source, distributed_training=servers)]
    mpi.process_count_per_node = servers.worker_count = 9
    assert [one.distributed_training for one in found] == [Mpi(4), ParameterServer(2, 0)]
    late = tensorflow(source, distributed_training=MpiConfiguration(2, node_count=3))
    assert (late.distribution, late.node_count) == (Mpi(2), 3)
    with pytest.raises(AttributeError):
        mpi.process_count = 4  # type: ignore[attr-defined]


def test_unsupported_configurations_of_azure_ml_are_refused(source: Path) -> None:
    late = MpiConfiguration(2, node_count=3)
    assert [p.where for p in refused(source, distributed_training=late, node_count=2)] == ["node_count"]
    assert [p.where for p in refused(source, distributed_training=MpiConfiguration(0))] == ["process_count_per_node"]
    assert [p.where for p in refused(source, Estimator, distributed_training=TensorflowConfiguration())] == [
        "distributed_training"
    ]
    assert tensorflow(source, distributed_training=late, node_count=3).node_count == 3


def test_a_submission_changes_arguments_by_name_and_not_the_estimator(source: Path) -> None:
    estimator = tensorflow(source, script_params={"--flag": "", "--lr": 0.1, "--xs": [1, 2]}, use_gpu=True)
    found = override(estimator, {"script_params": {"--lr": 0.2, 5: "x"}, "inputs": None})
    assert found.arguments == ("--flag", "--lr", "0.2", "--xs", "1", "2", "5", "x")
    assert estimator.arguments == ("--flag", "--lr", "0.1", "--xs", "1", "2")
    assert (found.use_gpu, type(found)) == (True, TensorFlow)
    assert override(estimator, {}) == estimator
    assert override(estimator, {"script_params": ["a"]}).arguments == ("a",)
    assert override(estimator, {"source_directory_data_store": "/elsewhere"}).source_directory_data_store == "/elsewhere"


def test_other_settings_can_not_be_changed_by_a_submission(source: Path) -> None:
    with pytest.raises(SpecError) as caught:
        override(tensorflow(source), {"node_count": 2, "script_param": {}})
    assert [finding.where for finding in caught.value.findings] == ["node_count", "script_param"]
    assert "script_params" in caught.value.findings[1].remedy
    with refusing(SpecError, "bad-arguments"):
        override(tensorflow(source, script_params=["--lr", "1"]), {"script_params": {"--lr": 2}})
