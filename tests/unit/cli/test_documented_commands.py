"""The commands that documents show: each exists, accepts the arguments shown, and does what the document says.

They run here without Slurm: ``run`` and ``submit`` as far as ``plan`` goes (tests/system/slurm/test_documented.py runs them),
those that show runs get run folders with an outcome. Commands that build environments are called by
tests/integration/environments/test_command.py, sweeps by tests/integration/job/test_documented_sweeps.py, models by
tests/system/models.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import click
import pytest

from slurmtf import Experiment
from slurmtf.cli.app import app
from slurmtf.estimator.document import from_yaml
from slurmtf.job.contract.attempt import events
from slurmtf.job.contract.attempt.journal import Journal
from slurmtf.job.contract.attempt.outcome import Cause, Outcome
from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.contract.metrics.entries import Entry, to_line
from slurmtf.scheduler import JobRef, SubmittedJob
from slurmtf.submit.record import note
from tests.unit.cli.documents import DOCUMENTS, FILES, PROFILES, ROOT, documented, named
from tests.unit.cli.support import CommandLine

CONTEXT = click.Context(app)
COMMANDS = sorted(set(documented()))
PLANNED = ("run", "submit", "plan", "render", "schema", "sites")
OF_RUNS = ("cancel", "cite", "diff", "gc", "logs", "ls", "metrics", "report", "status", "wait", "why")
WITHOUT_ENVIRONMENTS = ("env list", "env remove --unused")
REFUSED = ("submit train.py -s slurm --sbatch output=x", "submit train.py -s lonestar6", "sites validate ./bad.yaml")
RUNS = {
    "5": "train-20261123-041040-a06dd9",
    "14": "train-20261123-041122-ccb983",
    "22": "train-20261123-041201-db594e",
    "29": "train-20261123-041328-d8f27b",
}
"""The runs that documents name, by their jobs."""


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with only the files that commands name."""
    folder = tmp_path_factory.mktemp("shelf")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(("document", "words"), COMMANDS)
def test_each_command_is_parsed(document: str, words: str, shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shelf)
    command, (name, *args) = command_of(shlex.split(words, comments=True))
    assert command, f"{document} shows an unknown command: {words}"
    command.make_context(name, args).close()


@pytest.mark.parametrize(("document", "words"), sorted(set(named())))
def test_commands_and_options_in_sentences_exist(document: str, words: str) -> None:
    command, (_, *args) = command_of(shlex.split(words))
    assert command, f"{document} names an unknown command: {words}"
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    asked = {arg.partition("=")[0] for arg in args if arg.startswith("-")}
    assert asked <= {*known, "--help"}, f"{document} names an unknown option: {words}"


def command_of(words: list[str]) -> tuple[click.Command | None, list[str]]:
    """Return the command named by the first words, and the words from its name on."""
    if words[0].startswith("-"):
        return app, ["slurmtf", *words]
    command = app.get_command(click.Context(app), words[0])
    if isinstance(command, click.Group) and words[1:]:
        return command.get_command(click.Context(command), words[1]), words[1:]
    return command, words


IMPORTED = re.compile(r"^ *from (slurmtf[\w.]*) import ([\w, ]+)$", re.MULTILINE)
NAMED = re.compile(r"`(slurmtf(?:\.\w+)+)\.(\w+)\b")


def test_names_imported_in_documents_exist() -> None:
    texts = [path.read_text(encoding="utf-8") for path in DOCUMENTS]
    imported = [(place, name.strip()) for text in texts for place, names in IMPORTED.findall(text) for name in names.split(",")]
    named = [(place, name) for text in texts for place, name in NAMED.findall(text) if find_spec(place)]
    assert len(imported) > 10
    assert named
    assert [(place, name) for place, name in imported + named if not hasattr(import_module(place), name)] == []


def test_the_changelog_names_every_command() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert [
        name for name in app.list_commands(click.Context(app)) if f"`{name}`" not in text and f"slurmtf {name}" not in text
    ] == []


def test_the_documents_show_many_commands() -> None:
    assert len({words.split()[0] for _, words in COMMANDS}) >= 12


@pytest.fixture
def desk(project: Path, tmp_path: Path) -> Path:
    """A project with all that documented commands name: files, profiles, an environment, ended runs."""
    for folder, files in ((project, FILES), (tmp_path / "home" / ".config" / "slurmtf" / "site_configs", PROFILES)):
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
    for prefix in (project / "venv", tmp_path / "home" / "tf"):
        (prefix / "bin").mkdir(parents=True)
        (prefix / "bin" / "python").symlink_to("/usr/bin/python3")
        (prefix / "pyvenv.cfg").write_text("", encoding="utf-8")
    (tmp_path / "home" / ".bash_profile").write_text("module() { true; }\n", encoding="utf-8")  # whatever this machine has
    return project


@pytest.fixture
def workspace(desk: Path, tmp_path: Path) -> Path:
    """The workspace with the runs, inside the project."""
    for job, run_id in RUNS.items():
        ended_run(tmp_path / "runs", run_id, job)
    return tmp_path / "runs"


def ended_run(workspace: Path, run_id: str, job: str) -> None:
    plan, _ = Experiment("train", workspace).plan(from_yaml("ended.yaml"), run_id=run_id)
    layout = RunLayout(plan.run.folder)
    for folder in (layout.journals, layout.logs):
        Path(folder).mkdir(parents=True)
    Path(layout.plan).write_text(json.dumps(plan.to_dict()), encoding="utf-8")
    note(layout, SubmittedJob(JobRef(None, job), "slurm", plan.run.folder, 1.0))
    journal = Journal(layout.journal(job, 0))
    for event in (
        events.Started(job_id=job, attempt=0, host="node1", nodes="node1", process={"host": "node1", "pid": 5, "started": 6}),
        events.Prepared(),
        events.Launched(),
        events.TaskStarted(0, "ps-0", "node1"),
        events.Ended(Outcome(Cause.SCRIPT, exit_code=0).to_dict(), 1.0),
    ):
        journal.write(event)
    Path(layout.metrics).mkdir()
    logged = [to_line(Entry("loss", value, step, float(step))) for step, value in enumerate((1.0, 0.5))]
    Path(layout.task_metrics("worker-0")).write_bytes(b"".join(logged))
    for name in ("job.log", "ps-0.out", "worker-0.out", "worker-0.err"):
        Path(layout.logs, name).write_text("training\n", encoding="utf-8")


def shown(commands: tuple[str, ...], follows: bool = False) -> list[str]:
    found = {words.partition("#")[0].strip() for _, words in COMMANDS if words.split()[0] in commands}
    return sorted(words for words in found if ("--after" in words) is follows)


@pytest.mark.usefixtures("python_3_11")
@pytest.mark.parametrize("words", shown(PLANNED))
def test_each_command_does_what_the_document_says(words: str, desk: Path, slurmtf: CommandLine) -> None:
    name, *args = shlex.split(words.replace("~/", f"{Path.home()}/").replace("/scratch/mnist", str(desk / "mnist")))
    done = slurmtf("plan" if name in ("run", "submit") else name, *args)
    assert done.exit_code == (2 if words.startswith(REFUSED) else 0), done.err
    assert done.out or done.exit_code


@pytest.mark.parametrize("words", shown(PLANNED, follows=True))
def test_each_command_follows_the_documented_runs(words: str, workspace: Path, slurmtf: CommandLine) -> None:
    done = slurmtf("plan", *shlex.split(words)[1:])
    assert (done.exit_code, workspace.is_dir()) == (0, True), done.err


@pytest.mark.parametrize("words", shown(OF_RUNS))
def test_each_command_finds_the_documented_runs(words: str, workspace: Path, slurmtf: CommandLine) -> None:
    done = slurmtf(*shlex.split(words))
    assert (done.exit_code, workspace.is_dir()) == (0, True), done.err


ERRORS = {
    "cancel nosuch": "unknown-run",
    "cite nosuch": "unknown-run",
    "completion nosuch": "usage",
    "diff 5 nosuch": "unknown-run",
    "env build nosuch.py": "script-missing",
    "env build train.py": "nothing-to-build",
    "env build-horovod nosuch": "build-failed",
    "env check nosuch.py": "script-missing",
    "env list --site nosuch": "unknown-site",
    "env rebuild 5": "not-rebuildable",
    "env rebuild nosuch.json": "bad-record",
    "env remove": "usage",
    "env remove nosuch": "unknown-environment",
    "env show nosuch": "unknown-environment",
    "export 5": "no-model",
    "export nosuch": "unknown-run",
    "gc nosuch": "usage",
    "import-azureml nosuch.py": "usage",
    "import-azureml train.py": "no-azureml",
    "logs 5 --rank 99": "unknown-rank",
    "logs 5 --role nosuch": "no-log",
    "logs nosuch": "unknown-run",
    "ls --since nosuch": "bad-since",
    "metrics nosuch": "unknown-run",
    "mirror 5": "no-tracking-server",
    "mirror nosuch": "unknown-run",
    "models get nosuch": "unknown-model",
    "models ls digits nosuch": "usage",
    "models register digits 5": "no-model",
    "models register 'a b' train.py": "bad-model-name",
    "models rm nosuch": "usage",
    "models rm nosuch:1": "unknown-model",
    "models show nosuch": "unknown-model",
    "plan nosuch.py": "script-missing",
    "render nosuch.py": "script-missing",
    "report nosuch": "unknown-run",
    "rerun 5 --with nosuch": "bad-change",
    "rerun nosuch": "unknown-run",
    "run nosuch.py": "script-missing",
    "schema nosuch": "usage",
    "score nosuch --input '*.npz'": "unknown-model",
    "serve nosuch": "unknown-model",
    "sites list nosuch": "usage",
    "sites show nosuch": "unknown-site",
    "sites validate nosuch": "unknown-site",
    "status nosuch": "unknown-run",
    "submit nosuch.py": "script-missing",
    "sweep best 5": "not-a-sweep",
    "sweep cancel 5": "not-a-sweep",
    "sweep logs 1 nosuch": "unknown-run",
    "sweep plot nosuch": "unknown-run",
    "sweep resume 5": "not-a-sweep",
    "sweep run nosuch.yaml": "unreadable",
    "sweep status 5": "not-a-sweep",
    "sweep submit nosuch.yaml": "unreadable",
    "sweep trials nosuch": "unknown-run",
    "tensorboard nosuch": "unknown-run",
    "wait nosuch": "unknown-run",
    "why nosuch": "unknown-run",
}
"""What commands refuse, and the code of each: none of these does anything."""


@pytest.mark.parametrize("words", shown(OF_RUNS))
def test_each_successful_command_succeeds_with_json_as_well(words: str, workspace: Path, slurmtf: CommandLine) -> None:
    asked = [word for word in shlex.split(words) if word != "--json"]
    text, data = slurmtf(*asked), slurmtf(*asked, "--json")
    assert (text.exit_code, data.exit_code, workspace.is_dir()) == (0, 0, True), (text, data)
    assert json.loads(data.out)["ok"]


@pytest.mark.usefixtures("workspace")
def test_each_error_has_its_code_in_json(slurmtf: CommandLine) -> None:
    found = {}
    for words in ERRORS:
        asked = shlex.split(words)
        text, data = slurmtf(*asked), slurmtf(*asked, "--json")
        found[words] = (text.exit_code, text.out, data.exit_code, *data.codes)
    assert found == {words: (2, "", 2, code) for words, code in ERRORS.items()}


def all_commands() -> dict[str, click.Command]:
    found: dict[str, click.Command] = {}
    for name in app.list_commands(CONTEXT):
        command = app.get_command(CONTEXT, name)
        if isinstance(command, click.Group):
            found.update({f"{name} {part}": inner for part, inner in command.commands.items()})
        elif command:
            found[name] = command
    return found


def without_example(names: Iterable[str], examples: Iterable[str]) -> set[str]:
    return {name for name in names if not any(f"{words} ".startswith(f"{name} ") for words in examples)}


def test_every_command_has_a_documented_error() -> None:
    without_json = {"watch"}
    assert without_example(all_commands(), ERRORS) == without_json


ON_A_SITE = (
    "env build train.py",
    "env build-horovod venv",
    "env check train.py",
    "env list",
    "env remove nosuch",
    "env show nosuch",
    "export train.py",
    "plan train.py",
    "render train.py",
    "run train.py",
    "score train.py --input '*.npz'",
    "serve train.py",
    "submit train.py",
    "sweep run sweep.yaml",
    "sweep submit sweep.yaml",
)

SWEEP = """\
estimator: {entry_script: train.py, framework_version: null}
sampling: {type: random, parameter_space: {units: {choice: [16, 64]}}}
primary_metric_name: loss
primary_metric_goal: minimize
max_total_runs: 2
"""


@pytest.mark.parametrize("words", ON_A_SITE)
def test_an_unknown_site_is_named_by_its_flag(words: str, desk: Path, slurmtf: CommandLine) -> None:
    (desk / "sweep.yaml").write_text(SWEEP, encoding="utf-8")
    asked = [*shlex.split(words), "--site", "nosuch"]
    text, data = slurmtf(*asked), slurmtf(*asked, "--json")
    (finding,) = json.loads(data.out)["error"]["findings"]
    assert (finding["code"], finding["source"], text.exit_code) == ("unknown-site", "--site", 2)
    assert "error: --site: " in text.err


def test_every_command_with_a_site_is_tried_with_an_unknown_one() -> None:
    taking = [name for name, command in all_commands().items() if any("--site" in one.opts for one in command.params)]
    assert without_example(taking, ON_A_SITE) == set()


@pytest.mark.parametrize("words", WITHOUT_ENVIRONMENTS)
def test_no_environment_is_found_if_none_was_built(words: str, workspace: Path, slurmtf: CommandLine) -> None:
    assert words in shown(("env",))
    done = slurmtf(*shlex.split(words))
    assert (done.exit_code, workspace.is_dir()) == (0, True), done.err
