"""PNG where there is matplotlib, and what is said where there is none."""

from __future__ import annotations

import math
import sys

import pytest

from slurmtf.errors import InputError
from slurmtf.plots.chart import Chart, Curve
from slurmtf.plots.png import to_png

CURVES = [Curve("_a$", [(0, 1), (1, math.nan), (2, 3)]), Curve("b", []), Curve("c", [(0, 1)], "dots")]
CHART = Chart("$lo_ss", CURVES, log_y=True)


def test_an_image() -> None:
    pytest.importorskip("matplotlib")
    image = to_png([CHART, CHART])
    assert image.startswith(b"\x89PNG\r\n\x1a\n")
    assert (int.from_bytes(image[16:20], "big"), int.from_bytes(image[20:24], "big")) == (960, 1080)


def test_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InputError) as caught:
        to_png([CHART])
    assert [finding.code for finding in caught.value.findings] == ["no-matplotlib"]
