"""Staging to the node's local disk: what is copied there and back, and that nothing is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from slurmtf import Input
from slurmtf.environments import EnvironmentStore, Software
from slurmtf.environments.building import build_pack
from slurmtf.environments.packing import locate_pack
from slurmtf.sites import load

from .conftest import mounted
from .disks import errors, list_inside, on, read_facts
from .jobs import Job, NewJob, many

TELLS = """
import json, os, subprocess, sys
gift = __import__("gift")
facts = {"python": sys.executable, "gift": gift.__file__, "work": os.getcwd(), "venv": os.environ.get("VIRTUAL_ENV")}
facts["tool"] = subprocess.run(["tool"], stdout=subprocess.PIPE).stdout.decode().strip()
open("outputs/facts.json", "w").write(json.dumps(facts))
"""
WAITS = """
import time
open("outputs/ready", "w").close()
time.sleep(3600)
"""
FORMS = pytest.mark.parametrize("form", ["tar", "squashfs"])


@pytest.fixture
def few_files(tmp_path: Path) -> Iterator[Path]:
    """A disk with space but few inodes: a copy to it fails half way. Needs root."""
    with mounted(tmp_path / "few", "size=64m,nr_inodes=40") as folder:
        yield folder


@pytest.fixture(scope="module")
def venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with a module, which has no bytecode yet, and a script."""
    folder = tmp_path_factory.mktemp("environments") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (next(folder.glob("lib/python*/site-packages")) / "gift.py").write_text("value = 1\n")
    tool = folder / "bin" / "tool"
    tool.write_text(f"#!{folder}/bin/python\nimport sys\nprint(sys.prefix)\n")
    tool.chmod(0o755)
    return folder


def packed(venv: Path, job: Job, disk: Path, form: str = "tar") -> Job:
    """Return the job with a packed environment on the disk."""
    store = EnvironmentStore(venv.parent / "store")
    pack, reason = locate_pack(Software(f"{venv}/bin/python"), store, form)
    assert pack is not None, reason
    build_pack(pack, store, load("local"), print)
    job.change_plan(stage__prefix=pack.prefix, stage__pack=pack.path)
    job.python = f"{venv}/bin/python"
    job.environ["PATH"] = f"{venv}/bin{os.pathsep}{job.environ['PATH']}"
    job.environ["VIRTUAL_ENV"] = str(venv)
    return on(disk, job)


@FORMS
def test_software_and_source_are_used_from_the_disk_and_removed(job: NewJob, venv: Path, disk: Path, form: str) -> None:
    one = packed(venv, job(TELLS), disk, form)
    assert one.run() == 0, one.log()
    facts, place = read_facts(one), next(path for path in disk.glob("slurmtf-*/*"))
    env = str(place / Path(one.folder).name / "env")
    assert facts["python"] == f"{env}/bin/python"
    assert facts["gift"].startswith(env)
    assert facts["tool"] == env, "a script of the environment runs with the Python of its copy"
    assert facts["venv"] == env
    assert facts["work"] == str(place / Path(one.folder).name / "work")
    assert list_inside(disk) == []
    assert not Path(one.layout.work).exists(), "nothing was unpacked on the shared file system"
    (staged,) = one.events("staged")
    assert staged["phases"]["environment"]["bytes"] > 0
    assert set(staged["phases"]) == {"source", "environment"}
    assert staged["warnings"] == []


def test_a_node_that_can_not_mount_uses_the_shared_environment(job: NewJob, venv: Path, disk: Path) -> None:
    one = packed(venv, job(TELLS), disk, "squashfs")
    one.environ["PATH"] = f"{venv}/bin"
    assert one.run(PYTHONDONTWRITEBYTECODE="1") == 0, one.log()
    assert read_facts(one)["python"] == str(venv / "bin" / "python")
    (staged,) = one.events("staged")
    (warning,) = staged["warnings"]
    assert "squashfuse" in warning
    assert list_inside(disk) == []


@FORMS
def test_the_pack_has_bytecode_that_python_accepts(job: NewJob, venv: Path, disk: Path, form: str) -> None:
    shows = "import os; gift = __import__('gift'); open('outputs/stat', 'w').write(str(os.path.getsize(gift.__cached__)))"
    one = packed(venv, job(shows), disk, form)
    for compiled in venv.glob("lib/python*/site-packages/__pycache__/gift.*"):  # left by another test
        compiled.unlink()
    assert one.run(PYTHONDONTWRITEBYTECODE="1") == 0, one.log()
    assert int((one.folder / "outputs" / "stat").read_text()) > 0
    assert one.run(PYTHONVERBOSE="1", PYTHONDONTWRITEBYTECODE="1") == 0
    assert "matches" in next(line for line in errors(one).splitlines() if "gift" in line and "pyc matches" in line)


def test_without_a_venv_in_the_shell_virtual_env_stays_unset(job: NewJob, venv: Path, disk: Path) -> None:
    one = packed(venv, job("import os; assert 'VIRTUAL_ENV' not in os.environ"), disk)
    del one.environ["VIRTUAL_ENV"]
    assert one.run() == 0, errors(one)


@pytest.mark.parametrize("status", [0, 3])
def test_nothing_is_left_however_the_script_ends(job: NewJob, disk: Path, status: int) -> None:
    one = on(disk, job(f"raise SystemExit({status})"))
    assert one.run() == status
    assert list_inside(disk) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_of_a_terminated_job(job: NewJob, disk: Path, number: int) -> None:
    one = on(disk, job(WAITS))
    process = one.start_and_await()
    assert list_inside(disk)
    process.send_signal(number)
    one.wait()
    one.await_nobody()
    assert list_inside(disk) == []


def test_nothing_is_left_when_the_supervisor_is_killed(job: NewJob, disk: Path) -> None:
    one = on(disk, job(WAITS))
    many(one, 2)
    one.launcher = [one.agent_python, "-I", one.layout.agent, "spawn", "2", "--"]
    one.start_and_await().kill()
    one.wait()
    one.await_nobody()
    killed = list_inside(disk)
    clean = on(disk, job("pass"))
    assert clean.run() == 0
    assert list_inside(disk) == [], f"the next job sweeps what was left: {killed}"


def test_the_next_job_removes_what_a_killed_one_left(job: NewJob, disk: Path) -> None:
    one, other = on(disk, job(WAITS)), on(disk, job("pass"))
    one.start_and_await()
    kill_all(one)
    left = list_inside(disk)
    assert {one.folder.name, f"{one.folder.name}.lock"} == set(left)
    assert other.run() == 0
    assert list_inside(disk) == []


def test_the_files_of_a_running_job_are_not_removed(job: NewJob, disk: Path) -> None:
    one, other = on(disk, job(WAITS)), on(disk, job("pass"))
    process = one.start_and_await()
    assert other.run() == 0
    assert {one.folder.name, f"{one.folder.name}.lock"} == set(list_inside(disk))
    process.terminate()
    one.wait()
    assert list_inside(disk) == []


def test_a_second_attempt_finds_nothing_of_the_first(job: NewJob, disk: Path) -> None:
    script = """
import os, time
open("outputs/found", "w").write(str(os.path.exists("mine")))
open("mine", "w").close()
open("outputs/ready", "w").close()
time.sleep(0 if os.path.exists("outputs/again") else 3600)
"""
    one = on(disk, job(script))
    one.start_and_await()
    kill_all(one)
    (one.folder / "outputs" / "again").touch()
    assert one.run() == 0, one.log()
    assert (one.folder / "outputs" / "found").read_text() == "False"
    assert list_inside(disk) == []


def kill_all(job: Job) -> None:
    """Kill a job as a power failure of its node does."""
    for number in (signal.SIGSTOP, signal.SIGKILL):  # else those killed last would begin to clean up
        for pid in job.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, number)
    job.await_nobody()
    assert job.process is not None
    job.process.wait()


def test_the_tasks_of_a_node_share_one_copy(job: NewJob, venv: Path, disk: Path) -> None:
    script = "import os; open('outputs/' + os.environ['SLURMTF_RANK'], 'w').write(os.getcwd())"
    one = packed(venv, job(script), disk)
    many(one, 4)
    one.launcher = [one.agent_python, "-I", one.layout.agent, "spawn", "4", "--"]
    assert one.run() == 0, one.log()
    assert len({(one.folder / "outputs" / str(rank)).read_text() for rank in range(4)}) == 1
    assert len(one.events("staged")) == 1
    assert list_inside(disk) == []


def test_a_disk_that_is_too_small_is_reported_and_not_used(job: NewJob, venv: Path, small_disk: Path) -> None:
    one = packed(venv, job(TELLS), small_disk)
    assert one.run() == 0, one.log()
    facts = read_facts(one)
    assert (facts["python"], facts["work"]) == (f"{venv}/bin/python", one.layout.work)
    (staged,) = one.events("staged")
    assert [text.split(":")[0] for text in staged["warnings"]] == ["source", "environment"]
    assert all(text in errors(one) for text in staged["warnings"])
    assert list_inside(small_disk) == []


def test_a_copy_that_fills_the_disk_is_given_up(job: NewJob, venv: Path, few_files: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for number in range(100):
        (data / f"{number}.txt").write_text(str(number))
    script = "import os; open('outputs/seen', 'w').write(os.environ['SLURMTF_INPUT_DATA'])"
    one = packed(venv, job(script, inputs=[Input(data, mode="download")]), few_files)
    assert one.run() == 0, one.log()
    assert (one.folder / "outputs" / "seen").read_text() == str(data), "the data is used from where it is"
    (staged,) = one.events("staged")
    assert "is full" in staged["warnings"][-1]
    assert list_inside(few_files) == []


def test_without_a_usable_pack_the_shared_environment_is_used(job: NewJob, venv: Path, disk: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.tar"
    broken.write_bytes(b"no tar")
    for pack in (tmp_path / "gone.tar", broken):
        one = packed(venv, job(TELLS), disk)
        one.change_plan(stage__pack=str(pack))
        assert one.run() == 0, one.log()
        assert read_facts(one)["python"] == f"{venv}/bin/python"
        (staged,) = one.events("staged")
        assert str(pack) in staged["warnings"][0]
        assert list_inside(disk) == []


def test_staging_works_on_every_python(job: NewJob, disk: Path, interpreter: str, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    inputs = [Input(tmp_path / "data", mode="download"), Input(tmp_path / "results", mode="upload")]
    script = "import os; open(os.environ['SLURMTF_INPUT_RESULTS'] + '/ok', 'w').close()"
    one = on(disk, job(script, inputs=inputs))
    one.agent_python = one.python = interpreter
    assert one.run() == 0, (one.log(), errors(one))
    assert (tmp_path / "results" / "ok").exists()
    assert list_inside(disk) == []


# --- several launches

LAUNCHES = """
import json, os, sys
facts = {"work": os.getcwd(), "gift": __import__("gift").__file__, "disk": os.stat(__file__).st_ino}
open("outputs/facts.json", "w").write(json.dumps(facts))
sys.exit(int(sys.argv[1]))
"""


def test_all_launches_share_one_copy_on_the_disk(job: NewJob, venv: Path, disk: Path) -> None:
    one = packed(venv, job(LAUNCHES), disk)
    one.change_plan(
        launches=[*({"arguments": [status], "folder": f"launch-{status}"} for status in "03"), {"arguments": ["0"]}]
    )
    assert one.run() == 3
    assert len(one.events("staged")) == 1
    files = [one.folder / f"{launch}outputs/facts.json" for launch in ("launch-0/", "launch-3/", "")]
    assert len({json.loads(file.read_text())["disk"] for file in files}) == 1, "the same copy of the source"
    assert [event["nodes_to_fill"] for event in one.events("launched")] == [1, 0, 0]
    place = next(path for path in disk.glob("slurmtf-*/*")) / Path(one.folder).name
    for launch, work in (("launch-0/", "launches/launch-0"), ("launch-3/", "launches/launch-3"), ("", "work")):
        facts = json.loads((one.folder / f"{launch}outputs/facts.json").read_text())
        assert facts["work"] == str(place / work)
        assert facts["gift"].startswith(str(place / "env"))
    assert list_inside(disk) == []


ONE_OF_MANY = """
class orders(Orders):
    left = {count}
    def __init__(self, plan):
        pass
    def take_next(self, left_s):
        self.left -= 1
        return LaunchOrder(("0",), folder="x", last=False) if self.left >= 0 else None
    def conclude(self, last):
        return last
"""


def test_the_disk_is_cleared_if_an_expected_launch_does_not_follow(job: NewJob, venv: Path, disk: Path) -> None:
    one = packed(venv, job(LAUNCHES), disk)
    one.orders = ONE_OF_MANY.format(count=1)
    assert one.run() == 0, one.log()
    assert len(one.events("launched")) == 1
    assert list_inside(disk) == []
