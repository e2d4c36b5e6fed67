"""If several processes want the same build, one of them does it."""

from __future__ import annotations

from typing import Any

import pytest

from slurmtf.job.build import work
from slurmtf.job.build.work import build_once


class Claimed:
    """A claim that is taken at the n-th try; by then ``there`` contains what the others have built."""

    def __init__(self, tries: int, there: list[str]) -> None:
        self._tries, self._there, self.released = tries, there, 0

    def take(self) -> bool:
        self._tries -= 1
        if self._tries == 0 and self._there == ["theirs soon"]:
            self._there[0] = "theirs"
        return self._tries == 0

    def read_holder(self) -> dict[str, Any]:
        return {"pid": 1, "host": "node1"}

    def release(self) -> None:
        self.released += 1


@pytest.mark.parametrize(
    ("tries", "there", "built", "released", "waited"),
    [
        (1, [], ["ours"], 1, 0),
        (1, ["theirs"], ["theirs"], 0, 0),
        (1, ["theirs soon"], ["theirs"], 1, 0),  # it appeared between the first look and the claim
        (3, ["theirs soon"], ["theirs"], 1, 2),
        (3, [], ["ours"], 1, 2),
    ],
)
def test_the_holder_of_the_claim_looks_again_before_building(
    monkeypatch: pytest.MonkeyPatch, tries: int, there: list[str], built: list[str], released: int, waited: int
) -> None:
    monkeypatch.setattr(work, "WAIT_S", 0)
    place, beats = list(there), list[int]()
    claim: Any = Claimed(tries, place)
    build_once(claim, "x", lambda: place in (["ours"], ["theirs"]), lambda: place.append("ours"), lambda: beats.append(1))
    assert (place, claim.released, len(beats)) == (built, released, waited)
