"""A site whose nodes reach each other by names other than Slurm's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from slurmtf import Mpi, ParameterServer, RunStatus
from tests.cluster.config import SUFFIX

from .support import Faults, assert_completed, end_of, gave_up_at_once

pytestmark = pytest.mark.slurm

NODES = ("node1", "node2")
TWO_NODES = {"node_count": 2, "sbatch": {"nodelist": ",".join(NODES)}}
SCRIPT = """
import json, os, time
names = ("TF_CONFIG", "SLURMTF_ADDRESS", "HOROVOD_GLOO_RENDEZVOUS_ADDR", "HOROVOD_GLOO_IFACE")
facts = {name: os.environ.get(name, "") for name in names}
name = "%s.json" % os.environ["SLURMTF_RANK"]
open(name, "w").write(json.dumps(facts))
os.rename(name, "outputs/" + name)
while len(os.listdir("outputs")) < int(os.environ["SLURMTF_WORLD_SIZE"]):  # a server is ended with the last worker
    time.sleep(0.1)
"""


def profile(folder: Path, suffix: str) -> str:
    path = folder / "site.yaml"
    path.write_text(f"extends: slurm\nname: site\nnetwork: {{host_suffix: {suffix}}}\n")
    return str(path)


def read_facts(folder: Path) -> list[dict[str, str]]:
    return [json.loads(path.read_text()) for path in sorted((folder / "outputs").glob("*.json"))]


def test_tensorflow_gets_names_with_the_sites_suffix(faults: Faults, tmp_path: Path) -> None:
    site = profile(tmp_path, SUFFIX)
    run = faults.submit(ParameterServer(1, 1, layout="original"), {}, script=SCRIPT, compute_target=site, **TWO_NODES)
    assert_completed(end_of(run))
    for facts in read_facts(run.folder):
        cluster = json.loads(facts["TF_CONFIG"])["cluster"]
        names = {address.partition(":")[0] for addresses in cluster.values() for address in addresses}
        assert names == {name + SUFFIX for name in NODES}
    assert {facts["SLURMTF_ADDRESS"].partition(":")[0] for facts in read_facts(run.folder)} == {name + SUFFIX for name in NODES}


def test_horovod_gets_the_name_and_its_interface(faults: Faults, tmp_path: Path) -> None:
    site = profile(tmp_path, SUFFIX)
    run = faults.submit(Mpi(1, transport="gloo"), {}, script=SCRIPT, compute_target=site, **TWO_NODES)
    assert_completed(end_of(run))
    found = {(facts["HOROVOD_GLOO_RENDEZVOUS_ADDR"], facts["HOROVOD_GLOO_IFACE"]) for facts in read_facts(run.folder)}
    assert found == {(NODES[0] + SUFFIX, "eth0")}


def test_an_unresolvable_name_is_reported_with_its_profile_key(faults: Faults, tmp_path: Path) -> None:
    site = profile(tmp_path, "-nowhere")
    run = faults.submit(ParameterServer(1, 1, layout="original"), {}, script=SCRIPT, compute_target=site, **TWO_NODES)
    state = end_of(run)
    assert (state.status, state.cause) == (RunStatus.FAILED, "launcher"), state
    assert f" {NODES[0]}-nowhere " in state.message
    assert "network.host_suffix" in state.message
    assert gave_up_at_once(run)
