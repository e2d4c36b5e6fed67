"""Which jobs are ahead of ours."""

from __future__ import annotations

import pytest

from slurmtf.scheduler.books import Ahead
from slurmtf.scheduler.slurm.jobs_ahead import build_waiting_query, find_ahead, parse_waiting

QUEUE = """\
12|500|gpu|ada|Priority
13|900|gpu|bob|Resources
14|900|cpu|bob|Resources
15|700|gpu,cpu|ada|Priority
16|999|gpu|bob|Dependency
17|999|gpu|eve|JobHeldUser
18_[1-5%2]|600|gpu|eve|Priority
19|100|gpu|eve|Priority
nonsense
20|N/A|gpu|eve|x
22|50|old|eve|Priority
23|50|old|ada|Priority
24|50|old|bob|Priority
"""


@pytest.mark.parametrize(
    ("job", "found"),
    [
        ("12", Ahead(3, 1, "gpu", True)),
        ("13", Ahead(0, 0, "gpu", True)),
        ("14", Ahead(0, 0, "cpu", True)),
        ("15", Ahead(2, 0, "cpu,gpu", True)),
        ("18", Ahead(2, 0, "gpu", True)),
        ("23", Ahead(1, 0, "old", True)),  # the same priority: the one submitted first
        ("99", None),
    ],
)
def test_the_jobs_ahead_are_found(job: str, found: Ahead | None) -> None:
    assert find_ahead(parse_waiting(QUEUE), job) == found


def test_jobs_of_others_may_be_hidden() -> None:
    assert find_ahead(parse_waiting("12|500|gpu|ada|Priority\n"), "12") == Ahead(0, 0, "gpu", False)


def test_all_jobs_are_queried() -> None:
    assert build_waiting_query("lab")[:3] == ["squeue", "--clusters=lab", "--noheader"]
    assert "--me" not in build_waiting_query()
