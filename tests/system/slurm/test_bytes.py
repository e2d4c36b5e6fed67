"""Whatever the user writes in arguments, variables, and names of files and folders reaches the script byte for byte."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from slurmtf import RunStatus
from slurmtf.errors import WorkspaceError
from tests.patience import until
from tests.unit.support import refusing

from .support import HELLO, Lab, call, get_job, log, read_files, wait_until_ended

pytestmark = pytest.mark.slurm

ECHO = """
import json, os, pathlib, sys
seen = {
    "argv": [os.fsencode(word).hex() for word in sys.argv[1:]],
    "variables": {name: os.fsencode(value).hex() for name, value in os.environ.items() if name.startswith("ODD_")},
    "job": os.environ.get("SLURM_JOB_NAME"),
}
pathlib.Path("outputs/seen.json").write_text(json.dumps(seen))
"""

ODD = [
    "",
    " ",
    "-",
    "--",
    "--help",
    "-c",
    "'",
    '"',
    'it\'s "quoted"',
    "$HOME",
    "${HOME}$(id)",
    "`id`",
    "\\",
    "\\n",
    "\n",
    "line\nline\r\n\ttab\x1b[31m",
    "*",
    "~",
    "a;b|c&d>e<f",
    "!!",
    "#hash",
    "{{ plan }} {% raw %}",
    "%j %t %%",
    "naïve 東京 🚀",
    "\u2028\x85\ufeff",
    "caf\udce9",  # not UTF-8
    "'\"'\"'",
    "$'\\x41'",
    "x" * 100_000,
]
ODD_NAME = '--wrap="it\'s" $HOME `id` #1 \\ *'

# Any character that a process can receive, and bytes that are no characters.
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]) | st.sampled_from("'\"\\$`-\n\udc80\udcff"))
# What a #SBATCH line can carry.
odd_names = st.text(st.characters(exclude_categories=["C", "Z"]) | st.sampled_from(" '\"\\$`-#=|"), min_size=1, max_size=60)
names = odd_names.filter(lambda name: name.isprintable() and name.strip() == name)


def as_hex(text: str) -> str:
    return os.fsencode(text).hex()


@settings(max_examples=3, deadline=None, phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck))
@given(
    arguments=st.lists(texts, min_size=40, max_size=40),
    values=st.lists(texts, min_size=20, max_size=20),
    name=names,
)
@example(arguments=ODD, values=ODD, name=ODD_NAME)
@example(arguments=[], values=[], name="süß 東京 🚀 " + ODD_NAME)
def test_arguments_variables_and_the_job_name_are_preserved(
    lab: Lab, arguments: list[str], values: list[str], name: str
) -> None:
    variables = {f"ODD_{number}": value for number, value in enumerate(values)}
    run = lab.submit(ECHO, script_params=arguments, environment_variables=variables, job_name=name)
    (state,) = wait_until_ended(run)
    assert state.status is RunStatus.COMPLETED, state.message
    seen = json.loads((run.folder / "outputs/seen.json").read_text())
    assert seen["argv"] == [as_hex(word) for word in arguments]
    assert seen["variables"] == {key: as_hex(value) for key, value in variables.items()}
    job_id = get_job(run)
    assert seen["job"] == name
    assert call("squeue", "--noheader", "--states=all", f"--jobs={job_id}", "--format=%j") == name
    if name.isascii():  # slurmdbd's tables are Latin-1, and slurmctld sends it no double quotes
        query = ("sacct", "--noheader", "--parsable2", "--allocations", f"--jobs={job_id}", "--format=JobName")
        until(lambda: call(*query) == name.replace('"', "`"), "the job's name in sacct")


def test_odd_folder_and_file_names_work(lab: Lab, tmp_path: Path) -> None:
    source = tmp_path / 'source\n $HOME `id` it\'s "q" #1 \\ %j ü'
    entry = "- träin 'it' \"$now\" \\ #1.py"
    names = [
        entry,
        "new\nline",
        "-rf",
        "tab\there",
        "trailing ",
        "\\back",
        "$HOME",
        "ends.with%j",
        "東京/🚀/'",
        "caf\udce9",
        "\x7f\x1b[31m",
    ]
    for name in names:
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.fsencode(f"# {name!r}\nprint(__file__)\n".encode("utf-8", "surrogateescape")))
    (source / "link to '").symlink_to("$HOME")
    (source / "東京/empty").mkdir()
    lab.folder = tmp_path / 'work space\'s "$none" `id` #1 ü 東 *'
    for target in ("local", "slurm"):
        run = lab.submit_source(source, compute_target=target, entry_script=entry)
        (state,) = wait_until_ended(run)
        assert state.status is RunStatus.COMPLETED, state.message
        assert str(run.folder).startswith(str(lab.folder))
        found = {name: data for name, data in read_files(run.folder / "work").items() if "__pycache__" not in name}
        del found["outputs"], found["logs"]
        assert found == read_files(source)
        assert Path(log(run).rstrip("\n")).name == entry


@pytest.mark.parametrize("name", ["per%cent", "back\\slash", "new\nline", "caf\udce9"])
def test_a_workspace_with_a_name_unusable_in_slurm_is_refused(lab: Lab, tmp_path: Path, name: str) -> None:
    lab.folder, source = tmp_path / name, lab.source(HELLO)
    with refusing(WorkspaceError, "bad-workspace"):
        lab.submit_source(source)
    assert not lab.folder.exists()


def test_a_job_is_found_in_the_queue_by_an_odd_folder(lab: Lab, tmp_path: Path) -> None:
    lab.folder = tmp_path / 'work | space\'s "q" ü'
    lab.folder.mkdir()
    (tmp_path / "way in").symlink_to(lab.folder)
    for folder in (lab.folder, tmp_path / "way in"):
        lab.folder = folder
        run = lab.submit(HELLO, sbatch={"hold": True})
        job_id = get_job(run)
        Path(run.layout.jobs).unlink()
        assert get_job(run) == job_id
        run.cancel()
        assert wait_until_ended(run)[0].status is RunStatus.CANCELED


def test_another_job_in_an_undecodable_folder_does_no_harm(lab: Lab, tmp_path: Path) -> None:
    """squeue prints the folders of all the user's jobs, whatever bytes they contain."""
    latin = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    latin.mkdir()
    other = call("sbatch", "--parsable", "--hold", f"--chdir={latin}", "--output=/dev/null", "--wrap=true")
    run = lab.submit(HELLO)
    assert wait_until_ended(run)[0].status is RunStatus.COMPLETED
    call("scancel", other)
