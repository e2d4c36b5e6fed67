"""Receipts of runs that could not complete them: one canceled while it waited, one killed with its supervisor."""

from __future__ import annotations

import pytest

from slurmtf.files import read_json
from tests.system.faults.support import wait_for_process

from .support import WAIT, Lab, findings, get_job, wait_until_ended, wait_until_started

pytestmark = pytest.mark.slurm


def test_an_incomplete_receipt_shows_what_is_known_otherwise(lab: Lab) -> None:
    waits, killed = lab.submit(WAIT, sbatch={"hold": True}), lab.submit(WAIT)
    wait_until_started(killed)
    waits.cancel()
    wait_for_process(killed, "supervise").kill()
    canceled, lost = wait_until_ended(waits, killed)
    assert (waits.receipt["attempts"], waits.receipt["outcome"]["cause"]) == ([], "canceled")
    (attempt,) = killed.receipt["attempts"]
    assert (attempt["job"], attempt["outcome"]["cause"]) == (get_job(killed), lost.cause)
    assert killed.receipt["outcome"] == {"status": lost.status.value, **attempt["outcome"]}
    for run in (waits, killed):
        assert read_json(run.layout.receipt) == run.receipt
    found = {one["name"]: (one["first"], one["second"]) for one in lab.data("diff", waits.id, killed.id)["differences"]}
    assert found["status"] == (canceled.status.value, lost.status.value)
    assert found["attempts"] == (None, 1)
    assert found["nodes"] == (None, lost.nodes)
    assert [one["code"] for one in findings(lab.slurmtf("cite", waits.id, "--json"))] == ["not-trained"]
    assert "hours" not in lab.data("cite", killed.id)["methods"]
