"""What can be known about values without running code."""

from __future__ import annotations

import ast
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmtf.migration.interpreter import Interpreter
from slurmtf.migration.values import Symbol, Thing, Unknown


def last(text: str) -> Any:
    """Return what is known about ``x`` at the end of a file."""
    return Interpreter(ast.parse(text)).names["x"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("x = 1", 1),
        ("x = -2.5", -2.5),
        ("y = 2\nx = y * 5 + 1", 11),
        ("x = 'a' + 'b'", "ab"),
        ("n = 3\nx = f'run-{n}'", "run-3"),
        ("x = {'--lr': 0.1}\nx['--epochs'] = 5", {"--lr": 0.1, "--epochs": 5}),
        ("x = {**{'a': 1}, 'b': 2}", {"a": 1, "b": 2}),
        ("x = dict(a=1)", {"a": 1}),
        ("x = [1, 2] + [3]", [1, 2, 3]),
        ("x = ['--lr']\nx += ['0.1']", ["--lr", "0.1"]),
        ("import os\nx = os.path.join('.', 'src', 'train')", "src/train"),
        ("from pathlib import Path\nx = Path('src')", "src"),
        ("x = str(16)", "16"),
        ("import math\nx = math.log(1)", 0.0),
        ("x = range(0, 6, 2)", [0, 2, 4]),
        ("a, x = 1, 2", 2),
        ("x: int = 4", 4),
        ("def main():\n    global x\n    x = 3\nmain()", 3),
        ("if __name__ == '__main__':\n    x = 5", 5),
        ("x = {'a': [1, 2]}['a'][1]", 2),
        ("x = True", True),
        ("x = not True", False),
        ("x = None", None),
    ],
)
def test_values_are_known(text: str, value: Any) -> None:
    assert last(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "x = open('f').read()",
        "x = 2 ** 9999999999",
        "x = 'a' * 99999999999",
        "x = 1 / 0",
        "x = a",
        "x = [i for i in y]",
        "x = lambda: 1",
        "for x in range(3): pass",
        "def f(x): pass",
        "x = f'{1:03d}'",
        "x = range(10 ** 9)",
        "x = range(1, 2, 0)",
        "x = int('a')",
        "x = {}['a']",
        "x = b'bytes'",
        "x = 1j",
        "x = [1][5]",
    ],
)
def test_values_are_unknown(text: str) -> None:
    assert isinstance(last(text), Unknown)


def test_an_unknown_part_is_a_single_unknown_value() -> None:
    assert last("x = [1, args.lr]") == [1, Unknown("args.lr")]


def test_an_import_is_known_by_its_full_name() -> None:
    assert last("from azureml.train.dnn import TensorFlow as x") == Symbol("azureml.train.dnn.TensorFlow")
    assert last("import azureml.core as ac\nx = ac.Run") == Symbol("azureml.core.Run")
    assert last("from azureml.core import *\nx = Run") == Symbol("azureml.Run")
    assert last("from azureml.core import *\nx = print") == Unknown("print")


def test_an_object_records_its_settings_and_calls() -> None:
    build = "from azureml.core import Environment\nx = Environment('e')\n"
    thing = last(f"{build}x.python.conda_dependencies.add_pip_package('keras')\nx.name = 'n'")
    assert isinstance(thing, Thing)
    assert (thing.name, thing.args, thing.attributes["name"], thing.lines["name"]) == ("Environment", ["e"], "n", 4)
    (call,) = thing.attributes["python"].attributes["conda_dependencies"].calls
    assert (call.name, call.args, call.line, call.is_azure) == ("add_pip_package", ["keras"], 3, True)


def test_a_value_under_a_condition_is_doubtful() -> None:
    assert Interpreter(ast.parse("if gpus:\n    n = 4\nelse:\n    n = 1")).doubtful == {"n"}
    assert Interpreter(ast.parse("if gpus:\n    n = 4\nn = 1")).doubtful == set()


def test_no_code_is_run(capsys: pytest.CaptureFixture[str]) -> None:
    Interpreter(ast.parse("import os\nprint('run')\nos.system('echo run')\nx = __import__('os').getpid()\nraise SystemExit(3)"))
    assert capsys.readouterr().out == ""


@given(st.text(alphabet="abx=+-*/%()[]{}.,:'\"0123456789 \n", max_size=60))
def test_any_code_is_accepted(text: str) -> None:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return
    assert Interpreter(tree).things == []  # none of it is imported
