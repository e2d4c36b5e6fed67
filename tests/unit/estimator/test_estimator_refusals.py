"""What an estimator refuses, and what is said about it: one case for each rule."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest

from slurmtf.errors import InputError, SpecError
from slurmtf.estimator import Environment, Estimator, Mpi, MultiWorker, ParameterServer, TensorFlow
from slurmtf.estimator.arguments import LONGEST_ARGUMENT
from slurmtf.estimator.quantities import LONGEST_S, TIME_FORMATS
from tests.unit.support import refused

Case = tuple[dict[str, Any], str, str]
"""Settings; where it is wrong and what; and the remedy."""

IN_FOLDER = "set the script's path in source_directory, or its module's name ('pkg.train')"
LINES = "an #SBATCH line can't carry them: leave them out"
TOO_LONG = f"is {LONGEST_ARGUMENT + 1} bytes long; Linux passes at most {LONGEST_ARGUMENT} in one argument or variable"
NO_NUL = "no process can receive one: write it another way"
MOVE = "move the script into source_directory, or give the folder above both as source_directory"
NAMES = "use letters, digits and underscores"
LOGS = "read it with 'slurmtf logs'"
FLAG = "write it as the man page does, for example 'hint'"
PLAIN = "give a text, a number or true, or a list of texts"
TIMES = f"write it as 1:30:00 (an hour and a half), or another of {TIME_FORMATS}"
MEMORY = "write it as 16G or 16000M; a number alone is MiB"
FROM_0, FROM_1 = "give a number from 0 on", "give a number from 1 on"
MILLION = "is not between 1 and 1000000"

SOURCE: list[Case] = [
    ({"entry_script": "trian.py"}, "entry_script: {source}/trian.py does not exist", "did you mean 'train.py'?"),
    ({"entry_script": "nothing/alike"}, "entry_script: {source}/nothing/alike does not exist", IN_FOLDER),
    ({"entry_script": "a\0b.py"}, "entry_script: {source}/a\0b.py does not exist", IN_FOLDER),
    ({"entry_script": "sub"}, "entry_script: {source}/sub is a folder", "give the script in it, sub/main.py for example"),
    ({"entry_script": "../x.py"}, "entry_script: {parent}/x.py lies outside source_directory {source}", MOVE),
    ({"entry_script": "/etc/passwd"}, "entry_script: /etc/passwd lies outside source_directory {source}", MOVE),
    ({"entry_script": "notes.txt"}, "entry_script: notes.txt is not a Python script",
     "give a .py file that starts the training"),
]  # fmt: skip
TEXTS: list[Case] = [
    ({"script_params": "--lr 1"}, "script_params: '--lr 1' is neither a mapping nor a list", "write {{'--lr': 0.01}}"),
    ({"script_params": {"--x": "a\0b"}}, "script_params['--x']: holds a NUL character", NO_NUL),
    ({"script_params": {"--x\0": 1}}, "script_params: holds a NUL character", NO_NUL),
    ({"script_params": ["a", "b\0"]}, "script_params[1]: holds a NUL character", NO_NUL),
    ({"script_params": {"--x": "\ud800"}}, "script_params['--x']: '\\ud800' is half a character",
     "no process can receive it: leave it out"),
    ({"script_params": {"--x": ["y" * (LONGEST_ARGUMENT + 1)]}}, f"script_params['--x']: {TOO_LONG}",
     "write it to a file in source_directory and pass the file's name"),
    ({"script_params": {"--x": {"a": 1}}}, "script_params['--x']: {{'a': 1}} of type dict can't be an argument",
     "give a text, a number, a path, or a list of these"),
    ({"script_params": {None: 1}}, "script_params: None is not a name for an argument",
     "write it as a text, for example '--lr'"),
    ({"resume_from": "a\0b"}, "resume_from: holds a NUL character", NO_NUL),
    ({"environment_variables": "A=1"}, "environment_variables: 'A=1' is not a mapping", "write {{'NAME': 'value'}}"),
    ({"environment_variables": {"A-B": "1"}}, "environment_variables['A-B']: is not a name for a variable", NAMES),
    ({"environment_variables": {"1A": "1"}}, "environment_variables['1A']: is not a name for a variable", NAMES),
    ({"environment_variables": {"A\n": "1"}}, "environment_variables['A\\n']: is not a name for a variable", NAMES),
    ({"environment_variables": {"A": True}}, "environment_variables['A']: True is not a text",
     "write the text that the script shall read"),
    ({"environment_variables": {"A": "\0"}}, "environment_variables['A']: holds a NUL character", NO_NUL),
    ({"partition": "gpu\nrm"}, "partition: 'gpu\\nrm' holds control characters", LINES),
    ({"job_name": " "}, "job_name: ' ' is not a text", "give a text, or leave it out"),
    ({"job_name": "n" * 1025}, "job_name: has 1025 characters; Slurm takes at most 1024", "shorten it"),
    ({"account": 12}, "account: 12 is not a text", "give a text, or leave it out"),
]  # fmt: skip
KINDS: list[Case] = [
    ({"use_gpu": 2}, "use_gpu: 2 is neither true nor false", "give one of them; gpus_per_node says how many GPUs"),
    ({"exclusive": "user"}, "exclusive: 'user' is neither true nor false",
     "give one of them; sbatch={{'exclusive': 'user'}} and the like say more"),
    ({"pip_packages": 5}, "pip_packages: 5 is not a list of texts", "write pip_packages=['...']"),
    ({"conda_packages": [1]}, "conda_packages: [1] is not a list of texts", "write conda_packages=['...']"),
    ({"image_registry_details": {"port": 80}}, "image_registry_details: is not a mapping of texts",
     "write {{'address': ..., 'username': ..., 'password': ...}}"),
    # 1.3, 16
    ({"inputs": "/data"}, "inputs: '/data' is not a list of inputs", "write [Input('/data/mnist', mode='download')]"),
    ({"inputs": ["/data"]}, "inputs: ['/data'] is not a list of inputs", "write [Input('/data/mnist', mode='download')]"),
    ({"stage": "local"}, "stage: 'local' is unknown", "give one of node-local, shared"),
]  # fmt: skip
OWNERS = {
    "process_count_per_node": "distributed_backend='mpi'",
    "worker_count": "distributed_backend='ps' or distributed_backend='multiworker'",
    "parameter_server_count": "distributed_backend='ps'",
}


def foreign(backend: str | None, name: str, count: int) -> Case:
    """A count that nothing would look at (1.3, 1 and 2)."""
    what = f"means nothing with distributed_backend='{backend}'" if backend else "needs a distributed_backend"
    wrong = {name: count, **({"distributed_backend": backend} if backend else {})}
    return wrong, f"{name}: {what}", f"give {OWNERS[name]}, or leave {name} out"


COUNTS: list[Case] = [
    # 1.3, 6
    ({"node_count": 0}, f"node_count: 0 {MILLION}", FROM_1),
    ({"node_count": -1}, f"node_count: -1 {MILLION}", FROM_1),
    ({"node_count": 10**9, "distributed_backend": "mpi"}, f"node_count: 1000000000 {MILLION}", "give at most 1000000"),
    ({"node_count": "2"}, "node_count: '2' is not a whole number", "give one from 1 on"),
    ({"node_count": 1.5}, "node_count: 1.5 is not a whole number", "give one from 1 on"),
    ({"node_count": True}, "node_count: True is not a whole number", "give one from 1 on"),
    ({"distributed_backend": "mpi", "process_count_per_node": 0}, f"process_count_per_node: 0 {MILLION}", FROM_1),
    ({"distributed_training": Mpi(0)}, f"process_count_per_node: 0 {MILLION}", FROM_1),
    ({"distributed_backend": "ps", "worker_count": 0}, f"worker_count: 0 {MILLION}", FROM_1),
    ({"distributed_backend": "multiworker", "worker_count": 0}, f"worker_count: 0 {MILLION}", FROM_1),
    ({"distributed_backend": "ps", "parameter_server_count": -1},
     "parameter_server_count: -1 is not between 0 and 1000000", FROM_0),
    ({"gpus_per_node": -1}, "gpus_per_node: -1 is not between 0 and 1024", FROM_0),
    ({"cpus_per_task": 0}, "cpus_per_task: 0 is not between 1 and 100000", FROM_1),
    # 1.3, 10
    ({"node_count": 2}, "node_count: 2 nodes need a distribution of the work",
     "give distributed_backend='mpi', 'ps' or 'multiworker', or one node"),
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
    ({"distributed_backend": "nccl"}, "distributed_backend: 'nccl' is not one of those TensorFlow supports: "
     "mpi, ps, multiworker", "give mpi, ps, multiworker"),
    ({"distributed_backend": "mpl"}, "distributed_backend: 'mpl' is not one of those TensorFlow supports: "
     "mpi, ps, multiworker", "did you mean 'mpi'?"),
    ({"distributed_training": "mpi"}, "distributed_training: 'mpi' is not one that TensorFlow supports",
     "give one of Mpi, ParameterServer, MultiWorker"),
    # what the original never checked
    ({"distributed_backend": "ps", "distributed_training": Mpi()},
     "distributed_training: is Mpi, but distributed_backend is 'ps'", "leave distributed_backend out"),
    ({"distributed_training": Mpi(2), "process_count_per_node": 4},
     "process_count_per_node: 4 disagrees with distributed_training={mpi2}",
     "give process_count_per_node only in distributed_training"),
    ({"distributed_training": Mpi(2), "worker_count": 2}, "worker_count: 2 disagrees with distributed_training={mpi2}",
     "give worker_count only in distributed_training"),
    ({"distributed_backend": "mpi", "process_count_per_node": 8, "gpus_per_node": 4},
     "gpus_per_node: 4 GPUs on a node are too few for 8 processes that take one each",
     "give gpus_per_node=8, or fewer processes"),
    ({"distributed_backend": "ps", "worker_count": 5, "node_count": 2, "gpus_per_node": 2},
     "gpus_per_node: 2 GPUs on a node are too few for 3 processes that take one each",
     "give gpus_per_node=3, or fewer processes"),
]  # fmt: skip
QUANTITIES: list[Case] = [
    ({"time": "1 hour"}, "time: '1 hour' is not a time limit that Slurm knows", TIMES),
    ({"time": datetime.timedelta(0)}, "time: 'datetime.timedelta(0)' is not a time limit that Slurm knows", TIMES),
    ({"time": -5}, "time: -5 is not a time limit that Slurm knows", TIMES),
    ({"time": "400-0"}, "time: '400-0' is not a time limit that Slurm knows", TIMES),
    ({"memory": "16 GB"}, "memory: '16 GB' is not a memory size that Slurm knows", MEMORY),
    ({"memory": "16G\n"}, "memory: '16G\\n' is not a memory size that Slurm knows", MEMORY),
    ({"memory": -1}, "memory: -1 is not a memory size that Slurm knows", MEMORY),
    ({"max_run_duration_seconds": 0}, f"max_run_duration_seconds: 0 is not between 1 and {LONGEST_S}", FROM_1),
    ({"max_run_duration_seconds": 60, "time": 1}, "max_run_duration_seconds: says the same as time", "give one of them"),
    ({"use_gpu": True, "gpus_per_node": 0}, "gpus_per_node: is 0, but use_gpu is true", "leave one of them out"),
    ({"gpu_type": "a100"}, "gpu_type: is given, but no GPU is asked for", "give use_gpu=True or gpus_per_node"),
    ({"vm_priority": "spot"}, "vm_priority: 'spot' is unknown", "give 'dedicated' or 'lowpriority'"),
]  # fmt: skip
SOFTWARE: list[Case] = [
    # 1.3, 3
    ({"use_docker": False, "custom_docker_image": "tf.sif"},
     "use_docker: is false, but custom_docker_image names an image", "leave one of them out"),
    # 1.3, 5
    ({"conda_dependencies_file": "environment.yml", "pip_packages": ["numpy"], "conda_packages": ["scipy"]},
     "conda_dependencies_file: is the whole environment, but conda_packages, pip_packages add to it",
     "put everything into the file"),
    ({"conda_dependencies_file": "environment.yml", "pip_requirements_file": "requirements.txt"},
     "conda_dependencies_file: is the whole environment, but pip_requirements_file add to it",
     "put everything into the file"),
    # 1.3, 9
    ({"user_managed": True, "pip_packages": ["numpy"]}, "user_managed: is true, but pip_packages ask for packages",
     "leave user_managed out to have them installed, or leave the packages out"),
    # 1.3, 14
    ({"conda_dependencies_file": "none.yml"}, "conda_dependencies_file: none.yml is not a file in {source}",
     "it must lie inside source_directory"),
    ({"pip_requirements_file": "none.txt"}, "pip_requirements_file: none.txt is not a file in {source}",
     "it must lie inside source_directory"),
    ({"conda_dependencies_file": "../outside.yml"},
     "conda_dependencies_file: ../outside.yml is not a file in {source}", "it must lie inside source_directory"),
]  # fmt: skip
TARGET: list[Case] = [
    ({"compute_target": 5}, "compute_target: 5 is neither a name, a path nor a Site", "give 'local' or a site's name"),
    # 1.3, 13
    ({"compute_target": "local", "node_count": 2, "distributed_backend": "mpi"},
     "node_count: 'local' is one machine, but node_count is 2", "give one node, or another compute_target"),
]  # fmt: skip
PASSED_ON: list[Case] = [
    ({"sbatch": ["hint"]}, "sbatch: ['hint'] is not a mapping", "write sbatch={{'hint': 'nomultithread'}}"),
    ({"sbatch": {"output": "x"}}, "sbatch['output']: can't be passed through", f"the job's log is in the run folder: {LOGS}"),
    ({"srun": {"--error": "x"}}, "srun['--error']: can't be passed through",
     f"each process has its log in the run folder: {LOGS}"),
    ({"sbatch": {"--open_mode": "truncate"}}, "sbatch['--open_mode']: can't be passed through",
     "slurmtf appends, so that a requeued job keeps its log"),
    ({"sbatch": {"nodes": 2}}, "sbatch['nodes']: can't be passed through", "give node_count"),
    ({"srun": {"ntasks": 2}}, "srun['ntasks']: can't be passed through",
     "the distribution decides how many processes run"),
    ({"sbatch": {"hint\n": "x"}}, "sbatch['hint\\n']: is not the long name of a flag", FLAG),
    ({"sbatch": {"a b": "x"}}, "sbatch['a b']: is not the long name of a flag", FLAG),
    ({"sbatch": {"-px": "x"}}, "sbatch['-px']: is not the long name of a flag", FLAG),
    ({"sbatch": {"-D": "/x"}}, "sbatch['-D']: can't be passed through",
     "each run has its folder; files that the script needs belong into source_directory"),
    ({"srun": {"-n": 2}}, "srun['-n']: can't be passed through", "the distribution decides how many processes run"),
    ({"sbatch": {"comment": "a\nb"}}, "sbatch['comment']: 'a\\nb' holds control characters", LINES),
    ({"sbatch": {"comment": {"a": 1}}}, "sbatch['comment']: {{'a': 1}} is neither text nor number", PLAIN),
    ({"srun": {"comment": ["a", None]}}, "srun['comment']: None is neither text nor number", PLAIN),
    ({"sbatch": {"time": 10}, "time": 10}, "sbatch['time']: says the same as time", "give one of them"),
    ({"sbatch": {"time": 10}, "max_run_duration_seconds": 10}, "sbatch['time']: says the same as max_run_duration_seconds",
     "give one of them"),
    ({"sbatch": {"time": "soon"}}, "sbatch['time']: 'soon' is not a time limit that Slurm knows", TIMES),
    ({"sbatch": {"mem-per-cpu": "1G"}, "memory": "8G"}, "sbatch['mem-per-cpu']: excludes memory", "give one of them"),
    ({"sbatch": {"mem_per_gpu": "1G"}, "memory": "8G"}, "sbatch['mem-per-gpu']: excludes memory", "give one of them"),
    ({"sbatch": {"cpus-per-gpu": 2}, "cpus_per_task": 8}, "sbatch['cpus-per-gpu']: excludes cpus_per_task", "give one of them"),
    ({"sbatch": {"tres-per-task": "cpu=2"}, "cpus_per_task": 8}, "sbatch['tres-per-task']: excludes cpus_per_task",
     "give one of them"),
    ({"sbatch": {"oversubscribe": True}, "exclusive": True}, "sbatch['oversubscribe']: excludes exclusive", "give one of them"),
    ({"sbatch": {"ntasks-per-gpu": 1}}, "sbatch['ntasks-per-gpu']: can't be passed through",
     "the distribution decides how many processes run; set gpus_per_node"),
    ({"sbatch": {"cpus_per_task": 10}, "cpus_per_task": 10}, "sbatch['cpus-per-task']: says the same as cpus_per_task",
     "give one of them"),
]  # fmt: skip
ALL = [*SOURCE, *TEXTS, *KINDS, *COUNTS, *DISTRIBUTION, *QUANTITIES, *SOFTWARE, *TARGET, *PASSED_ON]


def about(text: str, source: Path) -> str:
    return text.format(source=source, parent=source.parent, mpi2=repr(Mpi(2)))


@pytest.mark.parametrize(("wrong", "problem", "remedy"), ALL)
def test_what_is_wrong_is_said_with_its_remedy(source: Path, wrong: dict[str, Any], problem: str, remedy: str) -> None:
    found = refused(source, **wrong)
    assert [f"{one.where}: {one.what}" for one in found] == [about(problem, source)]
    assert found[0].remedy == about(remedy, source)


@pytest.mark.parametrize("folder", ["/nonexistent", "~nobody-of-that-name/x", "a\0b"])
def test_a_source_directory_that_is_not_there(folder: str) -> None:
    (problem,) = refused(Path(folder))
    assert problem.where == "source_directory"
    assert problem.what == f"{Path(folder).absolute()} is not a folder"
    assert problem.remedy == "give the folder that holds your script"


@pytest.mark.parametrize("count", ["worker_count", "parameter_server_count"])
def test_the_generic_estimator_has_no_counts_of_workers(source: Path, count: str) -> None:
    settings: dict[str, Any] = {count: 1}
    with pytest.raises(TypeError, match=count):
        Estimator(source, **settings)


@pytest.mark.parametrize("backend", ["ps", "multiworker"])
def test_the_generic_estimator_distributes_by_mpi_alone(source: Path, backend: str) -> None:
    (found,) = refused(source, Estimator, distributed_backend=backend)
    assert (found.code, found.where, found.remedy) == ("unknown-backend", "distributed_backend", "give mpi")


@pytest.mark.parametrize("training", [ParameterServer(), MultiWorker(), "mpi"])
def test_the_generic_estimator_takes_no_other_distribution(source: Path, training: object) -> None:
    (found,) = refused(source, Estimator, distributed_training=training)
    assert (found.code, found.where, found.remedy) == ("unknown-distribution", "distributed_training", "give one of Mpi")


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
def test_an_environment_definition_stands_alone(source: Path, more: dict[str, Any]) -> None:
    """1.3, 4. The variables of the script and GPUs are no software here, and may be given beside it."""
    (found,) = refused(source, environment_definition=Environment("python3"), **more)
    assert found.where == "environment_definition"
    assert found.what == f"is the whole environment, but {next(iter(more))} add to it"
    assert found.remedy == "put everything into the Environment"


def test_an_environment_definition_goes_with_variables_and_gpus(source: Path) -> None:
    estimator = TensorFlow(
        source, environment_definition=Environment("python3"), environment_variables={"A": "1"}, use_gpu=True
    )
    assert estimator.environment_variables == {"A": "1"}


@pytest.mark.parametrize("name", ["conda_packages", "pip_packages", "conda_dependencies_file", "pip_requirements_file"])
def test_user_managed_asks_for_no_package(source: Path, name: str) -> None:
    value: Any = {"conda_dependencies_file": "environment.yml", "pip_requirements_file": "requirements.txt"}.get(
        name, ["numpy"]
    )
    (found,) = refused(source, user_managed=True, **{name: value})
    assert found.what == f"is true, but {name} ask for packages"


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
    assert [problem.where for problem in found] == [
        "entry_script", "script_params['--x']", "environment_variables['A-B']", "node_count", "time", "memory",
        "partition", "vm_priority", "sbatch['wrap']", "user_managed",
    ]  # fmt: skip
    assert all(problem.what and problem.remedy for problem in found)


def test_the_error_says_it_all_and_ends_a_command_with_2(source: Path) -> None:
    with pytest.raises(SpecError) as caught:
        TensorFlow(source, node_count=0, time="soon")
    assert isinstance(caught.value, InputError)
    assert caught.value.exit_code == 2
    assert str(caught.value) == "\n".join(map(str, caught.value.findings))
    assert str(caught.value.findings[0]) == f"node_count: 0 {MILLION}\n    -> {FROM_1}"
