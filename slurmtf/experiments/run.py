"""A run: one submission and its folder.

Modules that only one method needs are imported in it: submitting needs none of them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from slurmtf.errors import SlurmtfError
from slurmtf.job.contract.interchange import JsonObject
from slurmtf.runs.folder import RunFolder
from slurmtf.runs.states.state import RunState, RunStatus
from slurmtf.runs.workspaces.workspace import check_ours, is_run, is_unreadable
from slurmtf.scheduler import SubmittedJob, get_scheduler

if TYPE_CHECKING:
    from slurmtf.job.script.context import Run as ScriptRun
    from slurmtf.models.registry import Model
    from slurmtf.runs.waiting import Growing


class Run(RunFolder):
    """One submission. It needs only the run folder, so it also works in another process, on another day."""

    def __init__(self, folder: str | Path) -> None:
        """Open a run folder. Raises RunNotFoundError if it is not one."""
        super().__init__(folder)
        self._last_job: SubmittedJob | None = None

    @staticmethod
    def get_context() -> ScriptRun:
        """Return the run whose script this process is, with ``log(name, value, step=None)`` and the like. Outside a run it
        prints what it would log."""
        from slurmtf.job.script.context import Run as ScriptRun  # noqa: PLC0415 - only scripts need it

        return ScriptRun.get_context()

    @property
    def job(self) -> Any:
        """The submitit job: ``done()``, ``result()``, ``exception()``, ``stdout()`` ... None while there is none.

        Raises WorkspaceError for another user's run, because submitit unpickles what it finds.
        """
        from slurmtf.runs.status import find_current_job  # noqa: PLC0415

        check_ours(self.folder)
        job = find_current_job(self.layout)
        return job and get_scheduler(job.scheduler, job.ref.cluster).open_job(job, self.folder)

    @property
    def state(self) -> RunState:
        """The current state of the run.

        Raises RunGoneError if its folder has been removed or renamed since the last call; RunNotFoundError if it never had a
        job.
        """
        return self.state_within(0.0)

    def state_within(self, seconds: float) -> RunState:
        """Return the state of the run, from Slurm's answers to any process of the user within that time. Raises as
        :attr:`state`."""
        if not is_run(self.folder) and not is_unreadable(self.folder):
            from slurmtf.runs.missing import describe_missing_folder  # noqa: PLC0415

            raise describe_missing_folder(self.folder, self._last_job)
        from slurmtf.runs.status import look  # noqa: PLC0415

        (seen,) = look([self.layout], self._last_job, seconds)
        self._last_job = seen.job or self._last_job
        return seen.state

    def get_status(self) -> str:
        """Return the run's status: NotStarted, Queued, Preparing, Running, Completed, Failed, Canceled ..."""
        return self.state.status.value

    def get_details(self) -> JsonObject:
        """Return what is known about the run, under Azure ML's names."""
        from slurmtf.runs.details import build_details  # noqa: PLC0415

        return build_details(self, self.state)

    def wait_for_completion(
        self,
        show_output: bool = False,
        raise_on_error: bool = True,
        *,
        output: TextIO | None = None,
        on_state: Callable[[RunState], None] | None = None,
    ) -> JsonObject:
        """Wait until the run has ended and return its details.

        ``show_output`` prints the log as it grows; in a notebook it shows state, metrics and the end of the log instead, and
        redraws them while the cell waits (unless ``output`` is given). ``on_state`` is called with each change of state. The
        queue is queried after 1 s, then less and less often, down to once every 60 s, for all waiting processes together.
        Raises a RunFailedError, of the class of the cause, with the run's outcome, if it failed or was canceled, unless
        ``raise_on_error`` is false.
        """
        state = self._wait(show_output, output, on_state or (lambda _: None))
        if raise_on_error and state.status is not RunStatus.COMPLETED:
            from slurmtf.experiments.failures import build_error  # noqa: PLC0415

            raise build_error(self, state)
        return self.get_details()

    def _wait(self, show_output: bool, output: TextIO | None, on_state: Callable[[RunState], None]) -> RunState:
        if not show_output:
            return self.follow(None, on_state)
        from slurmtf.runs import notebook  # noqa: PLC0415
        from slurmtf.runs.logs import LogReader  # noqa: PLC0415

        if output is not None or not notebook.is_in_notebook():
            return self.follow(LogReader(self.layout, output or sys.stdout), on_state)
        view = notebook.LiveView(self)

        def tell(state: RunState) -> None:
            view.tell(state)
            on_state(state)

        return self.follow(view, tell)

    def follow(self, reader: Growing | None, on_state: Callable[[RunState], None] | None) -> RunState:
        """Wait until the run has ended; print what ``reader`` reads, call ``on_state`` with each change. Returns the final
        state.

        Raises RunGoneError if the run's folder is removed or renamed meanwhile.
        """
        from slurmtf.runs.waiting import wait_for_end  # noqa: PLC0415

        return wait_for_end(self.layout.journals, self.state_within, reader, on_state)

    def cancel(self) -> None:
        """Cancel the run. A run that has ended is left as it is. Raises SlurmError if Slurm does not answer."""
        cancel_runs([self])

    def download_file(self, name: str, output_file_path: str | Path | None = None) -> Path:
        """Copy one of the run's files, by default under its own name into the working directory.

        Raises SlurmtfError if the run has no such file.
        """
        from slurmtf.runs.downloads import download  # noqa: PLC0415

        target = Path(output_file_path or Path(name).name)
        return download(self.layout, name, target / Path(name).name if target.is_dir() else target)

    def download_files(self, prefix: str = "", output_directory: str | Path = ".") -> list[Path]:
        """Copy the run's files whose names begin with ``prefix`` into a folder, with their own folders.

        After copying the others, raises a SlurmtfError that names those that can't be copied: pipes, devices, links out of the
        run.
        """
        from slurmtf.runs.downloads import download_all  # noqa: PLC0415

        return download_all(self.layout, prefix, Path(output_directory))

    def export_onnx(self, model: str | None = None, **options: Any) -> JsonObject:
        """Export a model in the run's outputs to ONNX, verify it, and return the record of the export.

        See :func:`slurmtf.models.exporting.export` for the options. ``model`` chooses one of several. Raises SlurmtfError if no
        exported file matches the model.
        """
        from slurmtf.models.exporting import export  # noqa: PLC0415 - a room above: the method is here for users

        return export(self, model=model, **options)

    def register_model(
        self,
        model_name: str,
        model_path: str | None = None,
        tags: Mapping[str, object] | None = None,
        properties: Mapping[str, object] | None = None,
        description: str = "",
    ) -> Model:
        """Register a model of the run as the next version of ``model_name``.

        ``model_path`` is in its outputs; by default, the only model there. Raises InputError if the run has no such model,
        WorkspaceError if it can't be written.
        """
        from slurmtf.models.registry import register  # noqa: PLC0415 - a room above

        return register(self, model_name, model_path, tags, properties, description)

    def __repr__(self) -> str:
        return f"Run({self.id!r})"

    def mirror(self, follow: bool = False, all_ranks: bool = False) -> str:
        """Copy the run into the MLflow of ``$MLFLOW_TRACKING_URI``: parameters, metrics, tags, receipt and outputs.

        Child runs and trials become runs below it. Only what MLflow lacks is sent. Returns MLflow's names of the run.
        ``follow``: until the run has ended. ``all_ranks``: the metrics of the other tasks too, as ``<task>/<name>``. Raises
        InputError if no MLflow is configured or installed, MirrorError if it can't be reached.
        """
        from slurmtf.runs.mlflow.mirroring import Mirror, MirrorFollower  # noqa: PLC0415 - only with MLflow

        with Mirror(self, all_ranks) as mirror:
            view = MirrorFollower([mirror])
            if follow:
                self.follow(view, None)
            else:
                view.show_rest()
            return mirror.run_id

    def _repr_html_(self) -> str | None:
        """Return what a notebook shows; None, and so the plain text, if the run can't be read."""
        from slurmtf.runs import notebook  # noqa: PLC0415
        from slurmtf.runs.metrics.reading import MetricsReader  # noqa: PLC0415

        try:
            return notebook.to_html(self, self.state, MetricsReader(self.layout))
        except SlurmtfError:
            return None


def cancel_runs(runs: Sequence[Run]) -> list[RunState]:
    """Cancel runs; those that have ended are left as they are. Returns the state in which each was found.

    Slurm is queried once and ordered once for each cluster. If some runs can't be canceled, the others are, and then SlurmError
    is raised, or SlurmtfError if Slurm is not the reason.
    """
    from slurmtf.runs.canceling import cancel  # noqa: PLC0415

    return cancel([run.layout for run in runs])
