"""SVG and HTML: well-formed whatever a user typed, and complete in themselves."""

from __future__ import annotations

import json
import math
import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmtf.plots.chart import Chart, Curve, Dot, escape_unprintable
from slurmtf.plots.html import to_html
from slurmtf.plots.svg import build_element, to_svg

SVG = "{http://www.w3.org/2000/svg}"
EVIL = "</script><script>alert(1)</script>\"' onload=x & \x1b[31m"


def curves(svg: str) -> list[ET.Element]:
    return ET.fromstring(svg).findall(f"{SVG}g")


def test_a_curve_is_a_line_through_its_points() -> None:
    svg = to_svg(Chart("loss", [Curve("run-a", [(0, 0), (5, 10), (10, 0)])]))
    (curve,) = curves(svg)
    (line,) = curve.iter(f"{SVG}polyline")
    assert line.get("points") == "72.0,352.0 388.0,32.0 704.0,352.0"
    assert json.loads(curve.get("data-points") or "") == [
        [72, 352, "0", "0"], [388, 32, "5", "10"], [704, 352, "10", "0"]]  # fmt: skip


@pytest.mark.parametrize(
    ("points", "shape", "lines", "circles"),
    [
        ([], "line", 0, 0),
        ([(1, 2)], "line", 0, 1),
        ([(1, math.nan)], "line", 0, 0),
        ([(0, 1), (1, 2), (2, math.inf), (3, 1), (4, 2)], "line", 2, 0),
        ([(0, 1), (1, 2)], "steps", 1, 0),
        ([(0, 1), (1, 2)], "dots", 0, 2),
        ([(i, i) for i in range(100_000)], "line", 1, 0),
    ],
)
def test_shapes(points: list[Dot], shape: str, lines: int, circles: int) -> None:
    svg = to_svg(Chart("x", [Curve("x", points, shape)]))  # type: ignore[arg-type]
    (curve,) = curves(svg)
    assert (len(list(curve.iter(f"{SVG}polyline"))), len(list(curve.iter(f"{SVG}circle")))) == (lines, circles)
    assert len(svg) < 200_000


@given(st.text(), st.text(), st.text())
def test_whatever_is_typed_it_is_well_formed(title: str, label: str, name: str) -> None:
    svg = to_svg(Chart(title, [Curve(label, [(0, 1), (1, 2)])], name, name))
    (curve,) = curves(svg)
    assert next(curve.iter(f"{SVG}text")).text == (escape_unprintable(label) or None)


def test_a_user_can_not_write_markup() -> None:
    page = to_html(EVIL, [Chart(EVIL, [Curve(EVIL, [(0, 1)])], EVIL, EVIL)])
    assert page.count("<script>") == 1
    assert "alert(1)</script>" not in page
    assert "\x1b" not in page
    assert build_element("text", name='a"b') == '<text name="a&quot;b"/>'


def test_a_page_needs_nothing_else() -> None:
    page = to_html("metrics", [Chart("loss", [Curve("a", [(0, 1), (1, 2)])])])
    assert not re.search(r"(src|href)=|https?://", page)
    assert "default-src &#x27;none&#x27;" in page
