"""Describe the cluster for TensorFlow and scripts: TF_CONFIG (tensorflow.org, "Distributed training with TensorFlow")."""

import json
from typing import Dict, List, Mapping

from ..contract import variables as var
from ..contract.roles import Role

Cluster = Mapping[str, List[str]]


def build_tf_config(cluster: Cluster, role: Role) -> str:
    """Return the value of TF_CONFIG for one task."""
    task = {"type": role.role, "index": role.number}
    return json.dumps({"cluster": cluster, "task": task, "environment": "cloud"})


def build_host_variables(cluster: Cluster) -> Dict[str, str]:
    """Return one variable for each role with its hosts, for scripts that take their cluster from flags."""
    return {"SLURMTF_{}_HOSTS".format(role.upper()): ",".join(hosts) for role, hosts in cluster.items()}


def build_cluster_variable(cluster: Cluster) -> Dict[str, str]:
    """Return the variable with the cluster alone as JSON, for scripts that take a cluster specification; empty without one."""
    return {var.SLURMTF_CLUSTER: json.dumps(cluster)} if cluster else {}
