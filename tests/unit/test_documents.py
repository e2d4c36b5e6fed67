"""YAML 1.2 in, typed data out, and errors that say where."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slurmtf.documents import Document, dump_yaml, read_document
from slurmtf.errors import InputError, SiteError, SpecError
from slurmtf.paths import LARGEST_TEXT
from slurmtf.schema import Strict, Tagged
from tests.unit.support import refusing, tells


@dataclass(frozen=True)
class Circle(Strict):
    radius: float = 1.0
    kind: Literal["circle"] = "circle"


@dataclass(frozen=True)
class Square(Strict):
    side: float = 1.0
    kind: Literal["square"] = "square"


@dataclass(frozen=True)
class Paint(Strict):
    color: str = "white"
    coats: int = 1


@dataclass(frozen=True)
class Drawing(Strict):
    title: str = ""
    width: int | None = None
    shape: Annotated[Circle | Square, Tagged("kind")] | None = None
    paints: dict[str, Paint] = field(default_factory=dict)
    layers: list[Paint] = field(default_factory=list)
    anything: dict[str, Any] = field(default_factory=dict)


def read(text: str) -> Document:
    return Document(text, "file.yaml", SpecError)


LAUGHS = "".join(f"l{n}: &l{n} [{', '.join(['x'] * 9 if n == 0 else [f'*l{n - 1}'] * 9)}]\n" for n in range(12))
"""Some 500 bytes that stand for 3 * 10^11 values."""
EMPTY_LAUGHS = LAUGHS.replace("x", "[]")


def value_of(scalar: str) -> object:
    return read(f"key: {scalar}\n").data["key"]


def complaints(text: str) -> list[str]:
    """Return what is said about a document that is no Drawing."""
    with pytest.raises(SpecError) as caught:
        read(text).parse(Drawing)
    return [str(finding) for finding in caught.value.findings]


# --- scalars: https://yaml.org/spec/1.2.2/#103-core-schema


@pytest.mark.parametrize(
    "text",
    ["1:30:00", "0:15", "2-12:00:00", "no", "yes", "on", "off", "y", "N", "2024-10-15", "2024-10-15 10:00:00",
     "1_000", "=", "<<", "12G", "1e", "e3", "1.2.3", "0b11", ".", "+", "nulls", "Truest"],
)  # fmt: skip
def test_text_that_yaml_1_1_takes_for_something_else_stays_text(text: str) -> None:
    assert value_of(text) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3), ("1E5", 1e5), (".5", 0.5), ("5.", 5.0), ("-1.5e+2", -150.0), ("+0.1", 0.1),
        (".inf", math.inf), ("-.Inf", -math.inf), ("12", 12), ("-7", -7), ("+7", 7), ("012", 12), ("0", 0),
        ("true", True), ("False", False), ("TRUE", True), ("null", None), ("~", None), ("", None), ("NULL", None),
    ],
)  # fmt: skip
def test_scalars_of_the_core_schema(text: str, value: object) -> None:
    found = value_of(text)
    assert found == value
    assert type(found) is type(value)


def test_not_a_number() -> None:
    found = value_of(".nan")
    assert isinstance(found, float)
    assert math.isnan(found)


@pytest.mark.parametrize("text", ["1", "true", "~", "1e-3", ""])
def test_a_quoted_scalar_is_text(text: str) -> None:
    assert value_of(f"'{text}'") == text


# --- writing

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
LOOKALIKES = st.sampled_from(
    [
        "1:30:00",
        "no",
        "~",
        "null",
        "true",
        "1e3",
        "1e-3",
        "012",
        ".inf",
        "",
        " ",
        "- a",
        "a: b",
        "#",
        "<<",
        "=",
        "\t",
        "\n",
    ]
)
DATA = st.dictionaries(
    st.text() | LOOKALIKES,
    st.recursive(
        SCALARS | LOOKALIKES,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | LOOKALIKES, inner, max_size=4),
        max_leaves=12,
    ),
    max_size=5,
)


@settings(deadline=None)
@given(DATA)
def test_what_is_written_is_read_back_without_loss(data: dict[str, Any]) -> None:
    assert repr(read(dump_yaml(data)).data) == repr(data)  # repr: True is not 1, and 0.0 not -0.0


def test_not_a_number_is_written_and_read_back() -> None:
    found = read(dump_yaml({"key": math.nan})).data["key"]
    assert isinstance(found, float)
    assert math.isnan(found)


def test_a_value_that_stands_twice_is_written_twice_not_as_an_alias() -> None:
    shared = [1, 2]
    assert dump_yaml({"b": shared, "a": shared}) == "b:\n- 1\n- 2\na:\n- 1\n- 2\n"


# --- what is not YAML


@pytest.mark.parametrize(
    ("text", "where", "code", "fact"),
    [
        ("title: a\npaints:\n\tred: {}\n", "file.yaml:3", "yaml-syntax", " tab "),
        ("title: a\nwidth: 1\ntitle: b\n", "file.yaml:3", "yaml-duplicate-key", "line 1"),
        ("paints:\n  red: {}\n  red: {}\n", "file.yaml:3", "yaml-duplicate-key", "line 2"),
        ("layers:\n  - color: a\n    color: b\n", "file.yaml:3", "yaml-duplicate-key", "'color'"),
        ("title: a\nlayers: [1, 2\nwidth: 1\n", "file.yaml:3", "yaml-syntax", ""),
        ("title: *nobody\n", "file.yaml:1", "yaml-syntax", "alias"),
        ("a: 1\n---\nb: 2\n", "file.yaml:2", "yaml-syntax", ""),
        ("title: !!python/name:os.system x\n", "file.yaml:1", "yaml-syntax", "constructor"),
        ("", "file.yaml", "yaml-empty", ""),
        ("# a comment alone\n", "file.yaml", "yaml-empty", ""),
        ("- a\n- b\n", "file.yaml", "yaml-empty", ""),
        ("text\n", "file.yaml", "yaml-empty", ""),
        (LAUGHS, "file.yaml", "yaml-too-large", "200,000"),
        (EMPTY_LAUGHS, "file.yaml", "yaml-too-large", "200,000"),
    ],
)
def test_a_text_that_is_no_document(text: str, where: str, code: str, fact: str) -> None:
    with pytest.raises(SpecError) as caught:
        read(text)
    (finding,) = caught.value.findings
    assert (finding.source or finding.where, finding.code) == (where, code)
    assert tells(finding, fact)


@pytest.mark.parametrize("kind", [SpecError, SiteError])
def test_the_error_is_of_the_class_that_the_reader_asked_for(kind: type[InputError], tmp_path: Path) -> None:
    with refusing(kind, "unreadable"):
        read_document(tmp_path / "missing.yaml", kind)


def test_a_file_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"title: caf\xe9\n")
    with refusing(SpecError, "not-utf8"):
        read_document(path, SpecError)


def test_a_file_that_no_one_has_written(tmp_path: Path) -> None:
    path = tmp_path / "huge.yaml"
    with path.open("wb") as file:
        file.truncate(LARGEST_TEXT + 1)
    with pytest.raises(SpecError) as caught:
        read_document(path, SpecError)
    assert [(one.code, tells(one, "File too large")) for one in caught.value.findings] == [("unreadable", True)]


def test_a_byte_order_mark_is_not_part_of_the_first_key(tmp_path: Path) -> None:
    path = tmp_path / "marked.yaml"
    path.write_bytes(b"\xef\xbb\xbftitle: a\r\nwidth: 3\r\n")
    assert read_document(path, SpecError).data == {"title": "a", "width": 3}


# --- parsing


def test_a_document_becomes_a_dataclass() -> None:
    text = """
        title: t
        width: 3
        shape: {kind: square, side: 2}
        paints: {red: {color: red}}
        layers: [{coats: 2}]
        anything: {goes: [1, {a: b}]}
    """
    assert read(text).parse(Drawing) == Drawing(
        title="t",
        width=3,
        shape=Square(side=2.0),
        paints={"red": Paint(color="red")},
        layers=[Paint(coats=2)],
        anything={"goes": [1, {"a": "b"}]},
    )


@pytest.mark.parametrize(
    ("text", "what", "remedy"),
    [
        ("title: a\nwidht: 3\n", "2: widht: unknown key", "did you mean 'width'?"),
        ("paints:\n  red:\n    colour: red\n", "3: paints.red.colour: unknown key", "did you mean 'color'?"),
        ("layers:\n  - coats: 1\n  - coat: 2\n", "3: layers.1.coat: unknown key", "did you mean 'coats'?"),
        ("paints:\n  red: {zzz: 1}\n", "2: paints.red.zzz: unknown key", "known keys: coats, color"),
        ("shape: {kind: circle, side: 1}\n", "1: shape.side: unknown key", "known keys: kind, radius"),
        ("shape:\n  radius: 1\n", "1: shape.kind: is missing", "use one of 'circle', 'square'"),
        ("shape:\n  kind: cube\n", "2: shape.kind: says 'cube'", "use one of 'circle', 'square'"),
    ],
)
def test_a_key_that_is_unknown(text: str, what: str, remedy: str) -> None:
    assert complaints(text) == [f"file.yaml:{what}\n    -> {remedy}"]


@pytest.mark.parametrize(
    ("text", "where", "found"),
    [
        ("title: a\nwidth: wide\n", "file.yaml:2: width: ", "(found 'wide')"),
        ("title: [3]\n", "file.yaml:1: title: ", "(found [3])"),
        ("paints:\n  red:\n    coats: many\n", "file.yaml:3: paints.red.coats: ", "(found 'many')"),
        ("layers:\n  - coats: 1\n  - coats: [2]\n", "file.yaml:3: layers.1.coats: ", "(found [2])"),
        ("paints: [red]\n", "file.yaml:1: paints: ", "(found ['red'])"),
    ],
)
def test_a_value_of_the_wrong_type(text: str, where: str, found: str) -> None:
    (complaint,) = complaints(text)
    assert complaint.startswith(where)
    assert complaint.endswith(found)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("shape: {kind: circle, radius: [1]}\n", "file.yaml:1: shape.radius: should be a valid number (found [1])"),
        ("paints: {red: 3}\n", "file.yaml:1: paints.red: should be a mapping (found 3)\n    -> its keys: coats, color"),
        ("paints: 3\n", "file.yaml:1: paints: should be a mapping (found 3)"),
    ],
)
def test_types_are_told_in_the_words_of_the_file(text: str, complaint: str) -> None:
    assert complaints(text) == [complaint]


@dataclass(frozen=True)
class Frame(Strict):
    inner: Drawing | str | None = None
    mode: Literal["a", "b"] | bool | None = None


@pytest.mark.parametrize(
    ("text", "starts"),
    [
        ("inner: {titel: a}\n", ["file.yaml:1: inner.titel: unknown key"]),
        ("inner: {shape: {kind: circle, radius: wide}}\n", ["file.yaml:1: inner.shape.radius: should be a valid number"]),
        ("inner: 5.0\nmode: c\n", ["file.yaml:2: mode: should be 'a' or 'b'"]),
        ("mode: [c]\n", ["file.yaml:1: mode: should be 'a' or 'b'"]),
    ],
)
def test_of_several_kinds_the_inmost_complaint_is_told_once(text: str, starts: list[str]) -> None:
    with pytest.raises(SpecError) as caught:
        read(text).parse(Frame)
    assert len(caught.value.findings) == len(starts)
    assert all(str(found).startswith(start) for found, start in zip(caught.value.findings, starts, strict=True))


def test_every_problem_is_told_at_once() -> None:
    assert len(complaints("titel: a\nwidth: wide\nshape: {kind: cube}\n")) == 3
    assert len(complaints("titel: a\nwidht: 3\npaints:\n  red: {colour: red}\n")) == 3
    assert len(complaints("title: {}\nwidth: wide\nlayers: {}\n")) == 3


@pytest.mark.parametrize("text", ["00123", "2.10", "1080", "1e3", "0x1F", "0o17", "-0", "true", "1_000", "+7", ".5", "1.e0"])
def test_where_a_text_is_wanted_a_number_is_its_own_text(text: str) -> None:
    drawing = read(f"title: {text}\npaints: {{red: {{color: {text}}}}}\nlayers: [{{color: {text}}}]\n").parse(Drawing)
    assert (drawing.title, drawing.paints["red"].color, drawing.layers[0].color) == (text, text, text)


def test_a_long_value_is_shortened() -> None:
    (complaint,) = complaints(f"width: {'w' * 500}\n")
    assert len(complaint) < 200


def test_where_names_the_nearest_key_that_the_file_has() -> None:
    document = read("title: a\npaints:\n  red:\n    coats: 1\n")
    assert document.locate(("paints", "red", "coats")) == "file.yaml:4: paints.red.coats"
    assert document.locate(("paints", "red", "color")) == "file.yaml:3: paints.red.color"
    assert document.locate(("width",)) == "file.yaml: width"
    assert document.locate(()) == "file.yaml"


def test_keys_are_texts() -> None:
    anything = read("anything: {2.10: a, 007: b, true: c, null: d}\n").data["anything"]
    assert anything == {
        "2.10": "a",
        "007": "b",
        "true": "c",
        "null": "d",
    }
