"""Templates are compiled once and kept in the user's cache, and the next script still sees a change."""

from __future__ import annotations

import os
from pathlib import Path

import jinja2
import pytest

from slurmtf.plan.rendering import _build_environment, render_script
from slurmtf.sites.search import find_data
from tests.unit.support import planned


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    _build_environment.cache_clear()
    return tmp_path / "cache" / "slurmtf" / "templates"


def counted(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """Return the list to which the names of templates compiled from now on are added."""
    names: list[str | None] = []
    compiled = jinja2.Environment.compile

    def compile_(self: jinja2.Environment, source: str, name: str | None = None, *rest: object) -> object:
        names.append(name)
        return compiled(self, source, name, *rest)  # type: ignore[call-overload]

    monkeypatch.setattr(jinja2.Environment, "compile", compile_)
    return names


def test_a_second_script_compiles_nothing_and_names_the_same_files(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names, folders = counted(monkeypatch), [tmp_path, find_data("templates")]
    first, second = render_script(planned(source), folders), render_script(planned(source), folders)
    assert first == second
    assert len(first.templates) > 1
    assert len(names) == len(first.templates)


def test_another_process_compiles_nothing_either(
    source: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names, folders = counted(monkeypatch), [find_data("templates")]
    first = render_script(planned(source), folders)
    compiled = len(names)
    _build_environment.cache_clear()
    assert render_script(planned(source), folders) == first
    assert len(names) == compiled == len(list(cache.iterdir()))


def test_a_compiled_template_is_not_used_if_others_can_write_it(
    source: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names, folders = counted(monkeypatch), [find_data("templates")]
    first = render_script(planned(source), folders)
    cache.chmod(0o777)
    names.clear()
    _build_environment.cache_clear()
    assert render_script(planned(source), folders) == first
    assert len(names) == len(first.templates)


def test_a_changed_template_is_compiled_again(source: Path, tmp_path: Path) -> None:
    path = tmp_path / "slurm.sh.j2"
    for text in ("one", "two"):
        path.write_text(text, encoding="utf-8")
        os.utime(path, ns=(0, 0))
        assert render_script(planned(source), [tmp_path]).script == f"{text}\n"


def test_a_template_earlier_in_the_search_path_is_used(source: Path, tmp_path: Path) -> None:
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in reversed(folders):
        folder.mkdir()
        (folder / "slurm.sh.j2").write_text(folder.name, encoding="utf-8")
        assert render_script(planned(source), folders) == (f"{folder.name}\n", (str(folder / "slurm.sh.j2"),))
