"""A job that Slurm starts again, and a run folder that is incomplete or can't be written."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import tarfile
import time
from pathlib import Path

import pytest

from slurmtf.job.contract.attempt import events, journal
from slurmtf.job.contract.attempt.outcome import Cause
from slurmtf.job.contract.snapshot import compute_id, read_stored
from slurmtf.job.staging import workdir
from tests.patience import HANG_S, until

from .disks import on
from .jobs import Job, NewJob

COUNTS = """\
import os, sys
with open("counted", "a") as file: file.write("x")
with open("outputs/counted", "a") as file: file.write("x")
times = os.path.getsize("counted")
print("attempt", times)
sys.exit(3 if times == 1 else 0)
"""


def partials(job: Job) -> list[Path]:
    return list(job.folder.glob("work.partial-*"))


def test_the_next_attempt_finds_what_the_first_one_left(job: NewJob) -> None:
    one = job(COUNTS)
    one.change_plan(scheduler="slurm", launcher="srun")
    assert one.run(SLURM_JOB_ID="4711") == 3
    assert one.result("4711")[0] == "error"
    assert one.run(SLURM_JOB_ID="4711", SLURM_RESTART_COUNT="1") == 0
    assert one.result("4711") == ("success", {"run": one.folder.name, "exit_code": 0})
    assert [(event["attempt"], event["job_id"]) for event in one.events("started")] == [(0, "4711"), (1, "4711")]
    assert (one.folder / "work" / "counted").read_text() == (one.folder / "outputs" / "counted").read_text() == "xx"
    assert Path(one.layout.task_log("main-0", "out")).read_text() == "attempt 1\nattempt 2\n"


def test_the_result_of_an_earlier_attempt_does_not_count_while_the_next_one_runs(job: NewJob) -> None:
    one = job(COUNTS.replace("sys.exit(3", "import time; time.sleep(3600 if times == 2 else 0); sys.exit(3"))
    one.change_plan(scheduler="slurm", launcher="srun")
    one.run(SLURM_JOB_ID="4711")
    one.start(SLURM_JOB_ID="4711", SLURM_RESTART_COUNT="1").poll()
    until(lambda: len(one.events("task-started")) == 2, "the second attempt")
    assert not Path(one.layout.submitit_file("4711", "result.pkl")).exists()


GIVES_WAY = """\
import os, time
if os.environ.get("SLURM_RESTART_COUNT"):
    while os.path.exists("/proc/" + os.readlink("outputs/pid")):
        time.sleep(0.1)
else:
    os.symlink(str(os.getpid()), "outputs/pid")
    time.sleep(3600)
"""


def test_an_attempt_gives_way_to_the_next_one(job: NewJob) -> None:
    """Its node lost only the connection to Slurm, which has started the job on another one."""
    one = job(GIVES_WAY)
    one.change_plan(scheduler="slurm", launcher="srun")
    first = one.start(SLURM_JOB_ID="4711")
    until((one.folder / "outputs/pid").is_symlink, "its script")
    assert one.run(SLURM_JOB_ID="4711", SLURM_RESTART_COUNT="1") == 0
    first.wait(timeout=HANG_S)
    ended = {attempt.number: attempt.outcome for attempt in journal.read_attempts(one.layout)}
    assert {number: outcome.cause for number, outcome in ended.items() if outcome} == {0: Cause.REQUEUED, 1: Cause.SCRIPT}
    assert one.result("4711")[0] == "success"


def test_an_attempt_that_unpacks_its_source_gives_way_too(job: NewJob) -> None:
    """The next one begins during the unpacking: its journal is unpacked, through a link."""
    one = job("pass")
    one.change_plan(scheduler="slurm", launcher="srun", snapshot="", timings__look=0.0)
    with tarfile.open(one.layout.source, "a") as archive:
        door = tarfile.TarInfo("door")
        door.type, door.linkname = tarfile.SYMTYPE, one.layout.journals
        for member in (door, tarfile.TarInfo("door/4711.1.jsonl"), tarfile.TarInfo("late")):
            archive.addfile(member)
    assert one.run(SLURM_JOB_ID="4711") != 0
    assert Path(one.layout.journal("4711", 1)).exists()
    (attempt,) = journal.read_attempts(one.layout)
    assert (attempt.number, attempt.outcome and attempt.outcome.cause) == (0, Cause.REQUEUED)
    assert not Path(one.layout.work).exists()
    assert partials(one) == []


FAILS_LATE = """\
import os, pathlib, sys
pathlib.Path(os.environ["SLURMTF_RUN_FOLDER"], "journal/4711.1.jsonl").touch()  # as the next one does at its start
sys.exit(3)
"""


def test_an_attempt_that_ends_by_itself_leaves_the_job_to_the_next_one(job: NewJob) -> None:
    one = job(FAILS_LATE, restarts={"script": 5})
    one.change_plan(scheduler="slurm", launcher="srun")
    assert one.run(SLURM_JOB_ID="4711") == 3
    assert [event["how"] for event in one.events("restart")] == []
    assert not Path(one.layout.submitit_file("4711", "result.pkl")).exists()


UNHEARD = """\
: > outputs/launcher
echo 'srun: error: Unable to confirm allocation for job 4711: Socket timed out on send/recv operation' >&2
exit 1
"""
FOLLOWED = ": > journal/4711.1.jsonl\n"
"""What the next attempt does at its start."""


def unheard(job: NewJob, launcher: str) -> Job:
    """A job whose launcher gets no answer, and would be started again in an hour."""
    one = job("pass")
    one.change_plan(scheduler="slurm", launcher="srun", timings__ask_again=3600, timings__unheard=7200, timings__look=0.1)
    one.launcher = ["sh", "-c", launcher, "srun"]
    return one


def test_an_attempt_whose_launcher_gets_no_answer_gives_way_as_well(job: NewJob) -> None:
    one = unheard(job, FOLLOWED + UNHEARD)
    one.run(SLURM_JOB_ID="4711")
    assert [event["cause"] for event in one.events("ended")] == ["requeued"]
    assert len(one.events("launched")) == 1
    assert not Path(one.layout.submitit_file("4711", "result.pkl")).exists()


def test_a_stop_while_the_launcher_gets_no_answer_starts_no_other_launcher(job: NewJob) -> None:
    one = unheard(job, UNHEARD)
    process = one.start(SLURM_JOB_ID="4711")
    one.await_file("outputs/launcher")
    process.terminate()
    assert one.wait() == 143
    assert (one.end["cause"], len(one.events("launched"))) == ("canceled", 1)


def test_a_launcher_without_an_answer_is_started_again(job: NewJob) -> None:
    one = unheard(job, 'if [ -e outputs/launcher ]; then exec "$@"; fi\n' + UNHEARD)
    one.change_plan(timings__ask_again=0.1)
    assert one.run(SLURM_JOB_ID="4711") == 0, one.log()
    assert [event["cause"] for event in one.events("launch-ended")] == ["launcher"]
    assert len(one.events("launched")) == 2


def test_a_launcher_is_not_started_again_forever(job: NewJob) -> None:
    one = unheard(job, UNHEARD)
    one.change_plan(timings__ask_again=0.1, timings__unheard=0)
    assert one.run(SLURM_JOB_ID="4711") == 1
    assert len(one.events("launched")) == 1
    assert (one.end["cause"], one.end["log"]) == ("launcher", "logs/job.log")


CLEARS = """\
case "$*" in
*" clear") : > outputs/clearing; : > journal/4711.1.jsonl; exec sleep 3600;;
esac
exec "$@"
"""


def test_an_attempt_that_cleans_up_gives_way_as_well(job: NewJob, tmp_path: Path) -> None:
    """Otherwise it would block the node's disk for the tasks of the next attempt there."""
    one = on(tmp_path, job("raise SystemExit(3)", restarts={"node-failure": 1}))
    one.change_plan(scheduler="slurm", launcher="srun", timings__look=0.1, timings__grace=1)
    one.launcher = ["sh", "-c", CLEARS, "srun"]
    assert one.run(SLURM_JOB_ID="4711") == 3
    assert (one.folder / "outputs/clearing").exists()
    assert [event["cause"] for event in one.events("ended")] == ["script"]
    assert not Path(one.layout.submitit_file("4711", "result.pkl")).exists()
    assert one.processes() == []


def test_an_incomplete_copy_is_neither_used_nor_kept(job: NewJob) -> None:
    one = job("import os; assert not os.path.exists('half')")
    half = one.folder / "work.partial-dead"
    half.mkdir()
    (half / "half").touch()
    assert one.run() == 0, one.log()
    assert partials(one) == []


def killed_half_way(job: Job) -> bool:
    """Start the supervisor, and kill it when half of the copy exists; return whether it did, else undo everything."""
    process = job.start()
    while not partials(job) and process.poll() is None:
        time.sleep(0.001)
    process.kill()
    process.wait()
    whole = Path(job.layout.work).exists()
    if whole:
        shutil.rmtree(job.layout.work)
    return bool(partials(job)) and not whole


def test_a_job_killed_during_the_copy_can_be_started_again(job: NewJob, tmp_path: Path) -> None:
    one = job("import os; assert len(os.listdir('many')) == 2000")
    (tmp_path / "many").mkdir()
    for number in range(2000):
        (tmp_path / "many" / str(number)).touch()
    with tarfile.open(one.layout.source, "a") as archive:
        archive.add(tmp_path / "many", "many")
    with open(one.layout.source, "rb") as source:
        one.change_plan(snapshot=compute_id(read_stored(source)))
    until(lambda: killed_half_way(one), "a half made copy")
    assert not Path(one.layout.work).exists()
    assert one.run() == 0, one.log()
    assert partials(one) == []


def test_two_supervisors_at_once_share_one_copy(job: NewJob) -> None:
    one = job("open('outputs/ready-' + str(__import__('os').getpid()), 'w')")
    processes = [one.start() for _ in range(2)]
    assert [process.wait(timeout=HANG_S) for process in processes] == [0, 0], one.log()
    assert len(list((one.folder / "outputs").glob("ready-*"))) == 2
    assert partials(one) == []


def test_links_modes_and_folders_of_the_source_are_restored(job: NewJob, tmp_path: Path) -> None:
    one = job(files={"run.sh": "exit 0", "deep/er/file.txt": "text"})
    with tarfile.open(one.layout.source, "a") as archive:
        for name, target in (("inside", "deep/er"), ("outside", "/etc/hostname"), ("dangling", "nowhere")):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, target
            archive.addfile(link)
    workdir.prepare(one.layout, "")
    work = Path(one.layout.work)
    assert (work / "inside" / "file.txt").read_text() == "text"
    assert (work / "outside").readlink() == Path("/etc/hostname")
    assert (work / "dangling").readlink() == Path("nowhere")
    assert (work / "outputs").readlink() == Path("../outputs")


def test_a_missing_snapshot_fails_the_attempt(job: NewJob) -> None:
    one = job("pass")
    Path(one.layout.source).unlink()
    assert one.run() == 1
    assert (one.end["cause"], one.end["exit_code"]) == ("agent", 1)
    assert "source.tar" in one.outcome.detail["error"]
    assert partials(one) == []


def test_an_unwritable_journal_does_not_end_the_training(job: NewJob) -> None:
    one = job("raise SystemExit(3)")
    Path(one.layout.journals).touch()
    assert one.run() == 3
    assert "started" in one.log()
    assert os.strerror(errno.ENOTDIR) in one.log()
    assert Path(one.layout.task_log("main-0", "out")).exists()


def test_the_removal_of_the_run_folder_does_not_end_the_training(job: NewJob) -> None:
    one = job("import os, time\nopen('outputs/ready', 'w').close()\nwhile os.path.exists('train.py'): time.sleep(0.02)")
    one.start_and_await()
    moved = one.folder.with_name("moved")
    one.folder.rename(moved)
    shutil.rmtree(moved)
    assert one.wait() == 0


def test_a_journal_without_space_is_completed_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "journal.jsonl")
    written = journal.Journal(path)
    written.write(events.Started())
    real, room = os.write, [9, None, 0]

    def short(descriptor: int, data: bytes) -> int:
        if not room:
            return real(descriptor, data)
        count = room.pop(0)
        if not count:
            raise OSError(28, "No space left on device")
        return real(descriptor, data[:count])

    monkeypatch.setattr(os, "write", short)
    written.write(events.Prepared())
    assert [record.name for record in journal.read(path)] == ["started"]
    written.write(events.Launched())
    written.write(events.Ended({"tail": "ü\n"}))
    assert [record.name for record in journal.read(path)] == ["started", "prepared", "launched", "ended"]
    assert Path(path).read_bytes().count(b"\n") == 4


def test_a_journal_that_was_cut_is_continued_on_a_new_line(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'{"event": "started"}\n{"event": "prep\xff')
    assert [record.name for record in journal.read(str(path))] == ["started"]
    journal.Journal(str(path)).write(events.Started(attempt=1))
    assert [record.event.attempt for record in journal.read(str(path))] == [0, 1]


def test_a_full_disk_is_no_reason_to_lie(job: NewJob, small_disk: Path) -> None:
    """The script fills the disk, makes room again and fails: its exit code and every event are there."""
    train = (
        "import os, sys\nos.chdir('outputs')\n"
        "try:\n    with open('big', 'wb', 0) as file:\n        while True: file.write(b'x' * 4096)\n"
        "except OSError as err: assert err.errno == 28\n"
        "open('ready', 'w').close()\nimport time\ntime.sleep(0.5)\nos.remove('big')\nsys.exit(3)\n"
    )
    one = job(train)
    moved = small_disk / one.folder.name
    subprocess.run(["cp", "-a", str(one.folder), str(moved)], check=True, timeout=HANG_S)
    one.layout = type(one.layout)(str(moved))
    process = one.start_and_await()
    process.send_signal(10)  # USR1: an event for which there is no room
    assert one.wait() == 3
    assert one.events("signal") != []
    assert (one.end["cause"], one.end["exit_code"]) == ("script", 3)


@pytest.mark.parametrize("cut", [True, False])
def test_a_changed_source_is_not_run(job: NewJob, cut: bool) -> None:
    one = job("print('mine')")
    archive = Path(one.layout.source).read_bytes()
    Path(one.layout.source).unlink()  # it may be the store's too
    Path(one.layout.source).write_bytes(archive[:-1500] if cut else archive.replace(b"mine", b"evil"))
    assert one.run() == 1
    assert one.end["cause"] == "agent"
    assert one.layout.source in one.end["detail"]["error"]
    assert not Path(one.layout.work).exists()
