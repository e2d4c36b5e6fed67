"""TensorBoard's event files: growing, torn, damaged, by several writers (compared with TensorBoard in an integration test)."""

from __future__ import annotations

import math
import random
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.contract.metrics.entries import Entry, Point, to_line
from slurmtf.job.contract.metrics.event_files import EventFile, compute_masked_crc, decode_scalars, find_event_files
from slurmtf.runs.metrics.event_owners import Owners
from slurmtf.runs.metrics.reading import MetricsReader, read_metrics

NAME = "events.out.tfevents.1700000000.node1.77.0.v2"


def varint(number: int) -> bytes:
    number %= 1 << 64
    digits = b""
    while number >= 0x80:
        digits += bytes([number & 0x7F | 0x80])
        number >>= 7
    return digits + bytes([number])


def nested(number: int, data: bytes) -> bytes:
    return bytes([number << 3 | 2]) + varint(len(data)) + data


def simple(value: float) -> bytes:
    return b"\x15" + struct.pack("<f", value)


def tensor(dtype: int, content: bytes, shape: bytes = b"") -> bytes:
    return nested(8, b"\x08" + bytes([dtype]) + nested(2, shape) + content)


def event(step: int, tag: str, value: bytes, time: float = 5.0) -> bytes:
    summary = nested(1, nested(1, tag.encode()) + value)
    return b"\x09" + struct.pack("<d", time) + b"\x10" + varint(step) + nested(5, summary)


def record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", compute_masked_crc(length)) + data + struct.pack("<I", compute_masked_crc(data))


def read(file: EventFile) -> list[tuple[str, float | None, float]]:
    return [(tag, point.step, point.value) for tag, point in file.read_new_points()]


def test_the_crc_is_that_of_tfrecords() -> None:
    assert (
        compute_masked_crc(b"123456789") == ((0xE3069283 >> 15 | 0xE3069283 << 17) + 0xA282EAD8) & 0xFFFFFFFF
    )  # RFC 3720, B.4


UNKNOWN = b"\x78\x01"
"""A field that does not exist in events."""


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (simple(0.5), 0.5),
        (tensor(1, nested(4, struct.pack("<f", 0.5))), 0.5),
        (tensor(2, nested(4, struct.pack("<d", 0.1))), 0.1),
        (tensor(3, nested(4, struct.pack("<i", -3))), -3.0),
        (tensor(9, nested(4, struct.pack("<q", -(1 << 40)))), float(-(1 << 40))),
        (tensor(1, nested(5, struct.pack("<f", 0.5))), 0.5),
        (tensor(1, b"\x2d" + struct.pack("<f", 0.5)), 0.5),
        (tensor(9, b"\x50" + varint(-7)), -7.0),
        (tensor(3, nested(7, varint(300))), 300.0),
        (tensor(7, nested(4, b"text")), None),
        (tensor(1, nested(4, b"\0" * 8), shape=nested(2, b"\x08\x02")), None),
        (nested(5, b"\x09\0\0\0\0\0\0\0\0"), None),
    ],
)
def test_numbers_of_a_summary_are_read(value: bytes, number: float | None) -> None:
    found = decode_scalars(event(-1, "loss", value))
    assert found == ([] if number is None else [("loss", Point(-1, number, 5.0))])


@pytest.mark.parametrize("wire_type", range(8))
@pytest.mark.parametrize("field", [1, 2, 4, 5, 6, 7, 10])
def test_a_field_of_a_tensor_with_another_wire_type_raises_nothing(tmp_path: Path, field: int, wire_type: int) -> None:
    for content in (varint(300), b"\0" * 8, b"\x02ab", b"\0" * 4):
        wrong = event(1, "loss", nested(8, bytes([field << 3 | wire_type]) + content))
        (tmp_path / NAME).write_bytes(record(wrong) + record(event(9, "after", simple(1))))
        assert read(EventFile(str(tmp_path / NAME)))[-1] == ("after", 9, 1.0)


@given(st.integers(-(1 << 63), (1 << 63) - 1), st.text(), st.floats(width=32, allow_nan=False), st.floats(0, 4e9))
def test_steps_tags_and_values_are_read_as_they_were_written(step: int, tag: str, value: float, time: float) -> None:
    record = event(step, tag, simple(value), time)
    assert decode_scalars(record) == [(tag, Point(step, value, time))]
    assert decode_scalars(record + UNKNOWN) == decode_scalars(record)


@pytest.mark.parametrize("time", [math.nan, math.inf, -1e300])
def test_a_time_outside_the_calendar_is_ignored(time: float) -> None:
    record = event(1, "loss", simple(0.5), time)
    assert decode_scalars(record) == decode_scalars(record + UNKNOWN) == [("loss", Point(1, 0.5, 0.0))]


@given(st.integers(0, 30), st.integers(0, 255))
def test_the_fast_path_reads_damaged_records_like_the_slow_one(place: int, byte: int) -> None:
    data = bytearray(event(3, "loss", simple(0.5)))
    data[place % len(data)] = byte
    assert outcome(bytes(data)) in ("damaged", outcome(bytes(data) + UNKNOWN))


def outcome(record: bytes) -> str:
    try:
        return repr(decode_scalars(record))
    except (ValueError, struct.error, IndexError):
        return "damaged"


def test_a_file_is_read_as_it_grows_byte_by_byte(tmp_path: Path) -> None:
    data = b"".join(record(event(step, "loss", simple(step))) for step in range(3))
    path = tmp_path / NAME
    file = EventFile(str(path))
    assert read(file) == []
    found = []
    with path.open("ab", buffering=0) as growing:
        for at in range(len(data)):
            growing.write(data[at : at + 1])
            found += read(file)
    assert found == [("loss", 0, 0.0), ("loss", 1, 1.0), ("loss", 2, 2.0)]


def test_a_damaged_record_loses_itself_and_a_damaged_length_all_after_it(tmp_path: Path) -> None:
    good = [record(event(step, "loss", simple(step))) for step in range(4)]
    (tmp_path / NAME).write_bytes(good[0] + record(b"\xff\xff\xff") + good[1] + b"\1" + good[2][1:] + good[3])
    file = EventFile(str(tmp_path / NAME))
    assert read(file) == [("loss", 0, 0.0), ("loss", 1, 1.0)]
    assert read(file) == []


@pytest.mark.parametrize("seed", range(200))
def test_damage_never_raises_an_error(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    data = bytearray(event(3, "loss", tensor(1, nested(4, struct.pack("<f", 0.5)))) * 2)
    for _ in range(chance.randrange(1, 6)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    (tmp_path / NAME).write_bytes(record(bytes(data)) + record(event(9, "after", simple(1))))
    assert read(EventFile(str(tmp_path / NAME)))[-1] == ("after", 9, 1.0)


@pytest.fixture
def layout(tmp_path: Path) -> RunLayout:
    layout = RunLayout(str(tmp_path))
    for folder in (layout.metrics, layout.outputs, layout.logs, layout.work):
        Path(folder).mkdir()
    Path(layout.work, "outputs").symlink_to("../outputs")
    return layout


def written(folder: str, name: str, *values: float, tag: str = "loss") -> None:
    Path(folder).mkdir(parents=True, exist_ok=True)
    Path(folder, name).write_bytes(b"".join(record(event(step, tag, simple(value))) for step, value in enumerate(values)))


def test_each_event_file_of_a_run_is_read_once(layout: RunLayout) -> None:
    written(layout.outputs, NAME, 1.0)
    written(f"{layout.outputs}/tb/train", NAME, 2.0, 3.0)
    written(f"{layout.work}/runs", NAME, 4.0)
    assert len(list(find_event_files(layout))) == 3
    expected = {"loss": [1.0], "tb/train/loss": [2.0, 3.0], "runs/loss": [4.0]}
    reader = MetricsReader(layout)
    reader.read_new()
    assert {name: [point.value for point in one.points] for name, one in reader.series().items()} == expected
    assert read_metrics(layout, Owners(layout)) == {"loss": 1.0, "tb/train/loss": [2.0, 3.0], "runs/loss": 4.0}


def test_several_writers_of_a_folder_are_read_in_sequence(layout: RunLayout) -> None:
    written(layout.outputs, "events.out.tfevents.2.b", 3.0)
    written(layout.outputs, "events.out.tfevents.1.a", 1.0, 2.0)
    assert read_metrics(layout, Owners(layout)) == {"loss": [1.0, 2.0, 3.0]}


def test_metrics_logged_by_the_script_win_over_event_files(layout: RunLayout) -> None:
    written(layout.outputs, NAME, 1.0)
    Path(layout.task_metrics("main-0")).write_bytes(to_line(Entry("loss", 7)))
    Path(layout.task_metrics("main-1")).write_bytes(to_line(Entry("loss", 8)))
    assert read_metrics(layout, Owners(layout)) == {"loss": 7}
    assert read_metrics(layout, Owners(layout), all_ranks=True) == {"main-0": {"loss": 7}, "main-1": {"loss": 8}}
