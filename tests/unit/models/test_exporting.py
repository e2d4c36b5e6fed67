"""What is asked for, before anything is converted."""

from __future__ import annotations

from pathlib import Path

import pytest

from slurmtf.errors import InputError
from slurmtf.models.exporting import export, find
from tests.unit.support import refusing


@pytest.fixture
def models(tmp_path: Path) -> Path:
    for name in ("net.keras", "model.ckpt.meta", "model.ckpt.index"):
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


@pytest.mark.parametrize(("given", "expected"), [("net.keras", "net.keras"), ("model.ckpt", "model.ckpt.meta"), ("", "")])
def test_a_path_is_what_it_names(models: Path, given: str, expected: str) -> None:
    assert find(str(models / given)) == models / expected


def test_a_file_that_is_not_there_is_no_run(models: Path) -> None:
    with refusing(InputError, "no-model", "does not exist", "net.keras"):
        find(str(models / "nte.keras"))
    with refusing(InputError, "no-model", "does not exist"):
        find(str(models / "nowhere/net.h5"))
    with refusing(InputError, "no-model", "does not exist", "net.keras"):
        find(str(models / "net.kears"))


@pytest.mark.parametrize(
    ("name", "settings", "code"),
    [
        ("net.keras", {"inputs": ["x"]}, "bad-inputs"),
        ("net.keras", {"outputs": ["y"]}, "bad-inputs"),
        ("net.keras", {"signature": "serve"}, "bad-signature"),
        ("model.ckpt.meta", {"signature": "serve"}, "bad-signature"),
        ("net.keras", {"opset": 6}, "bad-opset"),
        ("net.keras", {"opset": 19}, "bad-opset"),
        ("net.keras", {"name": "a/b"}, "bad-name"),
        ("net.keras", {"samples": "nowhere.npz"}, "no-samples"),
    ],
)
def test_what_does_not_fit_the_model_is_refused(models: Path, name: str, settings: dict[str, object], code: str) -> None:
    with refusing(InputError, code):
        export(models / name, **settings)  # type: ignore[arg-type]
    assert len(list(models.iterdir())) == 3
