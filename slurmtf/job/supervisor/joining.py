"""Let the tasks of a launch find each other through Horovod or JAX, without a TensorFlow cluster."""

import selectors
from typing import Dict, Mapping, Optional, Sequence

from ..common import addresses
from ..contract import variables as var
from ..contract.plan import JobPlan
from ..contract.roles import Role
from . import cluster, gloo, start


class Joining:
    """The joining of one launch. ``own_name`` is the name by which other nodes reach this one."""

    def __init__(self, plan: JobPlan, own_name: str, selector: selectors.BaseSelector) -> None:
        self._plan = plan
        self._own_name = own_name
        self._selector = selector
        self._store: Optional[gloo.Store] = None

    def build_variables(self, roles: Sequence[Role], hellos: Mapping[int, start.Hello]) -> Dict[int, Dict[str, str]]:
        """Return the variables with which each rank's library finds the others, and serve its later requests."""
        if self._plan.distribution.joined_by_jax:
            return start.build_jax_variables(hellos, self._interface)
        return start.build_horovod_variables(roles, hellos, self._serve(roles, hellos)) if self._plan.distribution.gloo else {}

    def tick(self) -> None:
        """Do what is due by the clock. Call it about every second."""
        if self._store:
            self._store.tick()

    def close(self) -> None:
        if self._store:
            self._store.close()

    def _serve(self, roles: Sequence[Role], hellos: Mapping[int, start.Hello]) -> Mapping[str, str]:
        """Serve Horovod's rendezvous and return the variables that all ranks need."""
        hosts = {address for hello in hellos.values() for address in hello.addresses}
        sizes = gloo.compute_scope_sizes(
            cluster.compute_horovod_ranks(roles, {rank: hello.host for rank, hello in hellos.items()})
        )
        self._store = gloo.Store(self._selector, {*addresses.list_addresses(), *hosts}, sizes)
        one_node = self._plan.size.nodes == 1
        shared = gloo.build_gloo_variables("127.0.0.1" if one_node else self._own_name, self._store.port)
        return dict(shared, **{var.HOROVOD_GLOO_IFACE: self._interface}) if self._interface else shared

    @property
    def _interface(self) -> str:
        """The interface that all ranks are told to use; empty if a node's own name, or its name with the site's suffix,
        suffices."""
        return "lo" if self._plan.size.nodes == 1 else self._plan.interface or ""
