"""What decides: the error that ended a script, and not what was survived, warned of, quoted, or said by who lost another one."""
# ruff: noqa: E501 - texts as their programs write them

from __future__ import annotations

import pytest

from slurmtf.diagnosis.dying import explain
from slurmtf.diagnosis.explanation import Log
from slurmtf.diagnosis.kinds import Kind

from .test_dying import FAILED, QUOTA, TRACEBACK, one_log

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
def test_what_the_jobs_own_log_outranks(job: str, errors: str, kind: Kind) -> None:
    own = f"{TRACEBACK}{errors}: No such file\n" if errors else "ERROR: the token was refused\n"
    found = explain(FAILED, logs=[Log("logs/job.log", "", job), Log("logs/rank-0.err", "rank-0", own)])
    assert found.kind is kind
    assert found.evidence[-1].log == ("logs/rank-0.err" if kind in (Kind.SCRIPT, Kind.UNKNOWN) else "logs/job.log")


WARNINGS = (
    "WARNING: [Errno 28] No space left on device, going on\nE tensorflow/x.cc:9] failed call to cuInit: CUDA_ERROR_UNKNOWN\n"
)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        # survived: a warning, an error of TensorFlow's, a traceback after which it trained on, another thread's note
        (WARNINGS + "a\nb\nc\ngiving up\n", Kind.UNKNOWN),
        (QUOTA + "Epoch 4/9\n10/10 - loss: 2.0\nnot good enough\n", Kind.UNKNOWN),
        (QUOTA + "Epoch 4:  10%|#   | 3/9 [00:02<00:08]\n", Kind.QUOTA),  # a bar that is closed
        # the script's own words, and a library's in its message
        (RAISED + "    raise ValueError(text)\nValueError: no 'CUDA_ERROR_OUT_OF_MEMORY' in it\n", Kind.SCRIPT),
        (TRACEBACK + "KeyError: 'Disk quota exceeded'\n", Kind.SCRIPT),
        (RAISED + "    raise RuntimeError(text)\nRuntimeError: the loss is nan after 3 steps\n", Kind.DIVERGED),
        # whose it is, nobody knows
        (
            TRACEBACK
            + '  File "/e/lib/python3.11/site-packages/a/b.py", line 3, in f\n    raise RuntimeError(x)\nRuntimeError: odd\n',
            Kind.UNKNOWN,
        ),
        # said to be the cause; handled, and not the cause
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
        # the cause of what was handled is not that of the error
        (
            QUOTA
            + "\nThe above exception was the direct cause of the following exception:\n\n"
            + TRACEBACK
            + "SaveError: step 3\n\nDuring handling of the above exception, another exception occurred:\n\n"
            + TRACEBACK
            + "KeyError: 'x'\n",
            Kind.SCRIPT,
        ),
        # of another process, which has told why before
        (QUOTA + TRACEBACK + "torch.distributed.elastic.multiprocessing.errors.ChildFailedError: \n", Kind.QUOTA),
        ("[rank1]: " + QUOTA.rstrip("\n").replace("\n", "\n[rank1]: ") + "\n", Kind.QUOTA),
    ],
)
def test_what_decides_is_the_error_that_ended_it(text: str, kind: Kind) -> None:
    assert explain(FAILED, logs=one_log(text)).kind is kind
