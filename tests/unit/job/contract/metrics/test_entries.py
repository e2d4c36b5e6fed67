"""Converting what a script logs to a line and back."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmtf.job.contract.metrics.entries import Entry, from_line, to_line

SCALARS = st.floats(allow_nan=False) | st.integers(-(10**308), 10**308) | st.text()
VALUES = {
    "value": SCALARS,
    "list": st.lists(SCALARS),
    "row": st.dictionaries(st.text(), SCALARS),
    "table": st.dictionaries(st.text(), st.lists(SCALARS)),
    "image": st.text(),
    "tag": st.text(),
    "confusion_matrix": st.dictionaries(st.text(), SCALARS),
}
ENTRIES = st.sampled_from(sorted(VALUES)).flatmap(
    lambda kind: st.builds(
        Entry,
        name=st.text(),
        value=VALUES[kind],
        step=st.none() | st.integers(-(2**63) + 1, 2**63 - 1),
        time=st.integers(0, 4_000_000_000).map(lambda thousandths: thousandths / 1000),
        kind=st.just(kind),
    )
)


@given(ENTRIES)
def test_an_entry_is_read_as_it_was_written(entry: Entry) -> None:
    line = to_line(entry)
    assert (line.count(b"\n"), line[-1:]) == (1, b"\n")
    assert from_line(line) == entry


def test_nan_and_infinity_are_read_as_written() -> None:
    read = from_line(to_line(Entry("loss", math.nan)))
    assert read is not None
    assert math.isnan(read.value)
    assert from_line(to_line(Entry("loss", [math.inf, -math.inf], kind="list"))) == Entry(
        "loss", [math.inf, -math.inf], kind="list"
    )


@given(ENTRIES, st.integers(0, 200))
def test_a_torn_line_is_not_an_entry(entry: Entry, kept: int) -> None:
    line = to_line(entry)
    assert from_line(line[: min(kept, len(line) - 2)]) is None


@given(ENTRIES, ENTRIES, st.integers(0, 200))
def test_an_entry_after_a_torn_line_is_read(torn: Entry, entry: Entry, kept: int) -> None:
    line = to_line(torn)
    assert from_line(line[: min(kept, len(line) - 2)] + to_line(entry)) == entry


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"null\n",
        b"[1]\n",
        b"[" * 100_000,
        b"\xff\n",
        b'{"name": 1, "value": 2, "time": 3}\n',
        b'{"name": "a", "value": 2, "time": "3"}\n',
        b'{"name": "a", "value": 2, "time": 3, "step": "4"}\n',
        b'{"name": "a", "value": 2, "time": 3, "kind": "list"}\n',
        b'{"name": "a", "value": [2], "time": 3, "kind": "table"}\n',
        b'{"name": "a", "value": 2}\n',
        b'{"name": "a", "value": 1%s, "time": 3}\n' % (b"0" * 400),
        b'{"name": "a", "value": -1%s, "time": 3}\n' % (b"0" * 5000),
        b'{"name": "a", "value": [[{"x": 1%s}]], "time": 3, "kind": "list"}\n' % (b"0" * 400),
        b'{"name": "a", "value": 2, "time": 3, "step": 9223372036854775808}\n',
        b'{"name": "a", "value": 2, "time": 1e11}\n',
        b'{"name": "a", "value": 2, "time": NaN}\n',
        b'{"name": "a", "value": 2, "time": -Infinity}\n',
    ],
)
def test_a_foreign_line_is_not_an_entry(line: bytes) -> None:
    assert from_line(line) is None


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes"])
def test_values_that_json_can_not_hold_are_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        to_line(Entry("loss", value))
