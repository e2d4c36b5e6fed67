"""The checks of an export before anything is converted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from slurmtf.errors import InputError
from slurmtf.models.exporting import ExportRequest, _explain_refusal, export, find
from slurmtf.models.sources import Source
from tests.unit.support import refusing


@pytest.fixture
def models(tmp_path: Path) -> Path:
    for name in ("net.keras", "model.ckpt.meta", "model.ckpt.index"):
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


@pytest.mark.parametrize(("given", "expected"), [("net.keras", "net.keras"), ("model.ckpt", "model.ckpt.meta"), ("", "")])
def test_a_model_is_found_by_its_path(models: Path, given: str, expected: str) -> None:
    assert find(str(models / given)) == models / expected


def test_a_missing_file_is_not_taken_for_a_run(models: Path) -> None:
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
def test_settings_that_do_not_fit_the_model_are_refused(
    models: Path, name: str, settings: dict[str, object], code: str
) -> None:
    with refusing(InputError, code):
        export(models / name, **settings)  # type: ignore[arg-type]
    assert len(list(models.iterdir())) == 3


NO_OP = {"code": "no-onnx-operation", "what": "op Hashing", "remedy": "take it out", "layers": ["Hashing"]}
TRIED = [{"route": "keras", "why": "ValueError: shape\nat line 3"}, {"route": "graph", "why": "x" * 300}]


@pytest.mark.parametrize(
    ("result", "log", "code", "named", "unnamed"),
    [
        ({}, None, "conversion-failed", [], []),
        ({}, "\n".join(map(str, range(100, 120))), "conversion-failed", ["115\n116\n117\n118\n119"], ["114"]),
        ({**NO_OP, "tried": TRIED}, None, "no-onnx-operation", ["op Hashing"], ["tried"]),
        (
            {"code": "differs", "what": "differs", "remedy": "", "tried": TRIED},
            None,
            "differs",
            ["keras: ValueError: shape;", "graph: " + "x" * 200],
            ["line 3", "x" * 201],
        ),
        ({"code": "names", "what": "name them", "remedy": "", "candidates": {"inputs": ["a:0", "b:0"]}}, None, "names",
         ["inputs may be: a:0, b:0"], ["tried"]),
    ],
)  # fmt: skip
def test_the_reason_for_a_failed_export_is_given(
    models: Path, result: dict[str, Any], log: str | None, code: str, named: list[str], unnamed: list[str]
) -> None:
    if log is not None:
        (models / "tool.log").write_text(log)
    wanted = ExportRequest(Source(models / "net.keras", "keras"), models / "net.onnx")
    finding = _explain_refusal(wanted, result, models / "tool.log")
    assert (finding.code, finding.where) == (code, str(models / "net.keras"))
    assert [fact in finding.what for fact in named] == [True] * len(named)
    assert [fact in finding.what for fact in unnamed] == [False] * len(unnamed)
