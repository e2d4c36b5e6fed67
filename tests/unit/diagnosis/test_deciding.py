"""The error that ended a script decides, not errors survived, warned of, quoted, or reported by a task that lost a peer."""

from __future__ import annotations

import pytest

from slurmtf.diagnosis.dying import explain
from slurmtf.diagnosis.ends import MAYBE_OF_SHELL
from slurmtf.diagnosis.explanation import Log
from slurmtf.diagnosis.kinds import Kind
from slurmtf.job.contract.attempt.outcome import Cause

from .rules.texts import TRACEBACK
from .test_dying import FAILED, QUOTA, one_log

RAISED = TRACEBACK + '  File "/r/work/train.py", line 5, in fit\n'


@pytest.mark.parametrize(
    ("job", "errors", "kind"),
    [
        (
            "ERROR: Unable to locate a modulefile for 'cuda/11'\n",
            "ImportError: libcudart.so.11.0: cannot open shared object file",
            Kind.MODULE,
        ),
        ("ERROR: Unable to locate a modulefile for 'git/2'\n", "KeyError: 'lr'", Kind.SCRIPT),
        ("slurmstepd: error: Detected 1 oom_kill event in StepId=9.0. Some", "KeyError: 'lr'", Kind.HOST_MEMORY),
        ("srun: error: n1: task 0: Exited with exit code 3\n", "", Kind.UNKNOWN),
    ],
)
def test_lines_of_the_job_log_that_outrank_a_tasks_log(job: str, errors: str, kind: Kind) -> None:
    own = f"{TRACEBACK}{errors}: No such file\n" if errors else "ERROR: the token was refused\n"
    found = explain(FAILED, logs=[Log("logs/job.log", "", job), Log("logs/rank-0.err", "rank-0", own)])
    assert found.kind is kind
    assert found.evidence[-1].log == ("logs/rank-0.err" if kind in (Kind.SCRIPT, Kind.UNKNOWN) else "logs/job.log")


WARNINGS = (
    "WARNING: [Errno 28] No space left on device, going on\nE tensorflow/x.cc:9] failed call to cuInit: CUDA_ERROR_UNKNOWN\n"
)


UNHEARD = (
    "/home/ada/a-long-name/lib/python3.11/site-packages/torch/cuda/__init__.py:128: UserWarning: CUDA initialization: "
    "Found no NVIDIA driver on your system. (Triggered internally at ../c10/cuda/CUDAFunctions.cpp:108.)\n"
    "2026-11-01 10:00:00.1: W tensorflow/dso_loader.cc:64] Could not load dynamic library 'libcudart.so.11.0'; dlerror: "
    "libcudart.so.11.0: cannot open shared object file: No such file or directory\n" + "a line\n" * 9
)
SHARDS = "a shard was read, all well\n"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        # survived: a warning, an error of TensorFlow's, a traceback after which training continued, another thread's note
        (WARNINGS + "a\nb\nc\ngiving up\n", Kind.UNKNOWN),
        (QUOTA + "Epoch 4/9\n10/10 - loss: 2.0\nnot good enough\n", Kind.UNKNOWN),
        (QUOTA + "Epoch 4:  10%|#   | 3/9 [00:02<00:08]\n", Kind.QUOTA),  # a progress bar that is closed
        # much output after it: the script continued, although no rule knows such lines
        ("OSError: [Errno 28] No space left on device\n" + SHARDS * 70 + "not good enough\n", Kind.UNKNOWN),
        ("OSError: [Errno 28] No space left on device\n" + SHARDS * 9 + "not good enough\n", Kind.DISK),
        (QUOTA + SHARDS * 40 + "not good enough\n", Kind.UNKNOWN),
        (QUOTA + SHARDS * 9 + "not good enough\n", Kind.QUOTA),
        (QUOTA.replace("in main", "in <module>") + SHARDS * 40 + "a thread's last word\n", Kind.QUOTA),
        ("[missing ranks: 1, 3]\n" + SHARDS * 70, Kind.UNKNOWN),
        ("[missing ranks: 1, 3]\n" + SHARDS * 9, Kind.STALL),
        # a crash of another process
        ("Fatal Python error: Segmentation fault\n\nThread 0x7f (most recent call first):\n" + SHARDS * 40, Kind.UNKNOWN),
        ("Fatal Python error: Segmentation fault\n\n" + "Thread 0x7f (most recent call first):\n" * 40, Kind.CRASH),
        # a library's warning at each start does not explain an error without a reason
        (
            "libibverbs: Warning: RLIMIT_MEMLOCK is 65536 bytes.\n" + SHARDS * 9 + TRACEBACK + "RuntimeError: odd\n",
            Kind.UNKNOWN,
        ),
        # warned of by Python and by TensorFlow: this does not explain an error without a reason
        (UNHEARD + TRACEBACK + "RuntimeError: odd\n", Kind.UNKNOWN),
        (UNHEARD + "giving up\n", Kind.UNKNOWN),
        # lines that healthy logs contain too, if the error is another one
        ("loss: nan\n", Kind.DIVERGED),
        ("loss: nan\nerror: the token was refused\n", Kind.UNKNOWN),
        # a traceback whose beginning is missing, and what TensorFlow 1 prints after one
        ('  File "/r/work/train.py", line 5, in f\n    x = y[z]\nlab.DataLossError: corrupted record at 7\n', Kind.SCRIPT),
        ("InvalidArgumentError (see above for traceback): indices[6] = 9 is not in [0, 9)\n", Kind.SCRIPT),
        # an error without its traceback as the last line; other last lines are no errors
        ("lab.NotFoundError: no such file\n", Kind.SCRIPT),
        ("RuntimeError: odd\n", Kind.UNKNOWN),
        ("lab.NotFoundError: no such file\ngiving up\n", Kind.UNKNOWN),
        ("mean_squared_error: 0.2\n", Kind.UNKNOWN),
        # Python shows such errors and continues
        (QUOTA + "Exception ignored in: <function x.__del__>\n" + TRACEBACK + "AttributeError: 'x' has no 'y'\n", Kind.QUOTA),
        (QUOTA + "--- Logging error ---\n" + TRACEBACK + "TypeError: odd\n", Kind.QUOTA),
        # the script's own message, and one that quotes a library
        (RAISED + "    raise ValueError(text)\nValueError: no 'CUDA_ERROR_OUT_OF_MEMORY' in it\n", Kind.SCRIPT),
        (TRACEBACK + "KeyError: 'Disk quota exceeded'\n", Kind.SCRIPT),
        (RAISED + "    raise RuntimeError(text)\nRuntimeError: the loss is nan after 3 steps\n", Kind.DIVERGED),
        # whose error this is, is unknown
        (
            TRACEBACK
            + '  File "/e/lib/python3.11/site-packages/a/b.py", line 3, in f\n    raise RuntimeError(x)\nRuntimeError: odd\n',
            Kind.UNKNOWN,
        ),
        # stated as the cause; handled, and not the cause
        (
            QUOTA
            + "\nThe above exception was the direct cause of the following exception:\n\n"
            + TRACEBACK
            + "SaveError: step 3\n",
            Kind.QUOTA,
        ),
        (
            QUOTA + "\nDuring handling of the above exception, another exception occurred:\n\n" + TRACEBACK + "KeyError: 'x'\n",
            Kind.SCRIPT,
        ),
        # the cause of the handled error is not the cause of the final one
        (
            QUOTA
            + "\nThe above exception was the direct cause of the following exception:\n\n"
            + TRACEBACK
            + "SaveError: step 3\n\nDuring handling of the above exception, another exception occurred:\n\n"
            + TRACEBACK
            + "KeyError: 'x'\n",
            Kind.SCRIPT,
        ),
        # of another process, which has given its reason before
        (QUOTA + TRACEBACK + "torch.distributed.elastic.multiprocessing.errors.ChildFailedError: \n", Kind.QUOTA),
        ("[rank1]: " + QUOTA.rstrip("\n").replace("\n", "\n[rank1]: ") + "\n", Kind.QUOTA),
    ],
)
def test_the_error_that_ended_the_script_decides(text: str, kind: Kind) -> None:
    assert explain(FAILED, logs=one_log(text)).kind is kind


PACKAGE = '  File "/e/lib/python3.11/site-packages/a/__init__.py", line 3, in <module>\n    from a.b import c\n'
IMPORTED = 'Traceback (most recent call last):\n  File "/r/work/train.py", line 1, in <module>\n    import a\n' + PACKAGE
OWN_MODULE = '  File "/r/work/random.py", line 1, in <module>\n    import numpy\n'
CALLED = TRACEBACK + '  File "/e/lib/python3.11/site-packages/a/b.py", line 3, in fit\n    d = c.e(x)\n'


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (IMPORTED + "AttributeError: module 'c' has no attribute 'e'\n", Kind.LIBRARY),
        (IMPORTED + "TypeError: e() got an unexpected keyword argument 'f'\n", Kind.LIBRARY),
        (IMPORTED + '  File "/e/lib/python3.11/site-packages/a/b.py", line 2\n    match = x\nSyntaxError: no\n', Kind.LIBRARY),
        (IMPORTED + "FileNotFoundError: [Errno 2] No such file or directory: 'x'\n", Kind.SCRIPT),
        (IMPORTED + "RuntimeError: odd\n", Kind.UNKNOWN),
        # a file of the script that shadows another module
        (IMPORTED + OWN_MODULE + "AttributeError: module 'c' has no attribute 'e'\n", Kind.SCRIPT),
        (IMPORTED + "AttributeError: partially initialized module 'random' has no attribute 'e'\n", Kind.SCRIPT),
        # a script that was installed itself, by 'python -m a'
        ("Traceback (most recent call last):\n" + PACKAGE + "TypeError: odd\n", Kind.SCRIPT),
        # a call of the script into a package
        (CALLED + "AttributeError: 'str' object has no attribute 'e'\n", Kind.SCRIPT),
        (CALLED + "flax.errors.ScopeParamShapeError: For parameter 'kernel' in '/'\n", Kind.SCRIPT),
        (CALLED + "flux.errors.ScopeParamError: odd\n", Kind.UNKNOWN),
    ],
)
def test_an_error_during_an_import_is_attributed_to_the_package(text: str, kind: Kind) -> None:
    assert explain(FAILED, logs=one_log(text)).kind is kind


@pytest.mark.parametrize(
    ("source", "error", "kind"),
    [
        ("fcntl.flock(f, fcntl.LOCK_EX)", "BlockingIOError: [Errno 11] busy", Kind.FILE_LOCKING),
        ("fcntl.lockf(f, fcntl.LOCK_EX)", "PermissionError: [Errno 13] Permission denied", Kind.FILE_LOCKING),
        ("fcntl.flock(f, fcntl.LOCK_EX)", "OSError: [Errno 524] Unknown error 524", Kind.FILE_LOCKING),
        ("pid = os.fork()", "BlockingIOError: [Errno 11] busy", Kind.LIMIT),
        ("data = s.recv(9)", "BlockingIOError: [Errno 11] busy", Kind.UNKNOWN),
        ("open(flock)", "PermissionError: [Errno 13] Permission denied", Kind.SCRIPT),
    ],
)
def test_the_failed_call_decides_if_the_systems_message_is_ambiguous(source: str, error: str, kind: Kind) -> None:
    before = '  File "/r/work/train.py", line 2, in main\n    fcntl.flock(g, fcntl.LOCK_EX); os.fork()\n'
    text = TRACEBACK + before + f'  File "/r/work/train.py", line 5, in f\n    {source}\n{error}\n'
    assert explain(FAILED, logs=one_log(text)).kind is kind


@pytest.mark.parametrize(
    "source", ["raise ValueError(f'{x}')", "if n > 3: raise ValueError(x)", "x = 1; raise ValueError(x)", "assert x, y"]
)
def test_an_error_raised_by_the_script_is_not_a_librarys(source: str) -> None:
    raised = RAISED + f"    {source}\nValueError: no 'CUDA_ERROR_OUT_OF_MEMORY' in it\n"
    assert explain(FAILED, logs=one_log(raised)).kind is Kind.SCRIPT
    called = RAISED + "    x.raised(y)\nValueError: no 'CUDA_ERROR_OUT_OF_MEMORY' in it\n"
    assert explain(FAILED, logs=one_log(called)).kind is Kind.GPU_MEMORY


UNKNOWN_MODULE = 'Lmod has detected the following error: The following module(s) are unknown: "cuda/99"\n'


@pytest.mark.parametrize(
    ("module", "error", "kind"),
    [
        ("rank-0", "ImportError: libcudart.so.11.0: cannot open shared object file: No such file", Kind.MODULE),
        ("rank-1", "ImportError: libcudart.so.11.0: cannot open shared object file: No such file", Kind.LIBRARY),
        ("rank-0", "KeyError: 'lr'", Kind.SCRIPT),
    ],
)
def test_a_module_that_was_not_loaded_explains_a_missing_library(module: str, error: str, kind: Kind) -> None:
    texts = {"rank-0": TRACEBACK + error + "\n", "rank-1": ""}
    texts[module] = UNKNOWN_MODULE + texts[module]
    assert explain(FAILED, logs=[Log(f"logs/{task}.err", task, text) for task, text in texts.items()]).kind is kind


@pytest.mark.parametrize(
    ("code", "text", "kind", "shown"),
    [
        (126, "bash: line 1: ./run.sh: Permission denied\n", Kind.COMMAND, 1),
        (127, "slurm_script: line 14: horovodrun: command not found\n", Kind.COMMAND, 1),
        (127, "the error rate is 3\n/tmp/job.sh: 4: horovodrun: not found\n", Kind.COMMAND, 1),
        (127, "zsh: command not found: horovodrun\n", Kind.COMMAND, 1),
        (
            127,
            "env: 'python4': No such file or directory\nsrun: error: n1: task 0: Exited with exit code 127\n",
            Kind.COMMAND,
            1,
        ),
        (127, "slurmtf: can't start /e/my env/bin/python: No such file or directory\n", Kind.COMMAND, 1),
        # the code alone, and messages of a shell that continued or ended otherwise, prove nothing
        (127, "quiet\n", Kind.UNKNOWN, 1),
        (126, "quiet\n", Kind.UNKNOWN, 1),
        (127, "run.sh: line 3: nvidia-smi: command not found\n3 of 9 tests passed\n", Kind.UNKNOWN, 1),
        (126, "run.sh: line 3: nvidia-smi: command not found\n", Kind.UNKNOWN, 1),
        (127, "ls: cannot open directory '/data': Permission denied\n", Kind.UNKNOWN, 1),
        (127, "an error of the program's own\n", Kind.UNKNOWN, 1),
        (1, "bash: line 1: /data/out.log: Permission denied\n", Kind.UNKNOWN, 1),
    ],
)
def test_a_shell_that_could_not_run_a_command_is_recognized(code: int, text: str, kind: Kind, shown: int) -> None:
    found = explain(FAILED._replace(exit_code=code), logs=[Log("logs/rank-0.err", "rank-0", text)])
    assert (found.kind, len(found.evidence)) == (kind, shown)


@pytest.mark.parametrize(
    ("output", "code", "kind"),
    [
        ("bash: line 1: nvcc: command not found\n", 127, Kind.COMMAND),
        ("bash: line 1: nvcc: command not found\ngoing on\n", 127, Kind.UNKNOWN),
        ("bash: line 1: nvcc: command not found\n", 1, Kind.UNKNOWN),
        ("", 127, Kind.UNKNOWN),
    ],
)
def test_a_command_that_the_script_could_not_run_is_recognized(output: str, code: int, kind: Kind) -> None:
    error = f"subprocess.CalledProcessError: Command 'nvcc' returned non-zero exit status {code}.\n"
    assert explain(FAILED, logs=one_log(output + TRACEBACK + error)).kind is kind


@pytest.mark.parametrize("code", MAYBE_OF_SHELL)
def test_the_possible_meaning_of_an_exit_code_is_in_the_remedy(code: int) -> None:
    found = explain(FAILED._replace(exit_code=code), logs=[Log("logs/rank-0.err", "rank-0", "quiet\n")])
    assert (found.kind, found.remedy) == (Kind.UNKNOWN, MAYBE_OF_SHELL[code])


@pytest.mark.parametrize(
    ("before", "kind"),
    [
        ("n1:7:7 [0] init.cc:255 NCCL WARN Cuda failure 'CUDA driver is a stub library'\n", Kind.GPU_SOFTWARE),
        ("n1:7:7 [0] init.cc:255 NCCL WARN Cuda failure 'invalid device ordinal'\n", Kind.GPU_MISSING),
        ("", Kind.UNKNOWN),
    ],
)
def test_a_cuda_error_in_nccl_is_not_a_network_error(before: str, kind: Kind) -> None:
    error = "horovod.common.exceptions.HorovodInternalError: ncclCommInitRank failed: unhandled cuda error\n"
    assert explain(FAILED, logs=one_log(before + TRACEBACK + error)).kind is kind


OF_A_GENERATOR = """\
Traceback (most recent call last):
  File "/r/work/train.py", line 9, in <module>
    model.fit(ds)
  File "/e/lib/python3.11/site-packages/tensorflow/python/eager/execute.py", line 53, in quick_execute
tensorflow.python.framework.errors_impl.UnknownError: Graph execution error:

Detected at node PyFunc defined at (most recent call last):
<stack traces unavailable>
KeyError: 'img90'
Traceback (most recent call last):

  File "/e/lib/python3.11/site-packages/tensorflow/python/ops/script_ops.py", line 270, in __call__
    ret = func(*args)

  File "/r/work/train.py", line 5, in gen
    yield labels[f"img{i}"]

KeyError: 'img90'


\t [[{{node PyFunc}}]]
\t [[IteratorGetNext]] [Op:__inference_train_function_465]
"""
OF_A_LABEL = """\
Traceback (most recent call last):
  File "/r/work/train.py", line 5, in <module>
    model.fit(x, y)
  File "/e/lib/python3.11/site-packages/keras/src/utils/traceback_utils.py", line 70, in error_handler
    raise e.with_traceback(filtered_tb) from None
tensorflow.python.framework.errors_impl.InvalidArgumentError: Graph execution error:

Detected at node Sparse defined at (most recent call last):
  File "/r/work/train.py", line 5, in <module>

Received a label value of 10 which is outside the valid range of [0, 10).  Label values: 2 10
\t [[{{node Sparse}}]] [Op:__inference_train_function_475]
"""
OF_SHAPES = """\
Traceback (most recent call last):
  File "/r/work/train.py", line 19, in <module>
    model.fit(x, y)
  File "/tmp/__autograph_generated_filebeeugdzm.py", line 15, in tf__train_function
    retval_ = ag__.converted_call(step)
ValueError: in user code:

    File "/e/lib/python3.11/site-packages/keras/src/engine/training.py", line 1401, in train_function  *
        return step_function(self, iterator)

    ValueError: Shapes (32, 3) and (32, 10) are incompatible

"""


@pytest.mark.parametrize("noted", [True, False])
@pytest.mark.parametrize(
    ("text", "place", "shown"),
    [
        (OF_A_GENERATOR, "line 5, in gen", "KeyError: 'img90'"),
        (OF_A_LABEL, "line 5, in <module>", "Received a label value of 10 which is outside"),
        (OF_SHAPES, "line 19, in <module>", "ValueError: Shapes (32, 3) and (32, 10) are incompatible"),
    ],
)
def test_the_message_after_an_errors_heading_is_shown(text: str, place: str, shown: str, noted: bool) -> None:
    heading = next(line for line in text.splitlines() if line.endswith((" error:", " code:")))
    found = explain(FAILED, logs=[Log("logs/rank-0.err", "rank-0", text, heading if noted else None)])
    assert found.kind is Kind.SCRIPT
    assert found.evidence[0].text.endswith(place)
    assert found.evidence[-1].text.startswith(shown)


CAUGHT = TRACEBACK + "KeyError: 'a'\n"


@pytest.mark.parametrize(
    ("text", "uncaught", "kind", "shown"),
    [
        # the last line of a script, if nothing looks like an error
        ("begin\nthe validation set is empty\n", None, Kind.UNKNOWN, "the validation set is empty"),
        ("begin\nWARNING: the validation set is empty\n", None, Kind.UNKNOWN, ""),
        ("mean_squared_error: 0.2\nerror: 1e-3\nthe set is empty\n", None, Kind.UNKNOWN, "the set is empty"),
        (
            f"begin\n{'-' * 70}\nmpirun does not run as root.\n\nYou can ask for it.\n{'-' * 70}\n",
            None,
            Kind.UNKNOWN,
            "mpirun does not run as root.",
        ),
        (f"{'=' * 70}\n", None, Kind.UNKNOWN, "=" * 70),
        ("an error: the set is empty\nbye\n", None, Kind.UNKNOWN, "an error: the set is empty"),
        # what it prints after an error that it caught, as noted by its Python
        (CAUGHT + "the validation set is empty\n", "", Kind.SCRIPT, "the validation set is empty"),
        (CAUGHT, "", Kind.SCRIPT, "KeyError: 'a'"),
        (CAUGHT + "a line of its message\n", "KeyError: 'a'", Kind.SCRIPT, "KeyError: 'a'"),
    ],
)
def test_the_last_line_of_a_script_is_shown(text: str, uncaught: str | None, kind: Kind, shown: str) -> None:
    found = explain(FAILED, logs=[Log("logs/rank-0.err", "rank-0", text, uncaught)])
    assert found.kind is kind
    assert (found.evidence[-1].text if found.evidence else "") == shown


@pytest.mark.parametrize(
    ("output", "shown"),
    [
        ("tar: a.tgz: Cannot open\n", ["tar: a.tgz: Cannot open"]),
        ("go on\ntar (child): a.tgz: Cannot open\ntar: Exiting\n", ["tar (child): a.tgz: Cannot open", "tar: Exiting"]),
        ("two\nlines\n", ["lines"]),
    ],
)
def test_the_first_and_last_line_of_a_failed_program_are_shown(output: str, shown: list[str]) -> None:
    error = "subprocess.CalledProcessError: Command '['tar', 'x']' returned non-zero exit status 2."
    found = explain(FAILED, logs=[Log("logs/rank-0.err", "rank-0", f"{output}{TRACEBACK}{error}\n")])
    assert found.kind is Kind.UNKNOWN
    assert [one.text for one in found.evidence][-1 - len(shown) :] == [error, *shown]


@pytest.mark.parametrize(
    ("code", "uncaught", "in_order", "kind"),
    [(1, None, False, Kind.SCRIPT), (1, "", True, Kind.SCRIPT), (1, "", False, Kind.UNKNOWN), (3, None, False, Kind.UNKNOWN)],
)
def test_an_error_without_traceback_is_the_scripts_if_python_may_have_ended_so(
    code: int, uncaught: str | None, in_order: bool, kind: Kind
) -> None:
    text = "AttributeError: module 'a' has no attribute 'b'\n"
    log = Log("logs/rank-0.err", "rank-0", text, uncaught, ended_in_order=in_order)
    assert explain(FAILED._replace(exit_code=code), logs=[log]).kind is kind


def test_an_incomplete_traceback_with_empty_lines_shows_its_place() -> None:
    text = "  File \"/r/work/train.py\", line 4, in f\n    open(p)\n\nFileNotFoundError: [Errno 2] No such file: 'x'\n"
    found = explain(FAILED, logs=one_log(text))
    assert (found.kind, found.evidence[0].text) == (Kind.SCRIPT, 'File "/r/work/train.py", line 4, in f')


def test_the_handled_error_is_shown_too() -> None:
    meanwhile = "\nDuring handling of the above exception, another exception occurred:\n\n"
    found = explain(FAILED, logs=one_log(f"{TRACEBACK}OSError: [Errno 48] taken\n{meanwhile}{TRACEBACK}TypeError: odd\n"))
    assert [one.text for one in found.evidence][-2:] == ["OSError: [Errno 48] taken", "TypeError: odd"]


TABLE = """\
Traceback (most recent call last):
  File "/e/bin/torchrun", line 8, in <module>
    sys.exit(main())
torch.distributed.elastic.multiprocessing.errors.ChildFailedError: {}
============================================================
Failures:
[1]:
  rank      : 1 (local_rank: 1)
  exitcode  : 1 (pid: 71)
""".format("")
ROOT = "Root Cause (first observed failure):\n[0]:\n  rank      : 0 (local_rank: 0)\n  exitcode  : 3 (pid: 70)\n"


@pytest.mark.parametrize(("text", "shown"), [(TABLE, "exitcode  : 1 (pid: 71)"), (TABLE + ROOT, "exitcode  : 3 (pid: 70)")])
def test_the_exit_code_of_the_root_cause_in_torchruns_table_is_shown(text: str, shown: str) -> None:
    assert explain(FAILED, logs=one_log(text)).evidence[-1].text == shown


def test_the_line_that_reports_a_signal_is_shown() -> None:
    line = "mpirun noticed that process rank 1 with PID 7 on node n1 exited on signal 9 (Killed)."
    outcome = FAILED._replace(cause=Cause.LAUNCHER, task="", exit_code=137)
    found = explain(outcome, logs=[Log("logs/job.log", "", f"{line}\n")])
    assert (found.kind, [one.text for one in found.evidence]) == (Kind.KILLED, [line])


def test_the_operations_message_about_nan_or_infinity_is_shown() -> None:
    error = "tensorflow.python.framework.errors_impl.InvalidArgumentError: Graph execution error:\n\n"
    where = "Detected at node Log/CheckNumericsV2 defined at (most recent call last):\n<stack traces unavailable>\n"
    message = " : Tensor had -Inf values\n\t [[{{node Log/CheckNumericsV2}}]]\n"
    found = explain(FAILED, logs=one_log(TRACEBACK + error + where + message))
    assert (found.kind, found.evidence[-1].text) == (Kind.DIVERGED, ": Tensor had -Inf values")


@pytest.mark.parametrize(("source", "kind"), [('raise SystemError("no device")', Kind.SCRIPT), ("run()", Kind.UNKNOWN)])
def test_an_error_raised_by_the_script_is_its_own_whatever_its_type(source: str, kind: Kind) -> None:
    trace = f'Traceback (most recent call last):\n  File "/r/work/train.py", line 5, in main\n    {source}\n'
    assert explain(FAILED, logs=one_log(f"{trace}SystemError: no device\n")).kind is kind
