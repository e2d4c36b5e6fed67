"""``python gloo_ranks.py PORTS DELAY_S ROUNDS``: ranks of the real Horovod, forked by a process that imports it once.

PORTS is a JSON object: the store's port, by number of ranks. The ranks of one size start together, each after a random delay,
as on the local site: one node, no MPI. Prints the ranks' exit statuses by size, as JSON. Horovod gives up after TIMEOUT_S.
"""

import json
import os
import random
import sys
import time

import horovod.tensorflow as hvd

TIMEOUT_S = 600


def rank_variables(rank: int, size: int, port: int) -> "dict[str, object]":
    return {
        "HOROVOD_RANK": rank, "HOROVOD_SIZE": size, "HOROVOD_LOCAL_RANK": rank, "HOROVOD_LOCAL_SIZE": size,
        "HOROVOD_CROSS_RANK": 0, "HOROVOD_CROSS_SIZE": 1, "HOROVOD_HOSTNAME": "node",
        "HOROVOD_GLOO_RENDEZVOUS_ADDR": "127.0.0.1", "HOROVOD_GLOO_RENDEZVOUS_PORT": port, "HOROVOD_GLOO_IFACE": "lo",
        "HOROVOD_CONTROLLER": "gloo", "HOROVOD_CPU_OPERATIONS": "gloo", "HOROVOD_GLOO_TIMEOUT_SECONDS": TIMEOUT_S,
    }  # fmt: skip


def take_part(rank: int, size: int, port: int, delay_s: float, rounds: int) -> None:
    os.environ.update({name: str(value) for name, value in rank_variables(rank, size, port).items()})
    for _ in range(rounds):
        time.sleep(random.Random(os.urandom(8)).uniform(0, delay_s))
        hvd.init()
        assert (hvd.rank(), hvd.size()) == (rank, size)
        hvd.shutdown()


def start(rank: int, size: int, port: int, delay_s: float, rounds: int) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            take_part(rank, size, port, delay_s, rounds)
            os._exit(0)
        finally:
            os._exit(1)
    return pid


def main(ports: "dict[str, int]", delay_s: float, rounds: int) -> None:
    ended = {}
    for size, port in ports.items():
        pids = [start(rank, int(size), port, delay_s, rounds) for rank in range(int(size))]
        ended[size] = [os.waitpid(pid, 0)[1] for pid in pids]
    print(json.dumps(ended))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))
