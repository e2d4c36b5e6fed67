"""Resolve the software that an estimator requests."""

from __future__ import annotations

from pathlib import Path

from slurmtf.environments.existing import find_existing
from slurmtf.environments.images import choose_image, use_image
from slurmtf.environments.software import FOREIGN_VARIABLES, Software
from slurmtf.environments.spec import EnvironmentSpec, build_package_spec
from slurmtf.environments.store import EnvironmentStore
from slurmtf.estimator import Environment, Estimator
from slurmtf.sites import Site

__all__ = ["EnvironmentSpec", "EnvironmentStore", "Software", "resolve_software"]


def resolve_software(estimator: Estimator, site: Site, store: EnvironmentStore) -> Software:
    """Return the software that an estimator requests on a site: its present place, or its place once it is built.

    Raises SpecError if it does not exist and can't be built.
    """
    image = choose_image(estimator, site)
    if image:
        return use_image(image, estimator, site, store)
    wish = estimator.environment
    if wish.is_to_build:
        return _use_spec(wish, build_package_spec(wish, site, Path(estimator.source_directory)), store)
    version = getattr(estimator, "framework_version", None)
    return find_existing(wish, of_version=version in site.modules.tensorflow)


def _use_spec(wish: Environment, spec: EnvironmentSpec, store: EnvironmentStore) -> Software:
    prefix = store.folder(spec.name)
    return Software(
        python=str(prefix / "bin" / "python"),
        modules=tuple(wish.modules),
        variables=wish.variables,
        packages=store.record(spec.name).get("packages", {}),
        prefix=str(prefix),
        kind="conda" if spec.kind == "conda" else "venv",
        unset=FOREIGN_VARIABLES,
        spec=spec,
    )
