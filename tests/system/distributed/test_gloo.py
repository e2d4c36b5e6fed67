"""Our store for Horovod's ranks compared with Horovod's own, with the real client: any number of ranks, late ones, rounds."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.patience import HANG_S
from tests.unit.job.supervisor.stores import serving
from tests.unit.job.supervisor.test_gloo import CONVERSATIONS, ask, request
from tests.unit.job.supervisor.test_gloo import SIZES as SCOPES

from .examples import Examples

pytestmark = pytest.mark.tensorflow

JOBS = int(os.environ.get("SLURMTF_TEST_GLOO_JOBS", "2"))
SHORT = """\
import json, os, random, time
import horovod.tensorflow as hvd
time.sleep(random.Random(os.urandom(8)).uniform(0, 2))
hvd.init()
open(f"outputs/result-{hvd.rank()}.json", "w").write(json.dumps({"size": hvd.size(), "local_size": hvd.local_size()}))
hvd.shutdown()
"""

RANKS = Path(__file__).with_name("gloo_ranks.py")
SIZES = (1, 2, 3, 4, 8, 16)
DELAY_S = 0.3
ROUNDS = 2


@pytest.fixture(params=["tf_classic", "tf1"], ids=["0.28.1", "0.21.3"])
def horovod(request: pytest.FixtureRequest) -> Path:
    """Return the Python of an environment. Before Horovod 0.23, no barrier keeps a rank from leaving while others connect."""
    python: Path = request.getfixturevalue(request.param)
    return python


def meet(python: Path) -> dict[str, list[int]]:
    """Return the exit statuses of the ranks, by number of ranks."""
    with ExitStack() as stack:
        sizes = {size: {"global": size, "local_node": size, **{f"cross_{rank}": 1 for rank in range(size)}} for size in SIZES}
        ports = {size: stack.enter_context(serving(sizes[size])).port for size in SIZES}
        command = [str(python), str(RANKS), json.dumps(ports), str(DELAY_S), str(ROUNDS)]
        environ = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": ""}
        done = subprocess.run(command, capture_output=True, text=True, env=environ, timeout=HANG_S, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        found: dict[str, list[int]] = json.loads(done.stdout.splitlines()[-1])
        return found


ALL_WELL = {str(size): [0] * size for size in SIZES}


def test_ranks_may_connect_at_any_time(horovod: Path) -> None:
    assert meet(horovod) == ALL_WELL


ORIGINAL = """\
import sys
from horovod.runner.common.util.hosts import SlotInfo
from horovod.runner.http.http_server import RendezvousServer
server = RendezvousServer()
port = server.start()
server.init([SlotInfo("n1", 0, 0, 0, 2, 1, 2), SlotInfo("n2", 1, 0, 1, 2, 1, 2)])
print(port, flush=True)
sys.stdin.read()
server.stop()
"""
OURS_ALONE = (
    "a rank that says twice that it has finished is one rank",  # Horovod's counts two, although its client retries
    "another verb",
)


def test_horovods_own_server_gives_the_same_answers(tf_classic: Path) -> None:
    """It is asked what the unit tests ask ours. The server of 0.21 ends only the first round: it never resets its count."""
    for name in sorted(CONVERSATIONS.keys() - set(OURS_ALONE)):
        command = [str(tf_classic), "-c", ORIGINAL]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as original:
            assert original.stdin is not None and original.stdout is not None
            port = int(original.stdout.readline())
            for step, answer in CONVERSATIONS[name]:
                asked = request(step)
                assert (name, step, ask(port, asked.method, f"/{asked.scope}/{asked.key}", asked.body)) == (name, step, answer)
            original.stdin.close()
    assert SCOPES == {"global": 2, "local_n1": 1, "cross_0": 2}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "short"
    folder.mkdir()
    (folder / "train.py").write_text(SHORT)
    (folder / "job.yaml").write_text(
        "estimator: TensorFlow\nentry_script: train.py\ndistributed_backend: mpi\ncpus_per_task: 1\n"
    )
    return folder


@pytest.mark.slurm
def test_short_jobs_succeed_on_slurm(examples: Examples, source: Path, horovod: Path) -> None:
    """SLURMTF_TEST_GLOO_JOBS is the number of jobs."""
    settings: dict[str, Any] = {"process_count_per_node": 2, "exclusive": False}
    started = [examples.start("gloo", source, horovod, **settings) for _ in range(JOBS)]
    for launched in started:
        expected = {"size": 4, "local_size": 2}
        assert launched.results() == {f"result-{rank}": expected for rank in range(4)}


@pytest.mark.slurm
def test_one_rank_succeeds_on_slurm(examples: Examples, source: Path, horovod: Path) -> None:
    """The first small test that anyone tries."""
    alone = examples.start("gloo", source, horovod, node_count=1, process_count_per_node=1, exclusive=False)
    assert alone.results() == {"result-0": {"size": 1, "local_size": 1}}
