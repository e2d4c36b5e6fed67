"""What an estimator refuses, and the findings: one case for each rule."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest

from slurmtf.errors import InputError, SpecError
from slurmtf.estimator import Environment, Estimator, Mpi, MultiWorker, ParameterServer, TensorFlow
from slurmtf.estimator.arguments import LONGEST_ARGUMENT
from tests.unit.support import refused, tells

Case = tuple[dict[str, Any], str, str]
"""Settings; where it is wrong; and the finding's code."""

SOURCE: list[Case] = [
    ({"entry_script": "trian.py"}, 'entry_script', 'script-missing'),
    ({"entry_script": "nothing/alike"}, 'entry_script', 'script-missing'),
    ({"entry_script": "a\0b.py"}, 'entry_script', 'script-missing'),
    ({"entry_script": "sub"}, 'entry_script', 'script-is-folder'),
    ({"entry_script": "../x.py"}, 'entry_script', 'script-outside'),
    ({"entry_script": "/etc/passwd"}, 'entry_script', 'script-outside'),
    ({"entry_script": "notes.txt"}, 'entry_script', 'not-python'),
]  # fmt: skip
TEXTS: list[Case] = [
    ({"script_params": "--lr 1"}, 'script_params', 'bad-arguments'),
    ({"script_params": {"--x": "a\0b"}}, "script_params['--x']", 'nul-character'),
    ({"script_params": {"--x\0": 1}}, 'script_params', 'nul-character'),
    ({"script_params": ["a", "b\0"]}, 'script_params[1]', 'nul-character'),
    ({"script_params": {"--x": "\ud800"}}, "script_params['--x']", 'half-character'),
    ({"script_params": {"--x": ["y" * (LONGEST_ARGUMENT + 1)]}}, "script_params['--x']", 'too-long'),
    ({"script_params": {"--x": {"a": 1}}}, "script_params['--x']", 'not-a-text'),
    ({"script_params": {None: 1}}, 'script_params', 'bad-argument-name'),
    ({"resume_from": "a\0b"}, 'resume_from', 'nul-character'),
    ({"environment_variables": "A=1"}, 'environment_variables', 'bad-variables'),
    ({"environment_variables": {"A-B": "1"}}, "environment_variables['A-B']", 'bad-variable-name'),
    ({"environment_variables": {"1A": "1"}}, "environment_variables['1A']", 'bad-variable-name'),
    ({"environment_variables": {"A\n": "1"}}, "environment_variables['A\\n']", 'bad-variable-name'),
    ({"environment_variables": {"A": True}}, "environment_variables['A']", 'not-a-text'),
    ({"environment_variables": {"A": "\0"}}, "environment_variables['A']", 'nul-character'),
    ({"partition": "gpu\nrm"}, 'partition', 'control-characters'),
    ({"job_name": " "}, 'job_name', 'not-a-text'),
    ({"job_name": "n" * 1025}, 'job_name', 'too-long'),
    ({"account": 12}, 'account', 'not-a-text'),
]  # fmt: skip
RESTARTS: list[Case] = [
    ({"restarts": 3}, "restarts", "bad-restarts"),
    ({"restarts": {"timelimit": 3}}, "restarts['timelimit']", "unknown-cause"),
    ({"restarts": {"canceled": 3}}, "restarts['canceled']", "unknown-cause"),
    ({"restarts": {"script": -1}}, "restarts['script']", "out-of-range"),
    ({"restarts": {"script": True}}, "restarts['script']", "not-a-count"),
    ({"restarts": {"script": "often"}}, "restarts['script']", "not-a-count"),
    ({"restarts": {"script": {"times": 1.5}}}, "restarts['script'].times", "not-a-count"),
    ({"restarts": {"script": {"time": 1}}}, "restarts['script']", "bad-restart"),
    ({"restarts": {"script": {"memory": "x2"}}}, "restarts['script']", "memory-misplaced"),
    ({"restarts": {"out-of-memory": {"memory": "2"}}}, "restarts['out-of-memory'].memory", "bad-factor"),
    ({"restarts": {"out-of-memory": {"memory": 2}}}, "restarts['out-of-memory'].memory", "bad-factor"),
    ({"restarts": {"out-of-memory": {"memory": "x0.5"}}}, "restarts['out-of-memory'].memory", "bad-factor"),
    ({"restarts": {"out-of-memory": {"at_most": "8G"}}}, "restarts['out-of-memory'].at_most", "at-most-alone"),
    ({"restarts": {"out-of-memory": {"memory": "x2", "at_most": "much"}}}, "restarts['out-of-memory'].at_most", "bad-memory"),
]
NOTICES: list[Case] = [
    ({"notice": 300}, "notice", "bad-notice"),
    ({"notice": {"after": 300}}, "notice", "bad-notice"),
    ({"notice": {"before": 0}}, "notice.before", "out-of-range"),
    ({"notice": {"before": "5m"}}, "notice.before", "not-a-count"),
    ({"notice": {"signal": "USR1"}}, "notice.signal", "unknown-signal"),
    ({"notice": {"signal": "SIGKILL"}}, "notice.signal", "unknown-signal"),
    ({"notice": {"exit_code": 0}}, "notice.exit_code", "out-of-range"),
    ({"notice": {"keras": ""}}, "notice.keras", "not-a-text"),
    ({"notice": {"keras": "a.keras"}, "distributed_backend": "mpi"}, "notice.keras", "keras-of-several"),
]
STALLS: list[Case] = [
    ({"stall": 30}, "stall", "bad-stall"),
    ({"stall": {"hours": 1}}, "stall", "bad-stall"),
    ({"stall": {"minutes": 0}}, "stall.minutes", "bad-minutes"),
    ({"stall": {"minutes": "1h"}}, "stall.minutes", "bad-minutes"),
    ({"stall": {"minutes": 30, "action": "kill"}}, "stall.action", "unknown-action"),
    ({"stall": {"minutes": 30, "cpu": "maybe"}}, "stall.cpu", "bad-stall"),
]
KINDS: list[Case] = [
    ({"use_gpu": 2}, 'use_gpu', 'not-a-switch'),
    ({"exclusive": "user"}, 'exclusive', 'not-a-switch'),
    ({"legacy_keras": "yes"}, 'legacy_keras', 'not-a-switch'),
    ({"azureml": 1}, 'azureml', 'not-a-switch'),
    ({"mail_type": [""]}, 'mail_type', 'bad-list'),
    ({"silence": 5}, 'silence', 'bad-list'),
    ({"pip_packages": 5}, 'pip_packages', 'bad-list'),
    ({"conda_packages": [1]}, 'conda_packages', 'bad-list'),
    ({"image_registry_details": {"port": 80}}, 'image_registry_details', 'bad-login'),
    # 1.3, 16
    ({"inputs": "/data"}, 'inputs', 'bad-inputs'),
    ({"inputs": ["/data"]}, 'inputs', 'bad-inputs'),
    ({"stage": "local"}, 'stage', 'bad-choice'),
    ({"autolog": "torch"}, 'autolog', 'bad-choice'),
    ({"primary_metric": " "}, 'primary_metric', 'no-metric'),
    ({"primary_metric": ["loss"]}, 'primary_metric', 'no-metric'),
]  # fmt: skip


def foreign(backend: str | None, name: str, count: int) -> Case:
    """Return the case of a count without effect (1.3, 1 and 2)."""
    return {name: count, **({"distributed_backend": backend} if backend else {})}, name, "foreign-count"


COUNTS: list[Case] = [
    # 1.3, 6
    ({"node_count": 0}, 'node_count', 'out-of-range'),
    ({"node_count": -1}, 'node_count', 'out-of-range'),
    ({"node_count": 10**9, "distributed_backend": "mpi"}, 'node_count', 'out-of-range'),
    ({"node_count": "2"}, 'node_count', 'not-a-count'),
    ({"node_count": 1.5}, 'node_count', 'not-a-count'),
    ({"node_count": True}, 'node_count', 'not-a-count'),
    ({"distributed_backend": "mpi", "process_count_per_node": 0}, 'process_count_per_node', 'out-of-range'),
    ({"distributed_training": Mpi(0)}, 'process_count_per_node', 'out-of-range'),
    ({"distributed_backend": "ps", "worker_count": 0}, 'worker_count', 'out-of-range'),
    ({"distributed_backend": "multiworker", "worker_count": 0}, 'worker_count', 'out-of-range'),
    ({"distributed_backend": "ps", "parameter_server_count": -1}, 'parameter_server_count', 'out-of-range'),
    ({"gpus_per_node": -1}, 'gpus_per_node', 'out-of-range'),
    ({"cpus_per_task": 0}, 'cpus_per_task', 'out-of-range'),
    # 1.3, 10
    ({"node_count": 2}, 'node_count', 'no-distribution'),
    foreign(None, "process_count_per_node", 2),
    foreign(None, "process_count_per_node", 0),
    foreign(None, "worker_count", 2),
    foreign(None, "parameter_server_count", 1),
    # what the original never checked
    foreign("ps", "process_count_per_node", 2),
    foreign("multiworker", "process_count_per_node", 2),
    foreign("mpi", "worker_count", 2),
    foreign("mpi", "parameter_server_count", 1),
    foreign("multiworker", "parameter_server_count", 1),
]  # fmt: skip
DISTRIBUTION: list[Case] = [
    # 1.3, 7 and 8
    ({"distributed_backend": "nccl"}, 'distributed_backend', 'unknown-backend'),
    ({"distributed_backend": "mpl"}, 'distributed_backend', 'unknown-backend'),
    ({"distributed_training": "mpi"}, 'distributed_training', 'unknown-distribution'),
    # what the original never checked
    ({"distributed_backend": "ps", "distributed_training": Mpi()}, 'distributed_training', 'distribution-twice'),
    ({"distributed_training": Mpi(2), "process_count_per_node": 4}, 'process_count_per_node', 'distribution-twice'),
    ({"distributed_training": Mpi(2), "worker_count": 2}, 'worker_count', 'distribution-twice'),
    ({"distributed_backend": "mpi", "process_count_per_node": 8, "gpus_per_node": 4}, 'gpus_per_node', 'too-few-gpus'),
    ({"distributed_backend": "ps", "worker_count": 5, "node_count": 2, "gpus_per_node": 2}, 'gpus_per_node', 'too-few-gpus'),
]  # fmt: skip
QUANTITIES: list[Case] = [
    ({"time": "1 hour"}, 'time', 'bad-time'),
    ({"time": datetime.timedelta(0)}, 'time', 'bad-time'),
    ({"time": -5}, 'time', 'bad-time'),
    ({"time": "400-0"}, 'time', 'bad-time'),
    ({"memory": "16 GB"}, 'memory', 'bad-memory'),
    ({"memory": "16G\n"}, 'memory', 'bad-memory'),
    ({"memory": -1}, 'memory', 'bad-memory'),
    ({"max_run_duration_seconds": 0}, 'max_run_duration_seconds', 'out-of-range'),
    ({"max_run_duration_seconds": 60, "time": 1}, 'max_run_duration_seconds', 'said-twice'),
    ({"use_gpu": True, "gpus_per_node": 0}, 'gpus_per_node', 'gpus-contradict'),
    ({"gpu_type": "a100"}, 'gpu_type', 'gpu-type-alone'),
    ({"vm_priority": "spot"}, 'vm_priority', 'bad-choice'),
]  # fmt: skip
SOFTWARE: list[Case] = [
    # 1.3, 3
    ({"use_docker": False, "custom_docker_image": "tf.sif"}, 'use_docker', 'docker-contradicts'),
    # 1.3, 5
    ({"conda_dependencies_file": "environment.yml", "pip_packages": ["numpy"], "conda_packages": ["scipy"]},
     'conda_dependencies_file', 'file-and-packages'),
    ({"conda_dependencies_file": "environment.yml", "pip_requirements_file": "requirements.txt"},
     'conda_dependencies_file', 'file-and-packages'),
    # 1.3, 9
    ({"user_managed": True, "pip_packages": ["numpy"]}, 'user_managed', 'user-managed'),
    # 1.3, 14
    ({"conda_dependencies_file": "none.yml"}, 'conda_dependencies_file', 'file-missing'),
    ({"pip_requirements_file": "none.txt"}, 'pip_requirements_file', 'file-missing'),
    ({"conda_dependencies_file": "../outside.yml"}, 'conda_dependencies_file', 'file-missing'),
]  # fmt: skip
WORDS: list[Case] = [
    # what the job would hand to exec, module, conda or the container's runtime, which took it for an option
    ({"environment_definition": Environment("-w")}, "environment_definition.python", "like-an-option"),
    ({"environment_definition": Environment(conda="-n")}, "environment_definition.conda", "like-an-option"),
    ({"environment_definition": Environment(modules=["cuda", "-w"])}, "environment_definition.modules", "like-an-option"),
    ({"environment_definition": Environment(image="-w")}, "environment_definition.image", "like-an-option"),
    ({"custom_docker_image": "docker://--privileged"}, "custom_docker_image", "like-an-option"),
    ({"conda_packages": ["--file=x"]}, "conda_packages", "like-an-option"),
    ({"environment_definition": Environment(conda_packages=["numpy"], conda_channels=["-c"])},
     "environment_definition.conda_channels", "like-an-option"),
    # what was taken for left out
    ({"environment_definition": Environment("")}, "environment_definition.python", "empty-value"),
    ({"environment_definition": Environment(conda=" ")}, "environment_definition.conda", "empty-value"),
    ({"environment_definition": Environment(image="")}, "environment_definition.image", "empty-value"),
    ({"environment_definition": Environment(modules=[""])}, "environment_definition.modules", "bad-list"),
    ({"custom_docker_image": ""}, "custom_docker_image", "empty-value"),
    ({"custom_docker_image": "docker://"}, "custom_docker_image", "empty-value"),
    ({"pip_requirements_file": ""}, "pip_requirements_file", "empty-value"),
    ({"conda_dependencies_file": ""}, "conda_dependencies_file", "empty-value"),
    ({"resume_from": ""}, "resume_from", "empty-value"),
    ({"template": ""}, "template", "empty-value"),
    ({"compute_target": ""}, "compute_target", "empty-value"),
    ({"framework_version": ""}, "framework_version", "empty-value"),
    ({"source_directory_data_store": ""}, "source_directory_data_store", "empty-value"),
]  # fmt: skip
TARGET: list[Case] = [
    ({"compute_target": 5}, 'compute_target', 'bad-target'),
    # 1.3, 13
]  # fmt: skip
PASSED_ON: list[Case] = [
    ({"sbatch": ["hint"]}, 'sbatch', 'bad-flags'),
    ({"sbatch": {"output": "x"}}, "sbatch['output']", 'reserved-flag'),
    ({"srun": {"--error": "x"}}, "srun['--error']", 'reserved-flag'),
    ({"sbatch": {"--open_mode": "truncate"}}, "sbatch['--open_mode']", 'reserved-flag'),
    ({"sbatch": {"nodes": 2}}, "sbatch['nodes']", 'reserved-flag'),
    ({"srun": {"ntasks": 2}}, "srun['ntasks']", 'reserved-flag'),
    ({"sbatch": {"hint\n": "x"}}, "sbatch['hint\\n']", 'bad-flag'),
    ({"sbatch": {"a b": "x"}}, "sbatch['a b']", 'bad-flag'),
    ({"sbatch": {"-px": "x"}}, "sbatch['-px']", 'bad-flag'),
    ({"sbatch": {"arr": "0-3"}}, "sbatch['arr']", 'short-flag'),
    ({"sbatch": {"--gpus_per_nod": 1}}, "sbatch['--gpus_per_nod']", 'short-flag'),
    ({"sbatch": {"part": "x"}}, "sbatch['part']", 'short-flag'),
    ({"srun": {"multi-pro": True}}, "srun['multi-pro']", 'short-flag'),
    ({"sbatch": {"-D": "/x"}}, "sbatch['-D']", 'reserved-flag'),
    ({"srun": {"-n": 2}}, "srun['-n']", 'reserved-flag'),
    ({"sbatch": {"comment": "a\nb"}}, "sbatch['comment']", 'control-characters'),
    ({"sbatch": {"comment": {"a": 1}}}, "sbatch['comment']", 'bad-flag'),
    ({"srun": {"comment": ["a", None]}}, "srun['comment']", 'bad-flag'),
    ({"sbatch": {"time": 10}, "time": 10}, "sbatch['time']", 'said-twice'),
    ({"sbatch": {"mail-user": "a@b"}, "mail_user": "a@b"}, "sbatch['mail-user']", 'said-twice'),
    ({"sbatch": {"mail-type": "END"}, "mail_type": ["END"]}, "sbatch['mail-type']", 'said-twice'),
    ({"sbatch": {"time": 10}, "max_run_duration_seconds": 10}, "sbatch['time']", 'said-twice'),
    ({"sbatch": {"time": "soon"}}, "sbatch['time']", 'bad-time'),
    ({"sbatch": {"mem-per-cpu": "1G"}, "memory": "8G"}, "sbatch['mem-per-cpu']", 'said-twice'),
    ({"sbatch": {"mem_per_gpu": "1G"}, "memory": "8G"}, "sbatch['mem-per-gpu']", 'said-twice'),
    ({"sbatch": {"cpus-per-gpu": 2}, "cpus_per_task": 8}, "sbatch['cpus-per-gpu']", 'said-twice'),
    ({"sbatch": {"tres-per-task": "cpu=2"}, "cpus_per_task": 8}, "sbatch['tres-per-task']", 'said-twice'),
    ({"sbatch": {"oversubscribe": True}, "exclusive": True}, "sbatch['oversubscribe']", 'said-twice'),
    ({"sbatch": {"ntasks-per-gpu": 1}}, "sbatch['ntasks-per-gpu']", 'reserved-flag'),
    ({"sbatch": {"cpus_per_task": 10}, "cpus_per_task": 10}, "sbatch['cpus-per-task']", 'said-twice'),
]  # fmt: skip
ALL = [
    *SOURCE,
    *TEXTS,
    *RESTARTS,
    *NOTICES,
    *STALLS,
    *KINDS,
    *COUNTS,
    *DISTRIBUTION,
    *QUANTITIES,
    *SOFTWARE,
    *WORDS,
    *TARGET,
    *PASSED_ON,
]


@pytest.mark.parametrize(("wrong", "where", "code"), ALL)
def test_an_error_has_its_place_and_remedy(source: Path, wrong: dict[str, Any], where: str, code: str) -> None:
    (found,) = refused(source, **wrong)
    assert (found.where, found.code) == (where, code)
    assert found.what
    assert found.remedy


@pytest.mark.parametrize("folder", ["/nonexistent", "~nobody-of-that-name/x", "a\0b"])
def test_a_missing_source_directory_is_refused(folder: str) -> None:
    (finding,) = refused(Path(folder))
    assert (finding.code, finding.where) == ("source-missing", "source_directory")
    assert str(Path(folder).absolute()) in finding.what


@pytest.mark.parametrize("count", ["worker_count", "parameter_server_count"])
def test_the_generic_estimator_has_no_counts_of_workers(source: Path, count: str) -> None:
    settings: dict[str, Any] = {count: 1}
    with pytest.raises(TypeError, match=count):
        Estimator(source, **settings)


@pytest.mark.parametrize("backend", ["ps", "multiworker"])
def test_the_generic_estimator_distributes_only_by_mpi(source: Path, backend: str) -> None:
    (found,) = refused(source, Estimator, distributed_backend=backend)
    assert (found.code, found.where, found.remedy) == ("unknown-backend", "distributed_backend", "use mpi")


@pytest.mark.parametrize("training", [ParameterServer(), MultiWorker(), "mpi"])
def test_the_generic_estimator_takes_no_other_distribution(source: Path, training: object) -> None:
    (found,) = refused(source, Estimator, distributed_training=training)
    assert (found.code, found.where, tells(found, "Mpi")) == ("unknown-distribution", "distributed_training", True)


@pytest.mark.parametrize(
    "more",
    [
        {"pip_packages": ["numpy"]},
        {"conda_packages": ["numpy"]},
        {"conda_dependencies_file": "environment.yml"},
        {"pip_requirements_file": "requirements.txt"},
        {"custom_docker_image": "tf.sif"},
        {"image_registry_details": {"address": "x"}},
        {"user_managed": True},
        {"shm_size": "1g"},
    ],
)
def test_an_environment_definition_excludes_other_software_settings(source: Path, more: dict[str, Any]) -> None:
    """1.3, 4. The script's variables and GPUs do not count as software here, and may be given in addition."""
    (found,) = refused(source, environment_definition=Environment("python3"), **more)
    assert (found.where, found.code) == ("environment_definition", "environment-twice")
    assert f"`{next(iter(more))}`" in found.what


def test_an_environment_definition_goes_with_variables_and_gpus(source: Path) -> None:
    estimator = TensorFlow(
        source, environment_definition=Environment("python3"), environment_variables={"A": "1"}, use_gpu=True
    )
    assert estimator.environment_variables == {"A": "1"}


@pytest.mark.parametrize("name", ["conda_packages", "pip_packages", "conda_dependencies_file", "pip_requirements_file"])
def test_user_managed_excludes_packages(source: Path, name: str) -> None:
    value: Any = {"conda_dependencies_file": "environment.yml", "pip_requirements_file": "requirements.txt"}.get(
        name, ["numpy"]
    )
    (found,) = refused(source, user_managed=True, **{name: value})
    assert (found.where, found.code) == ("user_managed", "user-managed")
    assert f"`{name}`" in found.what


def test_all_problems_are_in_one_error(source: Path) -> None:
    found = refused(
        source,
        entry_script="none.py",
        node_count=0,
        time="soon",
        memory="much",
        script_params={"--x": "\0"},
        environment_variables={"A-B": "1"},
        partition="a\nb",
        sbatch={"wrap": "x"},
        user_managed=True,
        pip_packages=["numpy"],
        vm_priority="spot",
    )
    assert [finding.where for finding in found] == [
        "entry_script", "script_params['--x']", "environment_variables['A-B']", "node_count", "time", "memory",
        "partition", "vm_priority", "sbatch['wrap']", "user_managed",
    ]  # fmt: skip
    assert all(finding.what and finding.remedy for finding in found)


def test_the_error_lists_all_findings_and_has_exit_code_2(source: Path) -> None:
    with pytest.raises(SpecError) as caught:
        TensorFlow(source, node_count=0, time="soon")
    assert isinstance(caught.value, InputError)
    assert caught.value.exit_code == 2
    assert str(caught.value) == "\n".join(map(str, caught.value.findings))
    assert [finding.code for finding in caught.value.findings] == ["out-of-range", "bad-time"]


@pytest.mark.parametrize(
    ("parameter", "flags"),
    [
        ("sbatch", "output error chdir nodes ntasks ntasks-per-node ntasks-per-gpu array wrap parsable wait test-only signal "
                   "open-mode"),
        ("srun", "output error chdir ntasks nodes ntasks-per-gpu multi-prog"),
    ],
)  # fmt: skip
def test_flags_that_slurmtf_sets_itself_are_refused(source: Path, parameter: str, flags: str) -> None:
    for flag in flags.split():
        settings: dict[str, Any] = {parameter: {flag: "1"}}
        assert [(one.where, one.code) for one in refused(source, **settings)] == [
            (f"{parameter}[{flag!r}]", "reserved-flag")
        ], flag


@pytest.mark.parametrize(
    ("files", "named"),
    [
        (["__init__.py", "__main__.py", "a.py"], "pkg.__main__"),
        (["__init__.py", "b.py", "c.py"], "pkg/b.py"),
        (["notes.txt"], "pkg/train.py"),
    ],
)
def test_a_folder_as_script_is_refused_with_the_program_in_it(tmp_path: Path, files: list[str], named: str) -> None:
    (tmp_path / "pkg").mkdir()
    for name in files:
        (tmp_path / "pkg" / name).touch()
    with pytest.raises(SpecError) as caught:
        TensorFlow(tmp_path, entry_script="pkg")
    assert [(found.code, f" {named} " in found.remedy) for found in caught.value.findings] == [("script-is-folder", True)]
