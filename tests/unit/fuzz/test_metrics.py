"""Whatever stands in the files of a run's metrics: no line breaks what reads or shows them."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from slurmtf.cli import metrics
from slurmtf.cli.output import escape, format_time
from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.contract.metrics.entries import Entry, Point, to_line
from slurmtf.job.sweep.progress import Progress
from slurmtf.plots.html import to_html
from slurmtf.plots.svg import stack
from slurmtf.runs.metrics.curves import build_charts, select_series
from slurmtf.runs.metrics.event_owners import Owners
from slurmtf.runs.metrics.reading import MetricsReader, read_metrics
from slurmtf.runs.mlflow import mirrored

NUMBERS = st.floats() | st.integers() | st.sampled_from([10**400, -(10**400), 1 << 63, 1e308, -1e308, 5e-324])
ANYTHING = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
ENTRY_LIKE = st.fixed_dictionaries(
    {"name": st.text() | ANYTHING, "value": NUMBERS | ANYTHING, "time": NUMBERS | ANYTHING},
    optional={
        "step": NUMBERS | ANYTHING,
        "kind": st.sampled_from(["value", "list", "row", "table", "image", "tag", "residuals"]) | ANYTHING,
    },
)


LINES = st.binary().filter(lambda line: b"\n" not in line) | (ENTRY_LIKE | ANYTHING).map(
    lambda value: json.dumps(value).encode()
)


@given(st.lists(LINES, max_size=4), st.lists(LINES, max_size=4))
def test_no_line_breaks_a_reader_or_what_shows_it(before: list[bytes], behind: list[bytes]) -> None:
    """Foreign, torn and absurd lines cost themselves only, wherever a metric is shown."""
    with tempfile.TemporaryDirectory() as folder:
        layout = RunLayout(folder)
        good = to_line(Entry("good", 0.5, 7, 1000.0)).rstrip(b"\n")
        Path(layout.metrics).mkdir()
        Path(layout.task_metrics("main-0")).write_bytes(b"".join(line + b"\n" for line in (*before, good, *behind)))
        reader = MetricsReader(layout)
        reader.read_new()
        found = select_series({"run": reader})
        assert Point(7, 0.5, 1000.0) in reader.series()["good"].points
        json.dumps(read_metrics(layout, Owners(layout)))
        escape(metrics.format_summary(found, all_ranks=True)).encode()
        json.dumps(metrics.build_series_data("run", found), allow_nan=False)
        assert Progress(layout, "main-0", "good", resumes=True).read_new() == [0.5] or b'"good"' in b"".join((*before, *behind))
        assert len(list(metrics.iterate_csv_lines(found))) == 1 + sum(len(one.series.points) for one in found)
        for log in (False, True):
            escape(metrics.plot(found, log=log, all_ranks=False)).encode()
        charts = build_charts(found)
        assert to_html("Metrics", charts).encode()
        assert stack(charts).encode()
        for one in found:
            mirrored.to_mlflow_key(one.name)
            for number, point in enumerate(one.series.points, 1):
                format_time(point.time)
                assert abs(mirrored.get_step(point, number)) < 1 << 63
                assert abs(mirrored.to_milliseconds(point.time)) < 1 << 63
