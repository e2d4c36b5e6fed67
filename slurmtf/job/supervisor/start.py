"""What each task is told once all have connected: the cluster, its place on its node, its CPUs and GPUs. Pure."""

from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

from ..common import gpus, wire
from ..contract import variables as var
from ..contract.interchange import JsonView
from ..contract.layout import to_native
from ..contract.plan import Distribution, JobPlan, LaunchOrder
from ..contract.roles import Role
from . import cluster

SHAPE_VARIABLES = (var.SLURM_NTASKS_PER_NODE, var.SLURM_DISTRIBUTION)
NOTHING_SEEN = gpus.VisibleGpus(None, False)


class Hello(NamedTuple):
    """What a task reports when it connects: its node, the address at which it serves, the CPUs and GPUs that it sees, the IP
    addresses from which it may connect, and, if node names have a suffix, the interface by which the others reach it."""

    host: str
    address: str = ""
    cpus: str = ""
    sight: gpus.VisibleGpus = NOTHING_SEEN
    addresses: Tuple[str, ...] = ()
    interface: str = ""

    @classmethod
    def from_message(cls, message: wire.Message) -> "Hello":
        """Read it from a task's message."""
        sight = gpus.parse_sight(message.get("gpus"))
        host, address, cpus, interface = (str(message.get(name, "")) for name in ("host", "address", "cpus", "interface"))
        calls = tuple(map(str, [message.get("peer", ""), *message.get("addresses", [])]))
        return cls(host, address, cpus, sight, calls, interface)


def to_count(value: object) -> int:
    """Return a number that a task has reported; 0 if it is missing."""
    return value if isinstance(value, int) and value >= 0 else 0


def get_log_positions(message: wire.Message) -> Tuple[int, int]:
    """Return the positions in a task's logs, of output and of errors, from which its script writes."""
    positions = message.get("begins")
    out, err = positions if isinstance(positions, list) and len(positions) == 2 else (0, 0)
    return to_count(out), to_count(err)


def build_launch_words(plan: JobPlan, words: Sequence[str], order: LaunchOrder) -> List[str]:
    """Return the words of a launch: those of the batch script, with the launcher's words replaced by the order's, if any.

    Raises OSError if the batch script was changed so that the launcher's words can't be told from the others.
    """
    if not order.launcher:
        return list(words)
    planned = [to_native(word) for word in plan.launcher_words]
    if list(words[: len(planned)]) != planned:
        raise OSError("job.sh does not start its tasks with {!r}, as its plan says".format(" ".join(planned)))
    return [*map(to_native, order.launcher), *words[len(planned) :]]


def build_attempt_order(order: LaunchOrder, plan: JobPlan, number: int, may_launch: bool) -> LaunchOrder:
    """Return an order with the number of the run's attempt for its script; the trials of a sweep count their own.

    If another launch may follow a failed one, what was staged stays on the nodes' disks.
    """
    kept = order._replace(last=order.last and not may_launch)
    return kept if plan.sweep else kept._replace(variables=dict({var.SLURMTF_ATTEMPT: str(number)}, **order.variables))


def build_launcher_environ(environ: Mapping[str, str], order: LaunchOrder) -> Dict[str, str]:
    """Return the variables of a launcher. If an order has its own words, srun must not take the distribution of tasks over the
    nodes from sbatch's options (srun(1), input environment variables)."""
    left_out = SHAPE_VARIABLES if order.launcher else ()
    return {name: value for name, value in environ.items() if name not in left_out}


def build_clear_command(words: Sequence[str], agent: str) -> List[str]:
    """Return the words that start the agent where the tasks would start, to clean up; empty if no agent is found."""
    places = [place for place, (one, mode) in enumerate(zip(words, words[1:])) if (one, mode) == (agent, "task")]
    return [*words[: places[0] + 1], "clear"] if places else []


def build_cluster(roles: Sequence[Role], hellos: Mapping[int, Hello]) -> cluster.Cluster:
    """Return the cluster as TensorFlow reads it."""
    return cluster.build(roles, {rank: hello.address for rank, hello in hellos.items()})


def list_nodes(hellos: Mapping[int, Hello]) -> Dict[str, List[str]]:
    """Return the addresses and names of the job's nodes, both their own names and those that TensorFlow uses."""
    names = [name for hello in hellos.values() for name in (hello.host, hello.address.rpartition(":")[0]) if name]
    addresses = [address for hello in hellos.values() for address in hello.addresses if address]
    return {"names": list(dict.fromkeys(names)), "addresses": sorted(set(addresses))}


def build_start_orders(
    distribution: Distribution,
    roles: Sequence[Role],
    hellos: Mapping[int, Hello],
    order: LaunchOrder,
    variables: Mapping[int, Mapping[str, str]],
) -> Dict[int, wire.Message]:
    """Return the message that starts each task. ``variables``: those with which each rank's library finds the others."""
    hosts = {rank: hello.host for rank, hello in hellos.items()}
    places, shared = cluster.compute_places(hosts), select_hosts_to_deal(hellos)
    dealt = _deal_gpus(distribution, roles, hellos)
    own = order.to_dict()
    found: Dict[int, wire.Message] = {}
    for rank, host in hosts.items():
        local_rank, sharers = places[rank]
        found[rank] = {
            "order": "start",
            "local_rank": local_rank,
            "sharers": sharers,
            "gpus": dealt[rank],
            "bind": host in shared,
            "variables": dict(variables.get(rank, {})),
            "launch": own,
        }
    return found


def _deal_gpus(
    distribution: Distribution, roles: Sequence[Role], hellos: Mapping[int, Hello]
) -> Dict[int, Optional[gpus.Names]]:
    sights = {rank: hello.sight for rank, hello in hellos.items()}
    users = [role.rank for role in roles if role.role in distribution.gpu_roles]
    return gpus.divide(sights, {rank: hello.host for rank, hello in hellos.items()}, users)


def select_hosts_to_deal(hellos: Mapping[int, Hello]) -> Set[str]:
    """Return the nodes whose tasks divide the CPUs among themselves."""
    masks: Dict[str, List[str]] = {}
    for hello in hellos.values():
        masks.setdefault(hello.host, []).append(hello.cpus)
    return {host for host, seen in masks.items() if may_be_dealt(seen)}


def may_be_dealt(masks: List[str]) -> bool:
    """Return whether the tasks of one node may use the same CPUs, at least one for each."""
    return len(masks) > 1 and len(set(masks)) == 1 and bin(int(masks[0] or "0", 16)).count("1") >= len(masks)


def build_horovod_variables(roles: Sequence[Role], hellos: Mapping[int, Hello], shared: JsonView) -> Dict[int, Dict[str, str]]:
    """Return Horovod's variables for each rank; ``shared`` are those for all ranks.

    Gloo uses the address of the node's own name unless an interface is set (gloo, transport/tcp/device.cc).
    """
    ranks = cluster.compute_horovod_ranks(roles, {rank: hello.host for rank, hello in hellos.items()})
    found = {}
    for rank, own in ranks.items():
        found[rank] = {var.HOROVOD_GLOO_IFACE: hellos[rank].interface} if hellos[rank].interface else {}
        found[rank].update(shared)
        found[rank].update({name: str(value) for name, value in own.items()})
    return found


def build_jax_variables(hellos: Mapping[int, Hello], interface: str) -> Dict[int, Dict[str, str]]:
    """Return the variables with which each rank's JAX and Keras find the coordinator, which rank 0 serves
    (jax.distributed.initialize; keras.distribution.initialize). ``interface``: that of all ranks; empty: each has its own."""
    shared = {
        var.JAX_COORDINATOR_ADDRESS: hellos[0].address,
        var.KERAS_DISTRIBUTION_JOB_ADDRESSES: hellos[0].address,
        var.KERAS_DISTRIBUTION_NUM_PROCESSES: str(len(hellos)),
    }
    found = {rank: {**shared, var.KERAS_DISTRIBUTION_PROCESS_ID: str(rank)} for rank in hellos}
    for rank, hello in hellos.items():
        if interface or hello.interface:
            found[rank][var.SLURMTF_INTERFACE] = interface or hello.interface
    return found
