"""Submission scripts as users of Azure ML write them, and the results of their conversion."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from slurmtf.documents import Document
from slurmtf.errors import InputError, SpecError
from slurmtf.estimator.document import VERBATIM, from_document, from_yaml
from slurmtf.migration import Imported, Kind, read_azureml

HEAD = """
from azureml.core import Dataset, Environment, Experiment, ScriptRunConfig, Workspace
from azureml.core.conda_dependencies import CondaDependencies
from azureml.core.runconfig import MpiConfiguration, RunConfiguration, TensorflowConfiguration
from azureml.train.dnn import Keras, Mpi, ParameterServer, PyTorch, TensorFlow
from azureml.train.estimator import Estimator
from azureml.train.hyperdrive import BanditPolicy, HyperDriveConfig, PrimaryMetricGoal, RandomParameterSampling, choice, uniform
ws = Workspace.from_config()
"""
LINES = HEAD.count("\n")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("train.py", "src/train.py", "src/environment.yml", "src/requirements.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("", encoding="utf-8")
    return tmp_path


def imported(folder: Path, text: str) -> Imported:
    file = folder / "submit.py"
    file.write_text(HEAD + dedent(text), encoding="utf-8")
    return read_azureml(file, folder)


def parts(found: Imported) -> list[dict[str, Any]]:
    return [dict(Document(one.text, one.name, SpecError, VERBATIM).data) for one in found.files]


def decisions(found: Imported) -> dict[int, list[str]]:
    """Return the decisions left to the user, by the line after the heading."""
    lines: dict[int, list[str]] = {}
    for note in found.notes:
        if note.kind is Kind.DECIDE:
            lines.setdefault(note.line - LINES, []).append(note.what)
    return lines


SAMPLES: dict[str, tuple[str, dict[str, Any], dict[int, list[str]]]] = {
    "one GPU, parameters of an estimator": (
        """\
        params = {'--batch-size': 50, '--verbose': '', '--xs': [1, 2]}
        e = TensorFlow(source_directory='src', compute_target='local', entry_script='train.py', script_params=params,
                       use_gpu=True, environment_variables={'A': 1}, max_run_duration_seconds=3600)
        Experiment(ws, 'mnist').submit(e)
        """,
        {"estimator": "TensorFlow", "source_directory": "src", "compute_target": "local", "entry_script": "train.py",
         "script_params": {"--batch-size": 50, "--verbose": "", "--xs": [1, 2]}, "use_gpu": True,
         "environment_variables": {"A": 1}, "max_run_duration_seconds": 3600},
        {},
    ),
    "parameter servers by counts": (
        """\
        e = TensorFlow('src', entry_script='train.py', node_count=2, worker_count=2, parameter_server_count=1,
                       distributed_backend='ps', use_docker=True, source_directory_data_store=ws.get_default_datastore())
        """,
        {"estimator": "TensorFlow", "source_directory": "src", "entry_script": "train.py", "node_count": 2, "worker_count": 2,
         "parameter_server_count": 1, "distributed_backend": "ps"},
        {},
    ),
    "parameter servers by an object whose counts are set later": (
        """\
        t = TensorflowConfiguration()
        t.worker_count = 3
        t.parameter_server_count = 2
        e = TensorFlow(source_directory='.', node_count=2, distributed_training=t)
        """,
        {"estimator": "TensorFlow", "source_directory": ".", "node_count": 2,
         "distributed_training": {"backend": "ps", "worker_count": 3, "parameter_server_count": 2}},
        {},
    ),
    "Horovod in a generic estimator": (
        """\
        e = Estimator('src', entry_script='train.py', node_count=2, distributed_training=Mpi(process_count_per_node=4),
                      pip_packages=['horovod==0.28.1', 'azureml-defaults'], conda_packages=['scikit-learn'])
        """,
        {"estimator": "Estimator", "source_directory": "src", "entry_script": "train.py", "node_count": 2,
         "distributed_training": {"backend": "mpi", "process_count_per_node": 4}, "pip_packages": ["horovod==0.28.1"],
         "azureml": True, "conda_packages": ["scikit-learn"]},
        {},
    ),
    "what only running the file would tell": (
        """\
        import argparse
        args = argparse.ArgumentParser().parse_args()
        for rate in (0.1, 0.01):
            e = TensorFlow('.', script_params={'--lr': rate, '--steps': 10}, node_count=args.nodes)
        """,
        {"estimator": "TensorFlow", "source_directory": ".", "script_params": {"--steps": 10}},
        {4: ["the argument --lr is rate", "node_count is args.nodes"]},
    ),
    "a value under a condition": (
        """\
        nodes = 1
        if ws.name == 'big':
            nodes = 4
        e = TensorFlow('.', node_count=nodes, distributed_backend='mpi')
        """,
        {"estimator": "TensorFlow", "source_directory": ".", "node_count": 4, "distributed_backend": "mpi"},
        {4: ["'nodes' is set under a condition or in a loop"]},
    ),
    "a cluster, a size, a version, an image, a login": (
        """\
        from azureml.core.compute import ComputeTarget
        t = ComputeTarget(ws, 'gpu-cluster')
        e = TensorFlow('.', compute_target=t)
        e2 = TensorFlow('.', vm_size='Standard_NC12', vm_priority='lowpriority', framework_version='2.0',
                        custom_docker_image='me/image:1', image_registry_details={'password': 'x'})
        """,
        {"estimator": "TensorFlow", "source_directory": ".", "vm_priority": "lowpriority",
         "custom_docker_image": "docker://me/image:1"},
        {3: ["compute_target 'gpu-cluster' is a cluster of Azure ML"],
         4: ["vm_size='Standard_NC12': set a preset", "framework_version='2.0'"], 5: ["image_registry_details"]},
    ),
    "data": (
        """\
        ds = ws.get_default_datastore()
        images = Dataset.get_by_name(ws, 'images')
        e = TensorFlow('.', script_params={'--data': ds.path('mnist/train').as_mount(), '--out': ds.as_upload()},
                       inputs=[images.as_named_input('img').as_download()])
        """,
        {"estimator": "TensorFlow", "source_directory": ".",
         "inputs": [{"name": "TRAIN", "path": "data/train", "mode": "mount"},
                    {"name": "DS", "path": "data/ds", "mode": "upload"},
                    {"name": "IMG", "path": "data/img", "mode": "download"}],
         "script_params": {"--data": "$SLURMTF_INPUT_TRAIN", "--out": "$SLURMTF_INPUT_DS"}},
        {3: ["-> inputs: TRAIN (mount)", "-> inputs: DS (upload)"], 4: ["-> inputs: IMG (download)"]},
    ),
    "ScriptRunConfig with an environment and MPI": (
        """\
        env = Environment('tf')
        env.python.conda_dependencies = CondaDependencies.create(pip_packages=['tensorflow==2.15.1', 'azureml-defaults'])
        env.python.conda_dependencies.add_pip_package('horovod')
        env.environment_variables = {'NCCL_DEBUG': 'INFO'}
        c = ScriptRunConfig(source_directory='src', script='train.py', arguments=['--lr', 0.1, '--flag'], environment=env,
                            distributed_job_config=MpiConfiguration(process_count_per_node=2, node_count=3))
        """,
        {"estimator": "TensorFlow", "source_directory": "src", "entry_script": "train.py",
         "script_params": ["--lr", 0.1, "--flag"], "azureml": True, "pip_packages": ["tensorflow==2.15.1", "horovod"],
         "environment_variables": {"NCCL_DEBUG": "INFO"}, "node_count": 3,
         "distributed_training": {"backend": "mpi", "process_count_per_node": 2}},
        {},
    ),
    "ScriptRunConfig whose run_config is set part by part": (
        """\
        c = ScriptRunConfig(source_directory='src', script='train.py')
        c.run_config.framework = 'TensorFlow'
        c.run_config.communicator = 'ParameterServer'
        c.run_config.node_count = 2
        c.run_config.tensorflow.worker_count = 2
        c.run_config.tensorflow.parameter_server_count = 1
        c.run_config.environment.python.user_managed_dependencies = True
        c.run_config.target = 'gpus'
        """,
        {"estimator": "TensorFlow", "source_directory": "src", "entry_script": "train.py", "node_count": 2,
         "user_managed": True,
         "distributed_training": {"backend": "ps", "worker_count": 2, "parameter_server_count": 1}},
        {8: ["target 'gpus' is a cluster"]},
    ),
    "files of packages, older names": (
        """\
        e = TensorFlow('src', entry_script='train.py', conda_dependencies_file_path='environment.yml')
        """,
        {"estimator": "TensorFlow", "source_directory": "src", "entry_script": "train.py",
         "conda_dependencies_file": "environment.yml"},
        {},
    ),
    "environments that lie elsewhere": (
        """\
        env = Environment.get(workspace=ws, name='AzureML-TensorFlow-2.3-GPU')
        c = ScriptRunConfig('src', 'train.py', environment=env)
        """,
        {"estimator": "TensorFlow", "source_directory": "src", "entry_script": "train.py"},
        {1: ["the curated environment AzureML-TensorFlow-2.3-GPU"], 2: ["no environment is named"]},
    ),
    "an environment from a file": (
        """\
        env = Environment.from_pip_requirements(name='tf', file_path='requirements.txt')
        c = ScriptRunConfig('src', 'train.py', environment=env)
        """,
        {"estimator": "TensorFlow", "source_directory": "src", "entry_script": "train.py",
         "pip_requirements_file": "requirements.txt"},
        {},
    ),
    "Keras, with settings changed at the submission": (
        """\
        e = Keras('src', entry_script='train.py', script_params={'--lr': 0.1, '--epochs': 2})
        Experiment(ws, 'k').submit(e, script_params={'--lr': 0.5}, tags={'a': 'b'})
        """,
        {"estimator": "TensorFlow", "source_directory": "src", "pip_packages": ["keras"], "entry_script": "train.py",
         "script_params": {"--lr": 0.5, "--epochs": 2}},
        {2: ["tags: pass them with --tag"]},
    ),
    "another framework, a setting nobody knows": (
        """\
        e = PyTorch('.', shiny=True)
        """,
        {"estimator": "Estimator", "source_directory": "."},
        {1: ["PyTorch -> Estimator", "shiny=True: slurmtf has no such setting"]},
    ),
    "a script that is not there": (
        """\
        e = TensorFlow('elsewhere', entry_script='a.py')
        """,
        {"estimator": "TensorFlow", "source_directory": "elsewhere", "entry_script": "a.py"},
        {1: ["a.py is not there", "slurmtf refuses source_directory"]},
    ),
    "a distribution by its name, and one whose counts only running the file would tell": (
        """\
        e = TensorFlow('src', distributed_training=MpiConfiguration)
        f = TensorFlow('src', distributed_training=TensorflowConfiguration(worker_count=int(args.workers)))
        g = TensorFlow('src', distributed_training=args.how)
        h = TensorFlow('src', distributed_training=MpiConfiguration(4, 2))
        """,
        {"estimator": "TensorFlow", "source_directory": "src", "node_count": 2,
         "distributed_training": {"backend": "mpi", "process_count_per_node": 4}},
        {2: ["worker_count is int(args.workers)"], 3: ["set distributed_training to"]},
    ),
    "an environment of a conda file, of a Python of its own, and of packages that were added": (
        """\
        deps = CondaDependencies.create(pip_packages=['scikit-learn'], pip_indexurl='https://mine')
        deps.add_pip_package('tensorflow==2.15.1')
        deps.add_conda_package('cudatoolkit')
        deps.set_python_version('3.11')
        env = Environment('e')
        env.python.conda_dependencies = deps
        env.python.interpreter_path = '/opt/tf/bin/python'
        c = ScriptRunConfig('src', script='train.py', environment=env)
        """,
        {"estimator": "TensorFlow", "source_directory": "src", "entry_script": "train.py",
         "environment_definition": {"python": "/opt/tf/bin/python"},
         "pip_packages": ["scikit-learn", "tensorflow==2.15.1"], "conda_packages": ["cudatoolkit"]},
        {1: ["pip_indexurl='https://mine'"], 4: ["set_python_version"], 7: ["does it exist on the cluster?"],
         8: ["slurmtf refuses environment_definition"]},
    ),
    "settings that contradict each other": (
        """\
        e = TensorFlow('.', distributed_backend='mpi', worker_count=2)
        """,
        {"estimator": "TensorFlow", "source_directory": ".", "distributed_backend": "mpi", "worker_count": 2},
        {1: ["slurmtf refuses worker_count"]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_are_converted_as_expected(name: str, folder: Path) -> None:
    text, expected, decide = SAMPLES[name]
    found = imported(folder, text)
    assert parts(found)[-1] == expected
    needed = {line: whats for line, whats in decide.items() if whats}
    seen = decisions(found)
    assert {line: len(whats) for line, whats in seen.items()} == {line: len(whats) for line, whats in needed.items()}, seen
    assert all(any(part in what for what in seen[line]) for line, wanted in needed.items() for part in wanted), seen


@pytest.mark.parametrize("name", [name for name, (_, _, decide) in SAMPLES.items() if not decide])
def test_a_script_without_open_decisions_becomes_a_job_file(name: str, folder: Path) -> None:
    (written,) = imported(folder, SAMPLES[name][0]).files
    job = folder / written.name
    job.write_text(written.text, encoding="utf-8")
    assert Path(from_yaml(job).source_directory).is_dir()


def test_a_sweep_is_converted(folder: Path) -> None:
    found = imported(
        folder,
        """\
        e = TensorFlow('src', entry_script='train.py', script_params={'--lr': 0.1})
        space = RandomParameterSampling({'--lr': uniform(0.01, 0.1), 'batch': choice([16, 32]), 'n': choice(range(1, 4))})
        h = HyperDriveConfig(estimator=e, hyperparameter_sampling=space, primary_metric_name='acc', max_total_runs=20,
                             primary_metric_goal=PrimaryMetricGoal.MAXIMIZE, max_concurrent_runs=4,
                             policy=BanditPolicy(evaluation_interval=2, slack_factor=0.1))
        Experiment(ws, 'tune').submit(config=h)
        """,
    )
    (sweep,) = parts(found)
    assert [(one.name, one.is_sweep) for one in found.files] == [("sweep.yaml", True)]
    assert sweep == {
        "estimator": {"estimator": "TensorFlow", "source_directory": "src", "entry_script": "train.py",
                      "script_params": {"--lr": 0.1}},
        "sampling": {"type": "random", "parameter_space": {
            "--lr": {"uniform": [0.01, 0.1]}, "batch": {"choice": [16, 32]}, "n": {"choice": [1, 2, 3]}}},
        "primary_metric_name": "acc", "max_total_runs": 20, "primary_metric_goal": "maximize", "max_concurrent_runs": 4,
        "policy": {"type": "bandit", "evaluation_interval": 2, "slack_factor": 0.1},
    }  # fmt: skip
    assert decisions(found) == {}
    assert found.experiment == "tune"
    from_document(Document(json.dumps(sweep["estimator"]), "job", SpecError, VERBATIM), folder)


def test_a_job_both_submitted_and_swept_becomes_both(folder: Path) -> None:
    found = imported(
        folder,
        """\
        e = TensorFlow('src', entry_script='train.py')
        Experiment(ws, 'tune').submit(e)
        s = RandomParameterSampling({'lr': uniform(low, 1)})
        h = HyperDriveConfig(s, 'acc', PrimaryMetricGoal.MINIMIZE, 4, estimator=e)
        """,
    )
    assert [one.name for one in found.files] == ["job.yaml", "sweep.yaml"]
    ((line, (what,)),) = decisions(found).items()
    assert (line, "the values of lr hold low: " in what) == (3, True)


def test_several_jobs_are_named_by_their_variables(folder: Path) -> None:
    found = imported(folder, "small = TensorFlow('src', entry_script='train.py')\nbig = TensorFlow('.', node_count=4)\n")
    assert [one.name for one in found.files] == ["small.job.yaml", "big.job.yaml"]


def test_a_script_that_imports_azureml_gets_azure_mls_run(folder: Path) -> None:
    (folder / "src/train.py").write_text("from azureml.core import Run\n", encoding="utf-8")
    assert parts(imported(folder, "e = TensorFlow('src', entry_script='train.py')\n"))[0]["azureml"] is True


def test_a_job_file_in_another_folder_has_the_same_source(folder: Path) -> None:
    (folder / "submit.py").write_text(HEAD + "e = TensorFlow('src', entry_script='train.py')\n", encoding="utf-8")
    (written,) = read_azureml(folder / "submit.py", folder / "jobs/new").files
    assert Document(written.text, "job", SpecError).data["source_directory"] == "../../src"


def test_every_call_of_azure_ml_is_reported(folder: Path) -> None:
    found = imported(
        folder,
        """\
        e = TensorFlow('src', entry_script='train.py')
        run = Experiment(ws, 'a').submit(e)
        run.wait_for_completion(show_output=True)
        run.get_metrics()
        run.register_model('m', 'outputs/m')
        ws.frobnicate()
        """,
    )
    kinds = {note.line - LINES: note.kind for note in found.notes if note.line > LINES}
    assert kinds == {1: Kind.MAPPED, 2: Kind.MAPPED, 3: Kind.MAPPED, 4: Kind.MAPPED, 5: Kind.DECIDE, 6: Kind.DECIDE}


def notebook(*cells: str) -> str:
    return json.dumps(
        {"cells": [{"cell_type": "markdown", "source": "# Title"}]
         + [{"cell_type": "code", "source": cell.splitlines(keepends=True)} for cell in cells]}
    )  # fmt: skip


def test_a_notebook_is_converted(folder: Path) -> None:
    cells = (
        "%matplotlib inline\n!pip install azureml-sdk\nout = !ls\nfrom azureml.train.dnn import TensorFlow",
        "%%writefile src/other.py\nthis is no Python at all",
        "TensorFlow?\ne = TensorFlow('src', entry_script='train.py',\n               node_count=nodes)",
    )
    (folder / "a.ipynb").write_text(notebook(*cells), encoding="utf-8")
    found = read_azureml(folder / "a.ipynb", folder)
    assert parts(found) == [{"estimator": "TensorFlow", "source_directory": "src", "entry_script": "train.py"}]
    (decide,) = [note for note in found.notes if note.kind is Kind.DECIDE]
    assert found.source.place(decide.line) == "cell 4, line 3"


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("a.py", "import tensorflow as tf\n", "no-azureml"),
        ("a.py", "from mine import TensorFlow\nTensorFlow('.')\n", "no-azureml"),
        ("a.py", "print 'two'\n", "not-python"),
        ("a.ipynb", "{}", "unreadable"),
        ("a.ipynb", "no JSON", "unreadable"),
        ("a.ipynb", '{"cells": [1]}', "unreadable"),
        ("missing.py", None, "unreadable"),
        ("a.py", "x = " + "[" * 90 + "]" * 90 + "\n", "no-azureml"),
    ],
)
def test_invalid_files_are_refused(tmp_path: Path, name: str, text: str | None, code: str) -> None:
    if text is not None:
        (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_azureml(tmp_path / name, tmp_path)
    assert [finding.code for finding in caught.value.findings] == [code]
