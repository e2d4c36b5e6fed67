"""Missing environment modules: which finding they give, and which messages of ``module`` report them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from slurmtf.environments import Software
from slurmtf.environments.modules import UNKNOWN, check_modules
from slurmtf.estimator import Environment
from slurmtf.sites import Site
from slurmtf.sites.model import Modules
from tests.unit.support import SITE, tells, tensorflow

SOFTWARE = Software("python3", modules=("own/1", "profile/2"), unknown_modules=frozenset({"own/1", "profile/2"}))


def findings(source: Path, site: Site = SITE, software: Software = SOFTWARE, **settings: Any) -> list[tuple[str, str, str]]:
    given = {"environment_definition": Environment(modules=["own/1"]), **settings}
    return [(one.code, one.severity, one.where) for one in check_modules(tensorflow(source, **given), site, software)]


def test_a_module_that_the_user_names_is_an_error_and_one_of_the_profile_a_warning(source: Path) -> None:
    assert findings(source) == [
        ("unknown-module", "error", "environment_definition.modules"),
        ("unknown-module", "warning", ""),
    ]
    assert findings(source, silence=["unknown-module"]) == []


def test_many_missing_modules_are_one_finding_for_each_origin(source: Path) -> None:
    modules = {"a/1", "b/1", "c/1", "d/1"}
    site = Site(name="here", modules=Modules(tensorflow={"2.15": ["c/1", "b/1"]}))
    wish = Environment(modules=["b/1", "a/1"])
    estimator = tensorflow(source, environment_definition=wish, framework_version="2.15")
    found = list(check_modules(estimator, site, Software("python3", unknown_modules=frozenset(modules))))
    assert [(one.where, tells(one, names)) for one, names in zip(found, ("a/1, b/1", "c/1", "d/1"), strict=True)] == [
        ("environment_definition.modules", True), ("framework_version", True), ("", True),
    ]  # fmt: skip


def test_a_version_named_by_the_user_is_reported_as_such(source: Path) -> None:
    site = Site(name="here", modules=Modules(tensorflow={"2.15": ["tf/2.15"]}))
    software = Software("python3", unknown_modules=frozenset({"tf/2.15"}))
    assert findings(source, site, software, environment_definition=None, framework_version="2.15") == [
        ("unknown-module", "error", "framework_version")
    ]


def test_the_init_script_of_modules_must_exist(source: Path, tmp_path: Path) -> None:
    known = replace(SOFTWARE, unknown_modules=frozenset())
    site = Site(name="here", modules=Modules(init=str(tmp_path / "init.sh")))
    assert findings(source, site, known) == [("modules-init-missing", "error", "site here: modules.init")]
    assert findings(source, site, Software("python3"), environment_definition=None) == [], "no module is loaded"
    (tmp_path / "init.sh").touch()
    assert findings(source, site, known) == []


@pytest.mark.parametrize(
    ("message", "is_unknown"),
    [
        ("ERROR: Unable to locate a modulefile for 'nosuch/1.0'", True),
        ("ModuleCmd_Load.c(213):ERROR:105: Unable to locate a modulefile for 'nosuch/1.0'", True),
        ('Lmod has detected the following error:  The following module(s) are unknown: "nosuch/1.0"', True),
        ("Lmod has detected the following error:  These module(s) or extension(s) exist but cannot be loaded", False),
        ("bash: module: command not found", False),
        ("Loading tf/2.15\n  Loading requirement: cuda/12", False),
    ],
)
def test_the_messages_about_unknown_modules_are_recognized(message: str, is_unknown: bool) -> None:
    assert bool(UNKNOWN.search(message)) is is_unknown
