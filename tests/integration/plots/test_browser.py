"""The HTML plot in a real browser: it draws the curves, reacts to the mouse, and makes no requests."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest

from slurmtf.plots.chart import Chart, Curve
from slurmtf.plots.html import to_html
from slurmtf.plots.svg import COLOURS
from tests.browser import Browser

EVIL = "<img src=x onerror=document.title='evil'>"


@pytest.fixture
def page(browser: Browser, tmp_path: Path) -> Browser:
    chart = Chart("loss", [Curve("run-a", [(0, 0), (5, 10), (10, 0)]), Curve(EVIL, [(0, 5), (10, 5)])], "step")
    path = tmp_path / "metrics.html"
    path.write_text(to_html(EVIL, [chart]), encoding="utf-8")
    browser.open(path)
    return browser


def pixels(image: bytes) -> set[tuple[int, int, int]]:
    """Return the colours of a PNG of 8 bits without interlacing, as a browser writes it (PNG specification, 9.2: filters)."""
    width, height, _, kind = struct.unpack(">IIBB", image[16:26])
    depth = {2: 3, 6: 4}[kind]
    data, at = b"", 8
    while at < len(image):
        (size,) = struct.unpack(">I", image[at : at + 4])
        data += image[at + 8 : at + 8 + size] if image[at + 4 : at + 8] == b"IDAT" else b""
        at += size + 12
    raw, before, found = zlib.decompress(data), bytearray(width * depth), set()
    for row in range(height):
        start = row * (width * depth + 1)
        line = bytearray(raw[start + 1 : start + 1 + width * depth])
        for i in range(len(line)):
            left, up = (line[i - depth], before[i]) if i >= depth else (0, before[i])
            corner = before[i - depth] if i >= depth else 0
            line[i] = (line[i] + _predicted(raw[start], left, up, corner)) % 256
        found |= {(line[i], line[i + 1], line[i + 2]) for i in range(0, len(line), depth)}
        before = line
    return found


def _predicted(kind: int, left: int, up: int, corner: int) -> int:
    nearest = min((abs(up - corner), 0, left), (abs(left - corner), 1, up), (abs(left + up - 2 * corner), 2, corner))[2]
    return (0, left, up, (left + up) // 2, nearest)[kind]


def rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def test_the_curves_are_drawn(page: Browser) -> None:
    assert page.evaluate("document.querySelectorAll('svg .curve polyline').length") == 2
    assert {rgb(COLOURS[0]), rgb(COLOURS[1])} <= pixels(page.screenshot())


def test_the_mouse_reads_values(page: Browser) -> None:
    box = page.evaluate("(({left, top, width}) => [left, top, width])(document.querySelector('svg').getBoundingClientRect())")
    scale = box[2] / 720
    page.mouse("mouseMoved", box[0] + 388 * scale, box[1] + 36 * scale)
    assert page.evaluate("document.querySelector('.read').textContent") == "run-a: 10 at 5"


def test_a_click_on_the_legend_hides_a_curve(page: Browser) -> None:
    where = "(({left, top}) => [left, top])(document.querySelector('.legend text').getBoundingClientRect())"
    left, top = page.evaluate(where)
    page.mouse("click", left + 5, top + 5)
    assert page.evaluate("getComputedStyle(document.querySelector('.drawn')).display") == "none"
    assert rgb(COLOURS[0]) not in pixels(page.screenshot())  # the mark in the legend is paler


def test_user_input_is_shown_as_text(page: Browser) -> None:
    assert page.evaluate("[document.title, document.querySelectorAll('img').length]") == [EVIL, 0]
    assert page.evaluate("document.querySelectorAll('.legend text')[1].textContent") == EVIL


def test_the_page_makes_no_requests_and_logs_no_errors(page: Browser) -> None:
    assert [url for url in page.requests if not url.startswith("file:")] == []
    assert page.complaints == []
