"""What runs inside the script's Python before the script: put in front of its path as ``sitecustomize``.

It gives TF_CONFIG to TensorFlow where it is too long for an environment variable, and compares the world that Horovod, MPI or
JAX sees with the plan's: N processes that each believe to be alone would all "succeed". JAX learns of the job here, too. Where
tf.keras is tf_keras, Horovod's callbacks are given that Keras.

This file is copied into the run folder and read by the job's Python, 3.6 or later, which may know nothing of slurmtf.
"""

import os
import sys

if __name__ == "sitecustomize":
    sys.path[:] = [entry for entry in sys.path if entry != os.path.dirname(__file__)]  # else each import looks there first

import atexit
import contextlib
import functools
from typing import Any, Callable, Dict

WORLD = "SLURMTF_EXPECTED_WORLD"
CONFIG_FILE = "SLURMTF_TF_CONFIG_FILE"
AUTOLOG = "SLURMTF_AUTOLOG"
STOP = "SLURMTF_STOP"
STACKS = "SLURMTF_STACKS"
UNCAUGHT = "SLURMTF_UNCAUGHT"
AZUREML = "SLURMTF_AZUREML"
RANK = "SLURMTF_RANK"
RUN_FOLDER = "SLURMTF_RUN_FOLDER"
PROGRAM = "slurmtf_job"
LOADER = "slurmtf_loader"
NAME = "sitecustomize"
HERE = os.path.dirname(os.path.abspath(__file__))
JAX = "SLURMTF_JAX_PROCESS"
"""Which of the processes this one is, where JAX joins them."""
INTERFACE = "SLURMTF_INTERFACE"
LONGEST_ERROR, MOST_FRAMES = 400, 50
TRACEBACK = "Traceback (most recent call last):"
MEANWHILE = "\nDuring handling of the above exception, another exception occurred:\n"
SYSTEM_EXIT = "SystemExit"
"""The line that says that Python ended in order and by no error: at the script's last line or by SystemExit, not by os._exit
or a library's exit(3), which run none of Python's atexit functions."""
STATUS = 78
"""The exit code of a rank that is alone (EX_CONFIG, sysexits(3))."""
NO_MPI = (
    "it was not built for the MPI of this job, or the launcher does not serve it. Set another one: "
    "distributed_training=Mpi(transport='gloo') for Horovod without MPI, launcher='mpirun', or srun={'mpi': 'pmix'} "
    "('srun --mpi=list' shows the names)."
)
ALONE = "Keras runs on {}, and each of {} processes would train on its own."
NOT_JOINED = "call keras.distribution.initialize() or jax.distributed.initialize(), without arguments, before JAX is used."
NOT_ON_JAX = (
    "only Keras on JAX trains across these processes. Set the variable KERAS_BACKEND=jax (environment_variables), and call "
    "keras.distribution.initialize() first."
)

Load = Callable[[Any], Any]
Loaders = Dict[str, Callable[[Load, Any], None]]


def check(library: str, seen: int, remedy: str) -> None:
    """End the process when the world that a library sees is not the plan's."""
    expected = int(os.environ[WORLD])
    if seen != expected:
        text = "{} sees a world of {} process(es), but {} were started: each would train on its own."
        end(text.format(library, seen, expected), remedy)


def end(what: str, remedy: str) -> None:
    """End the process at once: nothing of the script can catch that."""
    sys.stderr.write("slurmtf: {}\nslurmtf: {}\n".format(what, remedy))
    sys.stderr.flush()
    os._exit(STATUS)


def load_horovod(load: Load, module: Any) -> None:
    load(module)
    init = module.HorovodBasics.init

    def init_and_check(self: Any, *args: object, **kwargs: object) -> object:
        result = init(self, *args, **kwargs)
        check("Horovod", self.size(), NO_MPI)
        return result

    module.HorovodBasics.init = init_and_check


def load_mpi(load: Load, module: Any) -> None:
    load(module)
    if module.Is_initialized():
        check("mpi4py", module.COMM_WORLD.Get_size(), NO_MPI)


def load_callbacks(load: Load, module: object) -> None:
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


def load_clusters(load: Load, module: Any) -> None:
    """Load what JAX knows of clusters, and this job as the first of them: JAX learns of a cluster by such a class.

    Its own for Slurm guesses a port from the job id, and has each process use the GPU of its number on the node, also where it
    sees no other than its own (jax/_src/clusters/slurm_cluster.py).
    """
    load(module)

    class Job(module.ClusterEnv):  # type: ignore[misc]
        name = "slurmtf"

        @classmethod
        def is_env_present(cls) -> bool:
            return True

        @classmethod
        def get_coordinator_address(cls, timeout_secs: object = None, override_coordinator_port: object = None) -> str:
            return os.environ["JAX_COORDINATOR_ADDRESS"]

        @classmethod
        def get_process_count(cls) -> int:
            return int(os.environ[WORLD])

        @classmethod
        def get_process_id(cls) -> int:
            return int(os.environ[JAX])

    known = module.ClusterEnv._cluster_types
    known.insert(0, known.pop())


def load_bridge(load: Load, module: Any) -> None:
    """Load what opens JAX's devices: what is not joined by then never will be."""
    load(module)
    backends = module.backends

    def open_and_check() -> object:
        check("JAX", module.distributed.global_state.num_processes, NOT_JOINED)
        return backends()

    module.backends = open_and_check
    owner = getattr(module, "_jax", None) or getattr(module.xla_client, "_xla", None)
    build = getattr(owner, "make_gloo_tcp_collectives", None)
    if build and os.environ.get(INTERFACE):  # else it takes the address of the node's own name (gloo, transport/tcp/device.cc)
        setattr(owner, build.__name__, functools.partial(build, interface=os.environ[INTERFACE]))


def load_trainer(load: Load, module: Any) -> None:
    """Load what trains Keras's models on another backend than JAX: those processes would know nothing of each other."""
    load(module)
    backend = module.__name__.split(".")[-2]
    for name in [name for name in vars(module) if name.endswith("Trainer") and "fit" in vars(vars(module)[name])]:
        vars(module)[name].fit = lambda *args, **kwargs: end(ALONE.format(backend, os.environ[WORLD]), NOT_ON_JAX)


def build_jax_loaders() -> Loaders:
    """Return the modules to look at where JAX joins the processes."""
    found: Loaders = {"jax._src.clusters": load_clusters, "jax._src.xla_bridge": load_bridge}
    if os.environ[WORLD] != "1":
        found.update(("keras.src.backend.{}.trainer".format(other), load_trainer) for other in ("tensorflow", "torch"))
    return found


TRAINERS = (
    "keras.src.backend.tensorflow.trainer",
    "keras.src.backend.jax.trainer",
    "keras.src.backend.torch.trainer",
    "keras.src.engine.training",
    "keras.src.engine.training_v1",
    "keras.engine.training",
    "keras.engine.training_v1",
    "tensorflow.python.keras.engine.training",
    "tensorflow.python.keras.engine.training_v1",
    "tf_keras.src.engine.training",
    "tf_keras.src.engine.training_v1",
)
"""Where the classes are that have ``fit``: of Keras 3 for each backend, of Keras 2, of tf.keras before 2.6, of tf_keras."""


def load_fit(load: Load, module: object) -> None:
    """Load what trains models, and have it log what it reports, or stop when it is told."""
    load(module)
    try:
        import_program("script.autolog").watch(module)
    except Exception as err:
        sys.stderr.write("slurmtf: autolog is off: {!r}\n".format(err))


def import_program(name: str) -> Any:
    """Import a module of the job's zip without leaving the zip on ``sys.path``."""
    from importlib import import_module

    if LOADER not in sys.modules:
        archive = os.path.join(os.path.dirname(HERE), "agent.pyz")
        sys.path.append(archive)
        try:
            import_module(LOADER).install(archive, PROGRAM)
        finally:
            sys.path.remove(archive)
    return import_module(PROGRAM + "." + name)


class Server(object):
    """Serves ``slurmtf`` to the script, with ``Run`` alone in it. As the last finder it is asked where none is installed."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> Any:
        if name != "slurmtf":
            return None
        from importlib.machinery import ModuleSpec

        loader: Any = self
        return ModuleSpec(name, loader, origin="the job's agent.pyz")

    def create_module(self, spec: object) -> None:
        return None

    def exec_module(self, module: Any) -> None:
        module.Run = import_program("script.context").Run


class Adapter(object):
    """Serves Azure ML's Run to a script that was written for it; asked last, too."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> Any:
        if name.partition(".")[0] != "azureml":
            return None
        return import_program("script.azureml").Finder().find_spec(name, path, target)


def build_loaders() -> Loaders:
    """Return the modules to look at, and how each is loaded."""
    found: Loaders = dict.fromkeys(TRAINERS, load_fit) if os.environ.get(AUTOLOG) == "keras" or os.environ.get(STOP) else {}
    if os.environ.get(JAX):
        return dict(found, **build_jax_loaders())
    if os.environ.get(WORLD):
        found.update({"horovod.common.basics": load_horovod, "mpi4py.MPI": load_mpi})
        if os.environ.get("TF_USE_LEGACY_KERAS", "").lower() in ("1", "true"):
            found["horovod.tensorflow.keras"] = load_callbacks
    return found


class Watcher(object):
    """Finds the watched modules as everybody does, and has a part in their loading."""

    def __init__(self, loaders: Loaders) -> None:
        self._loaders = loaders

    def find_spec(self, name: str, path: object = None, target: object = None) -> Any:
        if name not in self._loaders:
            return None
        from importlib.util import find_spec

        sys.meta_path.remove(self)
        try:
            spec = find_spec(name)
        finally:
            sys.meta_path.insert(0, self)
        if spec is not None and spec.loader is not None:
            spec.loader.exec_module = functools.partial(self._loaders[name], spec.loader.exec_module)  # type: ignore[method-assign]
        return spec


def register_stacks(path: str) -> None:
    """Have the stacks of all threads written into a file upon a signal, which the agent sends when the run has stalled."""
    import faulthandler
    import signal

    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    file = open(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a")  # noqa: SIM115 - as long as the process lives
    faulthandler.register(signal.SIGRTMIN + 7, file)


def note_end(path: str) -> None:
    """Have it written down how the script ends: by which uncaught error, or from where by ``sys.exit``; in a log either looks
    like an error that was caught, or one of another program. And whether Python ended in order. Only of this process: what it
    starts does not know the file."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    process, show = os.getpid(), sys.excepthook

    def note_error(kind: Any, error: Any, trace: Any) -> None:
        with contextlib.suppress(Exception):
            if os.getpid() == process:
                write_error(path, kind, error)
        show(kind, error, trace)

    def note_exit(status: object) -> None:
        with contextlib.suppress(Exception):
            if os.getpid() == process and status not in (None, 0):
                write_exit(path, status)

    def note_system_exit() -> None:
        with contextlib.suppress(Exception):
            if os.getpid() == process and not hasattr(sys, "last_type"):
                write(path, SYSTEM_EXIT + "\n")

    sys.excepthook = note_error
    watch_exits(note_exit)
    atexit.register(note_system_exit)


def watch_exits(note: Callable[[object], None]) -> None:
    """Have ``note`` called with its status before a script leaves by ``sys.exit``, or by ``exit`` and ``quit`` of site.py."""
    import builtins

    leave = sys.exit
    quitter: Any = type(getattr(builtins, "exit", None))
    quits = quitter.__call__

    def note_and_exit(*status: Any) -> Any:
        note(status[0] if status else None)
        return leave(*status)

    def note_and_quit(self: object, code: object = None) -> object:
        note(code)
        return quits(self, code)

    sys.exit = functools.wraps(leave)(note_and_exit)
    if quitter.__name__ == "Quitter":
        quitter.__call__ = note_and_quit


def write_error(path: str, kind: object, error: Any) -> None:
    from traceback import format_exception_only

    line = next(line for line in format_exception_only(kind, error) if not line.startswith(" "))
    write(path, line.split("\n")[0][:LONGEST_ERROR] + "\n")


def write_exit(path: str, status: object) -> None:
    """Write down where a script leaves, and the error that it handles there, as Python shows such an error: it shows no
    SystemExit. A thread that leaves ends only itself."""
    import threading
    import traceback

    if threading.current_thread() is not threading.main_thread():
        return
    handled = traceback.format_exception(*sys.exc_info(), limit=MOST_FRAMES) if sys.exc_info()[0] else []
    stack = traceback.format_list(traceback.extract_stack()[:-3][-MOST_FRAMES:])
    lines = [*handled, MEANWHILE if handled else "", TRACEBACK, *stack, "SystemExit: " + str(status).partition("\n")[0]]
    write(path, "".join(line[:LONGEST_ERROR].rstrip("\n") + "\n" for line in lines))


def write(path: str, text: str) -> None:
    with open(path, "a", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)


def run_next() -> None:
    """Run the sitecustomize that this one hides, if there is one."""
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec

    spec = PathFinder.find_spec(NAME, [entry for entry in sys.path if os.path.abspath(entry or ".") != HERE])
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(module_from_spec(spec))


def note_software() -> None:
    """Write down what rank 0 has loaded, for the receipt."""
    try:
        import_program("script.software").note(os.environ[RUN_FOLDER])
    except Exception:
        return


def main() -> None:
    if os.environ.get(CONFIG_FILE):
        with open(os.environ[CONFIG_FILE]) as file:
            os.environ["TF_CONFIG"] = file.read()
    if os.environ.get(STACKS):
        with contextlib.suppress(OSError, AttributeError, RuntimeError, ValueError):
            register_stacks(os.environ[STACKS])
    if build_loaders():
        sys.meta_path.insert(0, Watcher(build_loaders()))
    sys.meta_path.append(Server())
    if os.environ.get(RANK) == "0":
        atexit.register(note_software)
    if os.environ.get(AZUREML):
        sys.meta_path.append(Adapter())
    run_next()
    if os.environ.get(UNCAUGHT):
        with contextlib.suppress(OSError):
            note_end(os.environ.pop(UNCAUGHT))


if __name__ == NAME:
    main()
