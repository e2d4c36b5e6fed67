"""``agent.pyz build SPEC`` builds what a spec says, and with a second file checks that it has what a script needs;
``fetch SPEC`` brings its packages where there is a network; ``horovod SPEC`` compiles Horovod for an environment that is there;
``pack SPEC`` packs an environment into one file."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from typing import Dict, List

from ..contract import variables as var
from ..contract.environments.claim import Claim
from ..contract.environments.store import RECORD, StoreLayout
from ..contract.interchange import JsonObject
from . import conda, horovod, image, pack, pip
from .check import check
from .installer import Installer
from .work import BuildError, Failure, Spec, Work, build_once, say, write

BUILDERS = {"pip": pip.build, "conda": conda.build, "image": image.build}
USAGE = "usage: agent.pyz build SPEC [CHECK] | agent.pyz fetch SPEC | agent.pyz horovod SPEC | agent.pyz pack SPEC"
MORE_TIME = "set more time for build jobs (the profile's environments.job), or build it on the login node: slurmtf env build"


def main(argv: List[str]) -> int:
    """Do what the command line says and return the exit code: 1 if it can't be built, with the reason in the store."""
    if argv[:1] == [] or argv[0] not in MODES or len(argv) not in ((2, 3) if argv[0] == "build" else (2,)):
        sys.stderr.write(USAGE + "\n")
        return 2
    spec, *requests = map(_read, argv[1:])
    layout, name = StoreLayout(spec["root"]), spec["name"]
    os.umask(0o077)  # what pip, conda and compilers write is private too
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    try:
        MODES[argv[0]](layout, spec)
        for request in requests:
            name = request["name"]
            check(layout, request)
            _forget(layout, name)
    except KeyboardInterrupt:
        say("interrupted; nothing of it was left behind")
        if var.SLURM_JOB_ID in os.environ:  # a run may be waiting for it
            _fail(layout, name, BuildError("its job ended before the build was complete", MORE_TIME))
        return 130
    except (BuildError, OSError) as err:
        return _fail(layout, name, err)
    return 0


def _read(path: str) -> JsonObject:
    with open(path, encoding="utf-8") as file:
        found: Dict[str, object] = json.load(file)
    return found


def _interrupt(number: int, frame: object) -> None:  # noqa: ARG001
    raise KeyboardInterrupt


def build_and_pack(layout: StoreLayout, spec: Spec) -> None:
    """Build an environment, and its pack if requested: without one, nodes use the environment itself."""
    build(layout, spec)
    if spec.get("pack"):
        name = spec["name"] + ".pack"
        write(layout.spec(name), dict(spec, name=name))
        # the environment's own Python compiles its modules; that of a conda environment is not the one that runs us
        command = [os.path.join(spec["prefix"], "bin", "python"), "-I", sys.argv[0], "pack", layout.spec(name)]
        if subprocess.call(command):
            say("not packed: nodes use the environment in place")


def build(layout: StoreLayout, spec: Spec) -> None:
    """Build an environment, unless it exists. What was fetched for it is not needed afterwards."""
    name = spec["name"]
    claim = Claim(layout.claim(name))
    build_once(claim, name, lambda: layout.is_whole(name), lambda: _build(layout, spec, claim))
    if spec["wheelhouse"]:
        shutil.rmtree(spec["wheelhouse"], ignore_errors=True)


def _build(layout: StoreLayout, spec: Spec, claim: Claim) -> None:
    """Build it in a folder of its own; the link that publishes it comes last, and at once."""
    _remove_leftovers(layout, spec["name"])
    work = Work(layout, spec["name"], claim)
    work.clear_log()
    began = time.monotonic()
    try:
        found = BUILDERS[spec["kind"]](work, spec)
        seconds = round(time.monotonic() - began, 1)
        history = {"spec": spec, "host": socket.gethostname(), "built": time.time(), "seconds": seconds, "phases": work.phases}
        write(os.path.join(work.folder, RECORD), dict(found, **history))
        _publish(layout, spec["name"], work.folder)
    except BaseException:
        work.discard()
        raise
    _forget(layout, spec["name"])
    say("built {} in {:.0f} s".format(spec["name"], time.monotonic() - began))


def _forget(layout: StoreLayout, name: str) -> None:
    """Remove records that are no longer true after a build: why it failed, and which job builds it."""
    for left in (layout.failure(name), layout.job(name)):
        with contextlib.suppress(FileNotFoundError):
            os.remove(left)


def _publish(layout: StoreLayout, name: str, folder: str) -> None:
    link = "{}.link-{}".format(folder, os.urandom(4).hex())
    os.symlink(os.path.join(".built", os.path.basename(folder)), link)
    os.replace(link, layout.folder(name))


def _remove_leftovers(layout: StoreLayout, name: str) -> None:
    """Remove what killed builds left behind: we hold the claim, so no build is running."""
    for left in os.listdir(layout.built):
        if left.startswith(name + "-"):
            path = os.path.join(layout.built, left)
            if os.path.islink(path):
                os.remove(path)
            else:
                shutil.rmtree(path, ignore_errors=True)


def fetch(layout: StoreLayout, spec: Spec) -> None:
    """Fetch the packages of an environment into the store, for a job on nodes without a network."""
    name, environment = spec["name"], spec["environment"]
    folder, claim = layout.download(environment), Claim(layout.claim(spec["name"]))
    build_once(
        claim, name, lambda: os.path.isdir(folder) or layout.is_whole(environment), lambda: _fetch(layout, spec, folder, claim)
    )


def _fetch(layout: StoreLayout, spec: Spec, folder: str, claim: Claim) -> None:
    _remove_leftovers(layout, spec["name"])
    work = Work(layout, spec["name"], claim)
    work.clear_log()
    partial = work.folder + ".wheels"
    os.mkdir(partial, 0o700)
    try:
        pip.download(work, spec, partial)
        os.rename(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        work.discard()


def compile_horovod(layout: StoreLayout, spec: Spec) -> None:
    """Compile Horovod for an existing environment, and install it there if requested."""
    claim = Claim(layout.claim(spec["name"]))
    build_once(claim, "Horovod for it", lambda: False, lambda: _compile_horovod(Work(layout, spec["name"], claim), spec))


def _compile_horovod(work: Work, spec: Spec) -> None:
    installer = Installer(work, spec, spec["python"])
    found = (
        horovod.install(work, spec, installer)["horovod"] if spec["install"] else horovod.provide_wheel(work, spec, installer)
    )
    say(found["wheel"])


def _fail(layout: StoreLayout, name: str, err: Exception) -> int:
    """Leave the reason where the login node and waiting jobs look for it."""
    what = err.what if isinstance(err, BuildError) else str(err)
    remedy = err.remedy if isinstance(err, BuildError) else ""
    sys.stderr.write("slurmtf: {}: {}\n".format(name, what))
    with contextlib.suppress(OSError):  # the disk may be full
        write(layout.failure(name), Failure(what, remedy, layout.log(name))._asdict())
    return 1


MODES = {"build": build_and_pack, "fetch": fetch, "horovod": compile_horovod, "pack": pack.pack}
