"""What runs inside the script's Python before the script: put in front of its path as ``sitecustomize``.

It gives TF_CONFIG to TensorFlow where it is too long for an environment variable, and compares the world that Horovod or MPI
sees with the plan's: N processes that each believe to be alone would all "succeed". Where tf.keras is tf_keras, Horovod's
callbacks are given that Keras, too.

This file is copied into the run folder and read by the job's Python, 3.6 or later, which may know nothing of slurmtf.
"""

import functools
import os
import sys

WORLD = "SLURMTF_EXPECTED_WORLD"
CONFIG_FILE = "SLURMTF_TF_CONFIG_FILE"
NAME = "sitecustomize"
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


def load_horovod(load, module):
    load(module)
    init = module.HorovodBasics.init

    def checked_init(self, *args, **kwargs):
        result = init(self, *args, **kwargs)
        check("Horovod", self.size())
        return result

    module.HorovodBasics.init = checked_init


def load_mpi(load, module):
    load(module)
    if module.Is_initialized():
        check("mpi4py", module.COMM_WORLD.Get_size())


def load_callbacks(load, module):
    """Load Horovod's Keras part: it takes the package "keras", which is Keras 3 also where tf.keras is tf_keras."""
    import tf_keras

    names = ("keras", "keras.backend")
    kept = {name: sys.modules[name] for name in names if name in sys.modules}
    sys.modules.update({"keras": tf_keras, "keras.backend": tf_keras.backend})
    try:
        load(module)
    finally:
        for name in names:
            del sys.modules[name]
        sys.modules.update(kept)


def watched():
    """Return the modules to look at, and how each is loaded."""
    found = {}
    if os.environ.get(WORLD):
        found.update({"horovod.common.basics": load_horovod, "mpi4py.MPI": load_mpi})
        if os.environ.get("TF_USE_LEGACY_KERAS", "").lower() in ("1", "true"):
            found["horovod.tensorflow.keras"] = load_callbacks
    return found


class Watcher(object):
    """Finds the watched modules as everybody does, and has a part in their loading."""

    def __init__(self, loaders):
        self._loaders = loaders

    def find_spec(self, name, path=None, target=None):
        if name not in self._loaders:
            return None
        from importlib.util import find_spec

        sys.meta_path.remove(self)
        try:
            spec = find_spec(name)
        finally:
            sys.meta_path.insert(0, self)
        if spec is not None and spec.loader is not None:
            spec.loader.exec_module = functools.partial(self._loaders[name], spec.loader.exec_module)
        return spec


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
    if watched():
        sys.meta_path.insert(0, Watcher(watched()))
    run_next()


if __name__ == NAME:
    main()
