"""What Python takes, the command line takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import click
import pytest

from slurmtf.cli.commands import export, models, score, serve
from slurmtf.experiments.run import Run
from slurmtf.models import Model, exporting, scoring
from slurmtf.serving import serve as serve_it

NOT_TYPED = {"self", "tell", "run"}
"""What a caller in Python alone has."""


@pytest.mark.parametrize(
    ("function", "command", "arguments"),
    [
        (exporting.export, export.command, {}),
        (scoring.score, score.command, {}),
        (serve_it, serve.command, {}),
        (Run.register_model, models.register_, {"model_name": "name"}),
        (Model.register, models.register_, {"model_name": "name", "model_path": "what"}),
        (Model.list, models.ls, {}),
        (Model.get, models.show, {"name": "model", "version": "model"}),
        (Model.download, models.get, {"target_dir": "folder"}),
    ],
)
def test_commands_take_what_the_functions_take(
    function: Callable[..., Any], command: click.Command, arguments: dict[str, str]
) -> None:
    asked = {arguments.get(name, name) for name in inspect.signature(function).parameters} - NOT_TYPED
    assert asked - {parameter.name for parameter in command.params} == set()
