"""Messages of processes that lost another one or wait for it."""

from __future__ import annotations

from slurmtf.diagnosis.kinds import Kind
from slurmtf.diagnosis.rules.rule import Rule

CASCADES: tuple[Rule, ...] = (
    Rule("nccl-timeout", Kind.STALL, ("collective operation timeout",), r"Watchdog caught collective operation timeout",
         "another rank did not reach that operation: look at what the others did last; often one had fewer batches",
         cascade=True),
    Rule("torch-store", Kind.ALONE, ("clients joined",), r"\d/\d+ clients joined",
         "the other processes never connected: look at their logs; if they have none, they were not started", cascade=True),
    Rule("not-registered", Kind.ALONE, ("RegisterTask", "tasks_to_register", "WaitForAllTasks"),
         r"DEADLINE_EXCEEDED: [^\n]*\s{1,40}RPC: /\S*CoordinationService/RegisterTask|"
         r"Barrier timed out.*(?:[Ww]ait_for_all_tasks_to_register|WaitForAllTasks)",
         "the other processes never connected: look at their logs; if they have none, they were not started", cascade=True),
    Rule("collective-timeout", Kind.STALL, ("Timed out waiting ", "monitoredBarrier", "Barrier timed out", "got stuck for"),
         r"Timed out waiting \d+ms for (?:recv|send) operation|failed to pass monitoredBarrier|"
         r"DEADLINE_EXCEEDED: Barrier timed out|watchdog got stuck for \d+",
         "another rank did not reach that operation: look at what the others did last; often one had fewer batches",
         cascade=True),
    Rule("xla-rendezvous", Kind.STALL, ("join the rendezvous",), r"Expected \d+ threads to join the rendezvous, but",
         "another process or GPU did not reach that operation: look at what the others did last", cascade=True),
    Rule("horovod-peer", Kind.PEER, ("Horovod has been shut down", "HorovodInternalError"),
         r"Horovod has been shut down|HorovodInternalError(?!: nccl\w+ failed: unhandled cuda error)",
         "look at the task that ended first", cascade=True),
    Rule("collective-peer", Kind.PEER, ("Collective ops is aborted", "Socket closed", "Connection reset by peer",
         "failed to connect to all addresses", "Connection closed by peer", "_InactiveRpcError", "closed by remote peer",
         "worker just restarted", '"grpc_status":14'),
         r"Collective ops is aborted by|Socket closed|Connection reset by peer|failed to connect to all addresses|"
         r'Connection closed by (?:remote )?peer|_InactiveRpcError|Possibly, this worker just restarted|'
         r'"grpc_status":14',
         "look at the task that ended first", cascade=True),
    Rule("unhealthy-peer", Kind.PEER, ("heartbeat", "unhealthy", "tasks have crashed"),
         r"stopped sending heartbeats|heartbeat timeout|unhealthy tasks?\b|tasks are unhealthy|tasks have crashed",
         "look at the task that ended first", cascade=True),
    Rule("jax-peer", Kind.PEER, ("coordination service", "JAX distributed service"),
         r"coordination service.*(?:heartbeat|unavailable|shut ?down)|Terminating process because the JAX distributed service",
         "look at the task that ended first", cascade=True),
)  # fmt: skip
