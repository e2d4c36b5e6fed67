"""The names of everything in a store of environments, in one place for builders and users.

<root>/<name>            a link to the built environment; it appears only when the environment is complete
<root>/.built/           environments that were built, are being built, or whose build was killed
<root>/.specs/           the specs to build
<root>/.claims/          who builds what
<root>/.logs/            the output of builds
<root>/.failures/        why the last build failed
<root>/.jobs/            which job builds what
<root>/.wheels/          Horovod, compiled
<root>/.downloads/       packages for a job without a network
<root>/.packs/           environments as one file each
<root>/.cache/           the caches of pip and uv, so that they do not fill the home directory
"""

import os

from ..system.private import make_private
from .packs import SUFFIXES

RECORD = "slurmtf-environment.json"
IMAGE = "image.sif"


class StoreLayout:
    """A store. Every attribute is an absolute path in it."""

    def __init__(self, root: str) -> None:
        self.root = os.path.abspath(root)
        self.built = self._path(".built")
        self.specs = self._path(".specs")
        self.claims = self._path(".claims")
        self.logs = self._path(".logs")
        self.failures = self._path(".failures")
        self.jobs = self._path(".jobs")
        self.wheels = self._path(".wheels")
        self.downloads = self._path(".downloads")
        self.packs = self._path(".packs")
        self.cache = self._path(".cache")

    def _path(self, name: str) -> str:
        return os.path.join(self.root, name)

    def folder(self, name: str) -> str:
        """The environment's path once it is complete."""
        return self._path(name)

    def record(self, name: str) -> str:
        """What the environment contains, and how it was built."""
        return os.path.join(self.folder(name), RECORD)

    def is_whole(self, name: str) -> bool:
        """Return whether the environment is complete; not if its interpreter has been uninstalled."""
        product = self.image(name) if os.path.exists(self.image(name)) else os.path.join(self.folder(name), "bin", "python")
        return os.path.isfile(self.record(name)) and os.path.exists(product)

    def image(self, name: str) -> str:
        """The file of a container image."""
        return os.path.join(self.folder(name), IMAGE)

    def spec(self, name: str) -> str:
        return os.path.join(self.specs, name + ".json")

    def claim(self, name: str) -> str:
        return os.path.join(self.claims, name)

    def log(self, name: str) -> str:
        return os.path.join(self.logs, name + ".log")

    def failure(self, name: str) -> str:
        return os.path.join(self.failures, name + ".json")

    def job(self, name: str) -> str:
        return os.path.join(self.jobs, name + ".json")

    def build_job(self, task: str) -> str:
        """The folder of the job for a task, with its script."""
        return os.path.join(self.jobs, task)

    def pack(self, name: str, form: str = "tar") -> str:
        """An environment as one file: ``tar``, or ``squashfs``."""
        return os.path.join(self.packs, name + SUFFIXES[form])

    def download(self, name: str) -> str:
        return os.path.join(self.downloads, name)

    def prepare(self) -> None:
        """Create the folders, private to their user."""
        for folder in (self.root, self.built, self.specs, self.claims, self.logs, self.failures, self.jobs, self.wheels,
                       self.downloads, self.packs, self.cache):  # fmt: skip
            make_private(folder)
