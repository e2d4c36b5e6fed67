"""Every variable has one name: in the code, in the documents, and in the list of what is not passed to the next run."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import slurmtf
from slurmtf.job.contract import variables
from slurmtf.job.contract.roles import Role
from slurmtf.job.contract.variables import AGENT_VARIABLES, LIBRARY_VARIABLES, SCRIPT_VARIABLES, SLURMTF_INPUT, USER_VARIABLES
from slurmtf.job.script import sitecustomize
from slurmtf.job.supervisor.gloo import build_gloo_variables
from slurmtf.job.supervisor.start import Hello, build_horovod_variables, build_jax_variables
from slurmtf.scheduler.environ import remove_run_variables

PACKAGE = Path(slurmtf.__file__).parent
DOCS = [*PACKAGE.parent.glob("docs/*.md"), PACKAGE.parent / "README.md"]
NAMES = {value for name, value in vars(variables).items() if name == value} - {"PATH"}
"""Without those that are also words of the command line."""
OURS = re.compile(r"SLURMTF_[A-Z_]+[A-Z]")
OF_A_KIND = re.compile(r"SLURMTF_(INPUT_\w+|[A-Z]+_HOSTS)")
STANDS_ALONE = (PACKAGE / "job" / "script", PACKAGE / "models" / "tool")
OTHER_NAMES = {"SLURMTF_INPUT", "SLURMTF_"}
"""Prefixes of variable names in the documents."""


def literals(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def in_documents() -> set[str]:
    return {name for path in DOCS for name in OURS.findall(path.read_text(encoding="utf-8"))}


def test_variable_names_are_spelled_in_one_module_only() -> None:
    spelled = {
        (str(path.relative_to(PACKAGE)), text)
        for path in PACKAGE.rglob("*.py")
        if path != Path(variables.__file__) and not {*STANDS_ALONE} & {*path.parents}
        for text in literals(path)
        if text in NAMES or OURS.fullmatch(text)
    }
    assert spelled == set()


def test_standalone_files_use_the_same_names() -> None:
    found = {
        text for folder in STANDS_ALONE for path in folder.rglob("*.py") for text in literals(path) if OURS.fullmatch(text)
    }
    assert {sitecustomize.WORLD, sitecustomize.CONFIG_FILE, sitecustomize.JAX} <= found
    assert found <= {*AGENT_VARIABLES, *SCRIPT_VARIABLES}


def test_the_documents_name_exactly_the_existing_variables() -> None:
    documented = {name for name in in_documents() if not OF_A_KIND.fullmatch(name)} - OTHER_NAMES
    assert {*SCRIPT_VARIABLES, *USER_VARIABLES} - documented == set(), "not documented"
    assert documented - {*SCRIPT_VARIABLES, *USER_VARIABLES} - OF_TESTS == set(), "not there"


OF_TESTS = {"SLURMTF_CLUSTER_DIR", "SLURMTF_REQUIRE_SLURM", "SLURMTF_REQUIRE_ENVS", "SLURMTF_FUZZ_S"}


def test_no_variable_of_a_run_reaches_the_next_one() -> None:
    given = {*SCRIPT_VARIABLES, *AGENT_VARIABLES, *LIBRARY_VARIABLES, f"{SLURMTF_INPUT}DATA", "SLURMTF_WORKER_HOSTS"}
    environ = {**dict.fromkeys(given, "x"), **dict.fromkeys(USER_VARIABLES, "mine"), "SLURMTF_RUN_FOLDER": "/runs/a"}
    assert remove_run_variables(environ) == dict.fromkeys(USER_VARIABLES, "mine")


def test_libraries_get_only_listed_variables() -> None:
    hellos = {rank: Hello(f"n{rank}", f"n{rank}:1", interface="ib0") for rank in range(2)}
    roles = [Role(rank, "rank", rank, rank) for rank in range(2)]
    built = [build_horovod_variables(roles, hellos, build_gloo_variables("n0", 1)), build_jax_variables(hellos, "")]
    assert {name for each in built for own in each.values() for name in own} <= {*LIBRARY_VARIABLES, *AGENT_VARIABLES}


@pytest.mark.parametrize("group", [SCRIPT_VARIABLES, AGENT_VARIABLES, USER_VARIABLES])
def test_each_of_our_variables_is_described(group: tuple[str, ...]) -> None:
    text = Path(variables.__file__).read_text(encoding="utf-8")
    assert [name for name in group if not re.search(rf'^{name} = "{name}"\n"""\w', text, re.MULTILINE)] == []
