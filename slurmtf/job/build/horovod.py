"""Horovod, compiled against the TensorFlow and the MPI of an environment; the wheel is kept for the next one.

There are only sources of Horovod (0.28.1 is the last release, of 2023). A wheel goes with one version of TensorFlow, one of
Python and one MPI: its folder and its local version (PEP 440) say which.
"""

import glob
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sysconfig
from typing import Dict, List

from ..contract import variables as var
from ..contract.environments.claim import Claim
from ..contract.environments.horovod import OPTIONS, RELEASE, TOOLS, compute_build_digest
from ..contract.interchange import JsonObject
from ..contract.system.private import make_private
from .horovod_source import patch
from .installer import Installer, find_wheels
from .work import BuildError, Spec, StepError, Work, build_once, find, list_wheels

NAME = re.compile(r"horovod(\[[\w,-]*\])?", re.IGNORECASE)
NEEDS = ("cloudpickle", "psutil", "pyyaml", "packaging")
"""What Horovod imports."""
FETCHED_TOOLS = "tools"
"""The folder of the tools, beside the packages that were fetched."""
TENSORFLOWS = ("tensorflow", "tensorflow_cpu", "tensorflow_gpu", "tensorflow_rocm")
COMPLAINTS = (r"^.*?:\d+:(?:\d+:)? ((?:fatal )?error: .*)$", r"^.*?(CMake Error.*|undefined reference.*)$", r"^.*?(error: .*)$")
MPIS = ((r"Open MPI\D*([\d.]+)", "ompi"), (r"MPICH\D*([\d.]+)", "mpich"), (r"HYDRA[\s\S]*?Version:\s*([\d.]+)", "mpich"),
        (r"Intel\(R\) MPI Library\D*([\d.]+)", "impi"))  # fmt: skip


def parse_release(requirement: str) -> str:
    """Return the release in a requirement such as ``horovod[tensorflow]==0.28.1``; the last one if it names none."""
    version = NAME.sub("", requirement.replace(" ", ""), count=1)
    return version[2:] if version.startswith("==") else RELEASE


def list_requirements(spec: Spec) -> List[str]:
    """Return what else must be installed for Horovod where no installer can look for it."""
    return [*NEEDS] if spec["horovod"] else []


def install(work: Work, spec: Spec, installer: Installer) -> JsonObject:
    """Install Horovod into the environment; the wheel is built if none fits. Returns what it was built for."""
    found = provide_wheel(work, spec, installer)
    title = "installing Horovod {version} for TensorFlow {tensorflow}".format(**found)
    installer.install(title, [found["wheel"]])
    return {"horovod": found}


def provide_wheel(work: Work, spec: Spec, installer: Installer) -> JsonObject:
    """Return the wheel for the TensorFlow of an environment and the MPI of this machine, and what it goes with."""
    there = installer.list_contents("looking for TensorFlow")
    tensorflow = next((there["packages"][name] for name in TENSORFLOWS if name in there["packages"]), "")
    if not tensorflow:
        raise BuildError(
            "Horovod needs TensorFlow in the same environment", "add tensorflow==2.15.1 or the like to the packages"
        )
    mpi = find_mpi()
    options = {name: value for name, value in spec["variables"].items() if name.startswith("HOROVOD_")}
    local = "tf{}.{}".format(re.sub(r"[^0-9a-z.]", "", tensorflow.lower()), mpi or "gloo")
    release = parse_release(spec["horovod"])
    folder = os.path.join(work.layout.wheels, name_wheel_folder(release, local, there["python"], options))
    claim = Claim(work.layout.claim(os.path.basename(folder)))

    def build() -> None:
        with work.hold(claim):
            _Build(work, spec, installer.python).build_wheel(release, local, tensorflow, folder, options, bool(mpi))

    build_once(
        claim, "Horovod {} for TensorFlow {}".format(release, tensorflow), lambda: bool(_find_wheel(folder)), build, work.beat
    )
    return {"version": release, "tensorflow": tensorflow, "mpi": mpi, "wheel": _find_wheel(folder)}


def name_wheel_folder(release: str, local: str, python: str, options: Dict[str, str]) -> str:
    """Return the name of a wheel's folder: with a hash of all that it goes with, and of what it is built from."""
    machine = [sysconfig.get_platform(), *platform.libc_ver()]
    facts = [release, local, ".".join(python.split(".")[:2]), machine, sorted(options.items()), compute_build_digest()]
    key = hashlib.sha256(json.dumps(facts).encode("utf-8")).hexdigest()[:12]
    return "horovod-{}-{}-{}".format(release, local, key)


def _find_wheel(folder: str) -> str:
    return next(iter(list_wheels(folder)), "")


def find_mpi() -> str:
    """Return the MPI against which programs are compiled here, as ``ompi4.1.4``; empty if there is none."""
    if not find("mpicxx"):
        return ""
    for command in (["mpirun", "--version"], ["mpichversion"], ["mpicxx", "--showme:version"]):
        found = next(
            (name + match[1].rstrip(".") for pattern, name in MPIS for match in re.finditer(pattern, _run_quietly(command))), ""
        )
        if found:
            return found
    return "mpi"


def _run_quietly(command: List[str]) -> str:
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode("utf-8", "replace")


class _Build:
    """One compilation of Horovod."""

    def __init__(self, work: Work, spec: Spec, python: str) -> None:
        self._work = work
        self._spec = spec
        self._python = python
        self._scratch = os.path.join(work.layout.built, os.path.basename(work.folder) + ".horovod")

    def build_wheel(self, release: str, local: str, tensorflow: str, folder: str, options: Dict[str, str], mpi: bool) -> None:
        """Build the wheel and keep it. Raises BuildError with the reason in one sentence."""
        if not find("g++") and not find(os.environ.get(var.CXX, "")):
            raise BuildError(
                "Horovod must be compiled, and there is no C++ compiler (g++)", "load a compiler module, or install g++"
            )
        make_private(self._scratch)
        try:
            tools = self._install_tools()
            source = self._unpack_source(release, tools)
            patch(source, tensorflow, for_gpus=var.HOROVOD_GPU_OPERATIONS in options)
            self._compile(source, tools, local, folder, options, mpi)
        finally:
            shutil.rmtree(self._scratch, ignore_errors=True)

    def _install_tools(self) -> str:
        """Install the build tools into a folder outside of the environment."""
        folder, wheelhouse = os.path.join(self._scratch, "tools"), self._spec["wheelhouse"]
        tools = find_wheels(os.path.join(wheelhouse, FETCHED_TOOLS)) if wheelhouse else TOOLS
        Installer(self._work, self._spec, self._python).install(
            "installing Horovod's build tools", ["--target", folder, *tools]
        )
        return folder

    def _unpack_source(self, release: str, tools: str) -> str:
        given = glob.glob(os.path.join(glob.escape(self._spec["wheelhouse"] or os.devnull), "horovod-*.tar.gz"))
        if not given:
            _fetch_source(self._work, self._python, release, self._scratch, PYTHONPATH=tools)
        archive = next(iter(given or glob.glob(os.path.join(glob.escape(self._scratch), "horovod-*.tar.gz"))))
        shutil.unpack_archive(archive, self._scratch)
        return os.path.join(self._scratch, "horovod-{}".format(release))

    def _compile(self, source: str, tools: str, local: str, folder: str, options: Dict[str, str], mpi: bool) -> None:
        """Compile. TensorFlow must be seen (no build isolation); Horovod itself would start eight compilers of 1.7 GB each."""
        wheels = os.path.join(self._scratch, "wheels")
        variables = {
            **OPTIONS,
            var.HOROVOD_WITH_MPI if mpi else var.HOROVOD_WITHOUT_MPI: "1",
            var.HOROVOD_LOCAL_VERSION: local,
            "MAKEFLAGS": "-j{}".format(min(8, len(os.sched_getaffinity(0)))),
            var.PYTHONPATH: tools,
            var.PATH: os.pathsep.join([os.path.join(tools, "bin"), os.environ[var.PATH]]),
        }
        unisolated = ["--no-index", "--no-deps", "--no-build-isolation", "--no-cache-dir"]
        command = [self._python, "-m", "pip", "wheel", *unisolated, "-w", wheels, source]
        try:
            self._work.run("compiling Horovod, 2 to 10 minutes", command, **dict(variables, **options))
        except StepError as err:
            remedy = "the log has the compiler's own lines; TensorFlow 2.15 to 2.18 and 2.21 are known to work"
            raise BuildError("Horovod can't be compiled for this TensorFlow: {}".format(find_complaint(err.output)), remedy)
        built = _find_wheel(wheels)
        make_private(folder)
        os.replace(built, os.path.join(folder, os.path.basename(built)))


def fetch(work: Work, python: str, requirement: str, folder: str) -> None:
    """Bring the sources into a folder, and what builds them. ``python`` is given that, too: pip needs it to fetch sources."""
    tools, pip = os.path.join(folder, FETCHED_TOOLS), [python, "-m", "pip"]
    work.run("fetching Horovod's build tools", [*pip, "wheel", "--no-deps", "-w", tools, *TOOLS])
    work.run("installing Horovod's build tools", [*pip, "install", "--no-index", "--no-deps", *list_wheels(tools)])
    _fetch_source(work, python, parse_release(requirement), folder)


def _fetch_source(work: Work, python: str, release: str, folder: str, **variables: str) -> None:
    """Fetch the sources. pip runs their setup.py for it, with the tools that ``python`` has or ``variables`` name."""
    sources = ["--no-deps", "--no-build-isolation", "--no-binary=:all:", "-d", folder, "horovod==" + release]
    work.run("fetching Horovod's sources", [python, "-m", "pip", "download", *sources], **variables)


def find_complaint(output: str) -> str:
    """Return the compiler's first complaint, with its place if it has one; else what cmake or the linker says."""
    for pattern in COMPLAINTS:
        found = re.search(pattern, output, re.MULTILINE)
        if found:
            return found.group(1)[:300]
    return "the compiler does not say why"
