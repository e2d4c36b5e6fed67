"""The functions behind the commands, and how options are added to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

Callback = Callable[..., None]
"""What a command does; click calls it with the values of its options and arguments, by their names."""


def add_options(callback: Callback, options: Iterable[Callable[[Callback], Callback]]) -> Callback:
    """Decorate a callback with options, to be listed in their order."""
    for option in reversed([*options]):
        callback = option(callback)
    return callback
