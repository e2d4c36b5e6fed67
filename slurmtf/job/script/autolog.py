"""Callbacks with which Keras logs what ``fit`` reports, and stops when notified; they come after all others.

Nothing here ever raises into the script: a failure is reported once.
"""

import functools
import inspect
import os
import re
import sys
from importlib import import_module
from typing import Any, Callable, Dict, List, Tuple

from .context import Run
from .files import tell

AUTOLOG, STOP = "SLURMTF_AUTOLOG", "SLURMTF_STOP"
CLASSES = ("Model", "TensorFlowTrainer", "JAXTrainer", "TorchTrainer")
_TOLD: List[str] = []


def watch(module: Any) -> None:
    """Have the classes of a Keras module log what their ``fit`` reports."""
    for name in CLASSES:
        kind = vars(module).get(name)
        if kind is not None and "fit" in vars(kind):
            kind.fit = wrap_fit(kind.fit, get_callbacks_module(module.__name__))


def get_callbacks_module(module: str) -> str:
    """Return the name of the module with Keras' class Callback, given the one with ``fit``."""
    return re.sub(r"[.](engine|backend)[.].*", ".callbacks", module)


def wrap_fit(fit: Callable[..., object], home: str) -> Callable[..., object]:
    """Return ``fit`` with our callbacks as its last."""

    @functools.wraps(fit)
    def fit_and_log(self: object, *args: object, **kwargs: object) -> object:
        try:
            args, kwargs = add_callbacks(fit, (self, *args), kwargs, home)
        except Exception as err:
            _tell("autolog leaves this fit alone: {!r}".format(err))
            args = (self, *args)
        return fit(*args, **kwargs)

    return fit_and_log


def add_callbacks(
    fit: Callable[..., object], args: Tuple[object, ...], kwargs: Dict[str, object], home: str
) -> Tuple[Tuple[object, ...], Dict[str, object]]:
    """Return the arguments of a ``fit`` with our callbacks behind the user's. Raises TypeError where ``fit`` would."""
    bound = inspect.signature(fit).bind(*args, **kwargs)
    given: Any = bound.arguments.get("callbacks")
    own = build_callbacks(sys.modules.get(home) or import_module(home))
    if hasattr(given, "append") and not isinstance(given, list):  # Keras' CallbackList, which is the user's own
        known = {type(one) for one in given.callbacks}
        for one in own:
            if type(one) not in known:
                given.append(one)
        return args, kwargs
    several = list(given) if isinstance(given, (list, tuple)) else [given]
    bound.arguments["callbacks"] = [one for one in several if one is not None] + own
    return bound.args, bound.kwargs


def build_callbacks(keras_callbacks: Any) -> List[object]:
    """Return the callbacks that are requested, for the Keras with these callbacks."""
    wanted = ((AUTOLOG, _build_logger), (STOP, _build_stopper))
    return [kind(keras_callbacks.Callback)() for name, kind in wanted if os.environ.get(name)]


@functools.lru_cache(maxsize=None)
def _build_stopper(base: Any) -> Any:
    def on_epoch_end(self: Any, epoch: int, logs: object = None) -> None:  # noqa: ARG001 - as Keras calls it
        try:
            if Run.get_context().should_stop():
                self.model.stop_training = True
                self.model.save(os.environ[STOP])
        except Exception as err:
            _tell("the model could not be saved: {!r}".format(err))

    return type("SlurmtfStop", (base,), {"on_epoch_end": on_epoch_end, "_supports_tf_logs": False})


@functools.lru_cache(maxsize=None)
def _build_logger(base: Any) -> Any:
    def on_epoch_end(_: object, epoch: int, logs: Any = None) -> None:
        try:
            run = Run.get_context()
            for name, value in (logs or {}).items():
                run.log(name, value, step=epoch)
        except Exception as err:
            _tell("autolog lost what an epoch reported: {!r}".format(err))

    return type("SlurmtfAutolog", (base,), {"on_epoch_end": on_epoch_end, "_supports_tf_logs": False})


def _tell(text: str) -> None:
    if text not in _TOLD:
        _TOLD.append(text)
        tell(text)
