"""Settings of the estimator in a sweep's space: which are allowed, why others are not, and how trials are launched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from slurmtf import Experiment, Mpi, ParameterServer
from slurmtf.errors import SpecError
from slurmtf.estimator import TensorFlow
from slurmtf.estimator.document import list_parameters
from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.contract.plan import Distribution, JobPlan, LaunchOrder
from slurmtf.job.contract.plan import Run as JobRun
from slurmtf.job.contract.roles import assign_roles, choose_chief
from slurmtf.job.contract.sweep.records import (
    Point,
    SweepLayout,
    build_arguments,
    build_key,
    get_launch,
    read_launches,
    select_settings,
)
from slurmtf.plan import LaunchPlan
from slurmtf.runs.metrics.event_owners import Owners
from slurmtf.sites.model import Gpu, Launcher, Site
from slurmtf.tune import launches
from slurmtf.tune.samplers import RandomParameterSampling
from slurmtf.tune.spaces import Expression, choice, uniform
from slurmtf.tune.sweep import Sweep
from tests.unit.support import refusing

SITE = Site(name="lab", launcher=Launcher(mpi="pmix"), gpu=Gpu())
Settings = dict[str, Any]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for name in ("train.py", "other.py"):
        (tmp_path / "source").mkdir(exist_ok=True)
        (tmp_path / "source" / name).write_text("")
    return tmp_path / "source"


def launched(source: Path, estimator: Settings, *settings: Settings) -> tuple[LaunchPlan, list[LaunchOrder]]:
    """Return the plan of an estimator, and the launches of trials with these settings in its allocation."""
    wanted = TensorFlow(source, **{"compute_target": SITE, **estimator})
    here = Experiment("tune", source.parent / "runs")
    base = here.plan(wanted, "tune-1")[0]
    return base, list(launches.plan_launches(settings, wanted, base, lambda one: here.plan(one, "tune-1")[0]).values())


RANKS: Settings = {"node_count": 2, "process_count_per_node": 4, "distributed_backend": "mpi", "cpus_per_task": 2}


@pytest.mark.parametrize(
    ("estimator", "settings", "roles", "words"),
    [
        (RANKS, {"process_count_per_node": 2}, (("rank", 4),), {"--nodes=2", "--ntasks=4", "--ntasks-per-node=2"}),
        (RANKS, {"cpus_per_task": 1}, (("rank", 8),), {"--ntasks=8", "--cpus-per-task=1"}),
        (RANKS, {"process_count_per_node": 8, "cpus_per_task": 1}, (("rank", 16),), {"--ntasks=16", "--cpus-per-task=1"}),
        (
            {**RANKS, "distributed_training": Mpi(4, gpus="each")},
            {"process_count_per_node": 1},
            (("rank", 2),),
            {"--ntasks-per-node=1"},
        ),
        (
            {"node_count": 2, "distributed_training": ParameterServer(3, 1)},
            {"worker_count": 1, "parameter_server_count": 1},
            (("ps", 1), ("worker", 1)),
            {"--ntasks=2", "--distribution=cyclic"},
        ),
        (
            {"distributed_backend": "ps", "worker_count": 3, "launcher": "spawn"},
            {"distributed_backend": "multiworker", "worker_count": 2},
            (("worker", 2),),
            {"spawn", "2"},
        ),
        (
            {**RANKS, "distributed_training": Mpi(4), "cpus_per_task": None},
            {"distributed_backend": "multiworker", "worker_count": 6},
            (("worker", 6),),
            {"--ntasks=6", "--distribution=cyclic"},
        ),
    ],
)
def test_a_launch_has_the_tasks_of_its_settings(
    source: Path, estimator: Settings, settings: Settings, roles: Any, words: set[str]
) -> None:
    if "distributed_training" in estimator:
        estimator = {key: value for key, value in estimator.items() if key not in ("distributed_backend", *launches.COUNTS)}
    base, (order,) = launched(source, estimator, settings)
    assert order.distribution is not None
    assert order.size is not None
    assert order.distribution.roles == roles
    assert words <= set(order.launcher)
    assert order.size.nodes == base.job.size.nodes
    assert len(assign_roles(base.job.with_launch(order))) == order.size.tasks == sum(count for _, count in roles)
    assert order.command == ()


def test_another_script_changes_the_command_and_perhaps_the_chief(source: Path) -> None:
    (source / "other.py").write_text("import tensorflow as tf\ntf.distribute.experimental.ParameterServerStrategy(None)\n")
    (source / "tensorflow.py").write_text("")  # whatever this machine has
    ps = {"distributed_backend": "ps", "worker_count": 2, "launcher": "spawn"}
    with pytest.raises(SpecError) as caught:  # its coordinator is an additional task
        launched(source, ps, {"entry_script": "other.py"})
    assert [finding.code for finding in caught.value.findings] == ["launch-too-large"]
    base, (same, other) = launched(source, ps, {"entry_script": "train.py"}, {"entry_script": "other.py", "worker_count": 1})
    assert same.command == ()
    assert other.command[-1] == "other.py"
    assert [choose_chief(base.job.with_launch(one)).label for one in (same, other)] == ["worker-0", "chief-0"]


def test_trials_use_the_allocations_gpus_and_launcher(source: Path) -> None:
    _, (order,) = launched(source, {**RANKS, "use_gpu": True, "cpus_per_task": None}, {"process_count_per_node": 1})
    assert order.size is not None
    assert order.size.gpus_per_node == 4
    assert order.launcher[0] == "srun"


@pytest.mark.parametrize(
    ("estimator", "settings", "codes"),
    [
        (RANKS, [{"process_count_per_node": 5}], ["launch-too-large"]),
        (RANKS, [{"cpus_per_task": 4}, {"cpus_per_task": 8}], ["launch-too-large"] * 2),
        ({**RANKS, "exclusive": True}, [{"process_count_per_node": 5}], []),
        (RANKS, [{"entry_script": "absent.py"}, {"process_count_per_node": 0}], ["script-missing", "out-of-range"]),
        (RANKS, [{"worker_count": 2}], ["foreign-count"]),
        ({"distributed_backend": "ps", "launcher": "spawn"}, [{"distributed_backend": "pvm"}], ["unknown-backend"]),
    ],
)
def test_a_launch_that_does_not_fit_is_refused_before_submission(
    source: Path, estimator: Settings, settings: list[Settings], codes: list[str]
) -> None:
    if not codes:
        assert len(launched(source, estimator, *settings)[1]) == len(settings)
        return
    with pytest.raises(SpecError) as caught:
        launched(source, estimator, *settings)
    assert [finding.code for finding in caught.value.findings] == codes
    assert all(" trial " in finding.what for finding in caught.value.findings)


def test_each_fixed_setting_is_refused_by_name_with_the_reason(source: Path) -> None:
    stay = [name for name in list_parameters() if name not in launches.CHANGES]
    space = {f"estimator.{name}": choice(1, 2) for name in [*stay, "entry_scirpt"]}
    with pytest.raises(SpecError) as caught:
        Sweep(TensorFlow(source), RandomParameterSampling(space), "score", "maximize", 3)
    findings = [(finding.code, finding.what) for finding in caught.value.findings]
    assert [code for code, _ in findings] == ["setting-stays"] * len(space)
    whats = dict(zip([*stay, "entry_scirpt"], (what for _, what in findings), strict=True))
    assert "allocation once" in whats["memory"]
    assert "one environment" in whats["pip_packages"]
    assert whats["source_directory"] != whats["restarts"] != whats["memory"]
    assert caught.value.findings[stay.index("script_params")].remedy.startswith("write each argument")
    assert "entry_script" in caught.value.findings[-1].remedy


@pytest.mark.parametrize("names", [launches.ENVIRONMENT_SETTINGS, launches.BROUGHT, launches.RUN_SETTINGS, launches.CHANGES])
def test_reasons_belong_to_existing_settings(names: tuple[str, ...]) -> None:
    assert set(names) <= set(list_parameters())


def test_the_values_of_a_setting_are_listed(source: Path) -> None:
    with pytest.raises(SpecError) as caught:
        Sweep(TensorFlow(source), RandomParameterSampling({"estimator.cpus_per_task": uniform(1, 4)}), "a", "minimize", 3)
    assert [finding.code for finding in caught.value.findings] == ["setting-not-listed"]


@pytest.mark.parametrize(
    ("space", "points", "expected"),
    [
        ({"lr": uniform(0, 1)}, [], []),
        ({"lr": uniform(0, 1)}, [{"lr": 1}], []),
        ({"estimator.cpus_per_task": choice(1, 2)}, [], [{"cpus_per_task": 1}, {"cpus_per_task": 2}]),
        ({"estimator.cpus_per_task": choice(1)}, [{"estimator.cpus_per_task": 1}], [{"cpus_per_task": 1}]),
        ({"lr": uniform(0, 1)}, [{"estimator.cpus_per_task": 3}], [{"cpus_per_task": 3}]),
        (
            {"estimator.cpus_per_task": choice(1, 2), "estimator.entry_script": choice("a.py")},
            [],
            [{"cpus_per_task": 1, "entry_script": "a.py"}, {"cpus_per_task": 2, "entry_script": "a.py"}],
        ),
    ],
)
def test_all_combinations_of_settings_are_planned(
    space: dict[str, Expression], points: list[Settings], expected: list[Settings]
) -> None:
    assert launches.list_combinations(space, [Point(values) for values in points]) == expected


def test_too_many_combinations_of_settings_are_refused() -> None:
    space = {"estimator.cpus_per_task": choice(range(1, 10)), "estimator.worker_count": choice(range(1, 10))}
    with refusing(SpecError, "too-many-launches", "81 "):
        launches.list_combinations(space, [])


def test_a_setting_is_not_an_argument_and_selects_its_launch(tmp_path: Path) -> None:
    values = {"x": 1, "estimator.cpus_per_task": 2, "environment_variables.A": "b"}
    assert build_arguments(values) == ["--x", "1"]
    assert select_settings(values) == {"cpus_per_task": 2}
    order = LaunchOrder(command=("python", "other.py"))
    assert get_launch({build_key({"cpus_per_task": 2}): order}, values) == order
    assert get_launch({}, {"x": 1}) == LaunchOrder()
    assert read_launches(str(tmp_path / "absent.json")) == {}


def test_a_trial_has_the_tasks_of_its_launch(tmp_path: Path) -> None:
    layout, files = RunLayout(str(tmp_path)), SweepLayout(str(tmp_path))
    ranks = JobPlan(JobRun("x-1", "x"), "local", Distribution((("rank", 2),), "mpi"))
    Path(layout.plan).write_text(json.dumps({"job": ranks.to_dict()}))
    Path(files.folder).mkdir()
    order = LaunchOrder(distribution=Distribution((("chief", 1), ("worker", 1)), "multiworker"))
    Path(files.launches).write_text(json.dumps({build_key({"distributed_backend": "multiworker"}): order.to_dict()}))
    assert Owners(layout).chief == Owners(layout, {"lr": 1}).chief == "rank-0"
    assert Owners(layout, {"estimator.distributed_backend": "multiworker", "lr": 1}).chief == "chief-0"
