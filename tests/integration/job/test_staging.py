"""What is brought to the node's own disk, what comes back from it, and that nothing stays there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from slurmtf import Input
from slurmtf.environments import EnvironmentStore, Software
from slurmtf.environments.building import build_pack
from slurmtf.environments.packing import pack_of
from slurmtf.job.staging import node_folder as nodefolder
from slurmtf.sites import load

from .conftest import mounted
from .jobs import Job, Maker, await_that, many

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
time.sleep(600)
"""
LEAVES = """
import os, sys
place = os.environ["SLURMTF_INPUT_RESULTS"]
assert os.listdir(place) == []
os.mkdir(place + "/deep")
for name in ("a.txt", "deep/b.txt"):
    open(os.path.join(place, name), "w").write("new")
os.symlink("a.txt", place + "/link")
sys.exit(int(sys.argv[1]) if sys.argv[1:] else 0)
"""

LEAVES_MANY = """
import os
for number in range(5000):
    open(os.path.join(os.environ["SLURMTF_INPUT_RESULTS"], str(number)), "w").close()
"""


FORMS = pytest.mark.parametrize("form", ["tar", "squashfs"])


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """The node's own disk."""
    folder = tmp_path / "disk"
    folder.mkdir()
    return folder


@pytest.fixture
def few_files(tmp_path: Path) -> Iterator[Path]:
    """A disk with room, but not for many files: what is copied to it fails half way. Needs root."""
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


def on(disk: Path, job: Job) -> Job:
    """The job with its source and, if it has one, its environment on a disk."""
    job.change_plan(stage__where="node-local", stage__local=str(disk))
    return job


def packed(venv: Path, job: Job, disk: Path, form: str = "tar") -> Job:
    """The same with an environment."""
    store = EnvironmentStore(venv.parent / "store")
    pack, reason = pack_of(Software(f"{venv}/bin/python"), store, form)
    assert pack is not None, reason
    build_pack(pack, store, load("local"), print)
    job.change_plan(stage__prefix=pack.prefix, stage__pack=pack.path)
    job.python = f"{venv}/bin/python"
    job.environ["PATH"] = f"{venv}/bin{os.pathsep}{job.environ['PATH']}"
    job.environ["VIRTUAL_ENV"] = str(venv)
    return on(disk, job)


def inside(disk: Path) -> list[str]:
    """What of ours is on the disk, our own two folders left out."""
    return sorted(path.name for path in disk.glob("slurmtf-*/*/*"))


def facts_of(job: Job) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((job.folder / "outputs" / "facts.json").read_text())
    return found


def errors(job: Job, label: str = "main-0") -> str:
    return Path(job.layout.task_log(label, "err")).read_text()


@FORMS
def test_software_and_source_are_used_from_the_disk_and_leave_it(job: Maker, venv: Path, disk: Path, form: str) -> None:
    one = packed(venv, job(TELLS), disk, form)
    assert one.run() == 0, one.log()
    facts, place = facts_of(one), next(path for path in disk.glob("slurmtf-*/*"))
    env = str(place / Path(one.folder).name / "env")
    assert facts["python"] == f"{env}/bin/python"
    assert facts["gift"].startswith(env)
    assert facts["tool"] == env, "a script of the environment runs with the Python of its copy"
    assert facts["venv"] == env
    assert facts["work"] == str(place / Path(one.folder).name / "work")
    assert inside(disk) == []
    assert not Path(one.layout.work).exists(), "nothing was unpacked on the shared file system"
    (staged,) = one.events("staged")
    assert staged["phases"]["environment"]["bytes"] > 0
    assert set(staged["phases"]) == {"source", "environment"}
    assert staged["warnings"] == []


def test_a_node_that_can_not_mount_uses_what_is_shared(job: Maker, venv: Path, disk: Path) -> None:
    one = packed(venv, job(TELLS), disk, "squashfs")
    one.environ["PATH"] = f"{venv}/bin"
    assert one.run(PYTHONDONTWRITEBYTECODE="1") == 0, one.log()
    assert facts_of(one)["python"] == str(venv / "bin" / "python")
    (staged,) = one.events("staged")
    assert staged["warnings"][0].endswith("can't be used (squashfuse is not on this node)")
    assert inside(disk) == []


@FORMS
def test_the_pack_has_bytecode_that_python_takes(job: Maker, venv: Path, disk: Path, form: str) -> None:
    shows = "import os; gift = __import__('gift'); open('outputs/stat', 'w').write(str(os.path.getsize(gift.__cached__)))"
    one = packed(venv, job(shows), disk, form)
    assert not list(venv.glob("lib/python*/site-packages/__pycache__/gift.*"))
    assert one.run(PYTHONDONTWRITEBYTECODE="1") == 0, one.log()
    assert int((one.folder / "outputs" / "stat").read_text()) > 0
    assert one.run(PYTHONVERBOSE="1", PYTHONDONTWRITEBYTECODE="1") == 0
    assert "matches" in next(line for line in errors(one).splitlines() if "gift" in line and "pyc matches" in line)


def test_without_a_venv_in_the_shell_nothing_is_invented(job: Maker, venv: Path, disk: Path) -> None:
    one = packed(venv, job("import os; assert 'VIRTUAL_ENV' not in os.environ"), disk)
    del one.environ["VIRTUAL_ENV"]
    assert one.run() == 0, errors(one)


@pytest.mark.parametrize("status", [0, 3])
def test_nothing_stays_however_the_script_ends(job: Maker, disk: Path, status: int) -> None:
    one = on(disk, job(f"raise SystemExit({status})"))
    assert one.run() == status
    assert inside(disk) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_nothing_stays_of_a_job_that_is_ended(job: Maker, disk: Path, number: int) -> None:
    one = on(disk, job(WAITS))
    process = one.start_and_await()
    assert inside(disk)
    process.send_signal(number)
    one.wait()
    one.await_nobody()
    assert inside(disk) == []


def test_nothing_stays_when_the_supervisor_is_killed(job: Maker, disk: Path) -> None:
    one = on(disk, job(WAITS))
    many(one, 2)
    one.launcher = [one.agent_python, "-I", one.layout.agent, "spawn", "2", "--"]
    one.start_and_await().kill()
    one.wait()
    one.await_nobody()
    killed = inside(disk)
    clean = on(disk, job("pass"))
    assert clean.run() == 0
    assert inside(disk) == [], f"the next job sweeps what was left: {killed}"


def test_what_a_killed_job_leaves_is_swept_by_the_next(job: Maker, disk: Path) -> None:
    one, other = on(disk, job(WAITS)), on(disk, job("pass"))
    one.start_and_await()
    kill_all(one)
    left = inside(disk)
    assert {one.folder.name, f"{one.folder.name}.lock"} == set(left)
    assert other.run() == 0
    assert inside(disk) == []


def test_a_job_that_lives_is_not_swept(job: Maker, disk: Path) -> None:
    one, other = on(disk, job(WAITS)), on(disk, job("pass"))
    process = one.start_and_await()
    assert other.run() == 0
    assert {one.folder.name, f"{one.folder.name}.lock"} == set(inside(disk))
    process.terminate()
    one.wait()
    assert inside(disk) == []


def test_a_second_attempt_finds_nothing_of_the_first(job: Maker, disk: Path) -> None:
    script = """
import os, time
open("outputs/found", "w").write(str(os.path.exists("mine")))
open("mine", "w").close()
open("outputs/ready", "w").close()
time.sleep(0 if os.path.exists("outputs/again") else 600)
"""
    one = on(disk, job(script))
    one.start_and_await()
    kill_all(one)
    (one.folder / "outputs" / "again").touch()
    assert one.run() == 0, one.log()
    assert (one.folder / "outputs" / "found").read_text() == "False"
    assert inside(disk) == []


def kill_all(job: Job) -> None:
    """End a job as a node does that loses its power."""
    for number in (signal.SIGSTOP, signal.SIGKILL):  # else those that are left for a moment would begin to clear up
        for pid in job.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, number)
    job.await_nobody()
    assert job.process is not None
    job.process.wait()


def test_tasks_of_a_node_share_what_one_of_them_has_brought(job: Maker, venv: Path, disk: Path) -> None:
    script = "import os; open('outputs/' + os.environ['SLURMTF_RANK'], 'w').write(os.getcwd())"
    one = packed(venv, job(script), disk)
    many(one, 4)
    one.launcher = [one.agent_python, "-I", one.layout.agent, "spawn", "4", "--"]
    assert one.run() == 0, one.log()
    assert len({(one.folder / "outputs" / str(rank)).read_text() for rank in range(4)}) == 1
    assert len(one.events("staged")) == 1
    assert inside(disk) == []


def test_a_disk_that_is_too_small_is_told_and_not_used(job: Maker, venv: Path, small_disk: Path) -> None:
    one = packed(venv, job(TELLS), small_disk)
    assert one.run() == 0, one.log()
    facts = facts_of(one)
    assert (facts["python"], facts["work"]) == (f"{venv}/bin/python", one.layout.work)
    (staged,) = one.events("staged")
    assert [text.split(":")[0] for text in staged["warnings"]] == ["source", "environment"]
    assert "warning: environment: used from the shared file system" in errors(one)
    assert inside(small_disk) == []


def test_a_disk_that_fills_half_way_is_given_up(job: Maker, venv: Path, few_files: Path, tmp_path: Path) -> None:
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
    assert inside(few_files) == []


def test_a_pack_that_is_gone_or_broken_is_done_without(job: Maker, venv: Path, disk: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.tar"
    broken.write_bytes(b"no tar")
    for pack in (tmp_path / "gone.tar", broken):
        one = packed(venv, job(TELLS), disk)
        one.change_plan(stage__pack=str(pack))
        assert one.run() == 0, one.log()
        assert facts_of(one)["python"] == f"{venv}/bin/python"
        (staged,) = one.events("staged")
        assert str(pack) in staged["warnings"][0]
        assert inside(disk) == []


def test_data_is_used_copied_and_named(job: Maker, disk: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "sub").mkdir(parents=True)
    (data / "sub" / "a.txt").write_text("content")
    (data / "link").symlink_to("sub")
    script = """
import json, os, sys
facts = {"names": sorted(os.listdir(sys.argv[2])), "text": open(sys.argv[2] + "/link/a.txt").read(), "argv": sys.argv[1:]}
facts["linked"] = os.path.islink(sys.argv[2] + "/link")
facts["one"] = open(os.environ["SLURMTF_INPUT_ONE"]).read()
json.dump(facts, open("outputs/facts.json", "w"))
"""
    inputs = [Input(data, "there"), Input(data / "sub" / "a.txt", "one", "download")]
    params = ["$SLURMTF_INPUT_THERE", Input(data, mode="download"), "${SLURMTF_INPUT_THERE}/sub"]
    one = job(script, inputs=inputs, script_params=params)
    one.change_plan(stage__local=str(disk))
    one.script = json.loads(Path(one.layout.plan).read_text())["command"]
    assert one.run() == 0, errors(one)
    facts = facts_of(one)
    assert facts["argv"][0] == str(data)
    assert facts["argv"][1].startswith(str(disk))
    assert facts["argv"][2] == f"{data}/sub"
    assert (facts["names"], facts["text"], facts["linked"], facts["one"]) == (["link", "sub"], "content", False, "content")
    assert one.events("staged")[0]["phases"]["input DATA"]["bytes"] == 14
    assert "input DATA: 14 B in 2 files" in errors(one)
    assert Path(one.layout.work).is_dir(), "without a stage the source lies on the shared file system"
    assert inside(disk) == []


def test_data_that_has_gone_ends_the_job_before_the_script(job: Maker, disk: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    one = job("open('outputs/ran', 'w')", inputs=[Input(data, mode="download")])
    one.change_plan(stage__local=str(disk))
    data.rmdir()
    assert one.run() == 1
    assert one.end["cause"] == "staging"
    assert str(data) in one.end["message"]
    assert not (one.folder / "outputs" / "ran").exists()
    assert inside(disk) == []


def test_a_job_that_is_ended_while_it_copies(job: Maker, disk: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    with open(data / "big", "wb") as file:
        file.truncate(6 << 30)
    one = job("open('outputs/ran', 'w')", inputs=[Input(data, mode="download")])
    one.change_plan(stage__local=str(disk))
    process = one.start()
    await_that(lambda: list(disk.glob("slurmtf-*/*/*/inputs/DATA/big")), "a copy that has begun")
    process.terminate()
    one.wait()
    one.await_nobody()
    assert one.end["cause"] == "canceled"
    assert not (one.folder / "outputs" / "ran").exists()
    assert inside(disk) == []


@pytest.mark.parametrize("status", [0, 3])
def test_results_come_back_also_of_a_script_that_fails(job: Maker, disk: Path, tmp_path: Path, status: int) -> None:
    results = tmp_path / "not" / "there" / "yet"
    one = job(LEAVES, inputs=[Input(results, "results", "upload")])
    one.change_plan(stage__local=str(disk))
    one.script = [one.python, "train.py", str(status)]
    assert one.run() == status, errors(one)
    assert (results / "a.txt").read_text() == (results / "deep" / "b.txt").read_text() == "new"
    assert (results / "link").readlink() == Path("a.txt")
    (returned,) = one.events("returned")
    assert (returned["beside"], returned["failed"]) == ([], [])
    assert returned["phases"]["input RESULTS"]["files"] == 2
    assert inside(disk) == []


def test_results_never_replace_what_is_there(job: Maker, disk: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    (results / "deep").mkdir(parents=True)
    (results / "a.txt").write_text("old")
    (results / "deep" / "b.txt").write_text("new")
    one = job(LEAVES, inputs=[Input(results, "results", "upload")])
    one.change_plan(stage__local=str(disk))
    assert one.run() == 0, errors(one)
    (returned,) = one.events("returned")
    (beside,) = returned["beside"]
    assert (results / "a.txt").read_text() == "old"
    assert beside.startswith(str(results / "a.txt."))
    assert Path(beside).read_text() == "new"
    assert sorted(path.name for path in (results / "deep").iterdir()) == ["b.txt"], "the same content is as good"
    assert f"another file of that name already: {beside}" in errors(one)


def test_results_that_can_not_be_copied_back_fail_the_run(job: Maker, disk: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    spoils = f"import os; os.rmdir({str(results)!r}); open({str(results)!r}, 'w').close()"
    one = job(LEAVES.replace("sys.exit", f"{spoils}; sys.exit"), inputs=[Input(results, "results", "upload")])
    one.change_plan(stage__local=str(disk))
    assert one.run() == 1
    assert (one.end["cause"], one.end["exit_code"]) == ("results", 1)
    assert str(results) in one.end["message"]
    assert one.result()[0] == "error"


def test_a_place_for_results_that_can_not_be_made_is_known_before_the_training(job: Maker, tmp_path: Path) -> None:
    results = tmp_path / "results"
    one = job("open('outputs/ran', 'w')", inputs=[Input(results, "results", "upload")])
    results.write_text("a file where a folder should be")
    assert one.run() == 1
    assert (one.end["cause"], str(results) in one.end["message"]) == ("agent", True)
    assert not (one.folder / "outputs" / "ran").exists()


def the_return(job: Job) -> int | None:
    """The process that copies results back."""
    for pid in job.processes():
        with suppress(OSError):
            if b"\0return\0" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return pid
    return None


def test_a_long_copy_back_is_waited_for(job: Maker, disk: Path, tmp_path: Path) -> None:
    """The launcher is killed some time after the script's end, but not as long as results are on their way."""
    results = tmp_path / "results"
    one = job(LEAVES_MANY, inputs=[Input(results, "results", "upload")])
    one.change_plan(stage__local=str(disk), timings__grace=-2)  # killed 3 s after the end
    one.start()
    pid = await_that(lambda: the_return(one), "the copy back")
    os.kill(pid, signal.SIGSTOP)
    time.sleep(5)
    os.kill(pid, signal.SIGCONT)
    assert one.wait() == 0, (one.log(), one.events())
    assert len(list(results.iterdir())) == 5000
    assert inside(disk) == []


def test_results_that_are_cut_short_fail_the_run(job: Maker, disk: Path, tmp_path: Path) -> None:
    one = job(LEAVES_MANY, inputs=[Input(tmp_path / "results", "results", "upload")])
    one.change_plan(stage__local=str(disk))
    one.start()
    os.kill(await_that(lambda: the_return(one), "the copy back"), signal.SIGSTOP)
    os.kill(one.agent_of_task(), signal.SIGKILL)
    assert one.wait() == 1
    assert one.end["cause"] == "results", one.end
    assert "ended before it could copy them" in one.end["message"]


def wide_open(path: Path) -> None:
    path.mkdir()
    path.chmod(0o777)


SPOILED: dict[str, Callable[[Path], None]] = {
    "a link": lambda path: path.symlink_to("/"),
    "not a folder": lambda path: path.touch(),
    "write": wide_open,
}


@pytest.mark.parametrize("why", SPOILED)
def test_a_folder_that_is_not_ours_alone_is_not_used(tmp_path: Path, why: str) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    SPOILED[why](first / f"slurmtf-{os.getuid()}")
    base, troubles = nodefolder.find_base(str(first), {"SLURM_TMPDIR": str(second), "SLURMD_NODENAME": "n1"})
    assert base == f"{second}/slurmtf-{os.getuid()}/n1"
    assert why in troubles[0], troubles


def test_the_place_is_the_sites_else_the_jobs(tmp_path: Path) -> None:
    own = {"SLURM_TMPDIR": str(tmp_path / "slurm"), "TMPDIR": str(tmp_path / "tmp"), "SLURMD_NODENAME": "n1"}
    ours = f"slurmtf-{os.getuid()}/n1"
    places = {
        "": tmp_path / "slurm",
        "$UNSET/x": tmp_path / "slurm",
        f"{tmp_path}/${{SLURMD_NODENAME}}/x": tmp_path / "n1" / "x",
    }
    for local, place in places.items():
        assert nodefolder.find_base(local, own)[0] == str(place / ours)
    del own["SLURM_TMPDIR"]
    assert nodefolder.find_base("", own)[0] == str(tmp_path / "tmp" / ours)


def test_who_takes_a_lock_that_is_being_removed_tries_again(tmp_path: Path) -> None:
    one, other = (nodefolder.NodeFolder(str(tmp_path), "run", "") for _ in range(2))
    assert one.enter() and other.enter()
    Path(one.path, "file").touch()
    assert not one.is_last()
    assert other.is_last()
    assert not one.enter(), "it is being removed"
    doomed = other.give_up()
    assert doomed is not None
    assert one.enter()
    assert list(Path(one.path).iterdir()) == []
    assert one.is_last()
    again = one.give_up()
    assert again is not None
    assert {str(path) for path in tmp_path.iterdir()} == {doomed, again}


def test_on_every_python(job: Maker, disk: Path, interpreter: str, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    inputs = [Input(tmp_path / "data", mode="download"), Input(tmp_path / "results", mode="upload")]
    script = "import os; open(os.environ['SLURMTF_INPUT_RESULTS'] + '/ok', 'w').close()"
    one = on(disk, job(script, inputs=inputs))
    one.agent_python = one.python = interpreter
    assert one.run() == 0, (one.log(), errors(one))
    assert (tmp_path / "results" / "ok").exists()
    assert inside(disk) == []


# --- several launches

LAUNCHES = """
import json, os, sys
facts = {"work": os.getcwd(), "gift": __import__("gift").__file__, "disk": os.stat(__file__).st_ino}
open("outputs/facts.json", "w").write(json.dumps(facts))
sys.exit(int(sys.argv[1]))
"""


def test_the_disk_is_filled_once_for_all_launches(job: Maker, venv: Path, disk: Path) -> None:
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
    assert inside(disk) == []


ONE_OF_MANY = """
class orders(Orders):
    left = {count}
    def __init__(self, plan):
        pass
    def next(self, left_s):
        self.left -= 1
        return LaunchOrder(("0",), folder="x", last=False) if self.left >= 0 else None
    def conclude(self, last):
        return last
"""


def test_a_disk_is_cleared_after_a_launch_that_did_not_come(job: Maker, venv: Path, disk: Path) -> None:
    one = packed(venv, job(LAUNCHES), disk)
    one.orders = ONE_OF_MANY.format(count=1)
    assert one.run() == 0, one.log()
    assert len(one.events("launched")) == 1
    assert inside(disk) == []


def test_what_is_kept_for_the_next_launch_is_swept_by_nobody_for_a_while(tmp_path: Path) -> None:
    kept, other = nodefolder.NodeFolder(str(tmp_path), "kept", "a"), nodefolder.NodeFolder(str(tmp_path), "other", "b")
    assert kept.enter() and other.enter()
    Path(kept.path, "file").touch()
    kept.keep()
    other.sweep()
    again, foreign = (nodefolder.NodeFolder(str(tmp_path), "kept", name) for name in ("a", "c"))
    assert again.enter() and again.is_kept
    assert Path(again.path, "file").exists()
    again.keep()
    assert not foreign.is_kept
    os.utime(tmp_path / "kept.kept", (0, 0))
    other.sweep()
    assert not Path(kept.path).exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "other.lock"]


def test_another_start_of_the_job_does_not_use_what_was_kept(tmp_path: Path) -> None:
    first, second = (nodefolder.NodeFolder(str(tmp_path), "run", name) for name in ("a", "b"))
    assert first.enter()
    Path(first.path, "file").touch()
    first.keep()
    assert second.enter()
    assert list(Path(second.path).iterdir()) == []
