"""The estimator as a job file: nothing is lost in either direction, and editors get a correct schema."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slurmtf.errors import SpecError
from slurmtf.estimator import (
    Environment,
    Estimator,
    Input,
    Mpi,
    MultiWorker,
    Notice,
    ParameterServer,
    Restart,
    Stall,
    TensorFlow,
)
from slurmtf.estimator.document import ESTIMATORS, build_job_schema, from_yaml, list_parameters
from slurmtf.estimator.flags import OWN_SBATCH_FLAGS, OWN_SRUN_FLAGS, PARAMETER_OF, find_completions
from slurmtf.estimator.inputs import MODES
from slurmtf.estimator.life import SIGNALS
from slurmtf.estimator.quantities import normalize_flag
from slurmtf.sites import Site
from tests.unit.support import tells

# --- the whole parameter space

ARGUMENT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20) | st.binary(max_size=20).map(
    lambda data: os.fsdecode(data.replace(b"\0", b""))
)
NUMBER = st.integers() | st.floats(allow_nan=False)
SCALAR = ARGUMENT | NUMBER | st.booleans()
LINE = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=20)
WORD = LINE.filter(lambda text: not text.startswith("-"))
NAME = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,10}", fullmatch=True)
MEMORY = st.integers(0, 10**6) | st.from_regex(r"[1-9][0-9]{0,4}([KMGT]B?)?", fullmatch=True)
TIME = st.integers(1, 500_000) | st.sampled_from(["90", "1:30", "1:30:00", "2-12", "2-12:00:30"])
WORDS = st.lists(WORD, min_size=1, max_size=3)
PACKAGES = st.lists(LINE, min_size=1, max_size=3)
INPUT = st.builds(Input, LINE, st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,5}", fullmatch=True), st.sampled_from(MODES))

TIMES = st.integers(0, 10_000) | st.just("unlimited")
RESTART = TIMES | st.builds(Restart, TIMES)


def flags(reserved: set[str]) -> st.SearchStrategy[dict[str, Any]]:
    names = st.from_regex(r"(--)?[a-z][a-z_-]{0,10}", fullmatch=True).filter(
        lambda name: normalize_flag(name) not in reserved and not find_completions(normalize_flag(name))
    )
    values = LINE | NUMBER | st.booleans() | st.none() | st.lists(LINE | NUMBER, max_size=3)
    return st.dictionaries(names, values, max_size=3)


FREE: dict[str, st.SearchStrategy[Any]] = {
    "compute_target": st.sampled_from(["lumi-g", "./mine.yaml"]),
    "vm_size": LINE,
    "vm_priority": st.sampled_from(["dedicated", "lowpriority"]),
    "entry_script": st.sampled_from(["train.py", "sub/main.py", "./train.py", "-x.py"]),
    "script_params": st.dictionaries(ARGUMENT, st.none() | SCALAR | st.lists(SCALAR, max_size=3), max_size=4)
    | st.lists(SCALAR, max_size=4),
    "environment_variables": st.dictionaries(NAME, ARGUMENT | NUMBER, max_size=3),
    "inputs": st.lists(INPUT, min_size=1, max_size=3, unique_by=lambda item: item.name),
    "stage": st.sampled_from(["node-local", "shared"]),
    "source_directory_data_store": LINE,
    "resume_from": ARGUMENT.filter(str.strip),
    "restarts": st.dictionaries(st.sampled_from(["time-limit", "preempted", "out-of-memory"]), RESTART, max_size=3),
    "notice": st.builds(Notice, st.integers(1, 86_400), st.none() | st.sampled_from(SIGNALS), st.none() | st.integers(1, 255)),
    "stall": st.builds(Stall, st.integers(1, 600), st.sampled_from(["warn", "end"]), st.booleans()),
    "cpus_per_task": st.integers(1, 100_000),
    "mail_type": PACKAGES | LINE,
    "exclusive": st.booleans(),
    "autolog": st.just("keras"),
    "legacy_keras": st.booleans(),
    "azureml": st.booleans(),
    "primary_metric": LINE,
    "silence": PACKAGES,
    "memory": MEMORY,
    "sbatch": flags(set(OWN_SBATCH_FLAGS) | set(PARAMETER_OF)),
    "srun": flags(set(OWN_SRUN_FLAGS)),
    **dict.fromkeys(("job_name", "partition", "account", "qos", "constraint", "mail_user", "launcher", "template"), LINE),
    "framework_version": LINE,
}
"""Parameters of which each may be given whatever the others are."""
COUNT = st.integers(1, 1000)
LIMIT = st.one_of(
    st.fixed_dictionaries({"time": TIME}), st.fixed_dictionaries({"max_run_duration_seconds": st.integers(1, 10**6)})
)
GPUS = st.one_of(
    st.fixed_dictionaries({"use_gpu": st.just(True)}, optional={"gpu_type": LINE, "gpus_per_node": st.integers(1000, 1024)}),
    st.fixed_dictionaries({"gpus_per_node": st.integers(1000, 1024)}, optional={"gpu_type": LINE}),
    st.just({"gpus_per_node": 0}),
)
DISTRIBUTION = st.one_of(
    st.fixed_dictionaries(
        {"distributed_backend": st.sampled_from(["mpi", "MPI"]), "node_count": COUNT},
        optional={"process_count_per_node": COUNT},
    ),
    st.fixed_dictionaries(
        {"distributed_backend": st.just("ps"), "node_count": COUNT},
        optional={"worker_count": COUNT, "parameter_server_count": st.integers(0, 1000)},
    ),
    st.fixed_dictionaries({"distributed_backend": st.just("multiworker")}, optional={"worker_count": COUNT}),
    st.fixed_dictionaries({"distributed_backend": st.just("jax")}, optional={"process_count_per_node": COUNT}),
    st.fixed_dictionaries(
        {
            "distributed_training": st.builds(Mpi, COUNT, transport=st.sampled_from(["auto", "gloo"]))
            | st.builds(ParameterServer, COUNT, st.integers(0, 9), layout=st.sampled_from(["auto", "chief"]))
            | st.builds(MultiWorker, COUNT, chief=st.booleans()),
            "node_count": COUNT,
        }
    ),
)
SOFTWARE = st.one_of(
    st.fixed_dictionaries({"user_managed": st.booleans()}),
    st.fixed_dictionaries(
        {"pip_packages": PACKAGES}, optional={"conda_packages": WORDS, "pip_requirements_file": st.just("requirements.txt")}
    ),
    st.just({"conda_dependencies_file": "environment.yml"}),
    st.fixed_dictionaries({"environment_definition": st.builds(Environment, st.none() | WORD, st.lists(WORD, max_size=2))}),
    st.fixed_dictionaries(
        {"custom_docker_image": WORD},
        optional={
            "use_docker": st.just(True),
            "shm_size": st.just("1g"),
            "image_registry_details": st.fixed_dictionaries(
                {"username": LINE, "password": LINE}, optional={"address": ARGUMENT}
            ),
        },
    ),
)
BOUND = {
    "time", "max_run_duration_seconds", "use_gpu", "gpu_type", "gpus_per_node", "distributed_backend", "node_count",
    "process_count_per_node", "worker_count", "parameter_server_count", "distributed_training", "user_managed",
    "pip_packages", "conda_packages", "pip_requirements_file", "conda_dependencies_file", "environment_definition",
    "custom_docker_image", "use_docker", "shm_size", "image_registry_details",
}  # fmt: skip
"""Parameters that are drawn together with those on which it depends what they may be."""
NONE: st.SearchStrategy[dict[str, Any]] = st.just({})
SETTINGS = st.tuples(
    st.fixed_dictionaries({}, optional=FREE), *(NONE | group for group in (LIMIT, GPUS, DISTRIBUTION, SOFTWARE))
).map(lambda parts: {name: value for part in parts for name, value in part.items()})


def test_the_strategy_draws_every_parameter() -> None:
    assert {"source_directory", *FREE, *BOUND} == set(list_parameters())


@given(chosen=SETTINGS)
@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
def test_an_estimator_survives_a_job_file(
    source: Path, tmp_path_factory: pytest.TempPathFactory, chosen: dict[str, Any]
) -> None:
    estimator = TensorFlow(source, **chosen)
    file = tmp_path_factory.getbasetemp() / "job.yaml"
    file.write_text(estimator.to_yaml(), encoding="utf-8")
    again = from_yaml(file)
    assert again == estimator
    assert again.arguments == estimator.arguments
    assert again.to_yaml() == estimator.to_yaml()


def test_the_generic_estimator_survives_a_job_file(source: Path, tmp_path: Path) -> None:
    estimator = Estimator(source, distributed_backend="mpi", process_count_per_node=2)
    assert from_yaml(written(tmp_path, estimator.to_yaml())) == estimator


def test_a_job_file_holds_only_what_was_set(source: Path) -> None:
    assert TensorFlow(source).to_document() == {
        "estimator": "TensorFlow", "source_directory": str(source), "entry_script": "train.py",
    }  # fmt: skip
    document = TensorFlow(source, exclusive=False, memory=0, script_params={}, distributed_training=Mpi(2)).to_document()
    assert (document["exclusive"], document["memory"], document["script_params"]) == (False, 0, {})
    assert document["distributed_training"] == {**dataclasses.asdict(Mpi(2))}


def test_a_job_file_names_a_site_object(source: Path) -> None:
    assert TensorFlow(source, compute_target=Site(name="mine")).to_document()["compute_target"] == "mine"
    read = Site(name="mine", source="/sites/mine.yaml")
    assert TensorFlow(source, compute_target=read).to_document()["compute_target"] == "/sites/mine.yaml"


# --- job files that people write


def written(folder: Path, text: str) -> Path:
    path = folder / "job.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("line", "folder"),
    [("", "."), ("source_directory: null", "."), ("source_directory: src", "src"), ("source_directory: ~/src", "src")],
)
def test_the_source_directory_is_relative_to_the_job_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, folder: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "src").mkdir()
    for script in ("train.py", "src/train.py"):
        (tmp_path / script).write_text("", encoding="utf-8")
    estimator = from_yaml(written(tmp_path, f"estimator: TensorFlow\n{line}\n"))
    assert estimator.source_directory == str((tmp_path / folder).resolve())


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "train.py").write_text("", encoding="utf-8")
    (tmp_path / "requirements.txt").write_text("", encoding="utf-8")
    return tmp_path


def test_a_job_file_is_read(project: Path) -> None:
    text = """
script_params: {--lr: 1e-3, --verbose: , --layers: [1, 2], --name: "no"}
environment_variables: {OMP_NUM_THREADS: 8, TOKEN: "01"}
time: 1:30:00
node_count: 2
distributed_training: {backend: ps, worker_count: 3}
environment_definition: {python: python3.11, modules: [tensorflow/2.16]}
pip_requirements_file_path:
sbatch: {hint: nomultithread, requeue: true}
"""
    estimator = from_yaml(written(project, text))
    assert isinstance(estimator, TensorFlow)
    assert estimator == TensorFlow(
        project,
        script_params={"--lr": "1e-3", "--verbose": None, "--layers": [1, 2], "--name": "no"},
        environment_variables={"OMP_NUM_THREADS": "8", "TOKEN": "01"},
        time="1:30:00",
        node_count=2,
        distributed_training=ParameterServer(3),
        environment_definition=Environment("python3.11", ["tensorflow/2.16"]),
        sbatch={"hint": "nomultithread", "requeue": True},
    )


@pytest.mark.parametrize(
    "text",
    ["2.10", "007", "1234e56", "0e462097", "0x1F", "1e3", "0042", "-0", "+5", ".5", "0o17", "true", "False", "no", "10", "0.1"],
)
def test_numbers_of_a_job_file_reach_the_script_as_they_are_written(project: Path, text: str) -> None:
    job = f"script_params: {{--x: {text}, --several: [{text}, a]}}\nenvironment_variables: {{X: {text}}}\n"
    estimator = from_yaml(written(project, job))
    assert estimator.arguments == ("--x", text, "--several", text, "a")
    assert estimator.environment_variables == {"X": text}
    assert from_yaml(written(project, f"script_params: [{text}]\n")).arguments == (text,)


@pytest.mark.parametrize(
    ("name", "text"),
    [("account", "00123"), ("framework_version", "2.10"), ("job_name", "2024"), ("partition", "1e3")],
)
def test_a_number_for_a_text_setting_is_taken_as_written(project: Path, name: str, text: str) -> None:
    assert getattr(from_yaml(written(project, f"{name}: {text}\n")), name) == text
    assert from_yaml(written(project, "use_gpu: true\ngpu_type: 1080\n")).gpu_type == "1080"


def test_flags_of_a_job_file_are_kept_as_written(project: Path) -> None:
    estimator = from_yaml(written(project, "sbatch: {comment: 2.10, nodelist: [007], nice: 5, requeue: true}\n"))
    assert estimator.sbatch == {"comment": "2.10", "nodelist": ["007"], "nice": 5, "requeue": True}


def test_a_template_is_looked_for_next_to_the_job_file(project: Path) -> None:
    assert from_yaml(written(project, "template: ./mine.sh.j2\n")).template == str(project / "mine.sh.j2")
    assert from_yaml(written(project, "template: mine.sh.j2\n")).template == "mine.sh.j2"


def test_a_job_file_may_use_an_old_name(project: Path) -> None:
    estimator = from_yaml(written(project, "pip_requirements_file_path: requirements.txt\n"))
    assert estimator.pip_requirements_file == "requirements.txt"


@pytest.mark.parametrize(
    ("text", "findings"),
    [
        ("estimator: Tensorflow\n", [("unknown-estimator", "1: estimator", "'TensorFlow'")]),
        ("estimator: Estimator\nworker_count: 2\n", [("unknown-key", "2: worker_count", "")]),
        ("node_cuont: 2\n", [("unknown-key", "1: node_cuont", "'node_count'")]),
        ("node_count: two\n", [("bad-value", "1: node_count", "'two'")]),
        ("a: 1\n\tb: 2\n", [("yaml-syntax", "2", "tab")]),
        ("\nnode_count: 0\ntime: soon\n", [("out-of-range", "2: node_count", "0"), ("bad-time", "3: time", "'soon'")]),
        ("environment_variables:\n  A-B: x\n", [("bad-variable-name", "2: environment_variables.A-B", "")]),
        ("sbatch:\n  wrap: x\n", [("reserved-flag", "2: sbatch.wrap", "")]),
        ('script_params:\n  - a\n  - "\\0"\n', [("nul-character", "3: script_params.1", "NUL")]),
        ("distributed_training: {worker_count: 2}\n", [("unknown-kind", "1: distributed_training.backend", "")]),
        ("distributed_training: {backend: mpi, wokrers: 2}\n", [("unknown-key", "1: distributed_training.wokrers", "")]),
        ("entry_script: trian.py\n", [("script-missing", "1: entry_script", "{folder}/trian.py")]),
        (
            "node_cuont: 2\nnode_count: two\nmemory: 12XB\nentry_script: trian.py\n",
            [
                ("bad-value", "2: node_count", "'two'"),
                ("unknown-key", "1: node_cuont", "'node_count'"),
                ("script-missing", "4: entry_script", "{folder}/trian.py"),
                ("bad-memory", "3: memory", "'12XB'"),
            ],
        ),
        (
            "node_cuont: 2\nsource_directory: nosuch\n",
            [("unknown-key", "1: node_cuont", ""), ("source-missing", "2: source_directory", "{folder}/nosuch")],
        ),
    ],
)
def test_errors_of_a_job_file_are_reported_with_their_line(
    project: Path, text: str, findings: list[tuple[str, str, str]]
) -> None:
    file = written(project, text)
    with pytest.raises(SpecError) as caught:
        from_yaml(file)
    found = caught.value.findings
    assert [(one.code, one.source or one.where) for one in found] == [(code, f"{file}:{where}") for code, where, _ in findings]
    assert all(tells(one, fact.format(folder=project)) for one, (*_, fact) in zip(found, findings, strict=True))


# --- the schema for editors

GOOD: list[dict[str, Any]] = [
    {},
    {"estimator": "TensorFlow", "node_count": 2, "distributed_backend": "mpi", "time": "1:30:00", "memory": 16000},
    {"script_params": {"--lr": 0.1, "--flag": None, "--xs": [1, "b"]}},
    {"script_params": ["--lr", 0.1]},
    {"distributed_training": {"backend": "ps", "worker_count": 2, "parameter_server_count": 1}},
    {"environment_definition": {"python": "python3", "modules": ["tensorflow"]}},
    {"sbatch": {"hint": "nomultithread", "requeue": True, "comment": ["a", "b"], "gone": None}},
    {"custom_docker_base_image": "tf.sif"},
    {"environment_variables": {"OMP_NUM_THREADS": 8, "TOKEN": "x"}},
]
BAD: list[dict[str, Any]] = [
    {"node_cuont": 2},
    {"node_count": "two"},
    {"estimator": "Keras"},
    {"use_gpu": "perhaps"},
    {"vm_priority": "spot"},
    {"pip_packages": "numpy"},
    {"script_params": "--lr 1"},
    {"sbatch": ["hint"]},
    {"sbatch": {"hint": {"a": 1}}},
    {"distributed_training": "mpi"},
    {"compute_target": 5},
    {"environment_variables": {"A": [1]}},
]


def test_the_schema_names_exactly_the_parameters() -> None:
    schema = build_job_schema()
    old_names = {"custom_docker_base_image", "conda_dependencies_file_path", "pip_requirements_file_path"}
    assert set(schema["properties"]) == {"estimator", *list_parameters(), *old_names}
    assert schema["additionalProperties"] is False
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["properties"]["estimator"]["enum"] == list(ESTIMATORS)


def test_the_schema_describes_every_parameter() -> None:
    schema = build_job_schema()
    assert [name for name, about in schema["properties"].items() if not about.get("description")] == []
    defaults = {
        field.name: field.default for field in dataclasses.fields(TensorFlow) if field.default is not dataclasses.MISSING
    }
    assert {name: schema["properties"][name]["default"] for name in defaults} == defaults


def test_the_schema_refers_only_to_its_own_definitions() -> None:
    schema = build_job_schema()
    kinds = {"Environment", "Input", "Jax", "Mpi", "MultiWorker", "Notice", "ParameterServer", "Restart", "Stall"}
    assert set(schema["$defs"]) == kinds
    assert references(schema) == {f"#/$defs/{kind}" for kind in kinds}


def references(part: Any) -> set[str]:
    if isinstance(part, list):
        return {found for item in part for found in references(item)}
    if not isinstance(part, dict):
        return set()
    own = {part["$ref"]} if "$ref" in part else set()
    return own.union(*(references(value) for value in part.values()))


def test_the_schema_is_valid_and_detects_errors() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(build_job_schema())
    validator = jsonschema.Draft202012Validator(build_job_schema())
    assert [document for document in GOOD if not validator.is_valid(document)] == []
    assert [document for document in BAD if validator.is_valid(document)] == []


@pytest.mark.parametrize("document", GOOD)
def test_what_the_schema_accepts_can_be_read(project: Path, document: dict[str, Any]) -> None:
    from slurmtf.documents import dump_yaml

    from_yaml(written(project, dump_yaml({"estimator": "TensorFlow", **document})))


@pytest.mark.parametrize("document", BAD)
def test_what_the_schema_refuses_is_refused(project: Path, document: dict[str, Any]) -> None:
    from slurmtf.documents import dump_yaml

    with pytest.raises(SpecError):
        from_yaml(written(project, dump_yaml(document)))
