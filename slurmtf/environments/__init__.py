"""Resolve the software that an estimator requests."""

from __future__ import annotations

from pathlib import Path

from slurmtf.environments.existing import existing
from slurmtf.environments.images import image_of, use_image
from slurmtf.environments.software import OF_OTHER_ENVIRONMENTS, Software
from slurmtf.environments.spec import EnvironmentSpec, of_packages
from slurmtf.environments.store import EnvironmentStore
from slurmtf.estimator import Environment, Estimator
from slurmtf.sites import Site

__all__ = ["EnvironmentSpec", "EnvironmentStore", "Software", "software_of"]


def software_of(estimator: Estimator, site: Site, store: EnvironmentStore) -> Software:
    """Return the software that an estimator requests on a site: its present place, or its place once it is built.

    Raises SpecError if it does not exist and can't be built.
    """
    image = image_of(estimator, site)
    if image:
        return use_image(image, estimator, site, store)
    wish = estimator.environment
    if wish.is_to_build:
        return _to_build(wish, of_packages(wish, site, Path(estimator.source_directory)), store)
    version = getattr(estimator, "framework_version", None)
    return existing(wish, of_version=version in site.modules.tensorflow)


def _to_build(wish: Environment, spec: EnvironmentSpec, store: EnvironmentStore) -> Software:
    prefix = store.folder(spec.name)
    return Software(
        python=str(prefix / "bin" / "python"),
        modules=tuple(wish.modules),
        variables=wish.variables,
        packages=store.record(spec.name).get("packages", {}),
        prefix=str(prefix),
        kind="conda" if spec.kind == "conda" else "venv",
        unset=OF_OTHER_ENVIRONMENTS,
        spec=spec,
    )
