"""A setting that a text marks is spelled as its user gives it."""

from __future__ import annotations

import dataclasses

import pytest

from slurmtf.cli.flags import FLAGS
from slurmtf.estimator.distribution import KINDS
from slurmtf.spelling import format_count, spell

YAML = {"launcher": "job.yaml:3: launcher", "sbatch": "job.yaml:4: sbatch"}
FLAG_USER = {**FLAGS, "entry_script": "train.py"}


@pytest.mark.parametrize(
    ("marked", "python", "yaml", "flag"),
    [
        ("`partition`", "partition", "partition", "--partition"),
        ("`launcher=srun`", "launcher='srun'", "launcher: srun", "--launcher srun"),
        ("`node_count=2`", "node_count=2", "node_count: 2", "--nodes 2"),
        ("`use_gpu=true`", "use_gpu=True", "use_gpu: true", "--gpu"),
        ("`account=...`", "account=...", "account: ...", "--account ..."),
        ("`job_name=my job`", "job_name='my job'", "job_name: my job", "--job-name 'my job'"),
        ("`sbatch[gres]`", "sbatch['gres']", "sbatch.gres", "--sbatch gres"),
        ("`sbatch[gres]=gpu:1`", "sbatch={'gres': 'gpu:1'}", "sbatch: {gres: gpu:1}", "--sbatch gres=gpu:1"),
        ("`environment_variables[A]=b`", "environment_variables={'A': 'b'}", "environment_variables: {A: b}", "--env A=b"),
        ("`pip_packages[]=tf-keras`", "pip_packages=['tf-keras']", "pip_packages: [tf-keras]", "--pip tf-keras"),
        ("`pip_packages[]=a,b`", "pip_packages=['a', 'b']", "pip_packages: [a, b]", "--pip a --pip b"),
        ("`pip_packages`", "pip_packages", "pip_packages", "--pip"),
        ("`custom_docker_image`", "custom_docker_image", "custom_docker_image", "--image"),
        ("`entry_script=pkg.train`", "entry_script='pkg.train'", "entry_script: pkg.train", "TARGET pkg.train"),
        (
            "`environment_definition.python=...`",
            "environment_definition=Environment(python=...)",
            "environment_definition: {python: ...}",
            "--python ...",
        ),
        (
            "`environment_definition.build=login`",
            "environment_definition=Environment(build='login')",
            "environment_definition: {build: login}",
            "environment_definition: {build: login} in a job file",
        ),
        (
            "`Mpi.transport=gloo`",
            "Mpi(transport='gloo')",
            "distributed_training: {backend: mpi, transport: gloo}",
            "distributed_training: {backend: mpi, transport: gloo} in a job file",
        ),
        (
            "`Jax.gpus=all`",
            "Jax(gpus='all')",
            "distributed_training: {backend: jax, gpus: all}",
            "distributed_training: {backend: jax, gpus: all} in a job file",
        ),
        ("`legacy_keras=true`", "legacy_keras=True", "legacy_keras: true", "legacy_keras: true in a job file"),
        ("set `time`, or `qos`", "set time, or qos", "set time, or qos", "set --time, or --qos"),
        ("a `", "a `", "a `", "a `"),
    ],
)
def test_a_setting_is_spelled_as_its_user_gives_it(marked: str, python: str, yaml: str, flag: str) -> None:
    assert (spell(marked), spell(marked, YAML), spell(marked, FLAG_USER)) == (python, yaml, flag)


def test_each_distribution_can_be_marked() -> None:
    fields = {kind.__name__: dataclasses.fields(kind)[0].name for kind in KINDS.values()}
    assert [spell(f"`{name}.{field}=2`") for name, field in fields.items()] == [f"{k}({f}=2)" for k, f in fields.items()]


def test_what_a_job_file_says_is_spelled_as_there_beside_flags() -> None:
    both = {**FLAGS, **YAML}
    assert spell("`launcher=srun` or `partition`", both) == "launcher: srun or --partition"


@pytest.mark.parametrize(("number", "text"), [(0, "0 runs"), (1, "1 run"), (2, "2 runs")])
def test_how_many_there_are(number: int, text: str) -> None:
    assert format_count(number, "run") == text
