"""Which flags exclude which."""

from __future__ import annotations

from typing import Any

import pytest

from slurmtf.estimator import families


@pytest.mark.parametrize(
    ("flag", "value", "excluded"),
    [
        ("mem", "1G", {"mem", "mem-per-cpu", "mem-per-gpu"}),
        ("--mem_per_gpu", "1G", {"mem", "mem-per-cpu", "mem-per-gpu"}),
        ("cpus-per-gpu", 4, {"cpus-per-task", "cpus-per-gpu"}),
        ("oversubscribe", True, {"exclusive", "oversubscribe", "share"}),
        ("no-requeue", True, {"requeue", "no-requeue"}),
        ("thread-spec", 1, {"core-spec", "thread-spec"}),
        ("threads-per-core", 1, {"hint", "threads-per-core", "ntasks-per-core", "extra-node-info"}),
        ("tres-bind", "gres/gpu:none", {"gpu-bind", "tres-bind"}),
        ("tres-per-task", "cpu=4,gres/gpu=1", {"tres-per-task", "cpus-per-task", "cpus-per-gpu"}),
        ("tres-per-task", "gres/gpu=1", {"tres-per-task"}),
        ("comment", "x", {"comment"}),
        ("mem", None, set()),
        ("exclusive", False, set()),
        ("mem", 0, {"mem", "mem-per-cpu", "mem-per-gpu"}),
        ("mail-type", [], set()),
    ],
)
def test_a_flag_excludes_its_family(flag: str, value: Any, excluded: set[str]) -> None:
    assert families.add_excluded({flag: value}) == excluded


def test_a_layer_replaces_the_flags_that_it_excludes() -> None:
    below = {"job-name": "a", "mem": "8G", "hint": "x", "--requeue": True}
    assert list(families.override_flags(below, {"--mem-per-cpu": "1G", "no_requeue": True, "job-name": "b"}).items()) == [
        ("job-name", "b"), ("hint", "x"), ("mem-per-cpu", "1G"), ("no_requeue", True),
    ]  # fmt: skip
    assert families.override_flags(below, {"mem": None}) == {"job-name": "a", "mem": None, "hint": "x", "requeue": True}


def test_no_flag_belongs_to_two_families() -> None:
    members = [flag for one in (*families.FAMILIES, families.GPU_FLAGS) for flag in one]
    assert len(members) == len(set(members))
