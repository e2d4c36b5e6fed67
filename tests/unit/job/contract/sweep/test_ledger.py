"""The ledger of a sweep, used by processes that are killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from slurmtf.job.contract.sweep.leases import STALE_S, Owner
from slurmtf.job.contract.sweep.ledger import Ledger
from slurmtf.job.contract.sweep.records import COMPLETED, Event, Point, Result, Settings, SweepLayout
from slurmtf.job.contract.sweep.reports import Trial
from tests.patience import HANG_S

WORKER = """
import sys, time
from slurmtf.job.contract.sweep.leases import Owner
from slurmtf.job.contract.sweep.ledger import Ledger, split_trials
from slurmtf.job.contract.sweep.records import Event, Result, SweepLayout
from slurmtf.job.sweep.candidates import GONE, HeldTrial, rank_candidates

folder, name, pause = sys.argv[1], sys.argv[2], float(sys.argv[3])
ledger = Ledger(SweepLayout(folder))
ledger.join(Owner(name, name), time.time())
while True:
    ledger.reports.refresh()
    done, attempts = split_trials(ledger)
    if len(done) == len(ledger.points):
        break
    dead = set(open(folder + "/dead").read().split())
    held = [HeldTrial(one.trial, one.attempt, one.owner.element == name, True, GONE if one.owner.job in dead else "runs")
            for one in ledger.leases.read_leases(attempts) if not ledger.leases.is_ours(one)]
    for trial, attempt in rank_candidates([(trial, 0) for trial in ledger.list_fresh()], held):
        if ledger.leases.claim(trial, attempt):
            ledger.write(Event("took", time.time(), trial, attempt))
            time.sleep(pause)
            won = ledger.finish(Result(trial, "Completed", attempt, name))
            if won:
                ledger.write(Event("ended", time.time(), trial, attempt, status="Completed"))
            break
    else:
        time.sleep(0.02)
"""


def sweep_at(folder: Path, trials: int) -> SweepLayout:
    layout = SweepLayout(str(folder))
    Path(layout.folder).mkdir()
    Path(layout.settings).write_text(json.dumps(Settings(total=trials).to_dict()))
    Path(layout.points).write_text("".join(json.dumps(Point({"n": n}, "grid")._asdict()) + "\n" for n in range(trials)))
    (folder / "dead").write_text("")
    return layout


@pytest.fixture
def layout(tmp_path: Path) -> SweepLayout:
    return sweep_at(tmp_path, 4)


def joined(layout: SweepLayout, name: str) -> Ledger:
    ledger = Ledger(layout)
    ledger.join(Owner(name, name), time.time())
    return ledger


def start(folder: Path, name: str, pause: float = 0.01) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", WORKER, str(folder), name, str(pause)])


def text_of(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def test_each_trial_is_done_once_although_processes_are_killed(tmp_path: Path) -> None:
    layout = sweep_at(tmp_path, 100)
    workers = {f"w{n}": start(tmp_path, f"w{n}", 600) for n in range(3)}
    while not all("took" in text_of(Path(layout.elements, f"{name}.jsonl")) for name in workers):
        assert not any(worker.poll() for worker in workers.values()), "a worker failed before it took a trial"
        time.sleep(0.01)
    workers |= {name: start(tmp_path, name, 0.1) for name in ("w3", "w4")}
    for n in range(3):
        workers[f"w{n}"].send_signal(signal.SIGKILL)
        workers[f"w{n}"].wait()
        with (tmp_path / "dead").open("a") as dead:
            dead.write(f"w{n} ")
        workers[f"x{n}"] = start(tmp_path, f"x{n}", 0.1)
    for name, worker in workers.items():
        assert worker.wait(timeout=HANG_S) == (-signal.SIGKILL if name in ("w0", "w1", "w2") else 0)
    ledger = Ledger(layout)
    ledger.reports.refresh()
    assert ledger.list_done() == set(range(100))
    ended = sorted(end.trial for end in ledger.reports.ends)
    assert ended == sorted(set(ended))
    assert all((result := ledger.result(trial)) and result.trial == trial for trial in range(100))


def test_only_one_of_two_elements_gets_a_trial(layout: SweepLayout) -> None:
    one, other = joined(layout, "a"), joined(layout, "b")
    assert one.leases.claim(0, 0)
    assert not other.leases.claim(0, 0)
    assert one.leases.claim(0, 0)  # NFS may make the client ask twice


def test_an_element_that_lost_its_trial_writes_no_result(layout: SweepLayout) -> None:
    slow, next_one = joined(layout, "a"), joined(layout, "b")
    slow.leases.claim(0, 0)
    next_one.leases.claim(0, 1)
    assert not slow.holds(0, 0)
    assert not slow.finish(Result(0, COMPLETED, 0, "a"))
    assert next_one.holds(0, 1)
    assert next_one.finish(Result(0, COMPLETED, 1, "b"))
    assert not next_one.holds(0, 1)  # it is done
    assert not next_one.finish(Result(0, "Failed", 1, "b"))
    result = Ledger(layout).result(0)
    assert result is not None
    assert (result.element, result.status) == ("b", COMPLETED)


def test_a_truncated_line_is_ended_and_skipped(layout: SweepLayout) -> None:
    one, reader = joined(layout, "a"), Ledger(layout)
    one.write(Event("took", 1.0, 0), Event("value", 1.0, 0, number=1, value=0.5))
    with open(f"{layout.elements}/a.jsonl", "ab") as file:
        file.write(b'{"kind": "value", "trial": 0, "numb')
    reader.reports.refresh()
    one.write(Event("value", 2.0, 0, number=2, value=float("nan")), Event("value", 2.0, 0, number=3, value=0.7))
    reader.reports.refresh()
    assert str(reader.collect_curves()) == "{0: [0.5, nan, 0.7]}"


def test_a_half_written_line_is_read_once_it_is_complete(layout: SweepLayout) -> None:
    one, reader = joined(layout, "a"), Ledger(layout)
    line = Event("value", 1.0, 0, number=1, value=0.5).to_line()
    with open(f"{layout.elements}/a.jsonl", "ab", buffering=0) as file:
        for part in (line[:20], line[20:]):
            file.write(part)
            reader.reports.refresh()
    one.write(Event("value", 2.0, 0, number=2, value=0.7))
    reader.reports.refresh()
    assert reader.collect_curves() == {0: [0.5, 0.7]}


def test_a_later_attempt_starts_a_new_curve(layout: SweepLayout) -> None:
    one, other, reader = joined(layout, "a"), joined(layout, "b"), Ledger(layout)
    one.write(*(Event("value", 1.0, 0, 0, number, 0.1) for number in (1, 2, 2, 3)))
    reader.reports.refresh()
    assert reader.collect_curves() == {0: [0.1] * 3}
    other.write(Event("value", 2.0, 0, 1, 1, 0.9))
    reader.reports.refresh()
    one.write(*(Event("value", 3.0, 0, 0, number, 0.1) for number in (1, 2, 4)))
    reader.reports.refresh()
    assert reader.collect_curves() == {0: [0.9]}
    other.write(Event("value", 4.0, 0, 1, 2, 0.95))
    reader.reports.refresh()
    assert reader.collect_curves() == {0: [0.9, 0.95]}


def took(attempt: int, host: str) -> Event:
    return Event("took", 1.0, 0, attempt, host=host)


def released(attempt: int, text: str) -> Event:
    return Event("released", 1.0, 0, attempt, status="preempted", text=text)


@pytest.mark.parametrize(
    ("events", "host", "trouble"),
    [
        ([("a", took(0, "n1"))], "n1", ""),
        ([("a", took(0, "n1")), ("b", took(1, "n2"))], "n2", ""),
        ([("b", took(1, "n2")), ("a", took(0, "n1"))], "n2", ""),  # its file is read later
        ([("b", Event("value", 1.0, 0, 1, 1, 0.9)), ("b", took(1, "n2"))], "n2", ""),
        ([("a", released(0, "no room")), ("b", released(1, ""))], None, "no room"),  # the last error, not the last release
        ([("a", released(0, "no room")), ("b", released(1, "no srun"))], None, "no srun"),
    ],
)
def test_owner_and_last_trouble_of_a_trial(events: list[tuple[str, Event]], host: str | None, trouble: str) -> None:
    trial = Trial()
    for element, event in events:
        trial.take(event, element)
    assert (trial.took and trial.took.host, trial.element) == (host, {"n1": "a", "n2": "b"}.get(host or "", ""))
    assert trial.trouble == trouble


def test_only_the_first_end_of_a_trial_counts() -> None:
    trial = Trial()
    for status in (COMPLETED, "Canceled"):
        trial.take(Event("ended", 1.0, 0, status=status), "a")
    assert trial.ended is not None
    assert trial.ended.status == COMPLETED


def test_a_heartbeat_renews_all_leases_of_its_owner(layout: SweepLayout) -> None:
    one, other = joined(layout, "a"), joined(layout, "b")
    one.leases.claim(0, 0)
    one.leases.claim(1, 0)
    for entry in os.scandir(layout.leases):
        os.utime(entry.path, (1, 1))
    ages = {lease.trial: lease.age for lease in other.leases.read_leases(other.leases.read_attempts())}
    assert min(ages.values()) > STALE_S
    one.leases.beat()
    assert all(
        lease.age < STALE_S and lease.owner.element == "a" for lease in other.leases.read_leases(other.leases.read_attempts())
    )


def test_an_earlier_start_of_the_same_element_is_another_owner(layout: SweepLayout) -> None:
    joined(layout, "a").leases.claim(0, 0)
    again = joined(layout, "a")
    (lease,) = again.leases.read_leases(again.leases.read_attempts())
    assert lease.owner.element == "a"
    assert not again.leases.is_ours(lease)


def test_a_sweep_is_stopped_once_and_each_point_proposed_once(layout: SweepLayout) -> None:
    one, other = joined(layout, "a"), joined(layout, "b")
    assert one.read_stop() is None
    assert one.stop({"why": "error", "error": "x"})
    assert not other.stop({"why": "canceled"})
    assert other.read_stop() == {"why": "error", "error": "x"}
    one.points.propose(2, Point({"n": 0.5}, "bayesian"))
    other.points.propose(2, Point({"n": 0.7}, "bayesian"))
    assert (other.points.get(2).values, other.points.get(1).values) == ({"n": 0.5}, {"n": 1})


def test_damaged_files_do_not_affect_others(layout: SweepLayout) -> None:
    one = joined(layout, "a")
    one.leases.claim(0, 0)
    Path(layout.results, "3.json").write_text("{")
    Path(layout.leases, "1.0").write_text("no json")
    Path(layout.elements, "z.jsonl").write_bytes(b"\xff\n[]\n{}\n")
    one.reports.refresh()
    assert one.list_done() == {3}
    assert one.result(3) is None
    assert [lease.trial for lease in one.leases.read_leases(one.leases.read_attempts())] == [0]
    for text in ("{", "[]"):
        Path(layout.stopped).write_text(text)
        assert one.read_stop() == {"why": "unreadable"}  # it was stopped


def test_leases_events_and_our_own_claims_mark_trials_as_taken(layout: SweepLayout) -> None:
    one, other = joined(layout, "a"), joined(layout, "b")
    other.leases.claim(0, 0)
    other.leases.claim(1, 0)
    other.write(Event("took", 1.0, 1))
    assert one.list_fresh() == [0, 1, 2, 3], "it has not looked"
    one.reports.refresh()
    assert one.list_fresh() == [0, 2, 3]
    one.leases.read_attempts()
    assert one.list_fresh() == [2, 3]
    one.leases.claim(2, 0)
    assert one.list_fresh() == [3]
