"""What each task gets at the start of a launch."""

from __future__ import annotations

import pytest

from slurmtf.job.common.gpus import VisibleGpus
from slurmtf.job.contract.plan import Distribution, JobPlan, LaunchOrder, Run
from slurmtf.job.contract.roles import assign_cyclically
from slurmtf.job.supervisor.start import (
    Hello,
    build_attempt_order,
    build_clear_command,
    build_cluster,
    build_horovod_variables,
    build_jax_variables,
    build_launch_words,
    build_launcher_environ,
    build_start_orders,
    may_be_dealt,
)

COUNTS = (("ps", 1), ("worker", 2))
ROLES = assign_cyclically(COUNTS, nodes=1)
PS = Distribution(COUNTS, "ps", cluster=True, gpu_roles=("worker",))
BOTH = VisibleGpus(("0", "1"), False)
HELLOS = {role.rank: Hello("n1", f"n1:{2000 + role.rank}", "f", BOTH) for role in ROLES}
ORDER = LaunchOrder(("--trial", "3"), {"SEED": "7"}, "trial-3")


def test_a_parameter_server_on_the_node_takes_no_gpu_from_the_workers() -> None:
    orders = build_start_orders(PS, ROLES, HELLOS, ORDER, {})
    gpus = {role.label: orders[role.rank]["gpus"] for role in ROLES}
    assert gpus == {"ps-0": (), "worker-0": ("0",), "worker-1": ("1",)}


def test_tasks_of_a_node_get_local_ranks_and_cpus() -> None:
    orders = build_start_orders(PS, ROLES, {**HELLOS, 2: Hello("n2", "n2:1", "f", BOTH)}, ORDER, {})
    assert [(one["local_rank"], one["sharers"], one["bind"]) for one in orders.values()] == [
        (0, 2, True),
        (1, 2, True),
        (0, 1, False),
    ]


def test_every_task_gets_the_order_of_the_launch() -> None:
    orders = build_start_orders(PS, ROLES, HELLOS, ORDER, {1: {"HOROVOD_RANK": "1"}})
    assert all(LaunchOrder.from_dict(one["launch"]) == ORDER for one in orders.values())
    assert [one["variables"] for one in orders.values()] == [{}, {"HOROVOD_RANK": "1"}, {}]


def test_the_cluster_lists_each_tasks_own_address() -> None:
    assert build_cluster(ROLES, HELLOS) == {"ps": ["n1:2000"], "worker": ["n1:2001", "n1:2002"]}


def test_horovods_variables_are_strings() -> None:
    found = build_horovod_variables(ROLES, HELLOS, {"HOROVOD_CONTROLLER": "gloo"})
    assert found[1]["HOROVOD_RANK"] == "1"
    assert found[1]["HOROVOD_LOCAL_SIZE"] == "3"
    assert all(own["HOROVOD_CONTROLLER"] == "gloo" for own in found.values())


def test_all_jax_ranks_get_the_address_of_the_coordinator_on_rank_0() -> None:
    found = build_jax_variables({0: Hello("n1", "n1:2000"), 1: Hello("n2")}, "")
    shared = {
        "JAX_COORDINATOR_ADDRESS": "n1:2000",
        "KERAS_DISTRIBUTION_JOB_ADDRESSES": "n1:2000",
        "KERAS_DISTRIBUTION_NUM_PROCESSES": "2",
    }
    assert found == {rank: {**shared, "KERAS_DISTRIBUTION_PROCESS_ID": str(rank)} for rank in (0, 1)}


@pytest.mark.parametrize(("of_all", "expected"), [("", {0: "ib0", 1: None}), ("lo", {0: "lo", 1: "lo"})])
def test_each_jax_rank_gets_its_network_interface(of_all: str, expected: dict[int, str | None]) -> None:
    found = build_jax_variables({0: Hello("n1", "n1:2000", interface="ib0"), 1: Hello("n2")}, of_all)
    assert {rank: own.get("SLURMTF_INTERFACE") for rank, own in found.items()} == expected


def test_a_hello_with_only_its_host_and_peer_is_read() -> None:
    assert Hello.from_message({"event": "hello", "host": "n1", "peer": "10.0.0.1"}) == Hello("n1", addresses=("10.0.0.1",))


@pytest.mark.parametrize(
    ("masks", "expected"),
    [
        (["f"], False),  # a single task has all CPUs
        (["f", "f"], True),
        (["1", "1"], False),
        (["3", "c"], False),  # bound by Slurm or MPI
        (["", ""], False),
        (["3", "3", "3"], False),  # fewer CPUs than tasks
        (["3", "3"], True),
    ],
)
def test_cpus_are_divided_only_among_tasks_that_share_them(masks: list[str], expected: bool) -> None:
    assert may_be_dealt(masks) is expected


SRUN = ("srun", "--ntasks=3")
TASK = ["apptainer", "exec", "x.sif", "python3", "-I", "/run/agent.pyz", "task", "--", "python3", "train.py"]
PLAN = JobPlan(Run("x-1", "x"), "slurm", PS, launcher="srun", launcher_words=SRUN)


@pytest.mark.parametrize(
    ("words", "order", "expected"),
    [
        ([*SRUN, *TASK], LaunchOrder(), [*SRUN, *TASK]),
        ([*SRUN, *TASK], LaunchOrder(launcher=("srun", "-n1")), ["srun", "-n1", *TASK]),
        ([*SRUN, *TASK], LaunchOrder(launcher=("srun", "-N1", "-n1")), ["srun", "-N1", "-n1", *TASK]),
        (["mine", *TASK], LaunchOrder(), ["mine", *TASK]),
    ],
)
def test_command_line_of_a_launch(words: list[str], order: LaunchOrder, expected: list[str]) -> None:
    assert build_launch_words(PLAN, words, order) == expected


@pytest.mark.parametrize(
    ("order", "sweep", "may_launch", "variables", "last"),
    [
        (LaunchOrder(), False, False, {"SLURMTF_ATTEMPT": "3"}, True),
        (LaunchOrder(), False, True, {"SLURMTF_ATTEMPT": "3"}, False),  # the disk is kept for the next one
        (LaunchOrder(last=False), False, False, {"SLURMTF_ATTEMPT": "3"}, False),
        (LaunchOrder(variables={"SLURMTF_ATTEMPT": "1", "A": "b"}), False, False, {"SLURMTF_ATTEMPT": "1", "A": "b"}, True),
        (LaunchOrder(variables={"A": "b"}, last=False), True, False, {"A": "b"}, False),  # a trial counts its own attempts
        (LaunchOrder(), True, False, {}, True),
    ],
)
def test_an_attempt_completes_the_order(
    order: LaunchOrder, sweep: bool, may_launch: bool, variables: dict[str, str], last: bool
) -> None:
    plan = JobPlan(Run("x-1", "x"), "slurm", PS, sweep=sweep)
    found = build_attempt_order(order, plan, 3, may_launch)
    assert (found.variables, found.last) == (variables, last)


def test_a_launch_is_refused_if_its_launcher_can_not_be_separated_from_the_script() -> None:
    with pytest.raises(OSError, match="does not start its tasks with 'srun --ntasks=3'"):
        build_launch_words(PLAN, ["mine", *TASK], LaunchOrder(launcher=("srun", "-n1")))


def test_cleanup_is_launched_like_the_tasks() -> None:
    spawn = ["python3", "-I", "/run/agent.pyz", "spawn", "2", "--"]
    assert build_clear_command([*spawn, *TASK], "/run/agent.pyz") == [*spawn, *TASK[:6], "clear"]
    assert build_clear_command(["bash", "mine.sh"], "/run/agent.pyz") == []
    named_again = [*TASK, "/run/agent.pyz", "task"]  # in the script's own arguments
    assert build_clear_command([*spawn, *named_again], "/run/agent.pyz") == [*spawn, *TASK[:6], "clear"]


def test_a_launch_of_other_tasks_ignores_what_sbatch_requested() -> None:
    environ = {"SLURM_NTASKS_PER_NODE": "4", "SLURM_DISTRIBUTION": "cyclic", "SLURM_JOB_ID": "7"}
    assert build_launcher_environ(environ, LaunchOrder()) == environ
    assert build_launcher_environ(environ, LaunchOrder(launcher=("srun", "--ntasks=2"))) == {"SLURM_JOB_ID": "7"}
