"""The lines around the deciding error change nothing: each class, reported in each way, between other lines of logs."""
# ruff: noqa: E501 - texts as their programs write them

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from slurmtf.diagnosis.dying import explain
from slurmtf.diagnosis.explanation import Log, TaskFailure
from slurmtf.diagnosis.kinds import Kind
from slurmtf.job.contract.attempt.outcome import Cause, End, Outcome

TF = "tensorflow.python.framework.errors_impl."
FRAMES = '  File "/r/work/train.py", line 57, in <module>\n    main(args)\n  File "/r/work/train.py", line 31, in main\n    model = build(x)\n'
INSTALLED = '  File "/e/lib/python3.11/site-packages/lib/core.py", line 122, in build\n    return native.build(x)\n'
TRACEBACK = "Traceback (most recent call last):\n" + FRAMES + INSTALLED

ERRORS: dict[str, Kind] = {
    "KeyError: 'lr'": Kind.SCRIPT,
    "ValueError: Shapes (None, 1) and (None, 10) are incompatible": Kind.SCRIPT,
    TF + "InvalidArgumentError: Graph execution error:\n\nReceived a label value of 10 which is outside the valid range of [0, 10).\n\t [[{{node loss}}]] [Op:train]": Kind.SCRIPT,
    "FileNotFoundError: [Errno 2] No such file or directory: '/data/train.csv'": Kind.SCRIPT,
    "EOFError: Ran out of input": Kind.SCRIPT,
    "sqlite3.OperationalError: no such table: runs": Kind.SCRIPT,
    "OSError: [Errno 28] No space left on device: '/scratch/model.keras'": Kind.DISK,
    "OSError: [Errno 122] Disk quota exceeded": Kind.QUOTA,
    "ModuleNotFoundError: No module named 'tensorflow_datasets'": Kind.IMPORT,
    "ImportError: libcudart.so.11.0: cannot open shared object file: No such file or directory": Kind.LIBRARY,
    "MemoryError": Kind.HOST_MEMORY,
    TF + "ResourceExhaustedError: OOM when allocating tensor with shape[512,224] and type float on /job:localhost/replica:0/task:0/device:GPU:0 by allocator GPU_0_bfc": Kind.GPU_MEMORY,
    "OSError: [Errno 24] Too many open files: 'a.npy'": Kind.LIMIT,
    "OSError: [Errno 98] Address already in use": Kind.PORT,
    "urllib.error.URLError: <urlopen error [Errno -2] Name or service not known>": Kind.NETWORK,
    "BlockingIOError: [Errno 11] Unable to open file (unable to lock file, errno = 11, error message = 'Resource temporarily unavailable')": Kind.FILE_LOCKING,
    TF + "InvalidArgumentError: Graph execution error:\n\nDetected at node CheckNumerics\n : Tensor had NaN values\n\t [[{{node CheckNumerics}}]]": Kind.DIVERGED,
    "lab.FluxError: the flux capacitor is cold": Kind.UNKNOWN,
    "RuntimeError: the flux capacitor is cold": Kind.UNKNOWN,
    TF + "InternalError: the flux capacitor is cold [Op:Flux]": Kind.UNKNOWN,
}  # fmt: skip

OF_LIBRARY = (
    'Traceback (most recent call last):\n  File "/e/lib/python3.11/site-packages/other.py", line 3, in send\n    connect()\n'
)
BEFORE = {
    "nothing": "",
    "tensorflow begins": (
        "2026-11-29 10:00:00.123: I tensorflow/core/util/port.cc:153] oneDNN custom operations are on.\n"
        "2026-11-29 10:00:00.7: E external/local_xla/xla/stream_executor/cuda/cuda_fft.cc:467] Unable to register cuFFT factory: Attempting to register factory for plugin cuFFT when one has already been registered\n"
        "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n"
        "W0000 00:00:1732.1 1 gpu_device.cc:2344] Cannot dlopen some GPU libraries. Please make sure the missing libraries mentioned above are installed properly\n"
        "2026-11-29 10:00:01.8: E external/local_xla/xla/stream_executor/cuda/cuda_driver.cc:152] failed call to cuInit: INTERNAL: CUDA error: Failed call to cuInit: UNKNOWN ERROR (303)\n"
        "2026-11-29 10:00:01.9: W tensorflow/tsl/platform/cloud/google_auth_provider.cc:184] All attempts to get a Google authentication bearer token failed, returning an empty token. Error executing an HTTP request: libcurl code 6 meaning 'Couldn't resolve host name'\n"
    ),
    "progress": "Epoch 1/2\n\r 1/10 [=>....] - ETA: 3s - loss: 2.3\r10/10 [=====] - 1s - loss: 0.2\nEpoch 2/2\n",
    "a survived error": OF_LIBRARY + "ConnectionRefusedError: [Errno 111] Connection refused\ncould not reach the tracking server, going on\nEpoch 1/2\n",
    "a survived import": "Traceback (most recent call last):\n  File \"/r/work/train.py\", line 3, in load\n    import cupy\nModuleNotFoundError: No module named 'cupy'\nusing numpy\n",
    "retries": "WARNING:urllib3.connectionpool:Retrying (Retry(total=2)) after connection broken by 'NewConnectionError': [Errno 101] Network is unreachable: /x\n" * 3,
    "smaller batches": "WARNING: CUDA out of memory with batch 512, trying 256\nEpoch 1/2\n",
    "a full cache": "WARNING:root:cache: [Errno 28] No space left on device, going on without\n",
    "deprecations": "/e/lib/python3.11/site-packages/keras/x.py:9: FutureWarning: In the future `np.object` will be an error: No module named 'y'\n  warnings.warn(\n",
    "mpi warns": "[n1:123] mca_base_component_repository_open: unable to open mca_op_avx: /lib/mca_op_avx.so: undefined symbol: ompi_op_avx (ignored)\n--------------------------------------------------------------------------\nWARNING: There was an error initializing an OpenFabrics device.\n\n  Local host:   n1\n--------------------------------------------------------------------------\n",
    "help": "INFO: if you see 'CUDA_ERROR_OUT_OF_MEMORY' or 'Disk quota exceeded', write to the list\n",
}  # fmt: skip
AFTER = {
    "nothing": "",
    "ignored": "Exception ignored in: <function Pool.__del__ at 0x7f2a>\n" + OF_LIBRARY + "TypeError: 'NoneType' object is not callable\n",
    "at exit": "Error in atexit._run_exitfuncs:\n" + OF_LIBRARY + "OSError: [Errno 9] Bad file descriptor\n",
    "resource tracker": "/usr/lib/python3.11/multiprocessing/resource_tracker.py:254: UserWarning: resource_tracker: There appear to be 6 leaked semaphore objects to clean up at shutdown\n  warnings.warn('resource_tracker: There appear to be %d '\n",
    "srun": "srun: error: n1: task 0: Exited with exit code 1\nsrun: Terminating StepId=7.0\nslurmstepd: error: *** STEP 7.0 ON n1 CANCELLED AT 2026-11-29T10:00:00 ***\n",
    "mpi aborts": "--------------------------------------------------------------------------\nPrimary job  terminated normally, but 1 process returned\na non-zero exit code. Per user-direction, the job has been aborted.\n--------------------------------------------------------------------------\n--------------------------------------------------------------------------\nmpirun detected that one or more processes exited with non-zero status, thus causing\nthe job to be terminated. The first process to do so was:\n\n  Process name: [[1,1],0]\n  Exit code:    1\n--------------------------------------------------------------------------\n",
    "a tracker": "wandb: WARNING A graphql request initiated by the public wandb API timed out (timeout=19 sec).\nwandb: You can sync this run to the cloud by running:\nwandb: Find logs at: ./wandb/offline-run/logs\n",
    "a bar": "\r 10%|#         | 10/100 [00:01<00:09, 9.8it/s]\n",
    "a thread": "Exception in thread Thread-3 (beat):\nTraceback (most recent call last):\n  File \"/usr/lib/python3.11/threading.py\", line 1045, in _bootstrap_inner\n    self.run()\nConnectionResetError: [Errno 104] Connection reset by peer\n",
    "a callback": "2026-11-29 10:00:09.1: W tensorflow/core/framework/local_rendezvous.cc:404] Local rendezvous is aborting with status: OUT_OF_RANGE: End of sequence\n\t [[{{node IteratorGetNext}}]]\n",
    "futures": "Future exception was never retrieved\nfuture: <Future finished exception=ConnectionError('closed')>\n" + OF_LIBRARY + "ConnectionError: closed\n",
}  # fmt: skip
Way = Callable[[str], "tuple[str, str | None]"]
OF_OTHERS = "".join(
    (
        "Traceback (most recent call last):\n" + FRAMES + TF + "UnavailableError: Collective ops is aborted by: failed to connect to all addresses\n",
        "[1,1]<stderr>: horovod.common.exceptions.HorovodInternalError: Horovod has been shut down\n",
    )
)  # fmt: skip


def first_line(error: str) -> str:
    return error.partition("\n")[0]


def uncaught(error: str) -> tuple[str, str | None]:
    return TRACEBACK + error + "\n", first_line(error)


def unwatched(error: str) -> tuple[str, str | None]:
    return TRACEBACK + error + "\n", None


def printed(error: str) -> tuple[str, str | None]:
    return TRACEBACK.replace("<module>", "run") + error + "\n", ""


def logged(error: str) -> tuple[str, str | None]:
    return "2026-11-29 10:00:05,1 ERROR train: training failed\n" + TRACEBACK.replace("<module>", "run") + error + "\n", ""


def caused(error: str) -> tuple[str, str | None]:
    link = "\nThe above exception was the direct cause of the following exception:\n\n"
    return TRACEBACK + error + "\n" + link + TRACEBACK + "lab.StepError: step 3 failed\n", "lab.StepError: step 3 failed"


def in_child(error: str) -> tuple[str, str | None]:
    failed = "subprocess.CalledProcessError: Command '['python', 'a.py']' returned non-zero exit status 1."
    return TRACEBACK + error + "\n" + TRACEBACK + failed + "\n", failed


def in_pool(error: str) -> tuple[str, str | None]:
    remote = '"""\n' + TRACEBACK + error + '\n"""\n\nThe above exception was the direct cause of the following exception:\n\n'
    return "multiprocessing.pool.RemoteTraceback: \n" + remote + TRACEBACK + error + "\n", first_line(error)


def grouped(error: str) -> tuple[str, str | None]:
    inner = re.sub("(?m)^", "    | ", TRACEBACK + error)
    head = "  + Exception Group Traceback (most recent call last):\n" + re.sub("(?m)^", "  | ", FRAMES.rstrip("\n"))
    group_error = "ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)"
    return (
        f"{head}\n  | {group_error}\n  +-+---------------- 1 ----------------\n{inner}\n    +------------------------------------\n",
        group_error,
    )


MAY_BE_IT = {("printed", "a thread"), ("logged", "a thread")}
"""A script that printed an error and ended may have done so because of the error that its thread died of later."""
WAYS = (uncaught, unwatched, printed, logged, in_child, in_pool, grouped)


def kind_of(text: str, noted: str | None, job: str = "", other: str = "") -> Kind:
    outcome = Outcome(Cause.SCRIPT, "rank-0", "n1", exit_code=1)
    failures = [TaskFailure("rank-0", End(1)), TaskFailure("rank-1", End(1))]
    logs = [
        Log("logs/job.log", "", job),
        Log("logs/rank-0.err", "rank-0", text, noted),
        Log("logs/rank-1.err", "rank-1", other),
    ]
    return explain(outcome, failures, logs).kind


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("error", ERRORS)
def test_each_class_is_recognized_however_it_is_reported(error: str, way: Way) -> None:
    text, noted = way(error)
    wrong = [
        (before, after)
        for before, earlier in BEFORE.items()
        for after, later in AFTER.items()
        if (way.__name__, after) not in MAY_BE_IT and kind_of(earlier + text + later, noted) is not ERRORS[error]
    ]
    assert wrong == []


@pytest.mark.parametrize("error", ERRORS)
def test_messages_of_launchers_and_other_tasks_change_nothing(error: str) -> None:
    text, noted = uncaught(error)
    assert {kind_of(text, noted, job=later, other=OF_OTHERS) for later in AFTER.values()} == {ERRORS[error]}


def test_an_unknown_error_is_explained_by_its_cause() -> None:
    assert {error: kind_of(*caused(error)) for error, kind in ERRORS.items() if kind is not Kind.SCRIPT} == {
        error: kind for error, kind in ERRORS.items() if kind is not Kind.SCRIPT
    }
