"""Site profiles and job files: whatever they hold, there is a result, or findings that can be read."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import strategies as st

from slurmtf.documents import Document, dump_yaml
from slurmtf.errors import InputError, SiteError, SpecError
from slurmtf.estimator.document import from_document, from_yaml, list_parameters
from slurmtf.plan import render
from slurmtf.sites import load
from slurmtf.sites.search import find_data
from tests.unit.support import SITE, plan_of

from .bounded import fuzzed, mutated

PROFILES = [path.read_text() for path in sorted(find_data("site_configs").glob("*.yaml"))]
JOBS = [path.read_text() for path in sorted(Path(__file__).parents[3].glob("examples/*/job.yaml"))]
WORDS = [
    "4G: []", "node[1-4: false", "- ", ": ", "{", "}", "[", "]", "\n", "\n  ", "&a ", "*a", "<<: *a",
    "!!python/name:os.system ", "!!binary x", "null", "~", ".nan", ".inf", "1e999", "0x", "0o9", "²", "9" * 5000,
    "-1", "true", "'", '"', "|", ">", "#",
    "---\n", "%YAML 1.1\n", "? ", "\t", "\x00", "\ud800", "\ufeff", "2001-01-01", "=", "@", "`",
]  # fmt: skip
KEYS = [
    *list_parameters(),
    "scheduler",
    "gpu",
    "defaults",
    "partitions",
    "presets",
    "environment",
    "storage",
    "extends",
    "containers",
]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["4G", "1:00:00", "\x1b[0m"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6) | st.sampled_from(KEYS), inner, max_size=3),
    max_leaves=6,
)
DATA = st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=6), VALUES, min_size=1, max_size=5)


def readable(error: InputError) -> None:
    assert error.findings
    assert all(finding.what for finding in error.findings)
    assert str(error)


def read_site(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "site.yaml")
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            site = load(path)
            source = Path(folder, "source")
            source.mkdir()
            (source / "train.py").write_text("")
            estimator = from_document(Document("{entry_script: train.py}", "job.yaml", SpecError), source)
            render(plan_of(estimator, site), [find_data("templates")])
        except InputError as err:
            readable(err)


def read_job(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name in ("train.py", "requirements.txt"):
            Path(folder, name).write_text("")
        path = Path(folder, "job.yaml")
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            estimator = from_yaml(path)
            render(plan_of(estimator, SITE), [find_data("templates")])
        except InputError as err:
            readable(err)


@fuzzed(mutated(PROFILES, WORDS))
def test_a_profile_that_was_changed(text: str) -> None:
    read_site(text)


@fuzzed(DATA)
def test_a_profile_of_any_data(data: dict[str, object]) -> None:
    read_site(dump_yaml(data))


@fuzzed(mutated(JOBS, WORDS))
def test_a_job_file_that_was_changed(text: str) -> None:
    read_job(text)


@fuzzed(DATA)
def test_a_job_file_of_any_data(data: dict[str, object]) -> None:
    read_job(dump_yaml({"entry_script": "train.py", **data}))


@fuzzed(st.text())
def test_any_text(text: str) -> None:
    read_job(text)
    read_site(text)


FOUND = [
    "4G: []",
    "node[1-4: false",
    "? [a]\n: 1",
    "? {a: 1}\n: 1",
    "a: &a [*a]",
    "a: &a {b: *a}",
    "2001-01-01: 1",
    "a: !!timestamp 2001-99-99",
    "a: !!int x",
    "a: !!float x",
    "a: !!bool maybe",
    "a: !!set {b, c}",
    "a: !!omap [b: 1]",
    "a: !!pairs [b: 1]",
    "a: !!binary x",
    "<<: 1",
    "<<: [1]",
    "a: " + "[" * 5000,
    "a: " + "9" * 5000,
    "9" * 5000 + ": 1",
    "entry_script: " + "x" * 300,
    "source_directory: " + "x" * 300,
    "entry_script: \"\\0\"",
    "source_directory: \"\\0\"",
    "compute_target: " + "x" * 300,
    "compute_target: ./" + "x" * 300,
    "environment_definition: " + "x" * 300,
    "pip_requirements_file: " + "x" * 300,
    "conda_dependencies_file: " + "x" * 300,
    "template: ./" + "x" * 300,
    "inputs: [" + "x" * 300 + "]",
    "extends: " + "x" * 300,
    "extends: \"\\0\"",
    "extends: [slurm]",
]  # fmt: skip


@pytest.mark.parametrize("text", FOUND, ids=range(len(FOUND)))
def test_what_was_found(text: str) -> None:
    read_job(text)
    read_job("entry_script: train.py\n" + text)
    read_site(text)
    read_site("extends: slurm\n" + text)


@pytest.mark.parametrize("text", ["4G: []", "node[1-4: false"])
def test_an_unknown_key_is_told_by_its_name(text: str) -> None:
    key = text.partition(":")[0]
    with pytest.raises(SiteError) as caught:
        Document(text, "x.yaml", SiteError).parse(type(SITE))
    assert any(one.code == "unknown-key" and key in str(one) for one in caught.value.findings)
