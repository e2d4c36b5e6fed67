"""The questions to an interpreter: ``python -c`` runs this in the Python of a job, 3.6 or later.

No installed package is imported. The argument is JSON: the modules that a script needs, and the source's folders, which come
first on the script's path.
"""

import sys

if __name__ == "__main__":
    sys.path[:] = [path for path in sys.path if path]  # python -c searches its working directory first

import json
import os
import re
from importlib.util import find_spec
from typing import Any, Dict, Optional

MARK = "slurmtf-facts:"
Answer = Dict[str, Any]
METADATA = re.compile(r"(.+?)-([^-]+)(?:-py[\d.]+)?\.(?:dist|egg)-info")
FEATURES = (("mpi", b"\0libmpi"), ("gloo", b"N4gloo"), ("nccl", b"ncclAllReduce"))
"""A name in the library of each Horovod that has the feature."""
LINKED_BYTES = 4 * 1024 * 1024
"""How many bytes of a library are searched: linkers put these names first."""


def parse_answer(output: str) -> Optional[Answer]:
    """Return the answer in an interpreter's output; None if there is none."""
    answers = [line for line in output.splitlines() if line.startswith(MARK)]
    facts: Optional[Dict[str, object]] = json.loads(answers[-1][len(MARK) :]) if answers else None
    return facts


def list_packages() -> "dict[str, str]":
    """Return the version of each package, by its name with '_' in place of '-'."""
    found = {}
    for path in reversed(sys.path):
        for match in filter(None, map(METADATA.match, list_files(path))):
            found[re.sub("[-_.]+", "_", match.group(1)).lower()] = match.group(2)
    return found


def is_missing(module: str, own: "list[str]") -> bool:
    """Return whether Python does not find a module. A folder of the source that is not a package does not count."""
    try:
        spec = find_spec(module)
    except Exception:  # a module that exists but is broken
        return False
    if spec is None:
        return True
    folders = list(spec.submodule_search_locations or ())
    is_package = spec.origin not in (None, "namespace")  # Python 3.6 gives a namespace package this origin
    return not is_package and bool(folders) and all(os.path.dirname(folder) in own for folder in folders)


def find_folder(package: str) -> str:
    """Return a package's folder; empty if there is none."""
    try:
        spec = find_spec(package)
    except Exception:
        return ""
    folders = list(spec.submodule_search_locations or ()) if spec else []
    return folders[0] if folders else ""


def is_gpu_build() -> "bool | None":
    """Return whether TensorFlow can use GPUs, according to its own build record; None if it has none."""
    folder = find_folder("tensorflow")
    for package in (folder, folder + "_core"):  # the second one up to TensorFlow 2.0
        text = read_text(os.path.join(package, "python", "platform", "build_info.py")) if folder else ""
        built = re.findall(r"is_(?:cuda|rocm)_build\W+(True|False)", text)
        if built:
            return "True" in built
    return None


def inspect_horovod() -> "dict[str, object] | None":
    """Return the TensorFlow that Horovod was compiled for, and Horovod's features; None if there is no Horovod."""
    folder = find_folder("horovod")
    if not folder:
        return None
    built = re.search(r'"tensorflow":\s*"([^"]+)"', read_text(os.path.join(folder, "metadata.json")))
    inside = os.path.join(folder, "tensorflow")
    libraries = [name for name in list_files(inside) if name.startswith("mpi_lib") and name.endswith(".so")]
    linked = read_head(os.path.join(inside, libraries[0])) if libraries else b""
    features = [name for name, sign in FEATURES if sign in linked]
    return {"tensorflow": built.group(1) if built else "", "features": features}


def is_hooked() -> bool:
    """Return whether there are import finders other than Python's own and two that find no modules of their own."""
    finders = {getattr(finder, "__module__", "") or type(finder).__module__ for finder in sys.meta_path}
    return not finders <= {"_frozen_importlib", "_frozen_importlib_external", "_distutils_hack", "_virtualenv"}


def list_files(folder: str) -> "list[str]":
    try:
        return os.listdir(folder)
    except OSError:
        return []


def read_text(path: str) -> str:
    return read_head(path).decode("utf-8", "replace")


def read_head(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(LINKED_BYTES)
    except OSError:
        return b""


def main() -> None:
    asked = json.loads(sys.argv[1])
    facts: "dict[str, object]" = {"executable": sys.executable, "packages": list_packages()}
    facts.update(gpu_build=is_gpu_build(), horovod=inspect_horovod(), path=list(sys.path), hooked=is_hooked())
    sys.path[:0] = asked["folders"]
    facts["missing"] = [module for module in asked["modules"] if is_missing(module, asked["folders"])]
    sys.stdout.write("\n" + MARK + json.dumps(facts) + "\n")


if __name__ == "__main__":
    main()
