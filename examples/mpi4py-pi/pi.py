"""Compute pi on all ranks: each integrates its own stripes, the sum is everybody's."""

import argparse
import json
from pathlib import Path

from mpi4py import MPI


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--stripes", type=int, default=1_000_000)
    stripes = parser.parse_args().stripes
    world = MPI.COMM_WORLD
    mine = range(world.rank, stripes, world.size)
    part = sum(4 / (1 + ((stripe + 0.5) / stripes) ** 2) for stripe in mine) / stripes
    pi = world.allreduce(part)
    print(f"rank {world.rank} of {world.size} on {MPI.Get_processor_name()}: {part:.6f} of {pi:.12f}")
    result = {"rank": world.rank, "size": world.size, "node": MPI.Get_processor_name(), "pi": pi}
    Path(f"outputs/result-{world.rank}.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main()
