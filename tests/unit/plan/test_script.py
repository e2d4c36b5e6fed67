"""The batch script: golden files, the requirements of each packaged profile, and the user's own templates."""

from __future__ import annotations

import dataclasses
import itertools
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from slurmtf.environments import Software
from slurmtf.errors import TemplateError
from slurmtf.estimator.quantities import normalize_flag
from slurmtf.plan import LaunchPlan, render
from slurmtf.sites import Site
from slurmtf.sites.model import JobEnvironment
from slurmtf.sites.search import find_data
from tests.unit.plan.containers import CONTAINERS
from tests.unit.support import PACKAGED, SITE, SOFTWARE, plan_of, planned, profile, tells, tensorflow

GOLDEN = Path(__file__).parent / "golden"
TEMPLATES = find_data("templates")
TEXT = "a 'quoted' \"text\" with $HOME, `id`, \\ and é"

ESTIMATORS: dict[str, dict[str, Any]] = {
    "cpu": {"script_params": {"--epochs": 3}},
    "gpu": {"use_gpu": True, "script_params": {"--epochs": 3, "--mixed-precision": ""}},
    "typed": {"gpus_per_node": 2, "gpu_type": "a100", "cpus_per_task": 8},
    "everything": {
        "gpus_per_node": 1,
        "entry_script": "sub/main.py",
        "script_params": {"--text": TEXT, "--lines": "one\ntwo\r\n", "--layers": [64, 32], "--flag": None},
        "environment_variables": {"TOKEN": "not in the script"},
        "job_name": "all of it #1",
        "constraint": "a|b",
        "memory": "32G",
        "cpus_per_task": 4,
        "exclusive": True,
        "mail_type": ["END", "FAIL"],
        "mail_user": "ada@example.org",
        "max_run_duration_seconds": 5400,
        "vm_priority": "lowpriority",
        "sbatch": {"comment": "it's \"5 o'clock\" \\ #1", "hint": "nomultithread", "requeue": None},
        "srun": {"cpu-bind": "verbose,none", "label": True},
    },
}
SITES = [
    "local", "slurm", "lumi-g", "lonestar6", "wice", "alex", "jureca-dc", "narval", "perlmutter", "daint", "delta",
    "sherlock", "frontier",
]  # fmt: skip
OWN = {"lumi-g": {"account": "project_462000000"}, "delta": {"account": "abcd-delta-gpu"}, "perlmutter": {"account": "m0000"}}
"""Accounts of the form that the site has."""
WORTH = {"mem": "memory", "exclusive": "exclusive"}
MODULES = Software("python3", ("tensorflow/2.16", "cuda"), {"TF_CPP_MIN_LOG_LEVEL": "2"})


def demanded(site: Site, settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings with the flags that the site requires, and without those that it refuses."""
    partition = next(iter(site.partitions), "gpu")
    needs: dict[str, Any] = {"account": "lab", "partition": partition, "time": 60, "qos": "regular", **OWN.get(site.name, {})}
    required = {name: value for name, value in needs.items() if name in site.required}
    if "max_run_duration_seconds" in settings:
        required.pop("time", None)
    refused = {WORTH.get(flag) for flag in site.forbidden}
    return {**required, **{name: value for name, value in settings.items() if name not in refused}}


def job(source: Path, site: Site, settings: dict[str, Any], software: Software = SOFTWARE) -> LaunchPlan:
    plan = plan_of(tensorflow(source, **demanded(site, settings)), site, software)
    return dataclasses.replace(plan, slurmtf="0.0")


def script_of(plan: LaunchPlan) -> str:
    return render(plan, [TEMPLATES])


def header(script: str) -> list[str]:
    return [line.removeprefix("#SBATCH ") for line in script.splitlines() if line.startswith("#SBATCH ")]


def names(script: str) -> set[str]:
    """Return the names of the flags in a script's header."""
    return {normalize_flag(re.split("[= ]", line, maxsplit=1)[0]) for line in header(script)}


# --- golden files: pytest tests/unit --update-golden


@pytest.mark.parametrize(("name", "estimator"), list(itertools.product(SITES, ESTIMATORS)))
def test_the_script_equals_the_golden_file(source: Path, name: str, estimator: str, update_golden: bool) -> None:
    software = MODULES if estimator == "everything" else SOFTWARE
    compare(f"{name}-{estimator}", script_of(job(source, profile(name), ESTIMATORS[estimator], software)), update_golden)


@pytest.mark.parametrize("name", CONTAINERS)
def test_the_script_of_a_container_equals_the_golden_file(source: Path, name: str, update_golden: bool) -> None:
    site, software, settings = CONTAINERS[name]
    compare(f"container-{name}", script_of(job(source, site, settings, software)), update_golden)


def compare(name: str, script: str, update: bool) -> None:
    file = GOLDEN / f"{name}.sh"
    if update:
        file.parent.mkdir(exist_ok=True)
        file.write_text(script, encoding="utf-8", newline="")
    assert script == file.read_bytes().decode("utf-8"), "see: pytest tests/unit --update-golden"


def test_every_golden_file_is_used() -> None:
    names = [
        *(f"{name}-{kind}" for name, kind in itertools.product(SITES, ESTIMATORS)),
        *(f"container-{n}" for n in CONTAINERS),
    ]
    assert sorted(file.stem for file in GOLDEN.iterdir()) == sorted(names)


def golden() -> list[Path]:
    return sorted(GOLDEN.glob("*.sh"))


@pytest.mark.parametrize("file", golden(), ids=lambda file: file.name)
def test_golden_files_are_ascii_and_valid_bash(file: Path) -> None:
    data = file.read_bytes()
    assert data.isascii()
    assert b"\r" not in data
    assert b"\t" not in data
    assert data.startswith(b"#!/bin/bash")
    assert data.endswith(b"\n")
    assert not data.endswith(b"\n\n")
    assert b"\n\n\n" not in data
    checked = subprocess.run(["bash", "-n", file], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_shellcheck_accepts_the_golden_files() -> None:
    if shutil.which("shellcheck") is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("there is no shellcheck in PATH")
    checked = subprocess.run(["shellcheck", *golden()], capture_output=True, text=True, check=False)
    assert (checked.stdout, checked.stderr) == ("", "")


# --- every packaged profile

SHAPES: dict[str, dict[str, Any]] = {
    "cpu": {},
    "gpu": {"use_gpu": True},
    "memory": {"memory": "8G", "gpus_per_node": 1},
    "mpi": {"distributed_backend": "mpi", "node_count": 2, "process_count_per_node": 2, "use_gpu": True},
    "ps": {"distributed_backend": "ps", "worker_count": 2, "node_count": 2, "use_gpu": True},
    "multiworker": {"distributed_backend": "multiworker", "worker_count": 2, "node_count": 2, "use_gpu": True},
}
OF_GPUS = {"gres", "gpus", "gpus-per-node", "gpus-per-task"}


def form_of(site: Site, shape: str) -> str:
    """Return how the profile requests GPUs, if it can request one for each worker and none for parameter servers."""
    unable = {"gpus": ("mpi", "ps", "multiworker"), "gpus-per-task": ("ps",)}
    return "gpus-per-node" if shape in unable.get(site.gpu.request, ()) else site.gpu.request


@pytest.mark.parametrize(("name", "shape"), list(itertools.product([name for name in PACKAGED if name != "local"], SHAPES)))
def test_a_script_has_the_flags_that_the_profile_requires_and_none_that_it_refuses(source: Path, name: str, shape: str) -> None:
    site = profile(name)
    script = script_of(job(source, site, SHAPES[shape]))
    found = names(script)
    assert found & set(map(normalize_flag, site.forbidden)) == set()
    assert found >= set(map(normalize_flag, site.required))
    assert script.isascii()
    assert "\r" not in script
    assert found & OF_GPUS == ({form_of(site, shape)} if shape != "cpu" else set()) - {"none"}
    assert script.startswith(site.environment.shebang + "\n#SBATCH ")
    launcher = site.launcher.single if shape in ("cpu", "gpu", "memory") and site.launcher.single else site.launcher.default
    assert re.search(rf"^  {launcher}\b", script, re.MULTILINE) or launcher == "none"


@pytest.mark.parametrize("name", [name for name in PACKAGED if name != "local"])
def test_cpus_per_task_reaches_srun(source: Path, name: str) -> None:
    script = script_of(job(source, profile(name), {"cpus_per_task": 3}))
    assert "--cpus-per-task=3" in header(script)
    launch = [line for line in script.splitlines() if line.startswith("  srun ")]
    assert all("--cpus-per-task=3" in line for line in launch)


def test_nothing_of_the_variables_is_in_the_script(source: Path) -> None:
    assert "s3cret" not in script_of(planned(source, environment_variables={"TOKEN": "s3cret"}))


def test_the_header_precedes_the_first_command(source: Path) -> None:
    """sbatch stops reading at the first line that is neither empty nor a comment."""
    lines = script_of(planned(source, profile("alex"), time=60, use_gpu=True)).splitlines()
    first = next(number for number, line in enumerate(lines) if line and not line.startswith("#"))
    assert not [line for line in lines[first:] if line.startswith("#SBATCH")]


# --- the user's own templates


def template(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_template_may_replace_ours(source: Path, tmp_path: Path) -> None:
    text = """{{ plan.batch.shell.shebang | raw }}
{% for flag, value in plan.batch.directives if flag == "job-name" %}
#SBATCH {{ flag | directive(value) }}
{% endfor %}
echo {{ plan.batch.command[3] }} {{ plan.batch.command | words }} # {{ plan.batch.command[3] | comment }}
"""
    template(tmp_path, "mine.sh.j2", text)
    plan = planned(source, script_params={"--x": "it's\né"}, job_name="a b", template="mine.sh.j2")
    assert render(plan, [tmp_path, TEMPLATES]) == (
        "#!/bin/bash\n"
        '#SBATCH --job-name="a b"\n'
        "echo $'it\\'s\\n\\xc3\\xa9' /opt/env/bin/python3 train.py --x $'it\\'s\\n\\xc3\\xa9' # it's??\n"
    )


def test_a_prologue_may_have_several_lines(source: Path) -> None:
    """A function, a here-document or other shell code."""
    site = Site(name="here", environment=JobEnvironment(prologue=["setup() {\n\tulimit -c 0\n}", "setup"]))
    assert "setup() {\n\tulimit -c 0\n}\nsetup\n" in render(planned(source, site), [TEMPLATES])


def test_a_template_may_change_one_block(source: Path, tmp_path: Path) -> None:
    block = "# --- site\nulimit -c 0"
    text = f'{{% extends "slurm.sh.j2" %}}\n{{% block site_prologue %}}\n\n{block}\n{{% endblock %}}\n'
    path = template(tmp_path / "templates", "mine.sh.j2", text)
    site = Site(name="here", environment=JobEnvironment(unset=["A"], prologue=["echo old"]))
    mine = render(planned(source, site, template=str(path)), [TEMPLATES])
    ours = render(planned(source, site), [TEMPLATES])
    assert mine == ours.replace("# --- site\nunset A\necho old", block)
    assert mine != ours


def test_a_block_can_include_the_block_that_it_extends(source: Path, tmp_path: Path) -> None:
    text = '{% extends "slurm.sh.j2" %}\n{% block header %}\n{{ super() }}\n#SBATCH --hold\n{% endblock %}\n'
    template(tmp_path, "mine.sh.j2", text)
    mine = render(planned(source, template="mine.sh.j2"), [tmp_path, TEMPLATES])
    assert header(mine) == [*header(render(planned(source), [TEMPLATES])), "--hold"]


def test_the_first_folder_takes_precedence(source: Path, tmp_path: Path) -> None:
    template(tmp_path / "a", "slurm.sh.j2", "#!/bin/bash\n# a\n")
    template(tmp_path / "b", "slurm.sh.j2", "#!/bin/bash\n# b\n")
    assert render(planned(source), [tmp_path / "none", tmp_path / "a", tmp_path / "b", TEMPLATES]) == "#!/bin/bash\n# a\n"


def test_a_template_in_the_home_is_used(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    template(tmp_path, "mine.sh.j2", "#!/bin/bash\n")
    assert render(planned(source, template="~/mine.sh.j2"), [TEMPLATES]) == "#!/bin/bash\n"


@pytest.mark.parametrize(
    ("text", "code", "where", "fact"),
    [
        ("{{ plan.nodes }}", "template-error", "mine.sh.j2", "'nodes'"),
        ("{{ nodes }}", "template-error", "mine.sh.j2", "'nodes'"),
        ("{% if nodes %}x{% endif %}", "template-error", "mine.sh.j2", "plan.json"),
        ("line\n{% fro x in y %}", "template-syntax", "{folder}/mine.sh.j2:2", "'fro'"),
        ('{% extends "none.sh.j2" %}', "template-missing", "template", "{folder}, {templates}"),
        ('{% extends "mine.sh.j2" %}', "template-error", "mine.sh.j2", "extends"),
        ("{{ plan.site + 1 }}", "template-error", "mine.sh.j2", "TypeError: "),
        ("{{ 1 / 0 }}", "template-error", "mine.sh.j2", "ZeroDivisionError: "),
        (b"\xff\xfe", "template-error", "mine.sh.j2", "UnicodeDecodeError: "),
    ],
)
def test_a_template_with_an_error_is_reported(
    source: Path, tmp_path: Path, text: str | bytes, code: str, where: str, fact: str
) -> None:
    template(tmp_path, "mine.sh.j2", text)
    with pytest.raises(TemplateError) as caught:
        render(planned(source, template="mine.sh.j2"), [tmp_path, TEMPLATES])
    (finding,) = caught.value.findings
    places = {"folder": tmp_path, "templates": TEMPLATES}
    assert (finding.code, finding.where) == (code, where.format(**places))
    assert tells(finding, fact.format(**places))


def test_a_missing_template_is_refused(source: Path) -> None:
    with pytest.raises(TemplateError) as caught:
        render(planned(source, template="none.sh.j2"), [TEMPLATES])
    (finding,) = caught.value.findings
    assert finding.code == "template-missing"
    assert tells(finding, "none.sh.j2", str(TEMPLATES))
    assert caught.value.exit_code == 2


def test_the_site_may_name_a_template(source: Path, tmp_path: Path) -> None:
    path = template(tmp_path, "site.sh.j2", "#!/bin/bash\n# {{ plan.site | comment }}\n")
    assert render(planned(source, dataclasses.replace(SITE, template=str(path))), [TEMPLATES]) == "#!/bin/bash\n# here\n"


def test_the_users_own_head_template_keeps_the_trace(source: Path, tmp_path: Path) -> None:
    own = tmp_path / "mine.sh.j2"
    own.write_text('{% extends "slurm.sh.j2" %}{% block run %}\n# mine\nRUN={{ plan.run.folder }}\n{% endblock %}')
    script = render(planned(source, template=str(own)), [TEMPLATES])
    assert "# mine\n" in script
    assert '>|"$RUN"/.line' in script
    assert "trap '' USR2" in script
