"""Values of a profile that the job passes to exec, source, module or conda as separate words."""

from __future__ import annotations

from pathlib import Path

import pytest

from slurmtf.errors import SiteError
from slurmtf.sites import load


@pytest.mark.parametrize(
    ("text", "where", "code"),
    [
        ("modules: {init: -x}\n", "modules.init", "like-an-option"),
        ("modules: {load: [cuda, -w]}\n", "modules.load", "like-an-option"),
        ("modules: {use: ['']}\n", "modules.use", "empty-value"),
        ("modules: {tensorflow: {'2.15': [-w]}}\n", "modules.tensorflow.2.15", "like-an-option"),
        ("containers: {modules: [-w]}\n", "containers.modules", "like-an-option"),
        ("environment: {python: -w}\n", "environment.python", "like-an-option"),
        ("environments: {conda: -w}\n", "environments.conda", "like-an-option"),
    ],
)
def test_a_word_that_is_empty_or_looks_like_an_option_is_refused(text: str, where: str, code: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(f"extends: slurm\n{text}", encoding="utf-8")
    with pytest.raises(SiteError) as caught:
        load(path)
    (found,) = caught.value.findings
    assert found.code == code
    assert found.where == where
