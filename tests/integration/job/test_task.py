"""What a script sees, and how its exit is reported, on every Python that the agent may run on."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from slurmtf.job.staging import workdir
from tests import journals
from tests.patience import HANG_S

from .jobs import Job, NewJob

WORDS = (
    "", " ", "--", "-leading", "a b", "quo'te\"", "$HOME", "`id`", "new\nline", "*", "ünïcode ☃", "x" * 100_000, "back\\slash",
    b"\xff\xfe", "$SLURMTF_NO_SUCH", "{}", "%s",
)  # fmt: skip
VARIABLES = {"TOKEN": "s3cret", "SPACED": " a  b ", "LINES": "a\nb", "UNICODE": "ünïcode ☃", "EMPTY": "", "MINE": "$HOME"}
SHOW = """\
import json, os, sys
import helper
open("outputs/result.txt", "w").write("kept")
facts = {
    "argv": [os.fsencode(word).hex() for word in sys.argv],
    "environ": {name.decode("ascii"): value.hex() for name, value in os.environb.items()},
    "cwd": os.getcwd(),
    "stdin": os.read(0, 1).hex(),
    "descriptors": sorted(int(name) for name in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + name)),
    "helper": helper.__file__,
    "source": sorted(os.fsencode(name).hex() for name in os.listdir(".")),
    "modified": os.path.getmtime("train.py"),
    "isolated": sys.flags.isolated,
    "path": [os.path.realpath(entry) for entry in sys.path],
}
json.dump(facts, open("outputs/facts.json", "w"))
print("to stdout")
print("to stderr", file=sys.stderr)
"""
ENDS = """\
import os, resource, signal, sys
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
how = sys.argv[1]
if how == "text":
    sys.exit("no such data")
if how == "exception":
    raise ValueError("bad shape")
if how.startswith("SIG"):
    os.kill(os.getpid(), getattr(signal, how))
sys.exit(int(how))
"""
ENDINGS: dict[str, tuple[int, int | None, int | None, str]] = {
    "3": (3, 3, None, ""),
    "text": (1, 1, None, "no such data"),
    "SIGSEGV": (139, None, 11, ""),
}
MORE_ENDINGS: dict[str, tuple[int, int | None, int | None, str]] = {
    "255": (255, 255, None, ""),
    "exception": (1, 1, None, "ValueError: bad shape"),
    "SIGTERM": (143, None, 15, ""),
    "SIGKILL": (137, None, 9, ""),
}
LASTING = ("started", "prepared", "launched", "task-started", "task-ended", "finalizing", "ended")


def read_facts(job: Job) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((job.folder / "outputs" / "facts.json").read_text())
    facts["environ"] = {name: bytes.fromhex(value) for name, value in facts["environ"].items()}
    return facts


def mode(path: str | Path) -> int:
    return stat.S_IMODE(Path(path).stat().st_mode)


def test_the_script_sees_its_arguments_folders_and_variables(job: NewJob, interpreter: str) -> None:
    """In the C locale, in which old Pythons treat text as ASCII."""
    one = job(SHOW, {"helper.py": "", "dätä ☃.txt": "", "pkg/__init__.py": ""}, environment_variables=VARIABLES)
    one.agent_python = one.python = interpreter
    one.script = [interpreter, "train.py", *WORDS]
    assert one.run(LC_ALL="C", OUTER="kept", PYTHONPATH="/elsewhere") == 0, one.log()
    facts, work = read_facts(one), one.layout.work
    assert [bytes.fromhex(word) for word in facts["argv"]] == [b"train.py", *(os.fsencode(word) for word in WORDS)]
    assert facts["cwd"] == work
    assert {bytes.fromhex(name).decode() for name in facts["source"]} >= {"train.py", "dätä ☃.txt", "pkg", "outputs", "logs"}
    assert facts["helper"] == f"{work}/helper.py"
    assert facts["environ"]["PYTHONPATH"] == f"{one.layout.hook}:{work}:/elsewhere".encode()
    assert work in facts["path"]
    assert facts["environ"]["OUTER"] == b"kept"
    assert facts["environ"]["PYTHONUNBUFFERED"] == b"1"
    assert {name: facts["environ"][name].decode() for name in VARIABLES} == VARIABLES
    assert (facts["stdin"], facts["isolated"]) == ("", 0)
    assert set(facts["descriptors"]) == {0, 1, 2}
    assert (one.folder / "outputs" / "result.txt").read_text() == "kept"
    assert tuple(name for name in one.names() if name in LASTING) == LASTING
    assert one.result() == ("success", {"run": one.folder.name, "exit_code": 0})


def test_the_script_knows_its_run_but_not_the_key(job: NewJob) -> None:
    one = job(SHOW, {"helper.py": ""})
    assert one.run() == 0, one.log()
    own = {name: value.decode() for name, value in read_facts(one)["environ"].items() if name.startswith("SLURMTF_")}
    assert "SLURMTF_RENDEZVOUS" not in own
    assert "SLURMTF_RENDEZVOUS_KEY" not in own
    assert not any("KEY" in name for name in own)
    expected = {
        "SLURMTF_RUN_ID": one.folder.name,
        "SLURMTF_EXPERIMENT": "agent",
        "SLURMTF_RUN_FOLDER": one.layout.folder,
        "SLURMTF_ROLE": "main",
        "SLURMTF_INDEX": "0",
        "SLURMTF_RANK": "0",
        "SLURMTF_WORLD_SIZE": "1",
    }
    assert own.items() >= expected.items()
    assert own["SLURMTF_RUN_FOLDER"] == str(one.folder)


def test_the_private_copy_is_new_and_everything_is_private(job: NewJob) -> None:
    one = job(SHOW, {"helper.py": ""})
    before = Path(one.layout.plan).stat().st_mtime
    assert one.run() == 0, one.log()
    assert read_facts(one)["modified"] >= before - 1, "scratch file systems delete what looks old"
    files = [
        Path(one.layout.task_log("main-0", "out")),
        Path(one.layout.task_log("main-0", "err")),
        *journals.files(one.folder),
    ]
    files += [path for path in (one.folder / "submitit").iterdir() if not path.is_symlink()]
    files += [Path(one.layout.plan), Path(one.layout.script), Path(one.layout.agent), Path(one.layout.source)]
    assert {path.name: mode(path) for path in files} == {path.name: 0o600 for path in files} | {"source.tar": 0o400}
    folders = [one.folder, *(one.folder / name for name in ("work", "logs", "outputs", "submitit", "journal"))]
    assert {path.name: mode(path) for path in folders} == {path.name: 0o700 for path in folders}
    assert files[0].read_text() == "to stdout\n"
    assert files[1].read_text() == "to stderr\n"


def test_the_users_pythonpath_does_not_hide_the_source(job: NewJob) -> None:
    one = job(SHOW, {"helper.py": ""}, environment_variables={"PYTHONPATH": "/mine"})
    assert one.run(PYTHONPATH="/inherited") == 0, one.log()
    assert read_facts(one)["environ"]["PYTHONPATH"] == f"{one.layout.hook}:{one.layout.work}:/mine".encode()


@pytest.mark.parametrize("how", ENDINGS)
def test_the_exit_of_the_script_is_reported(job: NewJob, interpreter: str, how: str) -> None:
    check_end(job(ENDS), interpreter, how)


@pytest.mark.parametrize("how", MORE_ENDINGS)
def test_other_exits_of_the_script_are_reported(job: NewJob, how: str) -> None:
    check_end(job(ENDS), sys.executable, how)


def check_end(one: Job, python: str, how: str) -> None:
    status, exit_code, number, tail = {**ENDINGS, **MORE_ENDINGS}[how]
    one.agent_python = one.python = python
    one.script = [python, "train.py", how]
    assert one.run() == status, one.log()
    assert (one.end["cause"], one.end["exit_code"], one.end["signal"]) == ("script", exit_code, number)
    assert one.outcome.task == "main-0"
    assert tail in one.outcome.tail
    reported = one.events("task-ended")[0]
    assert (reported["exit_code"], reported["signal"], reported["task"]) == (exit_code, number, "main-0")
    assert tuple(name for name in one.names() if name in LASTING) == LASTING
    assert one.result() == one.error


def test_a_missing_command_is_reported(job: NewJob, interpreter: str) -> None:
    one = job()
    one.agent_python = interpreter
    one.script = ["no-such-ünïcode"]
    assert one.run(LC_ALL="C") == 127, one.log()
    assert (one.end["cause"], one.end["exit_code"]) == ("script", 127)
    assert "no-such-ünïcode" in Path(one.layout.task_log("main-0", "err")).read_text()
    assert one.events("task-started") == []


@pytest.mark.parametrize(("name", "status"), [("./data.txt", 126), (b"no-such-\xff", 127)])
def test_a_command_that_can_not_be_started_is_reported(job: NewJob, name: str | bytes, status: int) -> None:
    one = job(files={"data.txt": "not executable"})
    one.script = [name]
    assert one.run() == status, one.log()
    assert (one.end["cause"], one.end["exit_code"]) == ("script", status)


def test_a_task_runs_even_without_a_supervisor(job: NewJob) -> None:
    one = job("import os; open('outputs/rank', 'w').write(os.environ['SLURMTF_RANK'])")
    workdir.prepare(one.layout, "")
    command = [os.fsencode(word) for word in one.task_command]
    assert subprocess.run(command, env=one.environ, timeout=HANG_S, check=False).returncode == 0
    assert (one.folder / "outputs" / "rank").read_text() == "0"


def test_a_rank_outside_the_plan_is_reported_in_one_line(job: NewJob) -> None:
    one = job("pass")
    assert one.run(SLURM_PROCID="5") != 0
    assert [line for line in one.log().splitlines() if line.startswith("slurmtf: rank 5 ")]
    assert "Traceback" not in one.log()
    assert one.end["cause"] == "launcher"
