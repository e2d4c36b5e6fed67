"""The house holds: no module reaches itself by imports, and the figures of CONTRIBUTING.md are kept."""

from __future__ import annotations

import ast
import re
import statistics
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import slurmtf

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "slurmtf").rglob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in FILES}
LONGEST_BODY, LARGEST_FILE, DEEPEST, MEDIAN_BODY, NINE_IN_TEN = 60, 450, 4, 5, 25
ACROSS_ROOMS = {"fuzz", "trust"}
"""Folders of unit tests about what many rooms have in common."""
BLOCKS = (ast.If, ast.For, ast.While, ast.With, ast.Try)
Function = ast.FunctionDef | ast.AsyncFunctionDef


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path) for path in FILES}


def imported(path: Path) -> Iterator[str]:
    """Yield what a module imports: at its top, when a function is called, for its types alone."""
    package = name_of(path if path.name == "__init__.py" else path.parent / "__init__.py")
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" if f"{module}.{alias.name}" in MODULES else module for alias in node.names)


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as err:
        return list(err.args[1])
    return []


def test_no_module_reaches_itself_by_imports() -> None:
    graph = {name_of(path): {name for name in imported(path) if name in MODULES} - {name_of(path)} for path in FILES}
    assert sum(map(len, graph.values())) > 1000
    assert circle(graph) == []
    assert circle({**graph, "slurmtf.findings": {"slurmtf.errors"}}) != []


def functions() -> Iterator[tuple[str, Function]]:
    for path, tree in TREES.items():
        found = (node for node in ast.walk(tree) if isinstance(node, Function))
        yield from ((f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", node) for node in found)


def body_lines(node: Function) -> int:
    first = node.body[0]
    has_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    body = node.body[1:] if has_docstring else node.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def depth(node: ast.AST, level: int = 0) -> int:
    return max([level, *(depth(child, level + isinstance(child, BLOCKS)) for child in ast.iter_child_nodes(node))])


def is_annotated(node: Function) -> bool:
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return node.returns is not None and all(one.annotation for one in arguments if one.arg not in ("self", "cls"))


def test_functions_are_short_and_annotated() -> None:
    bodies = sorted(body_lines(node) for _, node in functions())
    assert statistics.median(bodies) <= MEDIAN_BODY
    assert bodies[len(bodies) * 9 // 10] < NINE_IN_TEN
    assert [name for name, node in functions() if body_lines(node) > LONGEST_BODY] == []
    assert [name for name, node in functions() if depth(node) > DEEPEST] == []
    assert [name for name, node in functions() if not is_annotated(node)] == []


@pytest.mark.parametrize("folder", ["slurmtf", "tests", "benchmarks"])
def test_no_file_is_too_long(folder: str) -> None:
    lengths = {path: path.read_bytes().count(b"\n") for path in (ROOT / folder).rglob("*.py")}
    assert {str(path.relative_to(ROOT)): lines for path, lines in lengths.items() if lines > LARGEST_FILE} == {}


def folders_without_a_room(tests: Path) -> list[str]:
    folders = {path.parent.relative_to(tests) for path in tests.rglob("test_*.py")}
    known = {path.parent.relative_to(ROOT / "slurmtf") for path in FILES}
    return sorted(map(str, folders - known - {Path(name) for name in ACROSS_ROOMS}))


def test_every_folder_of_unit_tests_has_a_room(tmp_path: Path) -> None:
    assert folders_without_a_room(ROOT / "tests/unit") == []
    for folder in ("job/agent", "job/contract/sweep", "trust"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "test_it.py").touch()
    assert folders_without_a_room(tmp_path) == ["job/agent"]


def test_contributing_names_every_room_and_every_benchmark() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rooms = [
        path.parent
        for path in FILES
        if path.name == "__init__.py" and path.parent.parent in (ROOT / "slurmtf", ROOT / "slurmtf/job")
    ]
    assert [room.name for room in rooms if f"{room.name}/" not in text] == []
    alone = [path.name for path in (ROOT / "slurmtf").glob("*.py") if not path.name.startswith("_")]
    assert [name for name in alone if f"`{name}`" not in text] == []
    programs = [path.stem for path in (ROOT / "benchmarks").glob("*.py") if "def main(" in path.read_text(encoding="utf-8")]
    assert [name for name in programs if f"`.{name}`" not in text and f"`python -m benchmarks.{name}`" not in text] == []


@pytest.mark.parametrize(
    ("place", "function"),
    [
        ("job/task/tf_config.py", "build_tf_config"),
        ("job/supervisor/conclusion.py", "conclude"),
        ("diagnosis/dying.py", "explain"),
        ("scheduler/slurm/commands.py", "parse_squeue"),
        ("plan/launchers.py", "register_launcher"),
    ],
)
def test_what_somebody_looks_for_is_where_its_folder_says(place: str, function: str) -> None:
    assert function in {node.name for node in ast.walk(TREES[ROOT / "slurmtf" / place]) if isinstance(node, Function)}
    assert f"`{place}`" in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


VERBS = set((ROOT / "tests/unit/verbs.txt").read_text(encoding="utf-8").split())
PREDICATES = {"are", "bound", "can", "does", "has", "holds", "is", "may", "needs", "should", "test", "wants", "was"}
PROTOCOL = {"__dir__", "__getattr__"}
OTHER_WORDS = {"as", "from", "main", "on", "to"}
"""Converters, handlers of events, and the function that a program begins with."""


def begins_with_a_verb(name: str) -> bool:
    return name.strip("_").partition("_")[0] in VERBS | PREDICATES | OTHER_WORDS


def is_of_click(node: Function) -> bool:
    """Tell whether this is a command, or adds options to commands, as click.option does."""
    decorated = any("command" in name or "group" in name for name in map(ast.unparse, node.decorator_list))
    return decorated or node.name.endswith(("_option", "_options", "_argument"))


def test_a_function_begins_with_a_verb() -> None:
    """If this fails for a verb, add it to verbs.txt; first look there for one that says the same."""
    assert begins_with_a_verb("_read_plan") and begins_with_a_verb("is_final") and not begins_with_a_verb("outcome_of")
    trees = {**TREES, **{path: ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "benchmarks").rglob("*.py")}}
    of_modules = [(path, node) for path, tree in trees.items() for node in tree.body if isinstance(node, Function)]
    named = [
        (path, node.name)
        for path, node in of_modules
        if not is_of_click(node) and node.name not in {*slurmtf.__all__, *PROTOCOL}
    ]
    assert len(named) > 2000
    assert [f"{path.relative_to(ROOT)}:{name}" for path, name in named if not begins_with_a_verb(name)] == []


ANY_AT_EDGES: Mapping[str, tuple[int, str]] = {
    "the names for JSON, settings and arrays that nothing has checked yet": (
        15,
        "documents.py job/contract/interchange.py models/tool/interchange.py typed.py",
    ),
    "a program of one file, which can't import these names": (9, "job/contract/environments/question.py tune/ask.py"),
    "values from click or a caller, passed on to a function that names them": (
        20,
        "cli/commands/export.py cli/commands/score.py cli/commands/serve.py experiments/experiment.py experiments/run.py"
        " runs/states/reduce.py tune/azureml.py tune/submitting.py tune/sweep.py",
    ),
    "what a user gave, looked at before it is checked": (
        30,
        "estimator/azureml.py estimator/document.py estimator/estimator.py estimator/families.py experiments/rerunning.py"
        " migration/draft.py migration/interpreter.py migration/jobs.py migration/source.py migration/values.py tune/charts.py"
        " tune/document.py tune/policies.py tune/samplers.py tune/spaces.py",
    ),
    "what a script logs, or a score script answers": (
        14,
        "job/contract/metrics/entries.py job/script/azureml.py job/script/context.py job/script/files.py job/script/values.py"
        " serving.py",
    ),
    "types built by the names of their fields, or known only when it runs": (
        19,
        "estimator/distribution.py job/common/gpus.py job/contract/attempt/events.py job/contract/attempt/journal.py"
        " job/contract/metrics/event_files.py job/contract/plan.py job/contract/sweep/records.py loading.py"
        " runs/states/history.py sites/cache.py",
    ),
    "objects of the interpreter, Horovod and Keras, whose functions are replaced": (
        31,
        "job/script/autolog.py job/script/sitecustomize.py",
    ),
    "objects of submitit, MLflow and IPython": (
        6,
        "runs/mlflow/mirroring.py runs/mlflow/tracking.py runs/notebook.py scheduler/local_executor.py",
    ),
    "arrays, models and tensors": (
        50,
        "models/tool/answering.py models/tool/batches.py models/tool/checking.py models/tool/drawing.py"
        " models/tool/examples.py models/tool/feeding.py models/tool/loading.py models/tool/readers.py models/tool/results.py"
        " models/tool/scorers.py models/tool/serving.py",
    ),
}
"""Why Any is the honest type, how often it occurs for that reason, and in which files."""
UNCHECKED_JSON = re.compile(r"(dict|Dict|Mapping)\[str, Any\]")


def find_any(tree: ast.AST) -> list[int]:
    return [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == "Any"]


def find_unnamed_json(module: ast.Module) -> list[int]:
    """Return where an annotation spells out what has a name (JsonObject, JsonView, GivenSettings, Arrays), or deserves one."""
    inside = (node for one in module.body if not isinstance(one, ast.Assign) for node in ast.walk(one))
    return [node.lineno for node in inside if isinstance(node, ast.Subscript) and UNCHECKED_JSON.fullmatch(ast.unparse(node))]


def test_any_is_only_at_the_edges() -> None:
    """If this fails: object for what is only passed on, JsonObject for JSON that is read by its keys, or the type itself."""
    uses = {str(path.relative_to(ROOT / "slurmtf")): find_any(tree) for path, tree in TREES.items()}
    uses = {file: lines for file, lines in uses.items() if lines}
    edges = {why: files.split() for why, (_, files) in ANY_AT_EDGES.items()}
    assert {file: lines for file, lines in uses.items() if file not in {one for files in edges.values() for one in files}} == {}
    assert [file for files in edges.values() for file in files if file not in uses] == []
    counted = {why: sum(len(uses[file]) for file in files) for why, files in edges.items()}
    assert counted == {why: number for why, (number, _) in ANY_AT_EDGES.items()}


def test_unchecked_json_has_a_name() -> None:
    spelled_out = ast.parse("Facts = dict[str, Any]\ndef read(facts: Mapping[str, Any]) -> list[dict[str, Any]]: ...")
    assert find_unnamed_json(spelled_out) == [2, 2] and len(find_any(spelled_out)) == 3
    found = {str(path.relative_to(ROOT / "slurmtf")): find_unnamed_json(tree) for path, tree in TREES.items()}
    assert {file: lines for file, lines in found.items() if lines} == {}
