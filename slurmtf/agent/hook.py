"""What runs inside the script's Python before the script: put in front of its path as ``sitecustomize``.

It gives TF_CONFIG to TensorFlow where it is too long for an environment variable, and compares the world that Horovod or MPI
sees with the plan's: N processes that each believe to be alone would all "succeed".

This file is copied into the run folder and read by the job's Python, 3.6 or later, which may know nothing of slurmtf.
"""

import os
import sys

WORLD = "SLURMTF_EXPECTED_WORLD"
CONFIG_FILE = "SLURMTF_TF_CONFIG_FILE"
NAME = "sitecustomize"
WATCHED = ("horovod.common.basics", "mpi4py.MPI")
STATUS = 78
"""The exit code of a rank that is alone (EX_CONFIG, sysexits(3))."""


def check(library, seen):
    """End the process when the world that a library sees is not the plan's."""
    expected = int(os.environ[WORLD])
    if seen == expected:
        return
    sys.stderr.write(
        "slurmtf: {} sees a world of {} process(es), but {} were started: each would train on its own.\n"
        "slurmtf: it was not built for the MPI of this job, or the launcher does not serve it. Give another one: "
        "distributed_training=Mpi(transport='gloo') for Horovod without MPI, launcher='mpirun', or srun={{'mpi': 'pmix'}} "
        "('srun --mpi=list' shows the names).\n".format(library, seen, expected)
    )
    sys.stderr.flush()
    os._exit(STATUS)


def watch_horovod(module):
    init = module.HorovodBasics.init

    def checked_init(self, *args, **kwargs):
        result = init(self, *args, **kwargs)
        check("Horovod", self.size())
        return result

    module.HorovodBasics.init = checked_init


def watch_mpi(module):
    if module.Is_initialized():
        check("mpi4py", module.COMM_WORLD.Get_size())


class Watcher(object):
    """Finds the watched modules as everybody does, and looks at them once they are loaded."""

    def find_spec(self, name, path=None, target=None):
        if name not in WATCHED:
            return None
        from importlib.util import find_spec

        sys.meta_path.remove(self)
        try:
            spec = find_spec(name)
        finally:
            sys.meta_path.insert(0, self)
        if spec is not None and spec.loader is not None:
            self._wrap(spec.loader, watch_mpi if name == "mpi4py.MPI" else watch_horovod)
        return spec

    def _wrap(self, loader, look):
        load = loader.exec_module

        def exec_module(module):
            load(module)
            look(module)

        loader.exec_module = exec_module


def run_next():
    """Run the sitecustomize that this one hides, if there is one."""
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec

    here = os.path.dirname(os.path.abspath(__file__))
    spec = PathFinder.find_spec(NAME, [entry for entry in sys.path if os.path.abspath(entry or ".") != here])
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(module_from_spec(spec))


def main():
    if os.environ.get(CONFIG_FILE):
        with open(os.environ[CONFIG_FILE]) as file:
            os.environ["TF_CONFIG"] = file.read()
    if os.environ.get(WORLD):
        sys.meta_path.insert(0, Watcher())
    run_next()


if __name__ == NAME:
    main()
