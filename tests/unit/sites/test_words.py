"""What a profile has the job hand to exec, source, module or conda as a word of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from slurmtf.errors import SiteError
from slurmtf.sites import load


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("modules: {init: -x}\n", "modules.init", "begins with a dash"),
        ("modules: {load: [cuda, -w]}\n", "modules.load", "begins with a dash"),
        ("modules: {use: ['']}\n", "modules.use", "is empty"),
        ("modules: {tensorflow: {'2.15': [-w]}}\n", "modules.tensorflow.2.15", "begins with a dash"),
        ("containers: {modules: [-w]}\n", "containers.modules", "begins with a dash"),
        ("environment: {python: -w}\n", "environment.python", "begins with a dash"),
        ("environments: {conda: -w}\n", "environments.conda", "begins with a dash"),
    ],
)
def test_a_word_that_is_empty_or_looks_like_an_option(text: str, where: str, what: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(f"extends: slurm\n{text}", encoding="utf-8")
    with pytest.raises(SiteError, match=what) as caught:
        load(path)
    (found,) = caught.value.findings
    assert found.where == where
