"""Everyday failures of scripts: errors of Python, TensorFlow and the shell, as logs show them."""

from __future__ import annotations

import pytest

from slurmtf.diagnosis.dying import explain
from slurmtf.diagnosis.explanation import Log
from slurmtf.diagnosis.kinds import Kind
from slurmtf.job.contract.attempt.outcome import Cause, Outcome

HEAD = 'Traceback (most recent call last):\n  File "/r/work/train.py", line 31, in <module>\n    build(x)\n'
PACKAGES = '  File "/e/lib/python3.11/site-packages/{}", line 122, in build\n    {}\n'
OF_ODD = PACKAGES.format("lib/core.py", "return native.build(x)")


def kind_of(text: str, code: int = 1, uncaught: str | None = None) -> Kind:
    return explain(
        Outcome(Cause.SCRIPT, "main-0", exit_code=code), logs=[Log("logs/main-0.err", "main-0", text, uncaught)]
    ).kind


@pytest.mark.parametrize(
    "error",
    [
        "StopIteration",
        "configparser.NoSectionError: No section: 'train'",
        "yaml.scanner.ScannerError: mapping values are not allowed here",
        "EOFError: Ran out of input",
        "EOFError: EOF when reading a line",
        "tarfile.ReadError: not a gzip file",
        "gzip.BadGzipFile: Not a gzipped file (b'<!')",
        "zipfile.BadZipFile: File is not a zip file",
        "zlib.error: Error -3 while decompressing data: incorrect header check",
        "csv.Error: line contains NUL",
        "struct.error: unpack requires a buffer of 4 bytes",
        "re.error: missing ), unterminated subpattern at position 0",
        "PIL.UnidentifiedImageError: cannot identify image file '/data/a.jpg'",
        "sqlite3.OperationalError: no such table: runs",
        "sqlite3.IntegrityError: UNIQUE constraint failed: runs.id",
        "RuntimeWarning: invalid value encountered in log",
        "absl.flags._exceptions.IllegalFlagValueError: flag --epochs=three: invalid literal",
        "tensorflow.python.framework.errors_impl.OperatorNotAllowedInGraphError: Using a symbolic `tf.Tensor`",
        "RuntimeError: dictionary changed size during iteration",
        "RuntimeError: Unable to create dataset (name already exists)",
        "RuntimeError: \n        An attempt has been made to start a new process before the\n        current",
        "lightgbm.basic.LightGBMError: Label must be in [0, 5), but found 5 in label",
        "lightning.fabric.utilities.exceptions.MisconfigurationException: You requested gpu: [0, 1]",
        "huggingface_hub.utils._validators.HFValidationError: Repo id must be in the form",
        "pandas._libs.tslibs.np_datetime.OutOfBoundsDatetime: Out of bounds nanosecond timestamp",
        "RuntimeError: expected scalar type Float but found Double",
        "RuntimeError: one of the variables needed for gradient computation has been modified by an inplace operation",
        "RuntimeError: PytorchStreamReader failed reading zip archive: failed finding central directory",
        "jaxlib.xla_extension.XlaRuntimeError: INVALID_ARGUMENT: parameter 0 of size 4",
        "optuna.exceptions.TrialPruned: pruned",
        "cv2.error: OpenCV(4.8.0) color.cpp:182: error: (-215:Assertion failed) !_src.empty() in function 'cvtColor'",
    ],
)
def test_invalid_calls_of_a_library_are_errors_of_the_script(error: str) -> None:
    assert kind_of(HEAD + OF_ODD + error + "\n") is Kind.SCRIPT


@pytest.mark.parametrize(
    "error",
    [
        "EOFError",
        "sqlite3.OperationalError: disk I/O error",
        "RuntimeError: the flux capacitor is cold",
        "cv2.error: OpenCV(4.8.0) ocl.cpp:9: error: (-220:Unknown error code -220) the device is gone",
        "lab.FluxError: no such table",
        "lightgbm.basic.LightGBMError: GPU Tree Learner was not enabled in this build.",
        "xgboost.core.XGBoostError: bad_alloc",
        "queue.Empty",
    ],
)
def test_failures_of_a_library_or_another_process_are_unknown(error: str) -> None:
    assert kind_of(HEAD + OF_ODD + error + "\n") is Kind.UNKNOWN


@pytest.mark.parametrize(
    "error",
    [
        "OSError: We couldn't connect to 'https://huggingface.co' to load this file, and couldn't find it in the cached files",
        "requests.exceptions.ReadTimeout: HTTPSConnectionPool(host='x', port=443): Read timed out. (read timeout=10)",
        "urllib.error.URLError: <urlopen error [Errno 111] Connection refused>",
        "wandb.errors.CommError: Run initialization has timed out after 90.0 sec.",
    ],
)
def test_unreachable_servers_are_network_errors(error: str) -> None:
    assert kind_of(HEAD + OF_ODD + error + "\n", uncaught=error) is Kind.NETWORK


@pytest.mark.parametrize(
    ("path", "source", "error", "kind"),
    [
        ("keras/src/trainers/trainer.py", "raise RuntimeError(", "RuntimeError: You must compile your model", Kind.SCRIPT),
        ("tensorflow/python/eager/context.py", "raise RuntimeError(", "RuntimeError: Physical devices are fixed", Kind.SCRIPT),
        ("tensorflow/python/eager/context.py", "pywrap.TFE_Py_Execute(", "RuntimeError: odd", Kind.UNKNOWN),
        ("keras/src/trainers/trainer.py", "raise RuntimeError(", "RuntimeError: CUDA is odd", Kind.UNKNOWN),
        ("horovod/common/basics.py", "raise RuntimeError(", "RuntimeError: odd", Kind.UNKNOWN),
    ],
)
def test_errors_raised_in_the_python_code_of_a_library(path: str, source: str, error: str, kind: Kind) -> None:
    assert kind_of(HEAD + PACKAGES.format(path, source) + error + "\n", uncaught=error) is kind


@pytest.mark.parametrize(
    ("text", "code", "kind"),
    [
        ("run.sh: line 7: syntax error near unexpected token `done'\nrun.sh: line 7: `done'\n", 2, Kind.SCRIPT),
        ("run.sh: line 9: unexpected EOF while looking for matching `\"'\n", 2, Kind.SCRIPT),
        ("run.sh: line 3: DATA: unbound variable\n", 1, Kind.SCRIPT),
        ("run.sh: line 7: cd: /scratch/nope: No such file or directory\n", 1, Kind.SCRIPT),
        ("run.sh: line 3: venv/bin/activate: No such file or directory\n", 1, Kind.SCRIPT),
        ("run.sh: 3: cd: can't cd to /nope\n", 1, Kind.SCRIPT),
        ("run.sh: line 7: cd: /scratch/nope: No such file or directory\nbegin\n", 1, Kind.UNKNOWN),
        ("run.sh: line 7: cd: /scratch/nope: No such file or directory\n", 3, Kind.UNKNOWN),
        ("cp: cannot stat '/data/x': No such file or directory\n", 1, Kind.SCRIPT),
        ("cp: cannot stat '/data/x': No such file or directory\nbegin\n", 1, Kind.UNKNOWN),
        ("cp: failed to get attributes\n", 1, Kind.UNKNOWN),
        ("tar (child): a.tgz: Cannot open: No such file or directory\ntar: Exiting\n", 2, Kind.SCRIPT),
        ("python3: can't open file '/r/work/trian.py': [Errno 2] No such file or directory\n", 2, Kind.SCRIPT),
        ("usage: train.py [-h] [--lr LR]\ntrain.py: error: give a folder of data\n", 2, Kind.SCRIPT),
        (HEAD + "subprocess.CalledProcessError: Command 'x' died with <Signals.SIGSEGV: 11>.\n", 1, Kind.CRASH),
        (HEAD + "subprocess.CalledProcessError: Command 'x' died with <Signals.SIGKILL: 9>.\n", 1, Kind.KILLED),
        (HEAD + "AssertionError: this script requires a GPU\n", 1, Kind.GPU_MISSING),
        (HEAD + "SystemError: GPU device not found\n", 1, Kind.GPU_MISSING),
        (HEAD + "ImportError: Unable to import required dependencies:\nnumpy: No module named 'numpy'\n", 1, Kind.IMPORT),
    ],
)
def test_errors_of_the_shell_and_the_interpreter(text: str, code: int, kind: Kind) -> None:
    assert kind_of(text, code) is kind


@pytest.mark.parametrize(
    "error", ["every file is empty", "3 files are missing", "404: not found", "0.25", "1e-3", "5 - loss: 2"]
)
def test_a_number_after_the_word_error_is_a_metric(error: str) -> None:
    found = explain(Outcome(Cause.SCRIPT, "main-0"), logs=[Log("logs/main-0.err", "main-0", f"error: {error}\nthe end\n")])
    is_number = error[0].isdigit() and not error.endswith("missing")
    assert found.evidence[0].text == ("the end" if is_number else f"error: {error}")
