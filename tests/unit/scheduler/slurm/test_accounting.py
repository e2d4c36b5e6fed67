"""The resources that jobs used, by sacct and jobstats."""

from __future__ import annotations

import base64
import gzip
import json

import pytest

from slurmtf.scheduler.books import JobUsage, NodeBooks
from slurmtf.scheduler.slurm.accounting import build_usage_query, parse_jobstats, parse_size, parse_usage

SUMMARY = {
    "nodes": {
        "adroit-h11g1": {
            "total_memory": 4294967296, "used_memory": 2147483648, "total_time": 1234.5, "cpus": 2,
            "gpu_total_memory": {"0": 85899345920}, "gpu_used_memory": {"0": 1073741824}, "gpu_utilization": {"0": 97.7},
        }
    },
    "total_time": 3600, "gpus": 1,
}  # fmt: skip
"""As its readme shows it (github.com/PrincetonUniversity/jobstats)."""


def packed(facts: object) -> str:
    return "JS1:" + base64.b64encode(gzip.compress(json.dumps(facts).encode(), mtime=0)).decode()


NODE = NodeBooks("adroit-h11g1", 1234.5, 2147483648, ((97.7, 1024.0, 81920.0),))


def test_the_usage_of_a_job_is_that_of_its_steps() -> None:
    text = (
        f"12|3600|02:00:00||{packed(SUMMARY)}|/scratch/a|b\n12.batch|3600|00:00.500|1024K||\n12.0|3590|1-01:59:59|3.50G||\n"
        "13_4|10|00:09.250|||/scratch/c\nnonsense\n13_4.0|10|00:09|12345678K||\n"
    )
    assert parse_usage(text) == {
        "12": JobUsage(3600.0, 7200.0, round(3.5 * 2**30), "/scratch/a|b", (NODE,)),
        "13_4": JobUsage(10.0, 9.25, 12345678 * 1024, "/scratch/c"),
    }


@pytest.mark.parametrize(
    ("text", "size"), [("1024K", 1 << 20), ("2.5M", 2621440), ("0", 0), ("", 0), ("16Gn", 16 << 30), ("x", 0), ("-1K", 0)]
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "comment",
    ["", "Killed by ada", "JS1:", "JS1:None", "JS1:Short", "JS1:AAAA", packed([1]), packed({"nodes": [1]}), packed({})],
)
def test_invalid_summaries_are_ignored(comment: str) -> None:
    assert parse_jobstats(comment) == ()


def test_a_summary_may_lack_gpus() -> None:
    assert parse_jobstats(packed({"nodes": {"n": {"total_time": 5, "used_memory": 7}}})) == (NodeBooks("n", 5.0, 7),)


def test_all_jobs_are_queried_in_one_call() -> None:
    assert build_usage_query(["12", "13_4"], "lab")[:3] == ["sacct", "--clusters=lab", "--noheader"]
    assert build_usage_query(["12", "13_4"])[-1] == "--jobs=12,13_4"
