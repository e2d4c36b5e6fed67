"""Why runs died: a text for each rule, as the library or program writes it; what outranks what; logs of many ranks."""
# ruff: noqa: E501 - texts as their programs write them

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from slurmtf.diagnosis.dying import advice, explain
from slurmtf.diagnosis.explanation import Log, TaskFailure
from slurmtf.diagnosis.kinds import Kind
from slurmtf.diagnosis.rules import RULES
from slurmtf.job.contract.outcome import Cause, End, Outcome

from .unforeseen import SAMPLES as UNFORESEEN

KNOWN = {rule.id: rule for rule in RULES}
FAILED = Outcome(Cause.SCRIPT, "rank-0", "n1", exit_code=1)
TRACEBACK = 'Traceback (most recent call last):\n  File "/r/work/train.py", line 7, in main\n    model.fit(x)\n'

SAMPLES: list[tuple[str, str]] = [
    # NVIDIA/pyxis/issues/61, hpcugent/vsc_user_docs/issues/198, UCX, glibc's ld.so, mpi4py, xgboost, torch
    ("pyxis-start", "slurmstepd: error: pyxis: container start failed with error code: 1\nslurmstepd: error: pyxis: printing "
     "contents of log file ...\nslurmstepd: error: pyxis:     enroot-switchroot: failed to execute: /bin/bash: No such file"),
    ("other-machine", "bash: line 1: ./infer: cannot execute binary file: Exec format error"),
    ("lmod", "Lmod has detected the following error:  A different version of the 'intel' module is already loaded."),
    ("locked-memory", "UCX  ERROR mlx5_0: ibv_create_cq() failed: Cannot allocate memory. Please set max locked memory (ulimit -l) "
     "to 'unlimited' (current: 64 kbytes)"),
    ("no-library", TRACEBACK + "OSError: ./custom_ops.so: invalid ELF header"),
    ("no-library", "ImportError: /opt/lib/libx.so.1: file too short"),
    ("compiled-part", TRACEBACK + "ModuleNotFoundError: No module named 'numpy.core._multiarray_umath'"),
    ("import-optional", TRACEBACK + "ImportError: Missing optional dependency 'openpyxl'. Use pip or conda to install openpyxl."),
    ("import-optional", TRACEBACK + "importlib.metadata.PackageNotFoundError: No package metadata was found for horovod"),
    ("mpi-call", TRACEBACK + "mpi4py.MPI.Exception: MPI_ERR_TRUNCATE: message truncated"),
    ("library-check", TRACEBACK + "xgboost.core.XGBoostError: [07:04:42] multiclass_obj.cu:64: Check failed: valid: label must be "
     "in [0, num_class)."),
    ("torch-store", TRACEBACK + "torch.distributed.DistStoreError: Timed out after 4 seconds waiting for clients. 1/2 clients "
     "joined."),
    # slurmstepd and srun: 22.05 (task_cgroup_memory.c:349), 23.02 on, step_launch.c, req.c
    ("slurm-oom", "slurmstepd: error: Detected 2 oom-kill event(s) in StepId=5.0. Some of your processes may have been killed by "
     "the cgroup out-of-memory handler."),
    ("slurm-oom", "slurmstepd: error: Detected 1 oom_kill event in StepId=9.0. Some of the step tasks have been OOM Killed."),
    ("srun-oom", "srun: error: node7: task 3: Out Of Memory"),
    ("slurm-over-memory", "slurmstepd: error: Step 8.0 exceeded memory limit (20480 > 10240), being killed"),
    ("time-limit", "slurmstepd: error: *** STEP 7.0 ON n1 CANCELLED AT 2026-11-01T10:00:00 DUE TO TIME LIMIT ***"),
    ("preempted", "slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2026-11-01T10:00:00 DUE TO PREEMPTION ***"),
    ("node-failure", "srun: error: Node failure on n2"),
    ("unkillable", "slurmstepd: error: *** STEPD TERMINATED ON n2 AT 2026-11-01T10:00:00 DUE TO JOB NOT ENDING WITH SIGNALS ***"),
    ("step-refused", "srun: error: Unable to create step for job 12: More processors requested than permitted"),
    # containers
    ("runtime-missing", "slurmstepd-n1: error: execve(): singularity: No such file or directory"),
    ("not-in-image", 'FATAL:   "python4": executable file not found in $PATH'),
    ("image-missing", "FATAL: While checking container encryption: could not open image /i/tf.sif: failed"),
    ("bind-missing", "mount /data->/data error: mount source /data doesn't exist"),
    ("image-format", "pyxis:     [ERROR] Invalid image format: /i/tf.sif"),
    ("image-fetch", "pyxis: failed to import docker image"),
    ("no-pyxis", "srun: unrecognized option '--container-image=a/b'"),
    ("old-pyxis", "srun: unrecognized option '--container-env=A'"),
    ("command-missing", "slurmstepd: error: execve(): python4: No such file or directory"),
    # Lmod, environment-modules, conda
    ("module-unknown", 'Lmod has detected the following error: The following module(s) are unknown: "cuda/99"'),
    ("module-tcl", "ERROR: Unable to locate a modulefile for 'cuda/99'"),
    ("conda-init", "CommandNotFoundError: Your shell has not been properly configured to use 'conda activate'."),
    # TensorFlow, XLA, CUDA
    ("tf-host-memory", TRACEBACK + "tensorflow.python.framework.errors_impl.ResourceExhaustedError: {{function_node}} OOM when "
     "allocating tensor with shape[100000,100000] and type float on /job:localhost/replica:0/task:0/device:CPU:0 by allocator cpu"),
    ("tf-host-memory", "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc"),
    ("tf-host-memory", TRACEBACK + "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 8.00 TiB for an array with shape (1099511627776,)"),
    ("tf-gpu-memory", TRACEBACK + "tensorflow.python.framework.errors_impl.ResourceExhaustedError: OOM when allocating tensor with "
     "shape[512,224,224,64] and type float on /job:localhost/replica:0/task:0/device:GPU:0 by allocator GPU_0_bfc"),
    ("xla-memory", TRACEBACK + "jaxlib.xla_extension.XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory while trying to allocate "
     "17179869184 bytes."),
    ("xla-host-memory", TRACEBACK + "jax.errors.JaxRuntimeError: RESOURCE_EXHAUSTED: Out of memory allocating 360000000000 bytes."),
    ("cuda-memory", "E tensorflow/stream_executor/cuda/cuda_driver.cc:328] failed to alloc: CUDA_ERROR_OUT_OF_MEMORY: out of memory"),
    ("cudnn", "Loaded runtime CuDNN library: 8.0.5 but source was compiled with: 8.6.0."),
    ("libdevice", "libdevice not found at ./libdevice.10.bc"),
    ("dnn-init", TRACEBACK + "tensorflow.python.framework.errors_impl.UnimplementedError: DNN library is not found."),
    ("cuda-driver", "CUDA driver version is insufficient for CUDA runtime version"),
    ("xid", "NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus."),
    ("not-joined", "slurmtf: task worker-0 can't join its supervisor: node1 port 34011: Network is unreachable (the names are Slurm's, "
     "followed by network.host_suffix of the site's profile)"),
    ("not-joined", "slurmtf: task ps-1 can't join its supervisor: the name n1-ib is unknown here ([Errno -2] Name or service not known)"),
    # libraries
    ("horovod-build", TRACEBACK + "horovod.common.exceptions.HorovodVersionMismatchError: Framework tensorflow installed with "
     "version 2.15.1 but found version 2.16.1."),
    ("horovod-build", TRACEBACK + "ImportError: Extension horovod.tensorflow has not been built: /e/mpi_lib.so not found"),
    ("mpi-library", TRACEBACK + "ImportError: libmpi.so.40: cannot open shared object file: No such file or directory"),
    ("library-missing", TRACEBACK + "OSError: libGL.so.1: cannot open shared object file: No such file or directory"),
    ("glibcxx", TRACEBACK + "ImportError: /lib64/libstdc++.so.6: version `GLIBCXX_3.4.29' not found (required by x.so)"),
    ("glibc", "python: /lib64/libc.so.6: version `GLIBC_2.34' not found (required by python)"),
    ("numpy-abi", TRACEBACK + "ValueError: numpy.dtype size changed, may indicate binary incompatibility. Expected 96"),
    ("numpy-abi", "A module that was compiled using NumPy 1.x cannot be run in\nNumPy 2.0.1 as it may crash."),
    ("protobuf", TRACEBACK + "TypeError: Descriptors cannot be created directly.\nIf this call came from a _pb2.py file"),
    ("keras-3", TRACEBACK + "ValueError: Keras 3 only supports V3 `.keras` and `.weights.h5` files, or legacy V1/V2 `.h5` files."),
    # MPI and launchers
    ("mpi-plugin", "srun: error: Invalid MPI type 'pmix_v9', --mpi=list for acceptable types"),
    ("no-pmi", "OMPI was not built with SLURM's PMI support and therefore cannot execute."),
    ("alone", "slurmtf: Horovod sees a world of 1 process(es), but 4 were started: each would train on its own."),
    ("no-slots", "There are not enough slots available in the system to satisfy the 8 slots that were requested"),
    # networks and ports
    ("nccl", TRACEBACK + "horovod.common.exceptions.HorovodInternalError: ncclCommInitRank failed: unhandled system error"),
    ("gloo", "[E gloo/transport/tcp/pair.cc] Gloo connectFullMesh failed with timeout"),
    ("port", TRACEBACK + "tensorflow.python.framework.errors_impl.UnknownError: Could not start gRPC server"),
    ("port", TRACEBACK + "OSError: [Errno 98] Address already in use"),
    ("unresolved", TRACEBACK + "socket.gaierror: [Errno -2] Name or service not known"),
    ("no-internet", TRACEBACK + "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='h', port=443): Max retries exceeded "
     "with url: /x"),
    # disks
    ("quota", TRACEBACK + "OSError: [Errno 122] Disk quota exceeded: '/home/u/model.h5'"),
    ("disk-full", TRACEBACK + "tensorflow.python.framework.errors_impl.ResourceExhaustedError: /tmp/c; No space left on device"),
    ("file-lock", TRACEBACK + "BlockingIOError: [Errno 11] Unable to open file (unable to lock file, errno = 11, error message = "
     "'Resource temporarily unavailable')"),
    ("stale", TRACEBACK + "OSError: [Errno 116] Stale file handle: '/s/x'"),
    ("read-only", TRACEBACK + "OSError: [Errno 30] Read-only file system: '/app/x'"),
    # Python and the training
    ("import", TRACEBACK + "ModuleNotFoundError: No module named 'sklearn.datasets'"),
    ("diverged", TRACEBACK + "tensorflow.python.framework.errors_impl.InvalidArgumentError: Gradient is NaN : Tensor had NaN values"),
    # crashes
    ("illegal-instruction", "/bin/sh: line 1: 812 Illegal instruction     (core dumped) python train.py"),
    ("bus-error", "Fatal Python error: Bus error"),
    ("segmentation", "/bin/sh: line 1: 812 Segmentation fault      (core dumped) python train.py"),
    ("python-crash", "Fatal Python error: Segmentation fault"),
    ("python-crash", 'Fatal Python error: Aborted\n\nCurrent thread 0x00007f (most recent call first):\n  File "/r/work/train.py", line 6 in f'),
    ("child-killed", TRACEBACK + "RuntimeError: DataLoader worker (pid 3) is killed by signal: Killed. "),
    ("loader-shm", TRACEBACK + "RuntimeError: DataLoader worker (pid 3) is killed by signal: Bus error. Details are lost due to "
     "multiprocessing."),
    ("tensors", TRACEBACK + "RuntimeError: mat1 and mat2 shapes cannot be multiplied (32x512 and 256x10)"),
    # weak, cascades
    ("horovod-stall", "[W horovod/common/stall_inspector.cc:107] One or more tensors were submitted to be reduced, gathered or "
     "broadcasted by subset of ranks and are waiting for remainder of ranks for more than 60 seconds."),
    ("no-gpu", "failed call to cuInit: CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected"),
    ("gpu-libraries", "W tensorflow/core/common_runtime/gpu/gpu_device.cc:2251] Cannot dlopen some GPU libraries.\n"
     "error: GPU training wanted, and there is none"),
    ("xla-rendezvous", "F external/xla/xla/service/rendezvous.cc:43] Termination timeout exceeded. Expected 8 threads to join the "
     "rendezvous, but not all of them arrived on time."),
    ("nccl-timeout", "[rank1]:[E ProcessGroupNCCL.cpp:607] [Rank 1] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=1)\n"
     "terminate called after throwing an instance of 'c10::DistBackendError'"),
    ("nan", "Epoch 3/9\n10/10 - 1s - loss: nan - accuracy: 0.1"),
    ("bash-killed", "/var/spool/slurmd/job5/slurm_script: line 9:  4711 Killed                  python train.py"),
    ("horovod-peer", TRACEBACK + "horovod.common.exceptions.HorovodInternalError: Horovod has been shut down."),
    ("collective-peer", TRACEBACK + "tensorflow.python.framework.errors_impl.UnavailableError: Collective ops is aborted by: Socket "
     "closed"),
    ("unhealthy-peer", TRACEBACK + "tensorflow.python.framework.errors_impl.UnavailableError: Graph execution error:\n\nThe following "
     "tasks are unhealthy (stopped sending heartbeats):\n/job:worker/replica:0/task:1"),
    ("jax-peer", "F1128 client.h:80] Terminating process because the JAX distributed service detected fatal errors."),
]  # fmt: skip


def one_log(text: str) -> list[Log]:
    return [Log("logs/rank-0.err", "rank-0", f"INFO a line before\n{text}\n")]


@pytest.mark.parametrize(("rule", "text"), SAMPLES)
def test_each_rule_knows_its_text(rule: str, text: str) -> None:
    found = explain(FAILED, logs=one_log(text))
    assert (found.rule, found.kind) == (rule, KNOWN[rule].kind)
    assert found.remedy
    assert "{" not in found.remedy.replace("{0}", "?")
    assert found.evidence[0].text in text


def test_each_rule_has_a_text() -> None:
    texts = [text for _, text, *_ in UNFORESEEN.values()]
    assert {rule for rule, _ in SAMPLES} | {explain(FAILED, logs=one_log(text)).rule for text in texts} == {"", *KNOWN}


def test_a_rules_words_stand_in_what_its_pattern_matches() -> None:
    for rule, text in SAMPLES:
        assert any(word in text for word in KNOWN[rule].words), rule
        assert re.search(KNOWN[rule].pattern, text), rule


HEALTHY = (
    "2026-11-01 10:00:00 E external/local_xla/xla/stream_executor/cuda/cuda_driver.cc:152] failed call to cuInit: INTERNAL: "
    "CUDA error: Failed call to cuInit: UNKNOWN ERROR (303)\nW0000 Cannot dlopen some GPU libraries. Skipping\n"
)
SCRIPT = TRACEBACK + "ValueError: Shapes (None, 10) and (None, 1) are incompatible\n"
CAUGHT = (
    TRACEBACK
    + "ModuleNotFoundError: No module named 'tqdm'\n\nDuring handling of the above exception, another exception occurred:"
    "\n\n" + TRACEBACK + "KeyError: 'x'\n"
)


@pytest.mark.parametrize(
    ("text", "kind", "evidence"),
    [
        (HEALTHY + SCRIPT, Kind.SCRIPT, "ValueError: Shapes (None, 10) and (None, 1) are incompatible"),
        (CAUGHT, Kind.SCRIPT, "KeyError: 'x'"),  # what went before was caught
        ("loss: nan\n" + SCRIPT, Kind.SCRIPT, "ValueError: Shapes (None, 10) and (None, 1) are incompatible"),
        ("all quiet\nERROR: the flux capacitor is cold\nbye\n", Kind.UNKNOWN, "ERROR: the flux capacitor is cold"),
        ("nothing at all\n", Kind.UNKNOWN, None),
        (TRACEBACK + "tensorflow.python.framework.errors_impl.ResourceExhaustedError: cut", Kind.UNKNOWN, None),
    ],
)
def test_a_script_s_own_error_and_what_no_rule_knows(text: str, kind: Kind, evidence: str | None) -> None:
    found = explain(FAILED, logs=one_log(text))
    assert (found.kind, found.rule) == (kind, "")
    if evidence:
        assert found.evidence[-1].text == evidence


def test_the_line_in_the_users_code_is_shown() -> None:
    found = explain(FAILED, logs=one_log(SCRIPT))
    assert [one.text for one in found.evidence][:2] == ['File "/r/work/train.py", line 7, in main', "model.fit(x)"]


def test_the_error_is_shown_and_not_the_source_that_speaks_of_it() -> None:
    raised = '    raise OSError(122, "Disk quota exceeded")\nOSError: [Errno 122] Disk quota exceeded'
    found = explain(FAILED, logs=one_log(TRACEBACK.replace("    model.fit(x)\n", raised)))
    assert [one.text for one in found.evidence] == [
        'File "/r/work/train.py", line 7, in main',
        "OSError: [Errno 122] Disk quota exceeded",
    ]
    assert found.kind is Kind.QUOTA


OOM = Log("logs/job.log", "", dict(SAMPLES)["slurm-oom"])
LOST = TRACEBACK + "horovod.common.exceptions.HorovodInternalError: Horovod has been shut down.\n"
QUOTA = TRACEBACK + "OSError: [Errno 122] Disk quota exceeded: 'model.h5'\n"


def logs(*texts: str) -> list[Log]:
    return [Log(f"logs/rank-{number}.err", f"rank-{number}", text) for number, text in enumerate(texts)]


def failed(*tasks: int) -> list[TaskFailure]:
    return [TaskFailure(f"rank-{number}", End(1)) for number in tasks]


@pytest.mark.parametrize(
    ("outcome", "failures", "written", "kind", "task"),
    [
        # one rank dies of its own, and nineteen of it
        (FAILED, failed(0, 1, 2), logs(LOST, LOST, QUOTA), Kind.QUOTA, "rank-2"),
        (FAILED, failed(0, 1, 2), logs(LOST, SCRIPT, QUOTA), Kind.SCRIPT, "rank-1"),
        (FAILED, failed(0, 1), logs(LOST, LOST), Kind.PEER, "rank-0"),
        # two that would explain it: the first to fail
        (FAILED, failed(0, 1), logs(SCRIPT, QUOTA), Kind.SCRIPT, "rank-0"),
        (FAILED._replace(task="rank-1"), failed(1, 0), logs(QUOTA, SCRIPT), Kind.SCRIPT, "rank-1"),
        # Slurm's own words about memory outrank what the ranks say
        (FAILED, failed(0), [OOM, *logs(SCRIPT)], Kind.HOST_MEMORY, "rank-0"),
        # killed, and its peer tells of it
        (FAILED, [TaskFailure("rank-1", End(None, 9))], logs(LOST, "step 4\n"), Kind.KILLED, "rank-1"),
        (FAILED, [TaskFailure("rank-1", End(None, 11))], logs(LOST, ""), Kind.CRASH, "rank-1"),
        # ended by us, after one that ended by itself and said nothing
        (FAILED, [*failed(0), TaskFailure("rank-1", End(None, 15))], logs("", ""), Kind.UNKNOWN, "rank-0"),
        (FAILED, [*failed(0), TaskFailure("rank-1", End(None, 9))], logs("", "step 4"), Kind.UNKNOWN, "rank-0"),
        (FAILED, [*failed(0), TaskFailure("rank-1", End(143))], logs("", ""), Kind.UNKNOWN, "rank-0"),
        (FAILED, [TaskFailure("rank-1", End(None, 9)), *failed(0)], logs("", ""), Kind.KILLED, "rank-1"),  # killed before
        (FAILED, [*failed(0), TaskFailure("rank-1", End(None, 11))], logs("", ""), Kind.CRASH, "rank-1"),
        (FAILED, [*failed(0), TaskFailure("rank-1", End(None, 9))], logs(LOST, ""), Kind.KILLED, "rank-1"),  # heard later
        (
            FAILED._replace(exit_code=None, signal=9),
            [TaskFailure("rank-0", End(None, 9)), *failed(1)],
            logs("", ""),
            Kind.KILLED,
            "rank-0",
        ),
        # aborted because another one was lost
        (FAILED._replace(exit_code=None, signal=6), failed(1), logs("Connection reset by peer", QUOTA), Kind.QUOTA, "rank-1"),
    ],
)
def test_of_many_tasks_the_first_that_failed_of_its_own(
    outcome: Outcome, failures: Sequence[TaskFailure], written: list[Log], kind: Kind, task: str
) -> None:
    found = explain(outcome, failures, written)
    assert (found.kind, found.task) == (kind, task)


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        (Outcome(Cause.TIME_LIMIT, signal=15), Kind.TIME_LIMIT),
        (Outcome(Cause.OUT_OF_MEMORY, signal=9), Kind.HOST_MEMORY),
        (Outcome(Cause.PREEMPTED), Kind.PREEMPTED),
        (Outcome(Cause.REQUEUED), Kind.REQUEUED),
        (Outcome(Cause.NODE_FAILURE, host="n3"), Kind.NODE),
        (Outcome(Cause.CANCELED, signal=15), Kind.CANCELED),
        (Outcome(Cause.SOFTWARE), Kind.SOFTWARE),
        (Outcome(Cause.DEPENDENCY), Kind.DEPENDENCY),
        (Outcome(Cause.RESULTS), Kind.RESULTS),
        (Outcome(Cause.STRAGGLER), Kind.STALL),
        (Outcome(Cause.LOST), Kind.LOST),
    ],
)
def test_what_slurm_has_seen_outranks_any_text(outcome: Outcome, kind: Kind) -> None:
    assert explain(outcome, failed(0), logs(QUOTA)).kind is kind


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        (Cause.STAGING, Kind.STAGING),
        (Cause.LAUNCHER, Kind.LAUNCH),
        (Cause.AGENT, Kind.LAUNCH),
        (Cause.NOT_CONNECTED, Kind.LAUNCH),
        (Cause.NOT_STARTED, Kind.NOT_STARTED),
        (Cause.TASK_LOST, Kind.UNKNOWN),
        (Cause.UNKNOWN, Kind.UNKNOWN),
        (Cause.SCRIPT, Kind.UNKNOWN),
    ],
)
def test_what_the_outcome_says_where_no_log_says_more(cause: Cause, kind: Kind) -> None:
    assert explain(Outcome(cause, exit_code=1), logs=logs("quiet\n")).kind is kind
    assert explain(Outcome(cause, exit_code=1), logs=logs(QUOTA)).kind is Kind.QUOTA


@pytest.mark.parametrize(
    ("line", "text", "rule"),
    [
        ("", "", "shell-ended"),
        ("", "hi\n", "shell-ended"),
        ("9: exit 0", "", "script-ended"),
        ("9: cd /nowhere || exit", "cd: /nowhere: No such file or directory\n", "script-ended"),
        ("9: module load cuda/99 || exit", dict(SAMPLES)["module-unknown"], "module-unknown"),
    ],
)
def test_what_to_do_where_the_script_ended_before_the_supervisor(line: str, text: str, rule: str) -> None:
    outcome = Outcome(Cause.NOT_STARTED, exit_code=0, log="logs/job.log", tail=text, detail={"line": line})
    for found in (explain(outcome), explain(outcome, logs=[Log("logs/job.log", "", text)])):
        assert found.rule == rule
        assert found.remedy == advice(outcome) != ""


def test_every_cause_is_explained() -> None:
    assert all(explain(Outcome(cause, exit_code=1)).kind.meaning for cause in Cause)


def test_slurms_line_is_shown_where_slurm_has_seen_it() -> None:
    line = dict(SAMPLES)["time-limit"]
    found = explain(Outcome(Cause.TIME_LIMIT), logs=[Log("logs/job.log", "", f"a\n{line}\nb\n")])
    assert [(one.log, one.text) for one in found.evidence] == [("logs/job.log", line)]


@pytest.mark.parametrize(
    ("line", "host"),
    [
        ("srun: error: Node failure on n2", "n2"),
        ("slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 1 DUE TO NODE FAILURE", "n1"),
    ],
)
def test_the_node_that_a_line_names(line: str, host: str) -> None:
    assert explain(FAILED, logs=[Log("logs/job.log", "", line)]).host == host


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (
            "OSError: [Errno 28] No space left on device: 's3://u:pass@host/x'",
            "OSError: [Errno 28] No space left on device: 's3://***@host/x'",
        ),
        ("KeyError: 'token=abc'", "KeyError: 'token=***'"),
        ("KeyError: 'hf_abcdefghijklmnopqrstuvwx'", "KeyError: '***'"),
        ("KeyError: 'tokens'", "KeyError: 'tokens'"),
    ],
)
def test_what_may_be_a_secret_is_not_shown(line: str, shown: str) -> None:
    assert explain(FAILED, logs=one_log(TRACEBACK + line)).evidence[-1].text == shown


NUMBERS = "0.12345678, " * 2000


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            f"Traceback (most recent call last):\n  File 'a.py', line 1, in f\nValueError: odd: {NUMBERS}\n",
            "ValueError: odd: 0.",
        ),
        (f"{NUMBERS} OSError: [Errno 122] Disk quota exceeded: '/home' {NUMBERS}\n", "Disk quota exceeded: '/home'"),
        (f"{NUMBERS} Disk quota exceeded", "Disk quota exceeded"),
        (f"an odd error: {NUMBERS}\n", "an odd error: 0."),
    ],
)
def test_of_a_line_that_prints_a_whole_array_what_matters_is_shown(text: str, shown: str) -> None:
    found = explain(Outcome(Cause.SCRIPT, "main-0", exit_code=1), logs=[Log("logs/main-0.err", "main-0", text)])
    (line,) = [one.text for one in found.evidence if shown in one.text]
    assert len(line) < 450
    assert line.endswith("[...]") is not text.endswith("exceeded")
