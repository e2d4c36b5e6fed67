"""Valid profiles are cached: they give the same site, and nothing that another user could have written is used."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from slurmtf.caches import DIGEST_BYTES
from slurmtf.documents import Document
from slurmtf.errors import SiteError
from slurmtf.sites import load
from slurmtf.sites.search import find_data
from tests.unit.support import PACKAGED, refusing


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "slurmtf" / "profiles"


@pytest.fixture
def parses(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record what pydantic validates."""
    seen: list[str] = []
    parse = Document.parse

    def noted(self: Document, *args: Any) -> Any:
        seen.append(self.source)
        return parse(self, *args)

    monkeypatch.setattr(Document, "parse", noted)
    return seen


def profile(folder: Path, text: str, name: str = "lab.yaml") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


@pytest.mark.parametrize("name", PACKAGED)
def test_the_second_reading_gives_the_same_site_without_pydantic(name: str, parses: list[str]) -> None:
    path = find_data("site_configs") / f"{name}.yaml"
    first = load(path)
    assert parses
    parses.clear()
    assert load(path) == first
    assert parses == []


def test_texts_are_kept_as_in_the_file_even_inherited_ones(tmp_path: Path) -> None:
    profile(tmp_path, "defaults: {account: 00123}\nmodules: {tensorflow: {2.10: [tf/2.10]}}\n", "base.yaml")
    child = profile(tmp_path, f"extends: {tmp_path}/base.yaml\ndefaults: {{qos: 007}}\n")
    for _ in range(2):
        site = load(child)
        assert (site.defaults.account, site.defaults.qos) == ("00123", "007")
        assert list(site.modules.tensorflow) == ["2.10"]


def test_a_changed_profile_is_read_again(tmp_path: Path, parses: list[str]) -> None:
    load(profile(tmp_path, "defaults: {qos: a}\n"))
    parses.clear()
    assert load(profile(tmp_path, "defaults: {qos: b}\n")).defaults.qos == "b"
    assert parses


def test_a_wrong_profile_is_reported_each_time(tmp_path: Path) -> None:
    path = profile(tmp_path, "launchr: {}\n")
    for _ in range(2):
        with refusing(SiteError, "unknown-key"):
            load(path)


def test_the_cache_is_private_and_not_used_if_others_can_write_it(tmp_path: Path, cache: Path, parses: list[str]) -> None:
    path = profile(tmp_path, "defaults: {qos: a}\n")
    load(path)
    kept = list(cache.iterdir())
    assert [oct(each.stat().st_mode & 0o777) for each in (cache, *kept)] == ["0o700", *["0o600"] * len(kept)]
    for each in kept:
        content = each.read_bytes()[DIGEST_BYTES:].replace(b'"a"', b'"b"')
        each.write_bytes(hashlib.sha256(content).digest() + content)
        each.chmod(0o666)
    assert load(path).defaults.qos == "a"


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"nonsense": 1}'])
def test_an_unreadable_cache_is_replaced(content: bytes, tmp_path: Path, cache: Path) -> None:
    path = profile(tmp_path, "defaults: {qos: a}\n")
    load(path)
    for kept in cache.iterdir():
        kept.write_bytes(hashlib.sha256(content).digest() + content)
    assert load(path).defaults.qos == "a"


def test_an_unwritable_cache_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(profile(tmp_path, "", "file")))
    assert load(profile(tmp_path, "defaults: {qos: a}\n")).defaults.qos == "a"


def test_a_plan_with_a_cached_profile_needs_no_pydantic(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("", encoding="utf-8")
    code = (
        "import sys; sys.argv = ['slurmtf', 'plan', 'train.py', '-s', 'slurm', '--json']\n"
        "from slurmtf.cli import main\nmain()\nsys.exit(3 if 'pydantic' in sys.modules else 0)"
    )
    command, environ = [sys.executable, "-c", code], {**os.environ, "SLURMTF_WORKSPACE": str(tmp_path / "runs")}
    done = [subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, check=False).returncode for _ in "12"]
    assert done == [3, 0]
