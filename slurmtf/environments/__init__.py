"""With what software: the environment that an estimator asks for, brought about."""

from __future__ import annotations

from pathlib import Path

from slurmtf.environments.existing import existing
from slurmtf.environments.images import image_of, in_image
from slurmtf.environments.recipe import Recipe, of_packages
from slurmtf.environments.software import OF_OTHER_ENVIRONMENTS, Software
from slurmtf.environments.store import EnvironmentStore
from slurmtf.estimator import Environment, Estimator
from slurmtf.sites import Site

__all__ = ["EnvironmentStore", "Recipe", "Software", "software_of"]


def software_of(estimator: Estimator, site: Site, store: EnvironmentStore) -> Software:
    """Return the software that an estimator asks for on a site: where it is, or will be once it is made.

    Raises SpecError when it is not there and can't be made.
    """
    image = image_of(estimator, site)
    if image:
        return in_image(image, estimator, site, store)
    wish = estimator.environment
    if wish.made:
        return _made(wish, of_packages(wish, site, Path(estimator.source_directory)), store)
    version = getattr(estimator, "framework_version", None)
    return existing(wish, of_version=version in site.modules.tensorflow)


def _made(wish: Environment, recipe: Recipe, store: EnvironmentStore) -> Software:
    prefix = store.folder(recipe.name)
    return Software(
        python=str(prefix / "bin" / "python"),
        modules=tuple(wish.modules),
        variables=wish.variables,
        packages=store.record(recipe.name).get("packages", {}),
        prefix=str(prefix),
        kind="conda" if recipe.kind == "conda" else "venv",
        unset=OF_OTHER_ENVIRONMENTS,
        recipe=recipe,
    )
