"""The ``slurmtf`` command. Only the command that is called is imported."""

from __future__ import annotations

import sys
from importlib import import_module

import click

COMMANDS = {
    "run": "submit a training job and follow it; Ctrl-C detaches",
    "submit": "submit a training job and return at once",
    "plan": "show the resolved plan without submitting",
    "render": "show the batch script without submitting",
    "ls": "list runs",
    "watch": "watch runs in a live table, with the log of one",
    "status": "show the state of a run and its cause",
    "why": "explain why a run waits or died, and what to do",
    "report": "report what runs requested, used and wasted",
    "logs": "show the logs of a run",
    "metrics": "show, plot and export the metrics of runs",
    "mirror": "copy runs into your MLflow tracking server",
    "tensorboard": "start TensorBoard on runs, until Ctrl-C",
    "wait": "wait for a run and exit with its exit code",
    "cancel": "cancel runs",
    "rerun": "repeat a run, from its stored source and software",
    "diff": "show what differs between two runs",
    "cite": "describe a run for a paper, with BibTeX entries",
    "export": "export a run's model to ONNX, and verify it",
    "models": "register, list and fetch models",
    "score": "score files with a model",
    "serve": "serve a model over HTTP, to try it",
    "sweep": "search over a script's arguments in many trials",
    "gc": "remove snapshots and other files that no run needs",
    "sites": "list, show and validate site profiles",
    "env": "list, build, check and remove environments",
    "import-azureml": "turn a script or notebook that submits to Azure ML into job files",
    "schema": "print the JSON Schema of job or sweep files, for editors",
    "completion": "print the completion script for your shell",
}
GROUPS = {
    "Start": ("run", "submit", "plan", "render", "sweep", "rerun"),
    "Follow": ("ls", "watch", "status", "why", "report", "logs", "metrics", "mirror", "tensorboard", "wait", "cancel", "gc"),
    "Use": ("diff", "cite", "export", "models", "score", "serve"),
    "Set up": ("sites", "env", "import-azureml", "schema", "completion"),
}
EXIT_CODES = {
    "0": "done, or the run completed",
    "1": "the run failed and has no exit code of its own",
    "2": "wrong input, or refused by Slurm; nothing was written or submitted",
    "3": "Slurm does not answer",
    "4": "the run's folder disappeared while it was followed; its job may still be running",
    "130": "detached by Ctrl-C, or the run was canceled",
}


class _Commands(click.Group):
    """A group that imports a command when it is called: ``slurmtf --help`` needs only the table above."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"slurmtf.cli.commands.{cmd_name.replace('-', '_')}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        for title, names in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([(name, COMMANDS[name]) for name in names])
        with formatter.section("Exit codes ('run' and 'wait' exit with the run's)"):
            formatter.write_dl(
                [*EXIT_CODES.items(), ("124", "the run reached its time limit"), ("128+n", "killed by signal n")]
            )

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as err:
            from slurmtf.errors import suggest  # noqa: PLC0415 - for what was misspelled alone

            hint = suggest(args[0], COMMANDS) or "'slurmtf --help' lists them"
            raise click.UsageError(f"{err.message} {hint[0].upper()}{hint[1:]}", ctx) from None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="slurmtf", prog_name="slurmtf", message="%(prog)s %(version)s")
def app() -> None:
    """Describe a TensorFlow training job once and run it on any Slurm cluster."""


def main() -> None:
    """Run the command line; errors that slurmtf raises on purpose are reported without a traceback."""
    try:
        app.main(prog_name="slurmtf", standalone_mode=False)
    except click.exceptions.Exit as err:
        sys.exit(err.exit_code)
    except (KeyboardInterrupt, click.Abort):
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
    except Exception as err:
        from slurmtf.cli import failing  # noqa: PLC0415 - what succeeds needs none of it

        sys.exit(failing.report(err))
