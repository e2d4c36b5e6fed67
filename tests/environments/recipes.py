"""The environments that the tests' jobs run in: made by slurmtf's own builder, which is proven by that."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from slurmtf.environments import EnvironmentStore, Recipe, building
from slurmtf.environments.recipe import of_packages
from slurmtf.estimator import Environment as Wish
from slurmtf.sites import load

from . import interpreters
from .cache import root, say

HERE = Path(__file__).parent
LOCAL = load("local")


@dataclass(frozen=True)
class Environment:
    name: str
    pythons: tuple[str, ...]
    packages: tuple[str, ...] = ()

    @property
    def requirements(self) -> Path:
        return HERE / f"{self.name}.txt"

    def recipe(self) -> Recipe:
        python = interpreters.find(self.pythons)
        wish = Wish(
            python=str(python.path),
            pip_requirements_file=self.requirements.name,
            pip_packages=list(self.packages),
            name=self.name,
        )
        return of_packages(wish, LOCAL, HERE)

    def build(self) -> Path:
        """Its python, at once if some earlier call has built it."""
        recipe, store = self.recipe(), EnvironmentStore(root() / "environments")
        building.build(recipe, store, LOCAL, lambda step: say(f"{self.name}: {step}"))
        return store.folder(recipe.name) / "bin" / "python"


ENVIRONMENTS = {
    environment.name: environment
    for environment in (
        Environment("newest", ("3.11", "3.12", "3.13", "3.10"), ("horovod==0.28.1",)),
        Environment("classic", ("3.11", "3.10", "3.9"), ("horovod==0.28.1",)),
        Environment("tf1", ("3.7",)),
    )
}


def build(name: str) -> Path:
    """The path of the named environment's python; the first call takes minutes."""
    return ENVIRONMENTS[name].build()
