"""Record what the script has loaded: versions, and what the libraries were built for.

Rank 0 does this when its Python exits. Nothing is imported for it, and nothing here may disturb the script.
"""

import contextlib
import json
import platform
import sys
from typing import Dict

from ..contract.interchange import JsonObject
from ..contract.layout import RunLayout
from ..contract.system.private import write_private

PACKAGES = (
    "tensorflow",
    "keras",
    "tf_keras",
    "horovod",
    "mpi4py",
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "torch",
    "numpy",
    "scipy",
    "pandas",
    "sklearn",
    "onnx",
    "tensorflow_probability",
    "tensorflow_datasets",
    "transformers",
)
BUILD_FACTS = ("cuda_version", "cudnn_version", "is_cuda_build", "is_rocm_build", "cuda_compute_capabilities")
HOROVODS = ("horovod.tensorflow", "horovod.tensorflow.keras", "horovod.keras", "horovod.torch")
HOROVOD_FACTS = ("mpi_built", "gloo_built", "nccl_built", "cuda_built", "rocm_built")
LONGEST = 200


def note(folder: str) -> None:
    """Record what is loaded, even if nothing is, unless a process of the script has recorded more already."""
    facts = list_loaded()
    path = RunLayout(folder).software
    if len(facts["packages"]) >= len(_read(path).get("packages", {})):
        write_private(path, json.dumps(facts, indent=1).encode("utf-8"))


def list_loaded() -> JsonObject:
    modules = {name: sys.modules[name] for name in PACKAGES if name in sys.modules}
    versions = {name: getattr(module, "__version__", None) for name, module in modules.items()}
    packages = {name: version[:LONGEST] for name, version in versions.items() if isinstance(version, str)}
    return {"python": platform.python_version(), "packages": packages, "builds": _inspect_builds()}


def _inspect_builds() -> Dict[str, object]:
    found = {}
    for name, ask in (("tensorflow", _inspect_tensorflow), ("horovod", _inspect_horovod), ("mpi", _inspect_mpi)):
        with contextlib.suppress(Exception):  # older ones have no such function
            found[name] = ask()
    return {name: facts for name, facts in found.items() if facts}


def _inspect_tensorflow() -> object:
    """Return what TensorFlow was built for (tf.sysconfig.get_build_info, TensorFlow 2.3)."""
    if "tensorflow" not in sys.modules:
        return None
    facts = sys.modules["tensorflow"].sysconfig.get_build_info()
    return {name: _to_plain(facts[name]) for name in BUILD_FACTS if name in facts}


def _inspect_horovod() -> object:
    """Return what Horovod was built with. ``nccl_built`` is NCCL's version as a number (horovod/common/basics.py)."""
    module = next((sys.modules[name] for name in HOROVODS if name in sys.modules), None)
    return {name: _to_plain(getattr(module, name)()) for name in HOROVOD_FACTS if hasattr(module, name)} if module else None


def _inspect_mpi() -> object:
    """Return which MPI it is: MPI_Get_library_version may be called at any time, after MPI_Finalize too (MPI 3.1, 8.1.1)."""
    module = sys.modules.get("mpi4py.MPI")
    return module.Get_library_version().splitlines()[0].strip("\0 ")[:LONGEST] if module else None


def _to_plain(value: object) -> object:
    if isinstance(value, (bool, int)):
        return value
    if isinstance(value, (list, tuple)):
        return [str(item)[:LONGEST] for item in value]
    return str(value)[:LONGEST]


def _read(path: str) -> JsonObject:
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
