"""A run's folder: its identity, its plan, and what its script has written."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TypeVar

from slurmtf.errors import InputError, RunNotFoundError
from slurmtf.files import load_json
from slurmtf.findings import Finding
from slurmtf.job.contract.interchange import JsonObject
from slurmtf.job.contract.layout import RunLayout
from slurmtf.runs.workspaces.tags import read_tags
from slurmtf.runs.workspaces.workspace import find_run, is_run, list_workspaces

R = TypeVar("R", bound="RunFolder")


class RunFolder:
    """A run, as its folder alone describes it."""

    def __init__(self, folder: str | Path) -> None:
        """Open a run folder. Raises RunNotFoundError if ``folder`` is not one."""
        if not is_run(Path(folder)):
            raise RunNotFoundError(
                Finding("not-a-run", str(folder), "is not a run folder", "name the folder that holds plan.json")
            )
        self.folder = Path(folder).resolve()
        self.layout = RunLayout(str(self.folder))

    @classmethod
    def find(cls: type[R], name: str, workspace: str | Path | None = None) -> R:
        """Return the run that ``name`` means: an id, the end of one, a job id, a path, or ``last``."""
        return cls(find_run(name, list_workspaces(workspace)))

    @property
    def id(self) -> str:
        """The run's name."""
        return self.folder.name

    @property
    def word(self) -> str:
        """The run's name quoted for a shell: anybody who can write to a workspace may choose a folder's name."""
        return shlex.quote(self.id)

    @property
    def experiment(self) -> str:
        """The name of the experiment that the run belongs to."""
        return self.folder.parent.name

    @property
    def plan(self) -> JsonObject:
        """The resolved plan."""
        return load_json(self.layout.plan)

    @property
    def receipt(self) -> JsonObject:
        """What is needed to repeat or cite the run, in addition to its plan and its source."""
        from slurmtf.runs.receipts.receipt import read_receipt  # noqa: PLC0415 - here and below: not needed to read a run's state

        return read_receipt(self.layout)

    @property
    def tags(self) -> dict[str, str]:
        """The tags that the user set to find the run again."""
        return read_tags(self.folder)

    @property
    def primary_metric(self) -> str | None:
        """The estimator's primary metric; None if it names none."""
        try:
            name = self.plan["provenance"]["estimator"].get("primary_metric")
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return None
        return name if isinstance(name, str) else None

    @property
    def tasks(self) -> list[str]:
        """The names of the tasks that have a log: role and number."""
        return sorted({path.stem for path in Path(self.layout.logs).glob("*.out")})

    def get_task_name(self, rank: int) -> str:
        """Return the name of the task of a rank. Raises InputError if there is none."""
        from slurmtf.job.contract.plan import JobPlan  # noqa: PLC0415
        from slurmtf.job.contract.roles import assign_roles  # noqa: PLC0415

        roles = assign_roles(JobPlan.from_dict(self.plan["job"]))
        if not 0 <= rank < len(roles):
            raise InputError(Finding("unknown-rank", "rank", f"{rank} is not one of the {len(roles)} ranks of {self.id}"))
        return roles[rank].label

    def get_metrics(self, name: str | None = None, recursive: bool = False, all_ranks: bool = False) -> JsonObject:
        """Return the metrics that the script has logged, in Azure ML's shapes.

        A number that was logged once is returned as it is, one logged several times as a list; a list is a list; rows and
        tables are a mapping of columns. Scalars in TensorBoard's event files are included as ``folder/tag``. ``name`` selects
        one metric. ``recursive`` returns the run, its child runs and its trials, by id. ``all_ranks`` returns every task, by
        name, instead of only rank 0 (or the chief).
        """
        from slurmtf.runs.metrics.event_owners import Owners  # noqa: PLC0415
        from slurmtf.runs.metrics.reading import read_metrics, walk_descendants  # noqa: PLC0415

        owners = Owners(self.layout)
        own = read_metrics(self.layout, owners, name, all_ranks)
        if not recursive:
            return own
        within = walk_descendants(self.layout, owners)
        return {self.id: own, **{child: read_metrics(layout, its, name, all_ranks) for child, layout, its in within}}

    def get_file_names(self) -> list[str]:
        """Return the names of all files of the run: logs, outputs, and the files that describe it."""
        from slurmtf.runs.downloads import list_file_names  # noqa: PLC0415

        return list_file_names(self.layout)
