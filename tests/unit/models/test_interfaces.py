"""The command line accepts what Python accepts."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import click
import pytest

from slurmtf import serving
from slurmtf.cli.commands import export, models, score, serve
from slurmtf.experiments.run import Run
from slurmtf.models import Model, exporting, scoring

NOT_TYPED = {"self", "tell", "run"}
"""What a caller in Python alone has."""


@pytest.mark.parametrize(
    ("function", "command", "arguments"),
    [
        (exporting.export, export.command, {}),
        (Run.export_onnx, export.command, {}),
        (scoring.score, score.command, {}),
        (serving.serve, serve.command, {}),
        (Run.register_model, models.register_, {"model_name": "name"}),
        (Model.register, models.register_, {"model_name": "name", "model_path": "what"}),
        (Model.list, models.ls, {}),
        (Model.get, models.show, {"name": "model", "version": "model"}),
        (Model.download, models.get, {"target_dir": "folder"}),
    ],
)
def test_commands_accept_the_arguments_of_their_functions(
    function: Callable[..., Any], command: click.Command, arguments: dict[str, str]
) -> None:
    parameters = inspect.signature(function).parameters.values()
    named = [one.name for one in parameters if one.kind is not one.VAR_KEYWORD]
    asked = {arguments.get(name, name) for name in named} - NOT_TYPED
    assert asked - {parameter.name for parameter in command.params} == set()


def test_runs_export_with_the_arguments_of_the_function(monkeypatch: pytest.MonkeyPatch) -> None:
    signature, taken = inspect.signature(exporting.export), list[inspect.BoundArguments]()
    monkeypatch.setattr(exporting, "export", lambda *given, **named: taken.append(signature.bind(*given, **named)))
    options = {name: name for name in signature.parameters if name not in ("what", "model")}
    Run.export_onnx(Run.__new__(Run), "best.keras", **options)
    (bound,) = taken
    assert bound.arguments == {"what": bound.arguments["what"], "model": "best.keras", **options}
