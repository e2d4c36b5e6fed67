"""All of slurmtf is documented by name: public names and their signatures, settings, options, files, classes."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
import pytest

import slurmtf
from slurmtf import errors
from slurmtf.cli.app import app
from slurmtf.diagnosis.kinds import Kind
from slurmtf.job.contract.layout import RunLayout
from slurmtf.plan.model import Batch, Shell
from slurmtf.sites import model as profile
from tests.unit.cli.documents import DOCUMENTS, table
from tests.unit.cli.support import CommandLine

TEXTS = {path.name: path.read_text(encoding="utf-8") for path in DOCUMENTS}
FOR_USERS = "\n".join(text for name, text in TEXTS.items() if name not in ("CONTRIBUTING.md", "decisions.md"))
OF_ITSELF = {"submit_shaped"}
"""Public for other rooms of slurmtf alone."""
CLASSES = {
    "python.md": (slurmtf.Run, slurmtf.Experiment),
    "sweeps.md": (slurmtf.SweepRun,),
    "models.md": (slurmtf.Model,),
}
SETTINGS = {
    "environments.md": (slurmtf.Environment,),
    "data.md": (slurmtf.Input,),
    "reliability.md": (slurmtf.Restart, slurmtf.Notice, slurmtf.Stall),
    "sweeps.md": (slurmtf.Sweep, slurmtf.BanditPolicy, slurmtf.MedianStoppingPolicy, slurmtf.TruncationSelectionPolicy),
    "sites.md": tuple(kind for kind in vars(profile).values() if getattr(kind, "__module__", "") == profile.__name__),
    "templates.md": (Batch, Shell),
}
SHOWN = re.compile(r"`(\w+)\((.*?)\)`")


def is_in(text: str, name: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text) is not None


def own_names(kind: type) -> list[str]:
    inherited = set() if kind is slurmtf.Run else set(dir(slurmtf.Run))
    return [name for name in dir(kind) if not name.startswith("_") and (name in vars(kind) or name not in inherited)]


def test_all_public_names_are_documented() -> None:
    assert set(table("docs/python.md", "name")) == set(slurmtf.__all__)


@pytest.mark.parametrize(("document", "kind"), [(document, kind) for document, kinds in CLASSES.items() for kind in kinds])
def test_all_methods_for_users_are_documented(document: str, kind: type) -> None:
    assert [name for name in own_names(kind) if name not in OF_ITSELF and not is_in(TEXTS[document], name)] == []


@pytest.mark.parametrize(("document", "kind"), [(document, kind) for document, kinds in CLASSES.items() for kind in kinds])
def test_documented_arguments_exist(document: str, kind: type) -> None:
    """``download_file(name, path=None)`` was documented although the function's argument had another name."""
    rows = [line for line in TEXTS[document].splitlines() if line.startswith("| `")]
    shown = [(name, given) for row in rows for name, given in SHOWN.findall(row.split(" | ")[0])]
    wrong = [(name, given) for name, given in shown if callable(getattr(kind, name, None)) and not fits(kind, name, given)]
    assert wrong == []
    assert any(hasattr(kind, name) for name, _ in shown) or kind is slurmtf.Model


def fits(kind: type, name: str, given: str) -> bool:
    """Return whether a function accepts the signature shown: each word is an argument, ``x=1`` one with this default."""
    known = inspect.signature(getattr(kind, name)).parameters
    free = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in known.values())
    for part in filter(None, given.split(", ")):
        word, _, default = part.partition("=")
        if word.startswith("*") or word == "...":
            continue
        if word not in known:
            return free and bool(default)
        if default and repr(known[word].default).replace("'", '"') != default:
            return False
    return True


def test_a_wrong_documented_argument_is_detected() -> None:
    assert fits(slurmtf.Run, "download_file", "name, output_file_path=None")
    assert not fits(slurmtf.Run, "download_file", "name, path=None")
    assert not fits(slurmtf.Run, "download_file", "name, output_file_path=1")


@pytest.mark.parametrize(("document", "kind"), [(document, kind) for document, kinds in SETTINGS.items() for kind in kinds])
def test_all_settings_are_documented(document: str, kind: Any) -> None:
    names = [field.name for field in fields(kind) if not field.name.startswith("_")]
    assert [name for name in names if not is_in(TEXTS[document], name)] == []


def test_all_errors_are_documented() -> None:
    names = [name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.SlurmtfError)]
    assert [name for name in names if not is_in(TEXTS["python.md"] + TEXTS["died.md"], name)] == []


def test_all_classes_of_why_are_documented() -> None:
    assert set(table("docs/died.md", "class")) == {kind.value for kind in Kind}


def commands(command: click.Command) -> Iterator[click.Command]:
    context = click.Context(command)
    names = command.list_commands(context) if isinstance(command, click.Group) else []
    for name in names:
        found = command.get_command(context, name) if isinstance(command, click.Group) else None
        if found is not None:
            yield found
            yield from commands(found)


def test_all_options_are_documented() -> None:
    """In any document: options of most commands (--workspace, --site) are described only once."""
    options = [
        (command.name, one)
        for command in commands(app)
        for one in command.params
        if isinstance(one, click.Option) and not one.hidden
    ]
    assert len(options) > 100
    missing = [(name, one.opts) for name, one in options if not any(is_in(FOR_USERS, flag) for flag in one.opts)]
    assert missing == []


def test_the_files_of_the_run_folder_are_documented() -> None:
    """Exactly the names of the layout that don't begin with a dot."""
    text = TEXTS["running.md"].partition("## The run folder")[2].partition("\n## ")[0]
    shown = {name.rstrip("/") for name in re.findall(r"^ {4}([\w.-]+/?) {2}", text, re.MULTILINE)}
    layout = RunLayout("/run")
    paths = [*vars(layout).values(), layout.notice("main-0"), layout.stacks("main-0"), "/run/sweep"]
    names = {Path(path).relative_to("/run").parts[0] for path in paths if path != "/run"}
    assert shown == {name for name in names if not name.startswith(".")}


def test_the_documented_script_is_the_rendered_one(project: Path, slurmtf: CommandLine) -> None:
    (project / "train.py").write_text("print()\n", encoding="utf-8")
    words = "render train.py -s slurm -G 1 -c 2 -t 10 -- --epochs 10 --learning-rate 0.005"
    done = slurmtf(*words.split())
    rendered = done.out.replace(sys.executable, "/home/ada/src/slurmtf/.venv/bin/python")
    rendered = rendered.replace(str(project.parent / "runs"), "/home/ada/slurmtf")
    shown = re.search(r"```bash\n(#!/bin/bash\n.*?)```", TEXTS["templates.md"], re.DOTALL)
    assert shown
    assert rendered.strip() == shown[1].strip()
