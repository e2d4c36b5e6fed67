"""``slurmtf completion``"""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from slurmtf.cli.output import emit, json_option

SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
@json_option
def command(shell: str) -> None:
    """Print the completion script of SHELL. For bash: source <(slurmtf completion bash)"""
    kind = get_completion_class(shell)
    root = click.get_current_context().find_root().command
    script = kind(root, {}, "slurmtf", "_SLURMTF_COMPLETE").source() if kind else ""
    emit({"shell": shell, "script": script}, script)
