"""Tests ask what a finding, an outcome or an error is (code, where, cause, fields), not how it is worded.

A sentence stays where words are the subject: the tests of FILES. What a program prints has no code: tests may look for numbers
and names in it, and for what scripts and other programs say, but repeat no sentence of ours.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from slurmtf import errors

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent
ROOMS = sorted(path.name for path in TESTS.iterdir() if (path / "__init__.py").exists())
OF_OTHERS = ("Network is unreachable", "Unable to confirm allocation", "Unable to contact slurm controller")
"""Words of other programs that ours look for, and tests too."""
WORDS = re.compile(r"[A-Za-z][a-z']*(?:,? [a-z']+){2,}")
GRAMMAR = re.compile(r"\b(a|an|the|is|are|was|has|have|does|not|no|there|it|its|in|of|that|to|can't|could)\b")
"""A sentence is three words in a row, one of which is there for grammar: a command has none."""
WORDED = ("what", "remedy", "message")
ERRORS = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.SlurmtfError)}
FILES = {
    "unit/job/contract/attempt/test_attempts.py": "an outcome in words",
    "unit/runs/states/test_evidence.py": "an outcome in words",
    "unit/scheduler/slurm/test_refusal.py": "sbatch's own words",
    "unit/test_codes.py": "sentences that this test finds",
    "unit/trust/test_rule.py": "why a file is not trusted, in words",
}


def sentences(node: ast.AST) -> Iterator[str]:
    """Yield the sentences that a piece of a test holds."""
    texts = (one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str))
    yield from (text for text in texts if any(GRAMMAR.search(words) for words in WORDS.findall(text)))


def worded(test: ast.AST) -> Iterator[str]:
    """Yield the sentences with which a test compares the words of a finding or of a state, in its asserts and its table."""
    nodes = list(ast.walk(test))
    asserts = [node.test for node in nodes if isinstance(node, ast.Assert)]
    if any(isinstance(one, ast.Attribute) and one.attr in WORDED for node in asserts for one in ast.walk(node)):
        tables = [arg for one in getattr(test, "decorator_list", []) if isinstance(one, ast.Call) for arg in one.args[1:]]
        for node in (*asserts, *tables):
            yield from sentences(node)


def matched(test: ast.AST) -> Iterator[str]:
    """Yield what a test looks for in the text of an error of ours: its findings have codes."""
    for call in ast.walk(test):
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.raises":
            kinds = {one.id for arg in call.args for one in ast.walk(arg) if isinstance(one, ast.Name)}
            yield from (ast.unparse(word.value) for word in call.keywords if word.arg == "match" and kinds & ERRORS)


@cache
def own_words() -> str:
    """Return all texts of ours that a program may print: those of the code but for docstrings, and the templates."""
    found = [path.read_text(encoding="utf-8") for path in (ROOT / "templates").rglob("*.j2")]
    for path in (ROOT / "slurmtf").rglob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        documents = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        texts = (node for node in nodes if isinstance(node, ast.Constant) and id(node) not in documents)
        found += [node.value for node in texts if isinstance(node.value, str)]
    return "\n".join(found)


def repeated(source: str, ours: str) -> list[str]:
    """Return our sentences that the asserts of a file repeat."""
    asserts = [node.test for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Assert)]
    phrases = [words for one in asserts for text in sentences(one) for words in WORDS.findall(text) if GRAMMAR.search(words)]
    return [words for words in phrases if words in ours and words not in OF_OTHERS]


def pinned(source: str) -> list[str]:
    tests = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    return [f"{test.name}: {text!r}" for test in tests for text in (*worded(test), *matched(test))]


def sources(room: str) -> dict[str, str]:
    """Return the tests of a room in which words are not the subject."""
    found = {str(path.relative_to(TESTS)): path for path in (TESTS / room).rglob("*.py")}
    return {name: path.read_text(encoding="utf-8") for name, path in found.items() if name not in FILES}


@pytest.mark.parametrize("room", ROOMS)
def test_no_test_asks_for_words(room: str) -> None:
    assert {name: texts for name, source in sources(room).items() if (texts := pinned(source))} == {}


@pytest.mark.parametrize("room", ROOMS)
def test_no_test_repeats_a_sentence_of_ours(room: str) -> None:
    ours = own_words()
    assert {name: texts for name, source in sources(room).items() if (texts := repeated(source, ours))} == {}


def test_the_files_in_which_words_are_the_subject_are_there() -> None:
    assert [name for name in FILES if not (TESTS / name).exists()] == []


def test_repeated_words_are_seen() -> None:
    ours = "there is no {!r} here\nUnable to contact slurm controller"
    assert repeated("assert 'there is no ' in out", ours) == ["there is no"]
    assert repeated("def test_a():\n    assert f'{x}: there is no {y}' in out\n", ours) == ["there is no"]
    assert repeated("assert ('what the script says', 'Unable to contact slurm controller') == out", ours) == []


def test_words_are_seen() -> None:
    assert pinned("def test_a():\n    assert finding.what == 'there is no site'\n")
    assert pinned("@pytest.mark.parametrize('x', ['there is no site'])\ndef test_a(x):\n    assert x in finding.what\n")
    assert pinned("def test_a():\n    with pytest.raises(SpecError, match='x'):\n        pass\n")
    assert not pinned("def test_a():\n    assert finding.code == 'unknown-site'\n    assert 'here' in finding.what\n")
    assert not pinned("def test_a():\n    with pytest.raises(OSError, match='x'):\n        pass\n")
