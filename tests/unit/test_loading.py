"""Imports that wait: whoever uses the module gets the module itself, and nothing else sees that it waited."""

from __future__ import annotations

import gc
import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

from slurmtf.loading import defer, pause_collection

USER = """
import heavy
from package import part
def kind() -> heavy.Kind: ...
def use(): return heavy.VALUE, part.VALUE
"""


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module that imports two others and uses them in a function."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").touch()
    (tmp_path / "package" / "part.py").write_text("VALUE = 2\n", encoding="utf-8")
    (tmp_path / "heavy.py").write_text("VALUE = 1\nclass Kind: ...\n", encoding="utf-8")
    (tmp_path / "user.py").write_text(USER, encoding="utf-8")
    for name in ("heavy", "package", "package.part", "user"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
        monkeypatch.delitem(sys.modules, name)
    return "user"


def test_a_module_is_loaded_when_it_is_used(user: str) -> None:
    with defer({"heavy": ("Kind",), "package.part": ()}):
        module = importlib.import_module(user)
    assert not {"heavy", "package.part"} & sys.modules.keys()
    assert module.use() == (1, 2)
    assert module.heavy.Kind is sys.modules["heavy"].Kind
    with pytest.raises(AttributeError, match="nothing"):
        _ = module.heavy.nothing


def test_what_is_used_meanwhile_is_loaded_at_once(user: str) -> None:
    with defer({"heavy": (), "package.part": ()}):
        module = importlib.import_module(user)
        assert isinstance(sys.modules["heavy"].Kind, type)
        assert "package.part" not in vars(sys.modules["package"])
    assert module.kind.__annotations__["return"] is sys.modules["heavy"].Kind
    assert importlib.import_module("heavy").VALUE == 1


def test_who_else_imports_it_gets_the_module_itself(user: str) -> None:
    with defer({"package": ()}):
        assert importlib.import_module("package.part").VALUE == 2
    with defer({"heavy": ("Kind",)}):
        importlib.import_module(user)
    assert importlib.import_module("heavy").__file__ is not None


def test_what_is_loaded_stays(user: str) -> None:
    loaded = importlib.import_module("heavy")
    with pytest.raises(ZeroDivisionError), defer({"heavy": ("Kind",), "package.part": ()}):
        assert importlib.import_module(user).heavy is loaded
        raise ZeroDivisionError
    assert sys.modules["heavy"] is loaded
    assert "package.part" not in sys.modules


def test_garbage_waits_and_is_collected_again_afterwards() -> None:
    with pause_collection():
        assert not gc.isenabled()
        with pause_collection():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()
