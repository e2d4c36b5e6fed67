"""ClusterError: the cluster did not do what it should. ClusterUnavailable: this machine can't run one."""


class ClusterError(Exception):
    pass


class ClusterUnavailable(ClusterError):
    pass
