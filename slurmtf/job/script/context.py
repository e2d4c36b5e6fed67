"""The run as its own script sees it: ``from slurmtf import Run; run = Run.get_context()``."""

import contextlib
import os
import re
import time
import uuid
from typing import IO, Any, Callable, Dict, Iterator, Optional, Type, Union

from ..contract.interchange import JsonObject
from ..contract.layout import IMAGES, RunLayout
from ..contract.metrics import entries
from ..contract.metrics.entries import Entry
from ..contract.metrics.shapes import to_azure_shape
from . import values
from .files import Lines, copy_into, keep

OUTSIDE = "OfflineRun_"
FOLDER, RUN_ID = "SLURMTF_LAUNCH_FOLDER", "SLURMTF_RUN_ID"
NOTICE = "SLURMTF_NOTICE"
UPLOADED = ("outputs", "logs")


class Recorder:
    """Records what a run's script logs, in the run folder."""

    def __init__(self, layout: RunLayout, label: str) -> None:
        self.layout = layout
        self.label = label
        self._metrics = Lines(layout.task_metrics(label))
        self._tags = Lines(layout.task_tags(label))

    def put(self, entry: Entry) -> None:
        lines = self._tags if entry.kind == entries.TAG else self._metrics
        lines.write(entries.to_line(entry))

    def read_entries(self) -> Iterator[Entry]:
        """Yield what this task has logged, in this and in earlier attempts."""
        try:
            with open(self._metrics.path, "rb") as lines:
                for line in lines:
                    entry = entries.from_line(line)
                    if entry is not None:
                        yield entry
        except OSError:
            return

    def child(self, run_id: str) -> "Recorder":
        return Recorder(self.layout.child(run_id), self.label)

    def keep(self, name: str, write: Callable[[IO[bytes]], None]) -> bool:
        """Have a file of the run written; ``name`` is its path below the run's folder."""
        return keep(os.path.join(self.layout.folder, name), write)


class Printer:
    """Prints what a script logs that is not part of a run."""

    label = ""

    def put(self, entry: Entry) -> None:
        step = "" if entry.step is None else ", step {}".format(entry.step)
        self._say("{} {!r}: {!r}{}".format("tag" if entry.kind == entries.TAG else "log", entry.name, entry.value, step))

    def read_entries(self) -> Iterator[Entry]:
        return iter(())

    def child(self, run_id: str) -> "Printer":
        self._say("child run {}".format(run_id))
        return self

    def keep(self, name: str, write: Callable[[IO[bytes]], None]) -> bool:  # noqa: ARG002 - as a recorder
        self._say("file {}".format(name))
        return True

    @staticmethod
    def _say(text: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # an output that is closed, or knows few letters
            print("slurmtf, outside of a run: {}".format(text))


class Run:
    """The run that a script is part of. Outside of a run it prints what it would log.

    An invalid value raises TypeError or ValueError at once. If the file system refuses a value, a message is printed and the
    value is lost.
    """

    def __init__(self, run_id: str, recorder: Union[Recorder, Printer]) -> None:
        self.id = run_id
        self._recorder = recorder
        self._children = 0

    @classmethod
    def get_context(cls: "Type[Run]") -> "Run":
        """Return the run of this process, always the same object."""
        key = os.environ.get(FOLDER, "")
        if key not in _CONTEXTS:
            _CONTEXTS[key] = cls._from_environment()
        return _CONTEXTS[key]

    @classmethod
    def _from_environment(cls) -> "Run":
        folder, run_id = os.environ.get(FOLDER), os.environ.get(RUN_ID)
        if not folder or not run_id:
            return cls(OUTSIDE + str(uuid.uuid4()), Printer())
        label = "{}-{}".format(os.environ.get("SLURMTF_ROLE", "main"), os.environ.get("SLURMTF_INDEX", "0"))
        return cls(run_id, Recorder(RunLayout(folder), label))

    def log(self, name: str, value: object, step: Optional[int] = None) -> None:
        """Log a number or a text, once or repeatedly."""
        self._put(name, values.to_scalar(name, value), entries.VALUE, values.to_step(name, step))

    def log_list(self, name: str, value: object) -> None:
        """Log a list of numbers and texts."""
        self._put(name, values.to_list(name, value), entries.LIST)

    def log_row(self, name: str, **columns: Any) -> None:
        """Log a row of a table: numbers and texts by column."""
        self._put(name, values.to_row(name, columns), entries.ROW)

    def log_table(self, name: str, value: object) -> None:
        """Log a table: a dict of lists, one for each column."""
        self._put(name, values.to_table(name, value), entries.TABLE)

    def log_confusion_matrix(self, name: str, value: object) -> None:
        """Log a confusion matrix: Azure ML's JSON document, as a dict or a text."""
        self._put_document(name, value, "confusion_matrix")

    def log_accuracy_table(self, name: str, value: object) -> None:
        """Log an accuracy table: Azure ML's JSON document, as a dict or a text."""
        self._put_document(name, value, "accuracy_table")

    def log_residuals(self, name: str, value: object) -> None:
        """Log residuals: Azure ML's JSON document, as a dict or a text."""
        self._put_document(name, value, "residuals")

    def log_predictions(self, name: str, value: object) -> None:
        """Log predictions: Azure ML's JSON document, as a dict or a text."""
        self._put_document(name, value, "predictions")

    def log_image(self, name: str, path: Optional[str] = None, plot: object = None) -> None:
        """Log an image: the file at ``path``, or a ``plot`` of matplotlib (pyplot or a figure), as PNG."""
        if (path is None) == (plot is None):
            raise TypeError("{!r}: log_image takes either a path or a plot".format(name))
        if plot is not None and not hasattr(plot, "savefig"):
            raise TypeError("{!r}: the plot is pyplot or a figure of matplotlib, not {}".format(name, type(plot).__name__))
        write = copy_into(path) if path is not None else lambda file: plot.savefig(file, format="png")
        suffix = os.path.splitext(path)[1] if path is not None else ".png"
        plain = re.sub(r"[^\w.-]+", "_", values.to_text("the name of an image", name))
        kept = os.path.join(IMAGES, "{}-{}-{:.0f}{}".format(plain, self._recorder.label, time.time() * 1e6, suffix))
        if self._recorder.keep(kept, write):
            self._put(name, kept, entries.IMAGE)

    def tag(self, key: str, value: object = None) -> None:
        """Tag the run, so that ``slurmtf ls --tag`` finds it. The last value of a key counts."""
        self._put(key, "" if value is None else str(value), entries.TAG)

    def upload_file(self, name: str, path_or_stream: object) -> None:
        """Copy a file into the run under ``name``, which begins with outputs/ or logs/; any other name is put below
        outputs/."""
        parts = os.path.normpath(values.to_text("the name of a file", name)).split(os.sep)
        if os.path.isabs(name) or ".." in parts or parts == ["."]:
            raise ValueError("{!r} can't name a file of the run: it must have no '..' and not begin with '/'".format(name))
        below = parts if parts[0] in UPLOADED else ["outputs", *parts]
        self._recorder.keep("/".join(below), copy_into(path_or_stream))

    def get_metrics(self, name: Optional[str] = None) -> JsonObject:
        """Return what this process's task has logged, in Azure ML's shapes; ``name``: only that metric."""
        return to_azure_shape(entry for entry in self._recorder.read_entries() if name in (None, entry.name))

    def should_stop(self) -> bool:
        """Return whether the script has been notified that it will be ended soon: it should save its state and exit."""
        return os.path.exists(os.environ.get(NOTICE, ""))

    def child_run(self, name: Optional[str] = None) -> "Run":
        """Return a run within this one, with metrics, tags and files of its own: a fold, a phase.

        The same name is the same child, for all ranks and attempts. Without a name, children are counted.
        """
        self._children += 1
        plain = str(self._children - 1) if name is None else re.sub(r"[^\w.-]+", "_", values.to_text("the name of a run", name))
        run_id = "{}_{}".format(self.id, plain)
        return Run(run_id, self._recorder.child(run_id))

    def _put_document(self, name: str, value: object, kind: str) -> None:
        self._put(name, values.to_document(name, value, kind), kind)

    def _put(self, name: str, value: object, kind: str, step: Optional[int] = None) -> None:
        self._recorder.put(Entry(values.to_text("a name", name), value, step, time.time(), kind))

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def __repr__(self) -> str:
        return "Run({!r})".format(self.id)


_CONTEXTS: Dict[str, Run] = {}
