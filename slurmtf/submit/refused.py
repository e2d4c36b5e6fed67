"""Adapt Slurm's refusals to commands other than ``slurmtf submit``, which have fewer settings or none."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterator
from dataclasses import replace

from slurmtf.errors import RefusedError
from slurmtf.findings import Finding
from slurmtf.scheduler.base import SEE_SCRIPT

PROFILE_REMEDY = "it stands in the profile {} (defaults, directives or environments.job)"
ANY = "what it asks for comes from the profile {}{}: leave out what this cluster does not take"


@contextlib.contextmanager
def adapt_refusals(profile: str, asked: Collection[str] = (), settings: Collection[str] = ()) -> Iterator[None]:
    """Raise refusals with remedies that fit the command. For the parameters, see :func:`fit_remedy`."""
    try:
        yield
    except RefusedError as err:
        raise RefusedError(*(fit_remedy(finding, profile, asked, settings) for finding in err.findings)) from None


def fit_remedy(finding: Finding, profile: str, asked: Collection[str] = (), settings: Collection[str] = ()) -> Finding:
    """Return a refusal with a remedy that fits the command.

    ``asked`` are the flags of sbatch that the user has set, ``settings`` those that the command takes; all others come from the
    ``profile``.
    """
    line = re.search(r"#SBATCH --([a-z-]+)", finding.where)
    if line and line[1] in asked:
        return finding
    advice = "" if finding.remedy == SEE_SCRIPT else finding.remedy
    marks = set(re.findall(r"`(\w+)`", advice))
    remedy = advice if marks <= set(settings) else advice.replace("`", "")
    if line or marks:
        return replace(
            finding, remedy=f"{remedy}; {PROFILE_REMEDY.format(profile)}" if remedy else PROFILE_REMEDY.format(profile)
        )
    return finding if advice else replace(finding, remedy=ANY.format(profile, " and the command's options" if settings else ""))
