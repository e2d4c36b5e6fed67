"""python -m tests.environments [NAME...]: builds the named environments, default all, and prints their pythons."""

from __future__ import annotations

import argparse
import sys

from slurmtf.errors import SoftwareError

from .interpreters import NoInterpreter
from .specs import ENVIRONMENTS, build


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.environments", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(ENVIRONMENTS)}; default all")
    names = parser.parse_args().names or list(ENVIRONMENTS)
    unknown = set(names) - set(ENVIRONMENTS)
    if unknown:
        parser.error(f"no environment {', '.join(sorted(unknown))}; there are {', '.join(ENVIRONMENTS)}")
    return max([build_environments(name) for name in names])


def build_environments(name: str) -> int:
    try:
        print(build(name), flush=True)
    except (SoftwareError, NoInterpreter) as error:
        print(f"{name}: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
