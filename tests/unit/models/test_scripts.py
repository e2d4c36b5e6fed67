"""Checks of a score script before anything is submitted."""

from __future__ import annotations

from pathlib import Path

import pytest

from slurmtf.errors import InputError
from slurmtf.models.scripts import check_script, check_script_text

INIT, RUN = "def init(): pass\n", "def run(data): return data\n"


@pytest.mark.parametrize(
    "text",
    [
        INIT + RUN,
        "def init(model=None): pass\ndef run(data, *more, scale=1): return data",
        "def init(*_, **__): pass\ndef run(raw_data): return raw_data",
        "init = lambda: None\nclass run: pass",
        "import init\nfrom mine import predict as run",
        "from mine import *",
        "globals().update(init=print, run=print)",
        "def __getattr__(name): return print",
        f"try:\n  {INIT}except ImportError: pass\nif True:\n  {RUN}else:\n  def run(a, b): pass",
        "def setup():\n    global init, run\n    init = run = print\nsetup()",
        "@timed\ndef init(context): pass\n@input_schema('data', 1)\ndef run(data, other): pass",
        "run = 1\ndef init(): pass\ndef run(data, other): pass",  # the last one counts, which is not inspected
        "\ufeff" + INIT + RUN,
        INIT + RUN + 'PATTERN = "\\d"',
    ],
)
def test_valid_score_scripts_are_accepted(text: str) -> None:
    assert check_script_text(text.encode(), "score.py") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [("score.py", "init()"), ("score.py", "run(data)")]),
        (RUN, [("score.py", "init()")]),
        (INIT + "class Model:\n  def run(self, data): pass", [("score.py", "run(data)")]),
        (INIT + "def run(): pass", [("score.py:2", "run()")]),
        (INIT + "def run(data, model): pass", [("score.py:2", "run(data, model)")]),
        (INIT + "def run(data, *, model): pass", [("score.py:2", "run(data, *, model)")]),
        (INIT + "def run(*, data): pass", [("score.py:2", "run(*, data)")]),
        ("def init(context): pass\n" + RUN, [("score.py:1", "init(context)")]),
        (INIT + "async def run(data): pass", [("score.py:2", "async")]),
    ],
)
def test_invalid_score_scripts_are_refused_with_their_line(text: str, expected: list[tuple[str, str]]) -> None:
    found = check_script_text(text.encode(), "score.py")
    assert [(one.code, one.where, fact in one.what) for one, (_, fact) in zip(found, expected, strict=True)] == [
        ("bad-script", where, True) for where, _ in expected
    ]


@pytest.mark.parametrize(("text", "line"), [(b"def init(): pass\ndef run(data) return data", 2), (b"\x80", 1), (b"a\0", 1)])
def test_syntax_errors_are_reported(text: bytes, line: int) -> None:
    (found,) = check_script_text(text, "score.py")
    assert (found.code, found.where) == ("bad-script", f"score.py:{line}")


def test_a_file_is_checked_by_its_name(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    with pytest.raises(InputError) as missing:
        check_script(file)
    file.write_text(INIT)
    with pytest.raises(InputError) as half:
        check_script(file)
    assert [error.value.findings[0].code for error in (missing, half)] == ["no-script", "bad-script"]
    assert half.value.findings[0].where == str(file)
