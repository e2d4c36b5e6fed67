"""Programs of ours in their environments: how many go on here at once."""

from __future__ import annotations

import pytest

from slurmtf.submit.tools import shares


@pytest.mark.parametrize(
    ("elements", "cpus", "of_machine", "expected"),
    [
        (8, None, 4, [()]),
        (8, 2, 4, [("part", "0", "2", "2"), ("part", "1", "2", "2")]),
        (1, 1, 4, [("part", "0", "1", "1")]),
        (3, 8, 4, [("part", "0", "1", "8")]),  # more than there are: one, as it was asked for
    ],
)
def test_as_many_as_fit_go_on_at_once(
    elements: int, cpus: int | None, of_machine: int, expected: list[tuple[str, ...]]
) -> None:
    assert shares(elements, cpus, of_machine) == expected
