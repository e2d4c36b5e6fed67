"""The program inside the job: one file, for Python 3.6, that imports only the standard library and itself."""

from __future__ import annotations

import ast
import io
import marshal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.util import MAGIC_NUMBER
from pathlib import Path

import pytest

from slurmtf.archives import LOADER, PACKAGE, SOURCES, build_job_archive
from slurmtf.job.contract.loader import name_compiled
from tests.environments import interpreters
from tests.patience import HANG_S

MODULES = sorted(SOURCES.rglob("*.py"))
OLDEST = (3, 6)
OF_THE_JOB = {"sitecustomize.py": {"tf_keras"}}
"""What a module imports from the job's own Python, in which alone it runs."""
IMPORT_ALL = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
"""
LOAD = f"import sys; archive = sys.argv.pop(1); sys.path.insert(0, archive); import {LOADER} as loader; "
LOAD += f"sys.path.pop(0); loader.install(archive, {PACKAGE!r}); "


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """The level and name of each module that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.level, node.module or ""


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCES)))
def test_the_syntax_is_python_3_6(path: Path) -> None:
    ast.parse(path.read_text(encoding="utf-8"), feature_version=OLDEST)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCES)))
def test_imports_are_absolute_from_the_standard_library_or_relative(path: Path) -> None:
    oldest = interpreters.installed("3.6")
    if oldest is None:
        pytest.skip("no working python3.6 in PATH")
    assert all(level in (0, 1, 2) for level, _ in imports(path))
    names = {name for level, name in imports(path) if level == 0} - OF_THE_JOB.get(path.name, set())
    bare = [str(oldest.path), "-I", "-S", "-c", IMPORT_ALL, *sorted(names)]
    done = subprocess.run(bare, capture_output=True, text=True, timeout=HANG_S, check=False)
    assert done.returncode == 0, done.stderr


def test_every_module_is_imported_from_the_archive(interpreter: str, tmp_path: Path) -> None:
    file = tmp_path / "agent.pyz"
    file.write_bytes(build_job_archive())
    modules = [path.relative_to(SOURCES).with_suffix("") for path in MODULES if path.stem != "__init__"]
    names = [".".join([PACKAGE, *module.parts]) for module in modules]
    bare = [interpreter, "-I", "-S", "-W", "error", "-c", LOAD + IMPORT_ALL, str(file), *names]
    done = subprocess.run(bare, capture_output=True, text=True, timeout=HANG_S, check=False, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


COUNT = """
import importlib, sys
opened = []
sys.addaudithook(lambda event, args: opened.append(args[0]) if event == "open" and str(args[0]).endswith(".pyz") else None)
"""


def test_the_archive_is_opened_a_few_times_however_many_modules_are_loaded(tmp_path: Path) -> None:
    """Each time is a request to the shared file system: zipimport itself opens it for each module."""
    file = tmp_path / "agent.pyz"
    file.write_bytes(build_job_archive())
    program = f"{COUNT}{LOAD}importlib.import_module('{PACKAGE}.task.task')\nprint(len(opened), len(sys.modules))"
    done = subprocess.run([sys.executable, "-I", "-c", program, str(file)], capture_output=True, text=True, check=True)
    opened, modules = map(int, done.stdout.split())
    assert opened <= 6 < modules


def test_the_archive_is_reproducible_and_holds_no_path_of_this_machine() -> None:
    first = build_job_archive()
    build_job_archive.cache_clear()
    assert build_job_archive() == first
    with zipfile.ZipFile(io.BytesIO(first)) as zipped:
        members = {name: zipped.read(name) for name in zipped.namelist()}
    sources, code = members["sources"], members[name_compiled(MAGIC_NUMBER)]
    assert set(members) == {"__main__.py", f"{LOADER}.py", "sources", name_compiled(MAGIC_NUMBER)}
    names = {f"{PACKAGE}/{path.relative_to(SOURCES)}" for path in MODULES}
    assert set(marshal.loads(sources)) == set(marshal.loads(code)) == names
    assert not any(str(SOURCES).encode() in content for content in members.values())


def test_the_archive_holds_no_code_compiled_by_the_submitting_python(tmp_path: Path) -> None:
    """The code of a compiled file holds the path where it was compiled, which is not in the archive."""
    file = tmp_path / "agent.pyz"
    file.write_bytes(build_job_archive())
    code = f"{LOAD}from {PACKAGE}.task import task; print(task.find_role.__code__.co_filename)"
    done = subprocess.run([sys.executable, "-I", "-c", code, str(file)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"{PACKAGE}/task/task.py"


@pytest.mark.parametrize("arguments", [[], ["supervise"], ["supervise", "plan.json"], ["task"], ["task", "train.py"], ["no"]])
def test_wrong_arguments_print_the_usage(arguments: list[str], tmp_path: Path) -> None:
    oldest = interpreters.find(["3.6", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13"])
    (tmp_path / "agent.pyz").write_bytes(build_job_archive())
    command = [str(oldest.path), "-I", str(tmp_path / "agent.pyz"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG_S, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: agent.pyz supervise")
