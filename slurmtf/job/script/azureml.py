"""Azure ML's ``Run`` for scripts that were written for it: ``from azureml.core import Run``. What is not here says so by name.

Served where the estimator asks for it ('azureml: true') and the real package is absent. See docs/azureml.md.
"""

import os
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Dict, Iterable, List, Mapping, Optional

from ..contract.served import AZUREML, AZUREML_NAMES
from . import context

VERSION = "0 (slurmtf)"
HERE = "slurmtf serves azureml.core.Run to this script, not {}: install azureml-core in the job's environment, or do without it"


class Experiment:
    """The experiment of a run: its name."""

    def __init__(self, name: str) -> None:
        self.name = name


class Run(context.Run):
    """Azure ML's spelling of the run's own view. ``complete``, ``fail`` and ``cancel`` don't change its state, as there."""

    _known: Dict[str, "Run"] = {}  # noqa: RUF012

    @classmethod
    def get_context(cls, allow_offline: bool = True) -> "Run":
        """Return the run of this process. Raises RuntimeError outside of one, unless ``allow_offline``."""
        if not allow_offline and not os.environ.get(context.RUN_ID):
            raise RuntimeError("this process is part of no run of slurmtf, and allow_offline is False")
        key = os.environ.get(context.FOLDER, "")
        if key not in Run._known:
            kind = Run if os.environ.get(context.RUN_ID) else _OfflineRun
            Run._known[key] = kind._from_environment()  # type: ignore[assignment]
        return Run._known[key]

    @classmethod
    def get_submitted_run(cls) -> "Run":
        """Return the run of this process: an older name."""
        return cls.get_context(allow_offline=False)

    # --- logging: a description is for the portal, which there is not

    def log(self, name: str, value: object, description: str = "", step: Optional[int] = None) -> None:  # type: ignore[override]
        super().log(name, value, step)

    def log_list(self, name: str, value: object, description: str = "") -> None:
        super().log_list(name, value)

    def log_row(self, name: str, description: Optional[str] = None, **columns: object) -> None:
        super().log_row(name, **columns)

    def log_table(self, name: str, value: object, description: str = "") -> None:
        super().log_table(name, value)

    def log_image(self, name: str, path: Optional[str] = None, plot: object = None, description: str = "") -> None:
        super().log_image(name, path, plot)

    def log_confusion_matrix(self, name: str, value: object, description: str = "") -> None:
        super().log_confusion_matrix(name, value)

    def log_accuracy_table(self, name: str, value: object, description: str = "") -> None:
        super().log_accuracy_table(name, value)

    def log_residuals(self, name: str, value: object, description: str = "") -> None:
        super().log_residuals(name, value)

    def log_predictions(self, name: str, value: object, description: str = "") -> None:
        super().log_predictions(name, value)

    def set_tags(self, tags: Mapping[str, object]) -> None:
        """Tag the run, one by one."""
        for key, value in tags.items():
            self.tag(key, value)

    # --- files

    def upload_files(self, names: List[str], paths: List[str]) -> None:
        """Copy files into the run under these names."""
        for name, path in zip(names, paths):
            self.upload_file(name, path)

    def upload_folder(self, name: str, path: str) -> None:
        """Copy a folder into the run under a name."""
        for folder, _, files in os.walk(path):
            for file in files:
                place = os.path.join(folder, file)
                self.upload_file(os.path.join(name, os.path.relpath(place, path)), place)

    # --- what it is

    @property
    def experiment(self) -> Experiment:
        return Experiment(os.environ.get("SLURMTF_EXPERIMENT", ""))

    @property
    def number(self) -> int:
        """Return 0: runs have no number here."""
        return 0

    def child_run(self, name: Optional[str] = None) -> "Run":
        child = super().child_run(name)
        return type(self)(child.id, child._recorder)

    def create_children(self, count: int) -> List["Run"]:
        """Return so many child runs."""
        return [self.child_run() for _ in range(count)]

    # --- what changes nothing: a run's state follows from how its processes end

    def complete(self) -> None:
        """Do nothing: the run completes when its script does."""

    def fail(self, error_details: object = None) -> None:
        """Explain that this changes nothing: the run fails when its script does."""
        self._say("fail({!r}) changes nothing: end the script with an exit code".format(error_details))

    def cancel(self) -> None:
        """Explain that this changes nothing, and what does."""
        self._say("cancel() changes nothing: end the script")

    def flush(self, timeout_seconds: int = 300) -> None:
        """Do nothing: what was logged is already written."""

    @staticmethod
    def _say(text: str) -> None:
        sys.stderr.write("slurmtf: azureml's Run.{}\n".format(text))

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(HERE.format("Run." + name))


class _OfflineRun(Run):
    """The run of a script that is part of none: it prints what it would log."""


class Finder:
    """Finds the modules that are served. It is asked last, if nothing of that name is installed."""

    def find_spec(self, name: str, path: Optional[Iterable[str]] = None, target: object = None) -> Optional[ModuleSpec]:
        """Raise ModuleNotFoundError for what Azure ML has and this has not."""
        if name in AZUREML_NAMES:
            return ModuleSpec(name, self, origin="the job's agent.pyz", is_package=True)  # type: ignore[arg-type]
        top = sys.modules.get(AZUREML)
        if name.startswith(AZUREML + ".") and isinstance(top, _Module):
            raise ModuleNotFoundError(HERE.format(name), name=name)
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Module(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        known = {"Run": Run, "_OfflineRun": _OfflineRun, "VERSION": VERSION}
        vars(module).update({name: known[name] for name in AZUREML_NAMES[module.__name__]})


class _Module(ModuleType):
    def __getattr__(self, name: str) -> Any:
        """Say what is not here by its name. ImportError is what ``from azureml.core import X`` passes on as it is."""
        if name.startswith("__") or self.__name__ + "." + name in AZUREML_NAMES:
            raise AttributeError(name)
        raise ImportError(HERE.format(self.__name__ + "." + name))
