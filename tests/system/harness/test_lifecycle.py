"""The test cluster starts whatever was there before, and leaves no trace when it stops."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.cluster import config, requirements
from tests.cluster.cluster import Cluster
from tests.cluster.errors import ClusterError, ClusterUnavailable
from tests.cluster.fixtures import outcome
from tests.cluster.machine import SYSTEM_PATH, wait_for
from tests.patience import HANG_S

pytestmark = pytest.mark.slurm

SCRIPT = Path(__file__).parents[3] / "scripts/cluster"
KINDS = ("net", "uts", "mnt", "pid_for_children")


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster of the test's own, not started yet."""
    cluster = Cluster(tmp_path / "noaccounting", variant="noaccounting")
    try:
        requirements.check(config.VARIANTS["default"])
    except ClusterUnavailable as error:
        raise outcome(str(error)) from None
    yield cluster
    cluster.stop()


def command(cluster: Cluster, *argv: str) -> subprocess.Popen[str]:
    """Start scripts/cluster for this cluster."""
    environ = {**os.environ, "SLURMTF_CLUSTER_DIR": str(cluster.directory.parent)}
    name, *rest = argv
    full = [sys.executable, str(SCRIPT), name, f"--variant={cluster.directory.name}", *rest]
    pipe = subprocess.PIPE
    return subprocess.Popen(full, env=environ, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, text=True)


def call(cluster: Cluster, *argv: str, text: str = "") -> str:
    return command(cluster, *argv).communicate(text, timeout=HANG_S)[0].strip()


def namespaces(pids: Iterable[int]) -> set[str]:
    return {space for pid in pids for kind in KINDS if (space := namespace(pid, kind))}


def namespace(pid: int, kind: str) -> str | None:
    try:
        return str(Path(f"/proc/{pid}/ns/{kind}").readlink())
    except OSError:
        return None


class Namespaces:
    """The namespaces of a cluster, held open because the kernel reuses the number of a dead namespace."""

    def __init__(self, cluster: Cluster) -> None:
        holders = [int(record.read_text().split()[0]) for record in cluster.directory.glob("machines/*")]
        ours = namespaces([os.getpid()])
        self._open: dict[str, int] = {}
        for path in (f"/proc/{pid}/ns/{kind}" for pid in holders for kind in KINDS):
            with contextlib.suppress(OSError):
                space = str(Path(path).readlink())
                if space not in ours | self._open.keys():
                    self._open[space] = os.open(path, os.O_RDONLY)

    def __len__(self) -> int:
        return len(self._open)

    def populated(self) -> bool:
        """Tell whether a process lives in one of them."""
        return bool(living_namespaces() & self._open.keys())

    def __del__(self) -> None:
        for descriptor in self._open.values():
            os.close(descriptor)


def living_namespaces() -> set[str]:
    return namespaces(int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def mounts(cluster: Cluster) -> list[str]:
    places = (str(cluster.directory), "/var/spool", "/etc/hosts", "nsfs")
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line for line in lines if any(place in line for place in places)]


def cgroups() -> set[Path]:
    return set(Path("/sys/fs/cgroup").glob("**/*slurm*"))


def answers(cluster: Cluster) -> bool:
    return bool(cluster.run("srun", "-N4", "hostname").stdout.count("\n") == 4)


def test_stop_leaves_no_trace(tmp_path: Path, own: Cluster) -> None:
    cluster = Cluster(tmp_path / "default")
    before = mounts(cluster), cgroups()
    with cluster:
        spaces = Namespaces(cluster)
        assert len(spaces) == len(KINDS) * (1 + len(cluster.nodes))
        escape = ["srun", "-N4", "sh", "-c", "setsid sleep 3600 & sleep 3600"]
        client = subprocess.Popen(escape, env=cluster.client_environ())
        cluster.run("sbatch", "--output=/dev/null", "--wrap=sleep 3600")
        wait_for(lambda: cluster.run("squeue", "--noheader", "--states=running").stdout.count("\n") == 2, "jobs")
        assert mounts(cluster) == before[0]
    assert (mounts(cluster), cgroups()) == before
    assert not spaces.populated()
    assert client.wait(timeout=HANG_S)
    assert not cluster.running


def test_a_second_start_changes_nothing_and_a_stopped_cluster_restarts(own: Cluster) -> None:
    own.start()
    own.start()
    assert answers(own)
    own.stop()
    own.stop()
    own.start()
    assert answers(own)


def test_two_concurrent_starts_give_one_cluster(own: Cluster) -> None:
    starters = [command(own, "start") for _ in range(2)]
    assert [starter.wait(timeout=HANG_S) for starter in starters] == [0, 0]
    assert answers(own)


@pytest.mark.parametrize("moment", ["bin", "machines/login", "machines/node1", "machines/node4", "ready"])
def test_what_a_killed_start_left_is_removed(own: Cluster, moment: str) -> None:
    with command(own, "start") as starter:
        wait_for((own.directory / moment).exists, moment)
        starter.send_signal(signal.SIGKILL)
    left = Namespaces(own)
    own.start()
    assert answers(own)
    own.stop()
    assert not left.populated()


def test_a_killed_session_stops_its_cluster(own: Cluster) -> None:
    code = f"""if True:
        import time
        from pathlib import Path
        from {Cluster.__module__} import Cluster
        with Cluster(Path({str(own.directory)!r}), variant="noaccounting"):
            time.sleep(3600)
    """
    session = subprocess.Popen([sys.executable, "-c", code], cwd=SCRIPT.parents[1])
    wait_for((own.directory / "ready").exists, "ready")
    left = Namespaces(own)
    session.kill()
    assert session.wait() == -signal.SIGKILL
    wait_for(lambda: not left.populated(), "the end of its cluster")


def test_a_failed_start_says_why_and_leaves_nothing(own: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "_PARTITIONS", "Nonsense=1")
    with pytest.raises(ClusterError, match=r"(?s)slurmctld failed.*Nonsense"):
        own.start()
    assert not any(own.alive().values())


def test_the_command_line_starts_and_stops_a_cluster(own: Cluster) -> None:
    assert "running in" in call(own, "start")
    assert "already running" in call(own, "start")
    assert call(own, "exec", "srun", "-w", "node3", "hostname") == "node3"
    assert call(own, "shell", text="srun -w node2 hostname\n").endswith("node2")
    call(own, "node-kill", "node1")
    assert "node1: off" in call(own, "status")
    call(own, "node-up", "node1")
    assert "node1: on" in call(own, "status")
    call(own, "stop")
    assert call(own, "exec", "sinfo") == "cluster: not running"


def test_the_cluster_starts_without_root_in_a_user_namespace(own: Cluster) -> None:
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *requirements.SANDBOX.split()]
    if subprocess.run([*nobody, "test", "-x", SCRIPT], check=False).returncode:
        pytest.skip("nobody may not make user namespaces here, or not read this clone")
    with tempfile.TemporaryDirectory() as directory:
        os.chown(directory, 65534, 65534)
        environ = {"PATH": SYSTEM_PATH, "SLURMTF_CLUSTER_DIR": directory}
        script = f"{SCRIPT} start && {SCRIPT} exec srun -N4 id -u && {SCRIPT} exec sacct && {SCRIPT} stop"
        done = subprocess.run([*nobody, "sh", "-c", script], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("65534\n") == 4


def test_missing_programs_are_named(own: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements, "SYSTEM_PATH", str(own.directory))
    monkeypatch.setattr(requirements, "_effective", lambda: 0)
    with pytest.raises(ClusterUnavailable, match=r"CAP_NET_ADMIN.* slurmctld.*apt-get install .*slurm-wlm"):
        own.start()
