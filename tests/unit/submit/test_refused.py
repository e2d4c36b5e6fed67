"""The remedies of a refusal for commands without the settings of ``slurmtf submit``."""

from __future__ import annotations

import pytest

from slurmtf.errors import RefusedError
from slurmtf.findings import Finding
from slurmtf.scheduler.base import SEE_SCRIPT
from slurmtf.scheduler.slurm.refusal import MEANINGS
from slurmtf.submit.refused import ANY, PROFILE_REMEDY, adapt_refusals, fit_remedy
from slurmtf.submit.tools import SETTINGS

LINE = "job.sh, line 4: #SBATCH --{}=x"
FROM = PROFILE_REMEDY.format("della")
SET, OPTIONS = "use `{}`", " and the command's options"


@pytest.mark.parametrize(
    ("where", "remedy", "asked", "settings", "expected"),
    [
        (LINE.format("partition"), SET.format("partition"), ["partition"], SETTINGS, SET.format("partition")),
        (LINE.format("partition"), SET.format("partition"), [], SETTINGS, f"{SET.format('partition')}; {FROM}"),
        (LINE.format("partition"), SET.format("partition"), [], (), f"use partition; {FROM}"),
        (LINE.format("qos"), SET.format("qos"), ["time"], SETTINGS, f"use qos; {FROM}"),
        ("sbatch", SET.format("account"), [], (), f"use account; {FROM}"),
        (LINE.format("cpus-per-task"), "fewer CPUs", ["cpus-per-task"], SETTINGS, "fewer CPUs"),
        (LINE.format("cpus-per-task"), "fewer CPUs", [], (), f"fewer CPUs; {FROM}"),
        ("sbatch", "wait", [], (), "wait"),
        ("sbatch", SEE_SCRIPT, [], (), ANY.format("della", "")),
        ("sbatch", SEE_SCRIPT, ["time"], SETTINGS, ANY.format("della", OPTIONS)),
    ],
)
def test_the_remedy_fits_the_command(
    where: str, remedy: str, asked: list[str], settings: tuple[str, ...], expected: str
) -> None:
    assert fit_remedy(Finding("refused", where, "no", remedy), "della", asked, settings).remedy == expected


@pytest.mark.parametrize("remedy", [SEE_SCRIPT, *(remedy for _, _, remedy in MEANINGS)])
def test_a_command_without_settings_names_no_flag_and_no_other_command_of_ours(remedy: str) -> None:
    found = fit_remedy(Finding("refused", LINE.format("mem"), "no", remedy), "della").remedy
    assert "`" not in found
    assert "slurmtf " not in found
    assert "della" in found


def test_a_refusal_is_raised_as_a_refused_error() -> None:
    with pytest.raises(RefusedError) as caught, adapt_refusals("della"):
        raise RefusedError(Finding("refused", "sbatch", "no", SEE_SCRIPT))
    assert [finding.remedy for finding in caught.value.findings] == [ANY.format("della", "")]
